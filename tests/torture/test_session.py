# SPDX-License-Identifier: MIT
"""A coding client's long session, whoever answers: every turn of it reaches the model in its order,
and what a model cannot have is named in the answer."""
import json

import pytest

from agent import Agent
from session import LONG_NAME, TURNS, Session
from started import Started
from vendord import Vendord

UPSTREAMS = {"openai": {"vendor": "openai", "service": "gpt-4"},
             "anthropic": {"vendor": "anthropic", "service": "messages"},
             "dashscope": {"vendor": "aliyun", "service": "qwen"},
             "vllm": {"service": "vllm"}, "ollama": {"service": "ollama", "protocol": "ollama.chat"}}
HEADERS = {"anthropic-version": "2023-06-01"}
LAST = TURNS - 2


@pytest.fixture(scope="module")
def session():
    return Session()


@pytest.fixture(scope="module", params=UPSTREAMS)
def upstream(request, tmp_path_factory):
    """(agent, vendor, kind of upstream)"""
    started, name = Started(tmp_path_factory.mktemp("session")), request.param
    agent, vendor = started.add(Agent), started.add(Vendord, flavour=name, no_auth=True)
    target = UPSTREAMS[name]
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor" if "vendor" in target else "self_hosted", "upstream_model": "m",
         **target}]})
    assert answer.status == 200, answer
    if "vendor" in target:
        agent.add_key(vendor.url + ("/compatible-mode" if name == "dashscope" else ""),
                      vendor=target["vendor"], service=target["service"],
                      api_key="sk-ant-simulated-000000001")
    else:
        agent.add_instance(vendor.url, service=name, id=name, engine=name, features=())
    yield agent, vendor, name
    started.stop()


def strings(value):
    """Every text in a document, in its order."""
    if isinstance(value, dict):
        for member in value.values():
            yield from strings(member)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, str):
        yield value


def asked(vendor):
    """The last chat that reached the vendor, as JSON."""
    record = next(r for r in reversed(vendor.requests(5)) if r["method"] == "POST")
    assert record["body_bytes"] == len(record["body"].encode()), "the record is too short"
    return json.loads(record["body"])


def lost(marks, document):
    """The marks that did not arrive, and whether the others came in their order."""
    text = "\n".join(strings({"system": document.get("system"), "messages": document["messages"]}))
    at, missing, in_order = -1, [], True
    for kind, mark in marks:
        found = text.find(mark, at + 1) if kind == "text" else text.find(mark)
        if found < 0 and mark not in text:
            missing.append((kind, mark[:40]))
        elif kind == "text" and mark != "[Request interrupted by user for tool use]":
            in_order, at = in_order and found >= 0, max(at, found)
    return missing, in_order


@pytest.mark.parametrize("turn", [0, 62, 132, LAST])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_every_turn_arrives(upstream, session, turn, stream):
    agent, vendor, name = upstream
    request, marks = session.request(turn, "chat")
    answer = agent.post("api-gateway", "/v1/messages", {**request, "stream": stream},
                        headers=HEADERS)
    assert answer.status == 200, answer
    document = asked(vendor)
    missing, in_order = lost(marks, document)
    named = (answer.headers.get("X-Yijian-Dropped") or "").replace(" ", "").split(",")
    kinds = {kind for kind, _ in missing}
    assert kinds <= set(named), (named, missing[:5])
    assert in_order
    if turn == LAST and name == "anthropic":
        assert document["messages"] == request["messages"], "passes untouched"
        assert document["tools"] == request["tools"]


def test_tools_arrive(upstream, session):
    agent, vendor, name = upstream
    request, _ = session.request(LAST, "chat")
    answer = agent.post("api-gateway", "/v1/messages", request, headers=HEADERS)
    assert answer.status == 200, answer
    sent = asked(vendor)["tools"]
    names = [tool.get("name") or tool["function"]["name"] for tool in sent]
    assert len(set(names)) == len(request["tools"])
    assert names[:-1] == [tool["name"] for tool in request["tools"][:-1]]
    assert names[-1] == LONG_NAME or (name != "anthropic" and len(names[-1]) <= 64)
    text = "\n".join(strings(sent))
    assert all(tool["description"] in text for tool in request["tools"])


def test_a_call_of_a_tool_with_a_long_name_comes_back(upstream, session):
    agent, vendor, name = upstream
    request, _ = session.request(LAST, "chat")
    agent.post("api-gateway", "/v1/messages", request, headers=HEADERS)
    tool = asked(vendor)["tools"][-1]
    sent = tool.get("name") or tool["function"]["name"]
    vendor.faults([{"match": {"body": "system-0"}, "fault": {"tool_call": sent}}])
    answer = agent.post("api-gateway", "/v1/messages", request, headers=HEADERS)
    vendor.faults([])
    assert answer.status == 200, answer
    calls = [block for block in answer.body["content"] if block["type"] == "tool_use"]
    assert [(call["name"], call["input"]) for call in calls] == [(LONG_NAME, {"city": "Paris"})]


def test_results_follow_their_calls(upstream, session):
    """Each call is answered once, by its id, before anything else is said."""
    agent, vendor, name = upstream
    if name in ("anthropic", "ollama"):
        pytest.skip("no ids of its own kind to look at")
    request, _ = session.request(LAST, "chat")
    agent.post("api-gateway", "/v1/messages", request, headers=HEADERS)
    open_ids = []
    for message in asked(vendor)["messages"]:
        if message["role"] == "tool":
            assert message["tool_call_id"] in open_ids, message
            open_ids.remove(message["tool_call_id"])
            continue
        assert not open_ids, (message, open_ids)
        open_ids = [call["id"] for call in message.get("tool_calls") or []]
    assert not open_ids
