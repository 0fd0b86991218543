# SPDX-License-Identifier: MIT
"""What upstreams do wrong, in every kind of call, alone and with one healthy fallback: nothing
hangs, nothing is passed on as an answer that is none, and a fault before the first byte ends in
success when another target can answer."""
import email.utils
import json
import time

import pytest

from waiting import wait_for

GW = "api-gateway"
MESSAGES = [{"role": "user", "content": "hello"}]
KINDS = {
    "chat": ("/v1/chat/completions", "chat", "gpt-4", {"messages": MESSAGES}),
    "sse": ("/v1/chat/completions", "chat", "gpt-4", {"messages": MESSAGES, "stream": True}),
    "images": ("/v1/images/generations", "text_to_image", "dalle", {"prompt": "a cat"}),
    "embeddings": ("/v1/embeddings", "embeddings", "embeddings", {"input": "hello"}),
}
DEADLINES = {"connect_ms": 700, "first_byte_ms": 700, "idle_ms": 700, "total_ms": 6000}
ENDS_WITHIN_S = 20  # deadlines above, and a loaded machine

FAULTS = {
    "500": {"status": 500}, "502": {"status": 502}, "503": {"status": 503}, "504": {"status": 504},
    "500_html": {"status": 500, "error_shape": "html"},
    "500_empty": {"status": 500, "error_shape": "empty"},
    "401": {"status": 401}, "403": {"status": 403},
    "429": {"status": 429}, "429_seconds": {"status": 429, "retry_after": "30"},
    "429_date": {"status": 429, "retry_after": email.utils.formatdate(time.time() + 9, usegmt=True)},
    "429_negative": {"status": 429, "retry_after": "-3"},
    "429_billion": {"status": 429, "retry_after": "1000000000"},
    "429_garbage": {"status": 429, "retry_after": "soon"},
    "hang": {"hang": True}, "headers_then_hang": {"headers_then_hang": True},
    "drip": {"drip": 1}, "drip_all": {"drip_all": 1},
    "reset": {"reset": True}, "reset_mid": {"reset_mid": 10},
    "close": {"close": True}, "close_mid": {"close_mid": 10},
    "truncated": {"truncated": 100}, "truncated_chunk": {"truncated_chunk": True},
    "cut_stream": {"cut_stream": 2}, "cut_mid_event": {"cut_mid_event": 2},
    "cut_mid_utf8": {"cut_mid_utf8": 2}, "no_finish": {"no_finish": 2}, "no_done": {"no_done": True},
    "empty": {"empty": True}, "garbage": {"garbage": 512}, "html": {"html": True},
    "bad_json": {"bad_json": True}, "duplicate_keys": {"duplicate_keys": True},
    "json_instead_of_sse": {"json_instead_of_sse": True}, "error_in_200": {"error_in_200": True},
    "sse_error": {"sse_error": 2}, "sse_error_first": {"sse_error": 0},
    "sse_error_flat": {"sse_error_flat": 2}, "endless_comments": {"endless_comments": 50},
    "huge": {"huge": 100 << 20}, "huge_event": {"huge_event": 8 << 20},
    "gzip_bomb": {"gzip_bomb": 64 << 20}, "wrong_content_encoding": {"wrong_content_encoding": True},
    "two_content_length": {"two_content_length": True}, "header_huge": {"header_huge": 1 << 20},
    "continue_flood": {"continue_flood": 100000}, "http09": {"http09": True},
    "redirect_metadata": {"redirect": "http://169.254.169.254/latest"},
    "refuse": {"refuse": 700},
}
CODES = {"upstream_rejected", "upstream_auth_failed", "upstream_billing", "upstream_rate_limited",
         "upstream_timeout", "upstream_bad_response", "upstream_too_large", "all_upstreams_failed",
         "no_healthy_target"}


@pytest.fixture
def platform(make_agent, make_vendord):
    agent = make_agent()
    bad = make_vendord(no_auth=True)
    good = make_vendord()
    for feature in {kind[1] for kind in KINDS.values()}:
        answer = agent.request("config-center", "PATCH", f"/api/v1/features/{feature}",
                               {"timeouts": DEADLINES})
        assert answer.status == 200, answer
    return agent, bad, good


def call(agent, kind):
    """(status, error code, complete, chunks): what a caller sees."""
    path, feature, _, body = KINDS[kind]
    body = {"model": feature, **body}
    if kind != "sse":
        answer = agent.post(GW, path, body, timeout=ENDS_WITHIN_S)
        return answer.status, answer.error, answer.status == 200, 0
    with agent.stream(path, body, timeout=ENDS_WITHIN_S) as stream:
        if not stream.headers["Content-Type"].startswith("text/event-stream"):
            error = json.loads(stream.response.read())["error"]
            return stream.status, error["code"], False, 0
        events = list(stream.events())
    errors = [e["error"]["code"] for e in events if isinstance(e, dict) and "error" in e]
    done = events and events[-1] == "[DONE]"
    assert not (errors and done), events
    chunks = sum(isinstance(e, dict) and bool(e.get("choices")) for e in events)
    return stream.status, errors[0] if errors else None, done, chunks


def cleared(vendor):
    try:
        vendor.faults([])
    except ConnectionError:
        return False
    return True


def well_formed(kind, result):
    status, code, complete, chunks = result
    if complete:
        return code is None
    if status == 200:
        return kind == "sse" and code == "stream_interrupted" and chunks > 0
    return status >= 400 and code in CODES


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault(platform, name):
    agent, bad, good = platform
    for with_fallback in (False, True):
        for kind in KINDS:
            _, feature, service, _ = KINDS[kind]
            if with_fallback:
                agent.add_key(good.url, service=service, key_name=f"{name} {kind}")
            # Vectors of another model would be no fallback at all.
            models = ["text-embedding-3-small"] if kind == "embeddings" else []
            target = agent.add_instance(bad.url, service="faulty", features=[feature], models=models,
                                        id=f"{kind}-{'with' if with_fallback else 'alone'}")
            good.clear_stats()
            bad.faults([{"match": {"path": "/v1/*"}, "fault": FAULTS[name]}])
            result = call(agent, kind)
            wait_for(lambda: cleared(bad), what="the vendor to listen again")
            assert well_formed(kind, result), (kind, with_fallback, result)
            if with_fallback:
                asked = good.stats()["requests"]
                if result[3] and not result[2]:
                    assert asked == 0, "a second call after the first byte"
                else:
                    assert result[2], (kind, result)
            answer = agent.request("service-registry", "DELETE", "/api/v1/services/faulty/"
                                   f"instances/{target['id']}")
            assert answer.status in (200, 204), answer
    assert agent.get(GW, "/healthz").status == 200
