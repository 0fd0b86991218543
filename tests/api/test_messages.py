# SPDX-License-Identifier: MIT
"""/v1/messages: Anthropic's shape at the gateway's front. /v1/responses: test_responses.py."""
import contextlib
import json
import re

import pytest

from bytes_upstream import BytesUpstream, answer
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
    request = claude.asked()
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
    body = json.loads(plain.asked()["body"])
    assert body["stop"] == ["END"] and body["max_tokens"] == 200
    assert body["tools"] == [{"type": "function", "function": {
        "name": "f", "description": "d",
        "parameters": {"type": "object", "properties": {}}}}]
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


# ---- pieces of tool calls ----

def sse(*deltas, finish="tool_calls"):
    """A chat's stream of these deltas, as bytes."""
    rows = [*({"delta": d} for d in deltas), {"delta": {}, "finish_reason": finish}]
    chunks = [{"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
               "choices": [{"index": 0, "finish_reason": None, **row}]} for row in rows]
    return b"".join(b"data: %s\n\n" % json.dumps(c).encode()
                    for c in chunks) + b"data: [DONE]\n\n"


def piece(index=None, name=None, arguments=None, id=None):
    call = {"function": {k: v for k, v in (("name", name), ("arguments", arguments)) if v}}
    if index is not None:
        call["index"] = index
    if id is not None:
        call["id"] = id
    return {"tool_calls": [call]}


FIRST, SECOND = ("call_a", "first", {"x": 1}), ("call_b", "second", {"y": 2})
PIECES = {
    "turns": [piece(0, "first", "", "call_a"), piece(1, "second", "", "call_b"),
              piece(0, arguments='{"x":'), piece(1, arguments='{"y":'),
              piece(0, arguments="1}"), piece(1, arguments="2}")],
    "no-index": [piece(None, "first", '{"x":1', "call_a"), piece(arguments="}"),
                 piece(None, "second", '{"y":2}', "call_b")],
    "one-index": [piece(0, "first", '{"x":1}', "call_a"), piece(0, "second", '{"y":2}', "call_b")],
    "white-space": [piece(0, "first", '{"x":', "call_a"), {"content": "\n\n"},
                    piece(0, arguments="1}"), {"content": ""},
                    piece(1, "second", '{"y":2}', "call_b")],
    "objects": [piece(0, "first", {"x": 1}, "call_a"), piece(1, "second", {"y": 2}, "call_b")],
}


def blocks_of(events):
    """Content blocks as SDKs put them together; one at a time is open, in order."""
    blocks, is_open = [], False
    for name, data in events:
        if name == "content_block_start":
            assert not is_open and data["index"] == len(blocks)
            blocks.append({**data["content_block"], "json": ""})
            is_open = True
        elif name == "content_block_delta":
            assert is_open and data["index"] == len(blocks) - 1
            for key, value in data["delta"].items():
                if key == "partial_json":
                    blocks[-1]["json"] += value
                elif key != "type":
                    blocks[-1][key] += value
        elif name == "content_block_stop":
            is_open = False
    assert not is_open
    return blocks


def tools_of(blocks):
    return [(b["id"], b["name"], json.loads(b["json"]) if b.get("json") else b["input"])
            for b in blocks if b["type"] == "tool_use"]


@pytest.fixture
def bytes_instance(agent):
    """An instance that streams these bytes."""
    stack = contextlib.ExitStack()

    def serve(body):
        up = stack.enter_context(BytesUpstream({"up": answer("200 OK", "text/event-stream", body)}))
        agent.add_instance(up.url("up"))
    with stack:
        yield serve


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_every_piece_of_a_tool_call_finds_its_block(agent, bytes_instance, pieces):
    bytes_instance(sse(*pieces))
    events = named_events(agent, ASK)
    assert tools_of(blocks_of(events)) == [FIRST, SECOND]
    assert dict(events)["message_delta"]["delta"]["stop_reason"] == "tool_use"


