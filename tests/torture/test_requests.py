# SPDX-License-Identifier: MIT
"""Requests in the odd forms that real clients send, to targets that are asked in other words: each
wish arrives, is named as left out, or the request is refused by its member's name; none is lost."""
import json

import pytest

from agent import Agent
from started import Started
from vendord import Vendord

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object",
                                                                     "properties": {}}}}
PIXEL = "data:image/png;base64,iVBORw0KGgo="


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    """(agent, {name: vendor}): features of these names have one target each."""
    started = Started(tmp_path_factory.mktemp("requests"))
    agent, vendors = started.add(Agent), {}
    for name, protocol in (("anthropic", "anthropic.messages"), ("ollama", "ollama.chat")):
        vendors[name] = started.add(Vendord, flavour=name, no_auth=True)
        agent.add_instance(vendors[name].url, service=name, id="one", features=(),
                           engine="ollama" if name == "ollama" else "openai-compatible",
                           check={"path": "/_sim/stats"})
        answer = agent.post("config-center", "/api/v1/features", {
            "name": name, "endpoint": "chat.completions", "auto_join": False,
            "targets": [{"kind": "self_hosted", "service": name, "upstream_model": "m",
                         "protocol": protocol}]})
        assert answer.status == 201, answer
    yield agent, vendors
    started.stop()


def ask(rig, name, messages=None, **members):
    """(answer, what arrived or None)"""
    agent, vendors = rig
    vendors[name].clear_stats()
    answer = agent.post("api-gateway", "/v1/chat/completions", {
        "model": name, "messages": messages or [{"role": "user", "content": "hello"}], **members})
    posts = [r for r in vendors[name].requests(9) if r["method"] == "POST"]
    return answer, json.loads(posts[-1]["body"]) if posts else None


def arrived(rig, name, messages=None, **members):
    answer, document = ask(rig, name, messages, **members)
    assert answer.status == 200, answer.body
    return document


def refused_for(rig, name, member, **members):
    answer, document = ask(rig, name, **members)
    assert (answer.status, answer.body["error"]["param"], document) == (422, member, None), answer


def calling(arguments, id="call_1"):
    return [{"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": id, "type": "function", "function": {"name": "f", "arguments": arguments}}]},
            {"role": "tool", "tool_call_id": id, "content": "r"}]


@pytest.mark.parametrize("arguments, said", [
    ('{"x":1}', {"x": 1}), ({"x": 1}, {"x": 1}), ("", {}), (None, {}), ("null", {}),
    ('"{\\"x\\":1}"', {"x": 1}), ("[1]", {"raw_arguments": "[1]"}),
    ('{"x":', {"raw_arguments": '{"x":'}), ([1], {"raw_arguments": "[1]"})])
def test_arguments_of_a_call_are_never_lost(rig, arguments, said):
    """Whatever they are, each target has them as an object."""
    document = arrived(rig, "anthropic", calling(arguments), tools=[TOOL])
    assert document["messages"][1]["content"][-1]["input"] == said
    document = arrived(rig, "ollama", calling(arguments), tools=[TOOL])
    assert document["messages"][1]["tool_calls"][0]["function"]["arguments"] == said


@pytest.mark.parametrize("turn", [
    {"role": "assistant", "content": [{"type": "refusal", "refusal": "rather not"}]},
    {"role": "assistant", "content": None, "refusal": "rather not"}])
def test_what_a_model_refused_stays_in_the_history(rig, turn):
    messages = [{"role": "user", "content": "a"}, turn, {"role": "user", "content": "b"}]
    assert arrived(rig, "anthropic", messages)["messages"][1] == {
        "role": "assistant", "content": [{"type": "text", "text": "rather not"}]}
    assert arrived(rig, "ollama", messages)["messages"][1]["content"] == "rather not"


