# SPDX-License-Identifier: MIT
"""The same faults by upstreams of other protocols, to callers of either dialect, with one healthy
fallback: a fault before the first byte ends in success, one after it in an honest error event, and
nothing hangs."""
import pytest

from waiting import wait_for

GW = "api-gateway"
DEADLINES = {"connect_ms": 700, "first_byte_ms": 700, "idle_ms": 700, "total_ms": 8000,
             "stream_total_ms": 4000}  # comments are no silence
ENDS_WITHIN_S = 30  # deadlines above, and a loaded machine
QUESTION = [{"role": "user", "content": "hello"}]
# name: path, members
CALLS = {
    "sse": ("/v1/chat/completions", {"stream": True}),
    "messages": ("/v1/messages", {"max_tokens": 100}),
    "messages_sse": ("/v1/messages", {"max_tokens": 100, "stream": True}),
    "folded": ("/v1/chat/completions", {}),
}
FAULTS = {
    "500": {"status": 500}, "503_html": {"status": 503, "error_shape": "html"},
    "429": {"status": 429}, "headers_then_hang": {"headers_then_hang": True},
    "reset": {"reset": True}, "close_mid": {"close_mid": 300}, "truncated_chunk":
    {"truncated_chunk": True}, "cut_stream": {"cut_stream": 3}, "cut_mid_event": {"cut_mid_event": 3},
    "no_finish": {"no_finish": 3}, "empty": {"empty": True}, "garbage": {"garbage": 512},
    "bad_json": {"bad_json": True}, "json_instead_of_sse": {"json_instead_of_sse": True},
    "error_in_200": {"error_in_200": True}, "sse_error": {"sse_error": 4},
    "sse_error_first": {"sse_error": 0}, "endless_comments": {"no_finish": 0, "endless_comments": 50},
    "huge_event": {"no_finish": 3, "huge_event": 2 << 20},
}
FLAVOURS = {
    "anthropic": {"kind": "vendor", "vendor": "anthropic", "service": "messages",
                  "upstream_model": "claude"},
    "dashscope": {"kind": "vendor", "vendor": "aliyun", "service": "qwen",
                  "upstream_model": "qwen-plus", "protocol": "dashscope.chat.native"},
    "ollama": {"kind": "self_hosted", "service": "local", "upstream_model": "llama"},
}


@pytest.fixture(params=FLAVOURS)
def platform(request, make_agent, make_vendord):
    agent, good = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    bad = make_vendord(flavour=request.param)
    target = {**FLAVOURS[request.param], "order": 0}
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "timeouts": DEADLINES, "cooldown": {"fails": 1000},
        "targets": [target, {"kind": "self_hosted", "service": "good", "order": 5}]})
    assert answer.status == 200, answer
    agent.add_instance(good.url, service="good", id="g1", features=())
    if request.param == "ollama":
        agent.add_instance(bad.url, service="local", id="o1", engine="ollama", features=())
    return agent, bad, good, target


def add_key(agent, bad, target, number):
    """A fresh one each time: what a fault says of a key stays with it."""
    if target["kind"] == "vendor":
        key = agent.add_key(bad.url, vendor=target["vendor"], service=target["service"],
                            key_name=f"k{number}", api_key=f"sk-ant-simulated-{number:06}")
        return lambda: agent.request("key-manager", "DELETE", f"/api/v1/keys/{key['id']}")
    return lambda: None


def call(agent, kind):
    """(status, complete, broken in the caller's own words, what was said instead)."""
    path, members = CALLS[kind]
    body = {"model": "chat", "messages": QUESTION, **members}
    if not members.get("stream"):
        answer = agent.post(GW, path, body, timeout=ENDS_WITHIN_S)
        whole = answer.body.get("content") or answer.body.get("choices")
        return answer.status, answer.status == 200 and bool(whole), False, answer.body
    with agent.stream(path, body, timeout=ENDS_WITHIN_S) as stream:
        if stream.status != 200:
            return stream.status, False, False, stream.response.read()
        events = list(stream.events())
    last = events[-1]
    complete = last == "[DONE]" or last.get("type") == "message_stop"
    broken = isinstance(last, dict) and last.get("error", {}).get("code") == "stream_interrupted"
    return stream.status, complete, broken, last


def test_faults(platform):
    agent, bad, good, target = platform
    number = 0
    for name, fault in FAULTS.items():
        for kind in CALLS:
            number += 1
            answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                                   {"force_upstream_stream": kind == "folded"})
            assert answer.status == 200, answer
            drop = add_key(agent, bad, target, number)
            good.clear_stats()
            bad.faults([{"match": {}, "fault": {"tokens": 30, **fault}}])
            status, complete, broken, said = call(agent, kind)
            bad.faults([])
            what = (name, kind, status, complete, broken, said)
            assert status == 200 and complete != broken, what
            asked = sum(count for path, count in good.stats()["by_path"].items()  # and no probe
                        if path.startswith("/v1/") and path != "/v1/models")
            assert not (broken and asked), f"a second call after the first byte: {what}"
            if kind in ("messages", "folded"):
                assert complete, what
            drop()
    wait_for(lambda: "yijian_gateway_inflight_requests 0" in agent.get(
        GW, "/metrics").body.decode(), what="no request under way")
    assert agent.get(GW, "/healthz").status == 200
