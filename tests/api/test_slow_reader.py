# SPDX-License-Identifier: MIT
"""A caller that does not read its answer is cut after a while, and its upstream with it."""
import json

import pytest

from http_engines import GATEWAY, TLS

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("service", [GATEWAY, TLS])
def test_who_does_not_read_is_cut(make_agent, make_vendord, clock, service):
    agent, local = make_agent(env=clock.env), make_vendord(no_auth=True)
    agent.add_instance(local.url)
    local.fault({"tokens": 200000}, path="/v1/*")
    body = json.dumps({"model": "chat", "stream": True,
                       "messages": [{"role": "user", "content": "x"}]})
    with agent.connect(service, receive_buffer=4096) as raw:
        raw.send(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                 f"\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        local.wait_stats(lambda s: s["streams"]["started"] == 1, what="the stream to begin")
        clock.pass_until(lambda: local.stats()["streams"]["aborted"] == 1, step_s=1,
                         what="the stream given up")
        assert 30 <= clock.mono_us / 10**6 <= 90
        while raw.more():
            raw.got = raw.got[-64:]
        assert b"[DONE]" not in raw.got
    assert agent.get("api-gateway", "/healthz").status == 200