@pytest.mark.parametrize("pieces", PIECES.values(), ids=PIECES)
def test_and_its_item(agent, bytes_instance, pieces):
    bytes_instance(sse(*pieces))
    body = named_events(agent, INPUT, RESPONSES)[-1][1]["response"]
    calls = [item for item in body["output"] if item["type"] == "function_call"]
    assert [(c["call_id"], c["name"], json.loads(c["arguments"])) for c in calls] == [FIRST, SECOND]


def test_ids_that_are_missing_are_made(agent, bytes_instance):
    bytes_instance(sse(piece(0, "first", "{}", ""), piece(1, "second", "{}")))
    ids = [t[0] for _ in range(2) for t in tools_of(blocks_of(named_events(agent, ASK)))]
    assert len(set(ids)) == 4 and all(re.fullmatch("[A-Za-z0-9_-]+", i) for i in ids), ids


def test_text_between_unfinished_pieces_is_kept(agent, bytes_instance):
    bytes_instance(sse(piece(0, "first", '{"x":', "call_a"), {"content": "so"},
                       piece(0, arguments="1}"), {"content": "!"}))
    blocks = blocks_of(named_events(agent, ASK))
    assert [b["type"] for b in blocks] == ["tool_use", "text"] and tools_of(blocks) == [FIRST]
    assert blocks[1]["text"] == "so!"


def test_parts_of_a_content_are_walked(agent, bytes_instance):
    bytes_instance(sse({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
                       {"content": [{"type": "text", "text": "so"}]}, finish="stop"))
    blocks = blocks_of(named_events(agent, ASK))
    assert [(b["type"], b.get("thinking") or b.get("text")) for b in blocks] == [
        ("thinking", "hm"), ("text", "so")]


# ---- histories ----

def test_what_has_no_word_goes_to_who_has_one(agent, plain, make_vendord):
    """A server tool is Anthropic's to run; the instance, which comes first, is passed over."""
    body = {**ASK, "tools": [{"type": "web_search_20250305", "name": "w"},
                             {"name": "f", "input_schema": {"type": "object"}}]}
    answered = agent.post(GW, PATH, body)
    assert answered.status == 200 and answered.headers["X-Yijian-Dropped"] == "web_search_20250305"
    assert [t["function"]["name"] for t in json.loads(plain.asked()["body"])["tools"]] == ["f"]
    decision = agent.get("router-engine", "/api/v1/decisions/" + answered.headers["X-Yijian-Decision"])
    assert decision.body["attempts"][0]["dropped"] == "web_search_20250305", decision
    claude = make_vendord(flavour="anthropic")
    assert agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "self_hosted", "service": "simulated-vllm", "order": 0},
        {"kind": "vendor", "vendor": "anthropic", "service": "messages", "order": 1,
         "upstream_model": "claude-haiku-4-5"}]}).status == 200
    agent.add_key(claude.url, vendor="anthropic", service="messages", api_key="sk-ant-simulated-01")
    asked = len(plain.calls())
    answered = agent.post(GW, PATH, body)
    assert answered.status == 200 and answered.headers["X-Yijian-Target"].startswith("anthropic/")
    assert "X-Yijian-Dropped" not in answered.headers and len(plain.calls()) == asked


def test_thinking_of_another_model_stays_from_anthropic(agent, claude):
    """It has no signature, and would be refused with all that follows."""
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": ""}, {"type": "text", "text": "so"},
        {"type": "thinking", "thinking": "ah", "signature": "c2ln"}]}, {"role": "user", "content": "and?"},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": ""}]}]
    assert agent.post(GW, PATH, {**ASK, "messages": said}).status == 200
    del said[1]["content"][0], said[3]
    assert json.loads(claude.asked()["body"])["messages"] == said


@pytest.mark.parametrize("model, effort", [("gpt-5.4-mini", "high"), ("gpt-4.1", None)])
def test_effort_is_told_to_models_that_reason(agent, make_vendord, model, effort):
    vendor = make_vendord()
    assert agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": model}]}).status == 200
    agent.add_key(vendor.url)
    told = agent.post(GW, PATH, {**ASK, "output_config": {"effort": "max"}})
    assert told.status == 200 and json.loads(vendor.asked()["body"]).get("reasoning_effort") == effort
    assert told.headers["X-Yijian-Dropped"] == (None if effort else "reasoning_effort")


