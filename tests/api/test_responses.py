# SPDX-License-Identifier: MIT
"""/v1/responses: OpenAI's own gets it as it came; every other chat target is asked for a chat, and its
answer is told as a response, whole or event by event."""
import contextlib
import json

import pytest

from bytes_upstream import BytesUpstream, answer

GW = "api-gateway"
PATH = "/v1/responses"
ASK = {"model": "chat", "input": "hello"}
TOOL = {"type": "function", "name": "now", "description": "d", "strict": True,
        "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def plain(agent, make_vendord):
    vendor = make_vendord(no_auth=True)
    agent.add_instance(vendor.url)
    return vendor


def vendor_of(agent, make_vendord, vendor, service, model, flavour):
    upstream = make_vendord(flavour=flavour)
    told = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor", "vendor": vendor, "service": service, "upstream_model": model}]})
    assert told.status == 200, told
    agent.add_key(upstream.url, vendor=vendor, service=service, api_key="sk-ant-simulated-01")
    return upstream


@pytest.fixture
def claude(agent, make_vendord):
    return vendor_of(agent, make_vendord, "anthropic", "messages", "claude-haiku-4-5", "anthropic")


@pytest.fixture
def openai(agent, make_vendord):
    return vendor_of(agent, make_vendord, "openai", "gpt-4", "gpt-x", "openai")


@pytest.fixture
def qwen(agent, make_vendord):
    return vendor_of(agent, make_vendord, "aliyun", "qwen", "qwen-x", "dashscope")


@pytest.fixture
def ollama(agent, make_vendord):
    vendor = make_vendord(flavour="ollama")
    agent.add_instance(vendor.url, engine="ollama", models=["m"])
    return vendor


@pytest.fixture(params=["plain", "claude", "openai", "qwen", "ollama"])
def upstream(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def bytes_instance(agent):
    """An instance that answers these bytes."""
    with contextlib.ExitStack() as stack:
        def serve(body, content_type="text/event-stream"):
            up = stack.enter_context(BytesUpstream({"up": answer("200 OK", content_type, body)}))
            agent.add_instance(up.url("up"))
        yield serve


def events_of(agent, body):
    """Numbered from 0, each named as it says, no [DONE]."""
    with agent.stream(PATH, {**body, "stream": True}) as stream:
        assert stream.status == 200, stream.response.read()
        raw = stream.response.read().decode()
    events = []
    for block in raw.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        data = json.loads(lines["data"])
        assert lines["event"] == data["type"]
        events.append(data)
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    return events


def completion(message, finish="stop", **more):
    return json.dumps({"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}], **more}).encode()


def sse(*deltas, finish="stop"):
    rows = [*({"delta": d} for d in deltas), {"delta": {}, "finish_reason": finish}]
    chunks = [{"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "finish_reason": None, **row}]} for row in rows]
    return b"".join(b"data: %s\n\n" % json.dumps(c).encode() for c in chunks) + b"data: [DONE]\n\n"


# ---- every target ----

def test_a_whole_response(agent, upstream):
    told = agent.post(GW, PATH, ASK)
    assert told.status == 200, told
    body = told.body
    assert (body["object"], body["status"], body["error"]) == ("response", "completed", None)
    assert body["id"].startswith("resp_") and body["created_at"] > 0 and body["model"]
    text = [p["text"] for item in body["output"] if item["type"] == "message" for p in item["content"]]
    assert len(text) == 1 and "hello" in text[0]
    assert body["usage"]["input_tokens"] > 0 and body["usage"]["output_tokens"] > 0
    assert body["usage"]["total_tokens"] == body["usage"]["input_tokens"] + body["usage"]["output_tokens"]


def test_a_streamed_response(agent, upstream):
    events = events_of(agent, ASK)
    names = [e["type"].removeprefix("response.") for e in events]
    deltas = names.count("output_text.delta")
    assert deltas > 0 and names == [
        "created", "in_progress", "output_item.added", "content_part.added",
        *["output_text.delta"] * deltas, "output_text.done", "content_part.done",
        "output_item.done", "completed"]
    text = "".join(e["delta"] for e in events if e["type"].endswith("text.delta"))
    done = events[-1]["response"]
    assert done["output"][0]["content"][0]["text"] == text == events[-4]["text"]
    assert done["usage"]["output_tokens"] > 0 and done["status"] == "completed"
    assert {e["item_id"] for e in events if "item_id" in e} == {done["output"][0]["id"]}


def test_a_tool_is_called(agent, upstream):
    upstream.fault({"tool_call": "now"})
    events = events_of(agent, {**ASK, "tools": [TOOL]})
    calls = [i for i in events[-1]["response"]["output"] if i["type"] == "function_call"]
    assert len(calls) == 1 and calls[0]["name"] == "now" and calls[0]["call_id"]
    assert json.loads(calls[0]["arguments"]) == {"city": "Paris"}
    pieces = "".join(e["delta"] for e in events if e["type"].endswith("arguments.delta"))
    assert json.loads(pieces) == {"city": "Paris"}
    added = [e["item"] for e in events if e["type"] == "response.output_item.added"]
    assert added[-1] == {**calls[0], "status": "in_progress", "arguments": ""}
    # and its result goes back
    answered = agent.post(GW, PATH, {"model": "chat", "tools": [TOOL], "input": [
        {"role": "user", "content": "hello"}, *calls,
        {"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "12:00"}]})
    assert answered.status == 200, answered
    assert "12:00" in upstream.asked()["body"]


def test_a_stream_that_breaks(agent, plain):
    plain.fault({"tokens": 30, "cut_stream": 5})
    *_, failed, last = events_of(agent, ASK)
    assert failed["type"] == "response.failed" and failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "stream_interrupted"
    assert last["type"] == "error" and last["code"] == last["error"]["code"] == "stream_interrupted"


def test_openais_own_passes_untouched(agent, openai):
    body = {**ASK, "store": False, "include": ["reasoning.encrypted_content"],
            "previous_response_id": "resp_1", "tools": [{"type": "web_search"}]}
    assert agent.post(GW, PATH, body).status == 200
    asked = openai.asked()
    assert asked["path"] == PATH and json.loads(asked["body"]) == {**body, "model": "gpt-x"}


# ---- what is asked ----

def asked(agent, plain, **body):
    told = agent.post(GW, PATH, {"model": "chat", **body})
    assert told.status == 200, told
    return told, json.loads(plain.asked()["body"])


def test_items_become_messages(agent, plain):
    _, sent = asked(agent, plain, instructions="be brief", input=[
        {"role": "developer", "content": [{"type": "input_text", "text": "be kind"}]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "look"},
            {"type": "input_image", "image_url": "data:image/png;base64,QQ==", "detail": "low"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [
            {"type": "output_text", "text": "so", "annotations": []}]},
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": '{"x":1}'},
        {"type": "function_call", "call_id": "b", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "a", "output": "1"},
        {"type": "function_call_output", "call_id": "b",
         "output": [{"type": "input_text", "text": "2"}]},
        {"role": "user", "content": "and?"}, {"role": "user", "content": "well?"}])
    assert sent["messages"] == [
        {"role": "system", "content": "be brief\n\nbe kind"},
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ==", "detail": "low"}}]},
        {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": "2"},
        {"role": "user", "content": [{"type": "text", "text": "and?"}, {"type": "text", "text": "well?"}]}]


def test_wishes_have_their_words(agent, plain):
    schema = {"type": "object", "properties": {}}
    told, sent = asked(agent, plain, input="hi", max_output_tokens=50, temperature=0.5, top_p=0.9,
                       tools=[TOOL], tool_choice={"type": "function", "name": "now"},
                       parallel_tool_calls=False, reasoning={"effort": "low", "summary": "auto"},
                       text={"format": {"type": "json_schema", "name": "p", "strict": True, "schema": schema}},
                       store=True, include=[], metadata={"a": "b"}, max_tool_calls=3)
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"]) == (50, 0.5, 0.9)
    assert sent["tools"] == [{"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": "now"}}
    assert sent["parallel_tool_calls"] is False and sent["reasoning_effort"] == "low"
    assert sent["response_format"] == {"type": "json_schema", "json_schema": {
        "name": "p", "strict": True, "schema": schema}}
    assert told.headers["X-Yijian-Dropped"] == "max_tool_calls"
    assert told.body["tools"] == [TOOL] and told.body["temperature"] == 0.5
    assert told.body["store"] is False


def test_other_tools_are_left_out_and_named(agent, plain):
    told, sent = asked(agent, plain, input="hi", tools=[{"type": "web_search"}, TOOL])
    assert [t["function"]["name"] for t in sent["tools"]] == ["now"]
    assert told.headers["X-Yijian-Dropped"] == "web_search"
    told = agent.post(GW, PATH, {**ASK, "tools": [{"type": "web_search"}]})
    assert told.status == 422 and "web_search" in told.body["error"]["message"], told
    assert told.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("more, param", [
    ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ({"conversation": "conv_1"}, "conversation"),
    ({"prompt": {"id": "pmpt_1"}}, "prompt"),
    ({"background": True}, "background"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input")])
def test_nothing_is_stored(agent, plain, more, param):
    told = agent.post(GW, PATH, {**ASK, **more})
    assert told.status == 400 and told.body["error"]["param"] == param, told
    assert told.headers["x-should-retry"] == "false" and not plain.calls()


# ---- what is answered ----

def test_reasoning_and_refusals_are_items(agent, bytes_instance):
    bytes_instance(sse({"reasoning_content": "h"}, {"reasoning_content": "m"}, {"refusal": "no"}))
    events = events_of(agent, ASK)
    assert [i["type"] for i in events[-1]["response"]["output"]] == ["reasoning", "message"]
    reasoning, message = events[-1]["response"]["output"]
    assert reasoning["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert message["content"] == [{"type": "refusal", "refusal": "no"}]
    names = [e["type"].removeprefix("response.") for e in events]
    assert names[2:8] == ["output_item.added", "reasoning_summary_part.added",
                          "reasoning_summary_text.delta", "reasoning_summary_text.delta",
                          "reasoning_summary_text.done", "reasoning_summary_part.done"]
    assert "refusal.delta" in names and "refusal.done" in names


@pytest.mark.parametrize("finish, reason", [
    ("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_an_answer_that_was_cut(agent, bytes_instance, finish, reason):
    bytes_instance(sse({"content": "a"}, finish=finish))
    last = events_of(agent, ASK)[-1]
    assert last["type"] == "response.incomplete" and last["response"]["status"] == "incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}


def test_tools_of_free_text(agent, bytes_instance):
    """Asked for as functions of one text, told as what they are."""
    body = {**ASK, "tools": [{"type": "custom", "name": "patch", "format": {
        "type": "grammar", "syntax": "lark", "definition": "start: X"}}]}
    call = {"index": 0, "id": "c", "function": {"name": "patch", "arguments": '{"input":"*** a\\n"}'}}
    bytes_instance(sse({"tool_calls": [call]}, finish="tool_calls"))
    events = events_of(agent, body)
    assert events[-1]["response"]["output"] == [{
        "id": events[-1]["response"]["output"][0]["id"], "type": "custom_tool_call",
        "status": "completed", "call_id": "c", "name": "patch", "input": "*** a\n"}]
    assert any(e["type"] == "response.custom_tool_call_input.done" and e["input"] == "*** a\n"
               for e in events)


SPACE = {"type": "namespace", "name": "mcp__sim", "tools": [
    {"type": "function", "name": "weather", "parameters": {"type": "object", "properties": {}}}]}


def test_tools_in_a_namespace(agent, bytes_instance):
    """The tools of one server, as coding clients send them: functions with both names."""
    bytes_instance(sse({"tool_calls": [{"index": 0, "id": "c", "function": {
        "name": "mcp__sim__weather", "arguments": "{}"}}]}, finish="tool_calls"))
    call = events_of(agent, {**ASK, "tools": [SPACE]})[-1]["response"]["output"][0]
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "mcp__sim", "weather")


def test_a_namespace_reaches_the_target(agent, plain):
    answer = agent.post(GW, PATH, {"model": "chat", "tools": [SPACE], "input": [
        {"role": "user", "content": "hi"},
        {"type": "function_call", "call_id": "c", "namespace": "mcp__sim", "name": "weather",
         "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "rain"}]})
    assert answer.status == 200, answer
    body = json.loads(plain.asked()["body"])
    assert [tool["function"]["name"] for tool in body["tools"]] == ["mcp__sim__weather"]
    assert body["messages"][-2]["tool_calls"][0]["function"]["name"] == "mcp__sim__weather"
    assert "X-Yijian-Dropped" not in answer.headers


def test_a_whole_answer_of_calls(agent, bytes_instance):
    bytes_instance(completion({"content": None, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]},
        "tool_calls", usage={"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
                             "prompt_tokens_details": {"cached_tokens": 5}}), "application/json")
    body = agent.post(GW, PATH, ASK).body
    assert [(i["type"], i["call_id"], json.loads(i["arguments"])) for i in body["output"]] == [
        ("function_call", "a", {"x": 1})]
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 5}


@pytest.mark.parametrize("body, status", [({"model": "chat"}, 422), ({"model": "nobody", "input": "x"}, 404),
                                          ({"model": "chat", "input": [7]}, 422),
                                          ({"model": "chat", "input": [{"role": "tool", "content": "x"}]}, 422)])
def test_errors_have_openais_shape(agent, plain, body, status):
    told = agent.post(GW, PATH, body)
    assert told.status == status and told.body["error"]["type"] == "invalid_request_error", told
