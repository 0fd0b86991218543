# SPDX-License-Identifier: MIT
"""Streams: what is relayed, how they end, what happens when somebody leaves."""
import json
import re

import pytest

from http_engines import TLS
from waiting import wait_for

GW = "api-gateway"
CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture
def local(make_vendord):
    return make_vendord(no_auth=True)


@pytest.fixture(params=[GW, TLS])
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


def test_a_comment_breaks_a_silence(make_agent, local):
    """One line, and no empty one behind it: some clients would take that for an event."""
    agent = make_agent(env={"YIJIAN_PING_MS": "20"})
    agent.add_instance(local.url)
    local.fault({"pace_ms": 200})
    with agent.stream(CHAT, BODY) as stream:
        raw = stream.response.read().decode()
    assert ": ping\n" in raw and ": ping\n\n" not in raw and raw.endswith("data: [DONE]\n\n")
    assert raw.startswith("data: ")  # the status line waits for the first event


def test_whole_stream(agent, local):
    with agent.stream(CHAT, BODY) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["X-Yijian-Target"] == "self/simulated-vllm#gpu1"
        raw = stream.response.read().decode()
    assert raw.endswith("data: [DONE]\n\n")
    assert not any(line.startswith(("id:", "retry:", "event:")) for line in raw.splitlines())
    sent = json.loads(local.asked()["body"])
    assert sent["stream_options"] == {"include_usage": True}
    event = last_traffic(agent)
    assert event["stream"] and event["status"] == 200 and event["tokens_out"] > 0
    assert event["ttfb_ms"] <= event["total_ms"]


def test_usage_only_when_asked(agent):
    events = events_of(agent)
    assert not usage_chunks(events) and not any("usage" in e for e in events[:-1])
    assert len(usage_chunks(events_of(agent, stream_options={"include_usage": True}))) == 1


def test_completions_stream(agent):
    with agent.stream("/v1/completions", {"model": "chat", "prompt": "x", "stream": True}) as s:
        assert s.status in (200, 422)  # a chat feature need not offer completions


def broken_causes(agent):
    """Causes of broken streams the gateway has counted."""
    return re.findall(r'yijian_gateway_streams_broken_total\{feature="chat",cause="(\w+)"\} 1',
                      agent.get(GW, "/metrics").body.decode())


@pytest.mark.parametrize("fault, cause", [
    ({"cut_stream": 2}, "reset"), ({"cut_mid_event": 2}, "reset"),
    ({"cut_mid_utf8": 2}, "reset"), ({"no_finish": 2}, "unfinished"),
    ({"sse_error": 2}, "error_event"), ({"reset_mid": 2000}, "reset"),
    ({"no_finish": 2, "huge_event": 33 << 20}, "event_too_large"),
    ({"truncated_chunk": True, "no_finish": 2}, "reset"),
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


def test_comments_are_no_silence(agent, local):
    """They renew it, as long as the stream as a whole may last."""
    patch(agent, timeouts={"idle_ms": 300, "stream_total_ms": 2000})
    local.fault({"endless_comments": 20}, path="/v1/*")
    events = events_of(agent)
    assert events[-1]["error"]["code"] == "stream_interrupted"
    assert broken_causes(agent) == ["total_timeout"]


def test_line_ends(agent, local):
    local.fault({"crlf": True}, path="/v1/*")
    with agent.stream(CHAT, BODY) as stream:
        raw = stream.response.read()
    assert b"\r" not in raw and raw.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("fault", [
    {"garbage": 4096}, {"empty": True}, {"html": True}, {"sse_error": 0},
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


# ---- deadlines apart ----

def test_first_event_deadline(agent, local, make_vendord):
    patch(agent, timeouts={"first_byte_ms": 300})
    local.fault({"headers_then_hang": True}, path="/v1/*")
    answer = agent.post(GW, CHAT, BODY)
    assert (answer.status, answer.error) == (504, "upstream_timeout"), answer
    vendor = make_vendord()
    agent.add_key(vendor.url)
    with agent.stream(CHAT, BODY) as stream:
        assert stream.status == 200 and list(stream.events())[-1] == "[DONE]"


def test_comments_are_no_first_event(agent, local):
    patch(agent, timeouts={"first_byte_ms": 300})
    local.fault({"no_finish": 0, "endless_comments": 20}, path="/v1/*")
    answer = agent.post(GW, CHAT, BODY)
    assert (answer.status, answer.error) == (504, "upstream_timeout"), answer


def test_idle_deadline(agent, local):
    patch(agent, timeouts={"idle_ms": 300})
    local.fault({"tokens": 5, "pace_ms": 60000}, path="/v1/*")
    assert events_of(agent)[-1]["error"]["code"] == "stream_interrupted"
    assert set(broken_causes(agent)) <= {"idle_timeout", "timeout_idle"} and broken_causes(agent)
    local.wait_stats(lambda s: s["streams"]["aborted"] == 1, what="the stream given up")


def test_total_ms_does_not_end_a_healthy_stream(agent, local):
    patch(agent, timeouts={"total_ms": 400})
    local.fault({"tokens": 40, "pace_ms": 30}, path="/v1/*")
    events = events_of(agent)
    assert events[-1] == "[DONE]" and last_traffic(agent)["total_ms"] > 400


def test_streams_have_a_total_of_their_own(agent, local):
    patch(agent, timeouts={"stream_total_ms": 400})
    local.fault({"tokens": 5000, "pace_ms": 30}, path="/v1/*")
    assert events_of(agent)[-1]["error"]["code"] == "stream_interrupted"
    assert broken_causes(agent) == ["total_timeout"]


# ---- malformed and over-long ----

@pytest.mark.parametrize("fault, code", [
    ({"no_finish": 0, "huge_event": 33 << 20}, "upstream_too_large"), ({"garbage": 4096}, "upstream_bad_response"),
    ({"html": True}, "upstream_bad_response"), ({"empty": True}, "upstream_bad_response"),
])
def test_never_a_stream(agent, local, fault, code):
    local.fault(fault, path="/v1/*")
    answer = agent.post(GW, CHAT, BODY)
    assert answer.status == 502 and answer.error == code, answer


def test_usage_of_a_broken_stream(agent, local):
    local.fault({"tokens": 40, "cut_stream": 6}, path="/v1/*")
    events = events_of(agent)
    event = last_traffic(agent)
    assert event["tokens_source"] == "counted"
    assert event["tokens_out"] == len(events) - 1 and "tokens_in" not in event
    assert event["attempts"][-1]["end"] == "reset"


def test_upstream_comments_are_dropped(agent, local):
    patch(agent, timeouts={"stream_total_ms": 1000})
    local.fault({"endless_comments": 20}, path="/v1/*")
    with agent.stream(CHAT, BODY) as stream:
        raw = stream.response.read()
    assert b"\n:" not in raw and not raw.startswith(b":")


def test_vllm_error_in_a_stream(agent, local, make_vendord):
    """Its code is a number, and [DONE] follows."""
    local.fault({"sse_error": 3}, path="/v1/*")
    assert events_of(agent)[-1]["error"]["code"] == "stream_interrupted"
    local.faults([])
    local.fault({"status": 400}, path="/v1/*")
    answer = agent.post(GW, CHAT, BODY)
    assert answer.status == 400 and isinstance(answer.body["error"]["code"], str)
    local.faults([])
    local.fault({"status": 401, "error_shape": "string"}, path="/v1/*")
    answer = agent.post(GW, CHAT, BODY)
    assert (answer.status, answer.error) == (502, "upstream_auth_failed")