# ---- counting ----

COUNT = PATH + "/count_tokens"
SAID = {"model": "chat", "messages": [{"role": "user", "content": "hello there, how are you?"}]}


def test_tokens_are_counted_where_a_message_would_go(agent, claude):
    answered = agent.post(GW, COUNT + "?beta=true", SAID)
    assert answered.status == 200 and answered.body["input_tokens"] > 0, answered
    assert answered.headers["X-Yijian-Target"].startswith("anthropic/messages")
    asked = claude.asked()
    assert asked["path"] == COUNT and json.loads(asked["body"]) == {
        **SAID, "model": "claude-haiku-4-5"}
    usage = agent.get(GW, "/api/v1/usage?by=feature&window=1h").body["items"]
    assert all(item.get("tokens_in", 0) == 0 for item in usage), usage


def test_tokens_are_estimated_elsewhere(agent, plain):
    answered = agent.post(GW, COUNT, SAID)
    assert answered.status == 200 and 5 <= answered.body["input_tokens"] <= 30, answered
    assert answered.headers["X-Yijian-Reason"] == "estimated"
    assert not plain.calls()
    more = {**SAID, "tools": [{"name": "f", "description": "d" * 400}]}
    assert agent.post(GW, COUNT, more).body["input_tokens"] > answered.body["input_tokens"] + 90


def test_a_count_that_fails_is_estimated(agent, claude):
    claude.fault({"status": 500})
    answered = agent.post(GW, COUNT, SAID)
    assert answered.status == 200 and answered.headers["X-Yijian-Reason"] == "estimated"


def test_counting_passes_what_a_message_passes(agent, plain):
    made = agent.post("key-manager", "/api/v1/clients", {"name": "app", "limits": {"rpm": 1}})
    assert made.status == 201, made
    assert agent.post(GW, COUNT, SAID).status == 401
    key = {"x-api-key": made.body["key"]}
    assert agent.post(GW, COUNT, {**SAID, "model": "nobody"}, headers=key).status == 404
    statuses = [agent.post(GW, COUNT, SAID, headers=key).status for _ in range(4)]
    assert (statuses[0], statuses[-1]) == (200, 429), statuses


# ---- errors before a handler ----

@pytest.mark.parametrize("method, path, body, status, kind", [
    ("POST", PATH, b"{", 400, "invalid_request_error"),
    ("GET", PATH, None, 405, "invalid_request_error"),
    ("POST", PATH + "/batches", b"{}", 404, "not_found_error"),
    ("POST", PATH, b"[" * 200, 400, "invalid_request_error"),
])
def test_errors_of_the_web_have_the_shape(agent, method, path, body, status, kind):
    told = agent.request(GW, method, path, body=body)
    assert told.status == status and told.body["type"] == "error", told
    assert told.body["error"]["type"] == kind and told.body["request_id"]


@pytest.mark.parametrize("path", ["/v1/v1/messages", "/v1/v1/chat/completions", "/v1/v1/models"])
def test_a_base_url_that_has_v1_twice_is_told(agent, path):
    told = agent.post(GW, path, {})
    assert told.status == 404 and "/v1 twice" in told.body["error"]["message"], told


def test_models_as_anthropics_sdks_read_them(agent, plain):
    told = agent.get(GW, "/v1/models?limit=100", headers={"anthropic-version": "2023-06-01"}).body
    assert told["has_more"] is False and {m["type"] for m in told["data"]} == {"model"}
    assert {"id", "display_name", "created_at", "object"} <= set(told["data"][0])
    one = agent.get(GW, "/v1/models/chat", headers={"anthropic-version": "2023-06-01"}).body
    assert (one["type"], one["id"], one["display_name"]) == ("model", "chat", "chat")
    assert "type" not in agent.get(GW, "/v1/models/chat").body


RESPONSES = "/v1/responses"
INPUT = {"model": "chat", "input": "hello"}
