# SPDX-License-Identifier: MIT
"""/v1/messages and /v1/responses: other people's shapes at the gateway's front."""
import json

import pytest

from vendord import header_of

GW = "api-gateway"
PATH = "/v1/messages"
ASK = {"model": "chat", "max_tokens": 200, "system": "be brief",
       "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def claude(agent, make_vendord):
    vendor = make_vendord(flavour="anthropic")
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "targets": [{"kind": "vendor", "vendor": "anthropic", "service": "messages",
                     "upstream_model": "claude-haiku-4-5"}]})
    assert answer.status == 200, answer
    agent.add_key(vendor.url, vendor="anthropic", service="messages", api_key="sk-ant-simulated-01")
    return vendor


@pytest.fixture
def plain(agent, make_vendord):
    vendor = make_vendord(no_auth=True)
    agent.add_instance(vendor.url)
    return vendor


@pytest.fixture(params=["claude", "plain"])
def upstream(request):
    return request.getfixturevalue(request.param)


def named_events(agent, body, path=PATH):
    with agent.stream(path, {**body, "stream": True}) as stream:
        assert stream.status == 200, stream.response.read()
        raw = stream.response.read().decode()
    events = []
    for block in raw.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        events.append((lines["event"], json.loads(lines["data"])))
    return events


def test_whole(agent, upstream):
    answer = agent.post(GW, PATH, ASK)
    assert answer.status == 200, answer
    body = answer.body
    assert (body["type"], body["role"], body["stop_reason"]) == ("message", "assistant", "end_turn")
    assert body["id"].startswith("msg_")
    assert body["content"][0]["type"] == "text" and "hello" in body["content"][0]["text"]
    assert body["usage"]["input_tokens"] > 0 and body["usage"]["output_tokens"] > 0


def test_stream(agent, upstream):
    events = named_events(agent, ASK)
    assert all(name == data["type"] for name, data in events)
    names = [name for name, _ in events if name != "ping"]
    deltas = names.count("content_block_delta")
    assert names == (["message_start", "content_block_start"] + ["content_block_delta"] * deltas +
                     ["content_block_stop", "message_delta", "message_stop"])
    text = "".join(d["delta"]["text"] for n, d in events if n == "content_block_delta")
    assert text == agent.post(GW, PATH, ASK).body["content"][0]["text"]
    end = dict(events)["message_delta"]
    assert end["delta"]["stop_reason"] == "end_turn" and end["usage"]["output_tokens"] > 0


def test_passes_through_to_its_own(agent, claude):
    body = {**ASK, "thinking": {"type": "enabled", "budget_tokens": 1024}, "top_k": 3}
    assert agent.post(GW, PATH, body, headers={"anthropic-beta": "x-2026-01-01"}).status == 200
    request = claude.requests()[-1]
    assert json.loads(request["body"]) == {**body, "model": "claude-haiku-4-5"}
    assert header_of(request, "anthropic-beta") == "x-2026-01-01"
    assert header_of(request, "anthropic-version") == "2023-06-01"


def test_translates_for_others(agent, plain):
    answer = agent.post(GW, PATH, {
        **ASK, "stop_sequences": ["END"], "tool_choice": {"type": "tool", "name": "f"},
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                             "data": "AAAA"}}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "42"},
                {"type": "text", "text": "and?"}]}]})
    assert answer.status == 200, answer
    body = json.loads(plain.requests()[-1]["body"])
    assert body["stop"] == ["END"] and body["max_tokens"] == 200
    assert body["tools"] == [{"type": "function", "function": {
        "name": "f", "description": "d", "parameters": {"type": "object"}}}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert body["messages"] == [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
        {"role": "assistant", "content": "so", "reasoning_content": "hm", "tool_calls": [
            {"id": "t1", "type": "function",
             "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
        {"role": "tool", "tool_call_id": "t1", "content": "42"},
        {"role": "user", "content": [{"type": "text", "text": "and?"}]}]


@pytest.mark.parametrize("body, status, kind", [
    ({**ASK, "model": "nobody"}, 404, "not_found_error"),
    ({"model": "chat", "messages": []}, 400, "invalid_request_error"),
    ({**ASK, "max_tokens": "x"}, 400, "invalid_request_error"),
    ({**ASK, "tools": [{"type": "web_search_20250305", "name": "w"}]}, 400,
     "invalid_request_error"),
    ({**ASK, "messages": [{"role": "tool", "content": "x"}]}, 400, "invalid_request_error"),
])
def test_errors_of_the_request(agent, plain, body, status, kind):
    answer = agent.post(GW, PATH, body)
    assert (answer.status, answer.body["type"]) == (status, "error"), answer
    assert answer.body["error"]["type"] == kind and answer.body["error"]["message"]
    assert answer.body["request_id"]


@pytest.mark.parametrize("status, told, kind", [
    (429, 429, "rate_limit_error"), (400, 400, "invalid_request_error"), (500, 502, "api_error")])
def test_errors_of_the_upstream(agent, upstream, status, told, kind):
    upstream.fault({"status": status})
    answer = agent.post(GW, PATH, ASK)
    assert answer.status == told and answer.body["error"]["type"] == kind, answer


def test_a_broken_stream_ends_with_an_error_event(agent, upstream):
    upstream.fault({"tokens": 30, "cut_stream": 5})
    name, data = named_events(agent, ASK)[-1]
    assert name == "error" and data["type"] == "error"
    assert data["error"]["code"] == "stream_interrupted"


def test_forced_streams_are_folded(agent, upstream):
    whole = agent.post(GW, PATH, ASK).body
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"force_upstream_stream": True})
    assert answer.status == 200, answer
    folded = agent.post(GW, PATH, ASK).body
    assert folded["content"] == whole["content"] and folded["stop_reason"] == "end_turn"
    assert upstream.stats()["streams"]["started"] == 1


def test_client_keys(agent, plain):
    made = agent.post("key-manager", "/api/v1/clients", {"name": "app"})
    assert made.status == 201, made
    assert agent.post(GW, PATH, ASK, headers={"x-api-key": made.body["key"]}).status == 200
    answer = agent.post(GW, PATH, ASK, headers={"x-api-key": "yj_c_wrong"})
    assert answer.status == 401 and answer.body["error"]["type"] == "authentication_error"


def test_count_tokens_is_not_served(agent):
    assert agent.post(GW, PATH + "/count_tokens", ASK).status == 404


# ---- responses ----

RESPONSES = "/v1/responses"
INPUT = {"model": "chat", "input": "hello"}


def test_response(agent, plain):
    answer = agent.post(GW, RESPONSES, INPUT)
    assert answer.status == 200, answer
    assert answer.body["object"] == "response" and answer.body["status"] == "completed"
    assert agent.post(GW, RESPONSES, {"model": "chat"}).status == 422


def test_response_stream(agent, plain):
    events = named_events(agent, INPUT, RESPONSES)
    assert events[0][0] == "response.created" and events[-1][0] == "response.completed"
    assert all(name == data["type"] for name, data in events)
    with agent.stream(RESPONSES, {**INPUT, "stream": True}) as stream:
        assert "[DONE]" not in list(stream.events())


def test_response_stream_that_breaks(agent, plain):
    plain.fault({"tokens": 30, "cut_stream": 5})
    name, data = named_events(agent, INPUT, RESPONSES)[-1]
    assert name == "error" and data["code"] == "stream_interrupted"
    assert data["error"]["code"] == "stream_interrupted"
