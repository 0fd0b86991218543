# SPDX-License-Identifier: MIT
"""Streams: what is relayed, how they end, what happens when somebody leaves."""
import json
import re

import pytest

from waiting import wait_for

GW = "api-gateway"
CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def local(make_vendord):
    return make_vendord(no_auth=True)


@pytest.fixture
def agent(make_agent, local):
    agent = make_agent()
    agent.add_instance(local.url)
    return agent


def patch(agent, **members):
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", members)
    assert answer.status == 200, answer


def events_of(agent, **more):
    with agent.stream(CHAT, {**BODY, **more}) as stream:
        assert stream.status == 200
        return list(stream.events())


def usage_chunks(events):
    return [e for e in events if isinstance(e, dict) and e.get("choices") == []]


def last_traffic(agent):
    def find():
        items = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"]
        return items[-1] if items else None
    return wait_for(find, what="a traffic event")


def test_whole_stream(agent, local):
    with agent.stream(CHAT, BODY) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["X-Yijian-Target"] == "self/simulated-vllm#gpu1"
        raw = stream.response.read().decode()
    assert raw.endswith("data: [DONE]\n\n")
    assert not any(line.startswith(("id:", "retry:", "event:")) for line in raw.splitlines())
    sent = json.loads(local.requests()[-1]["body"])
    assert sent["stream_options"] == {"include_usage": True}
    event = last_traffic(agent)
    assert event["stream"] and event["status"] == 200 and event["tokens_out"] > 0
    assert event["ttfb_ms"] <= event["total_ms"]


def test_usage_only_when_asked(agent):
    assert not usage_chunks(events_of(agent))
    assert len(usage_chunks(events_of(agent, stream_options={"include_usage": True}))) == 1


def test_completions_stream(agent):
    with agent.stream("/v1/completions", {"model": "chat", "prompt": "x", "stream": True}) as s:
        assert s.status in (200, 503)  # a chat feature need not offer completions


def broken_causes(agent):
    """Causes of broken streams the gateway has counted."""
    return re.findall(r'yijian_gateway_streams_broken_total\{feature="chat",cause="(\w+)"\} 1',
                      agent.get(GW, "/metrics").body.decode())


@pytest.mark.parametrize("fault, cause", [
    ({"cut_stream": 2}, "reset"), ({"cut_mid_event": 2}, "reset"),
    ({"cut_mid_utf8": 2}, "reset"), ({"no_finish": 2}, "unfinished"),
    ({"sse_error": 2}, "error_event"), ({"reset_mid": 2000}, "reset"),
])
def test_broken_stream_says_so(agent, local, fault, cause):
    local.fault({"tokens": 40, **fault}, path="/v1/*")
    events = events_of(agent)
    assert events[-1]["error"]["code"] == "stream_interrupted"
    assert events[-1]["error"]["type"] == "upstream_error"
    assert "[DONE]" not in events
    assert last_traffic(agent)["code"] == "stream_interrupted"
    assert cause in broken_causes(agent)


def test_end_without_done_is_mended(agent, local):
    local.fault({"no_done": True}, path="/v1/*")
    events = events_of(agent)
    assert events[-1] == "[DONE]" and not any("error" in e for e in events if e != "[DONE]")


def test_only_comments_is_silence(agent, local):
    patch(agent, timeouts={"idle_ms": 300})
    local.fault({"endless_comments": 20}, path="/v1/*")
    events = events_of(agent)
    assert events[-1]["error"]["code"] == "stream_interrupted"


def test_line_ends(agent, local):
    local.fault({"crlf": True}, path="/v1/*")
    with agent.stream(CHAT, BODY) as stream:
        raw = stream.response.read()
    assert b"\r" not in raw and raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("fault", [
    {"json_instead_of_sse": True}, {"empty": True}, {"html": True}, {"sse_error": 0},
    {"status": 503}, {"reset": True}])
def test_fallback_before_the_first_event(agent, make_vendord, local, fault):
    vendor = make_vendord()
    agent.add_key(vendor.url)
    local.fault(fault, path="/v1/*")
    with agent.stream(CHAT, BODY) as stream:
        assert stream.status == 200 and stream.headers["X-Yijian-Attempts"] == "2"
        assert list(stream.events())[-1] == "[DONE]"


def test_client_gone_stops_the_upstream(agent, local):
    local.fault({"tokens": 5000, "pace_ms": 20}, path="/v1/*")
    for _ in range(10):
        with agent.stream(CHAT, BODY) as stream:
            next(stream.events())
    local.wait_stats(lambda s: s["streams"]["aborted"] == 10, what="10 streams given up")
    event = last_traffic(agent)
    assert (event["code"], event["status"]) == ("client_gone", 499)
    wait_for(lambda: "yijian_gateway_inflight_requests 0" in
             agent.get(GW, "/metrics").body.decode(), what="no request under way")
    assert agent.chat().status in (200, 502)


def test_client_gone_before_the_answer(agent, local):
    local.fault({"hang": True}, path="/v1/*")
    connection = agent.connect()
    body = json.dumps({**BODY, "stream": False})
    connection.send(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                    f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    local.wait_stats(lambda s: s["in_flight"] >= 1, what="the call upstream")
    connection.close()
    local.wait_stats(lambda s: s["aborted"] >= 1, what="the call given up")


def test_slow_reader_does_not_fill_memory(agent, local):
    local.fault({"tokens": 200000}, path="/v1/*")
    connection = agent.connect()
    body = json.dumps(BODY)
    connection.send(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                    f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    before = 0

    def still():
        nonlocal before
        now = local.stats()["bytes_out"]
        same, before = now == before and now > 0, now
        return same
    wait_for(still, what="the upstream to be paused")
    assert before < 40 << 20
    connection.close()