def test_a_picture_may_be_a_bare_address(rig):
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": PIXEL}]}]
    block = arrived(rig, "anthropic", messages)["messages"][0]["content"][0]
    assert block["source"] == {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
    assert arrived(rig, "ollama", messages)["messages"][0]["images"] == ["iVBORw0KGgo="]


@pytest.mark.parametrize("url", ["data:image/svg+xml,<svg/>", "data:image/png;base64", ""])
def test_a_picture_that_is_no_base64_is_refused_by_name(rig, url):
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    for name in ("anthropic", "ollama"):
        refused_for(rig, name, "messages", messages=messages)


def test_marks_of_the_cache_reach_anthropic(rig):
    mark = {"cache_control": {"type": "ephemeral"}}
    messages = [{"role": "system", "content": [{"type": "text", "text": "s", **mark}]},
                {"role": "user", "content": [
                    {"type": "text", "text": "a", **mark},
                    {"type": "image_url", "image_url": {"url": PIXEL}, **mark}]}]
    document = arrived(rig, "anthropic", messages, tools=[{**TOOL, **mark}])
    blocks = document["system"] + document["messages"][0]["content"] + document["tools"]
    assert [block.get("cache_control") for block in blocks] == [{"type": "ephemeral"}] * 4


def test_ids_of_calls_have_letters_that_anthropic_takes(rig):
    messages = calling("{}", "functions.f:0") + calling("{}", "call_1")
    blocks = [block for message in arrived(rig, "anthropic", messages, tools=[TOOL])["messages"]
              for block in message["content"]]
    uses = [block["id"] for block in blocks if block["type"] == "tool_use"]
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    assert uses == results == ["functions_f_0", "call_1"]


@pytest.mark.parametrize("stop, sent", [("\n", None), (["\n\n", "END"], ["END"]), ([" "], None),
                                        ([None, "x"], ["x"]), ("", None)])
def test_blank_stops_are_left_out_by_name(rig, stop, sent):
    """Anthropic refuses a stop sequence of white space alone."""
    answer, document = ask(rig, "anthropic", stop=stop)
    assert answer.status == 200, answer.body
    assert document.get("stop_sequences") == sent
    assert "stop" in (answer.headers.get("X-Yijian-Dropped") or "").split(","), answer.headers


def test_stops_of_letters_are_not_named(rig):
    answer, document = ask(rig, "anthropic", stop=["END"])
    assert document["stop_sequences"] == ["END"]
    assert not answer.headers.get("X-Yijian-Dropped")


@pytest.mark.parametrize("choice", [
    "any", {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [TOOL]}},
    {"type": "custom", "custom": {"name": "f"}}, {"type": "function"}, 7])
def test_a_choice_without_a_word_is_refused_by_name(rig, choice):
    for name in ("anthropic", "ollama"):
        refused_for(rig, name, "tool_choice", tools=[TOOL], tool_choice=choice)


@pytest.mark.parametrize("tool", [{"type": "web_search"}, {"type": "custom", "custom": {"name": "c"}},
                                  {"type": "function", "name": "f", "parameters": {}}, "f", None])
def test_a_tool_that_is_no_function_is_refused_by_name(rig, tool):
    for name in ("anthropic", "ollama"):
        refused_for(rig, name, "tools", tools=[TOOL, tool])


@pytest.mark.parametrize("form", ["json", {"type": "grammar", "grammar": "x"}, {"type": "json_schema"},
                                  {}, []])
def test_a_form_of_answers_without_a_word_is_refused_by_name(rig, form):
    for name in ("anthropic", "ollama"):
        refused_for(rig, name, "response_format", response_format=form)


@pytest.mark.parametrize("effort, think", [("none", False), ("minimal", "low"), ("low", "low"),
                                           ("medium", "medium"), ("high", "high"),
                                           ("xhigh", "high")])
def test_efforts_are_those_of_ollama(rig, effort, think):
    assert arrived(rig, "ollama", reasoning_effort=effort)["think"] == think


@pytest.mark.parametrize("choice", ["any", {"type": "every"}, {}, 7])
def test_a_choice_of_no_known_type_is_left_out_by_name(rig, choice):
    agent, _ = rig
    answer = agent.post("api-gateway", "/v1/messages", {
        "model": "ollama", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": choice},
        headers={"anthropic-version": "2023-06-01"})
    assert answer.status == 200, answer.body
    assert "tool_choice" in (answer.headers.get("X-Yijian-Dropped") or "").split(",")


@pytest.mark.parametrize("name", ["anthropic", "ollama"])
def test_a_content_that_is_neither_text_nor_parts_is_refused(rig, name):
    messages = calling("{}")
    messages[2]["content"] = {"ok": True}
    refused_for(rig, name, "messages", messages=messages, tools=[TOOL])


def respond(rig, **document):
    """(answer, what of it reached Ollama)"""
    agent, vendors = rig
    vendors["ollama"].clear_stats()
    answer = agent.post("api-gateway", "/v1/responses", {"model": "ollama", **document})
    assert answer.status == 200, answer.body
    posts = [r for r in vendors["ollama"].requests(9) if r["method"] == "POST"]
    return answer, json.loads(posts[-1]["body"])


@pytest.mark.parametrize("arguments", ['{"x":1}', {"x": 1}])
@pytest.mark.parametrize("output, text", [("done", "done"), ({"ok": [1]}, '{"ok": [1]}'),
                                          ([{"type": "input_text", "text": "t"}], "t")])
def test_calls_and_results_of_responses_are_never_lost(rig, arguments, output, text):
    _, document = respond(rig, input=[
        {"role": "user", "content": "a"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": arguments},
        {"type": "function_call_output", "call_id": "c1", "output": output}])
    call, result = document["messages"][1:]
    assert call["tool_calls"][0]["function"] == {"name": "f", "arguments": {"x": 1}}
    assert result["content"] == text


def test_tools_of_responses_may_be_written_as_in_a_chat(rig):
    _, document = respond(rig, input="a", tools=[TOOL])
    assert [tool["function"]["name"] for tool in document["tools"]] == ["f"]


def test_a_picture_by_a_files_id_leaves_word(rig):
    answer, document = respond(rig, input=[
        {"role": "user", "content": [{"type": "input_image", "file_id": "file-1"}]}])
    assert "picture" in document["messages"][0]["content"]
    assert "input_part" in answer.headers["X-Yijian-Dropped"].split(",")
