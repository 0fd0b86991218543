# SPDX-License-Identifier: MIT
"""What callers are told when upstreams fail, row by row as the list of bad events numbers them:
93-107, the data path. 106 is test_disconnect.py; 108, one's own budget, is in
tests/api/test_limits.py."""
import json

import pytest

from matrix import DEADLINES
from network import ClosedPort
from proc import anonymous_kib

GW = "api-gateway"
CHAT = "/v1/chat/completions"
SECRET = "sk-simulated-0000000000000bad1"
MIB = 1024


@pytest.fixture
def agent(make_agent):
    agent = make_agent()
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"timeouts": DEADLINES, "cooldown": {"fails": 1000}})
    assert answer.status == 200, answer
    return agent


@pytest.fixture
def bad(agent, make_vendord):
    """The vendor behind the first key."""
    vendor = make_vendord()
    agent.add_key(vendor.url, key_name="first", api_key=SECRET)
    return vendor


@pytest.fixture
def good(agent, make_vendord):
    """The vendor behind the key that is asked next."""
    vendor = make_vendord()
    agent.add_key(vendor.url, key_name="second", tier="secondary",
                  api_key="sk-simulated-000000000000good")
    return vendor


def streamed(agent, **more):
    with agent.stream(CHAT, {"model": "chat", "stream": True, **more, "messages": [
            {"role": "user", "content": "x"}]}) as stream:
        assert stream.status == 200
        return list(stream.events())


# row: fault of the first, (status, code) alone, whether the second's answer replaces it
ROWS = {
    "95": ({"reset": True}, (502, "all_upstreams_failed"), True),
    "97": ({"hang": True}, (504, "upstream_timeout"), True),
    "98": ({"drip": 1}, (504, "upstream_timeout"), True),
    "101-401": ({"status": 401}, (502, "upstream_auth_failed"), True),
    "101-403": ({"status": 403}, (502, "upstream_auth_failed"), True),
    "102-500": ({"status": 500}, (502, "all_upstreams_failed"), True),
    "102-503": ({"status": 503}, (502, "all_upstreams_failed"), True),
    "103-html": ({"html": True}, (502, "upstream_bad_response"), True),
    "103-garbage": ({"garbage": 512}, (502, "upstream_bad_response"), True),
    "103-cut": ({"bad_json": True}, (502, "upstream_bad_response"), True),
    "104-huge": ({"huge": 300 << 20}, (502, "upstream_too_large"), True),
}


@pytest.mark.parametrize("row", ROWS)
def test_alone(agent, bad, row):
    fault, expected, _ = ROWS[row]
    bad.fault(fault, path="/v1/*")
    before = anonymous_kib(agent.pid)
    answer = agent.chat()
    assert (answer.status, answer.error) == expected
    text = json.dumps(answer.body)
    assert SECRET[-4:] not in text and "127.0.0.1" not in text, "nobody's key, nobody's address"
    assert anonymous_kib(agent.pid) - before < 64 * MIB, "no body is kept beyond its limit"


@pytest.mark.parametrize("row", ROWS)
def test_with_another(agent, bad, good, row):
    bad.fault(ROWS[row][0], path="/v1/*")
    answer = agent.chat()
    assert answer.status == 200 and answer.headers["X-Yijian-Target"].endswith("#second")
    assert good.stats()["by_path"][CHAT] == 1


def test_93_nobody_there(agent, good):
    port = ClosedPort()
    agent.add_instance(f"http://127.0.0.1:{port.port}")
    answer = agent.chat()
    port.close()
    assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "2"


def test_94_all_fail(agent, bad, good):
    bad.fault({"status": 500}, path="/v1/*")
    good.fault({"reset": True}, path="/v1/*")
    answer = agent.chat()
    assert (answer.status, answer.error) == (502, "all_upstreams_failed")
    message = answer.body["error"]["message"]
    assert "openai/gpt-4#first http_500" in message and "openai/gpt-4#second" in message
    assert "http://" not in message and "sk-" not in message


@pytest.mark.parametrize("fault", [{"reset_mid": 3000}, {"cut_stream": 3},
                                   {"no_finish": 3, "truncated_chunk": True},
                                   {"no_finish": 3, "huge_event": 8 << 20},
                                   {"endless_comments": 50}],
                         ids=["96-reset", "96-cut", "96-chunk", "105-event", "105-comments"])
def test_96_105_streams_that_break(agent, bad, good, fault):
    bad.fault({**fault, "tokens": 40}, path="/v1/*")
    events = streamed(agent)
    assert events[-1]["error"]["code"] == "stream_interrupted" and "[DONE]" not in events
    assert any(event.get("choices") for event in events[:-1])
    assert CHAT not in good.stats()["by_path"], "nobody is asked behind the first byte"


@pytest.mark.parametrize("told, least, most", [
    ("30", 25, 30), (None, 1, 5), ("soon", 1, 5), ("-3", 1, 1), ("0", 1, 1),
    ("1000000000", 30, 60)], ids=["99-30", "99-none", "100-garbage", "100-negative", "100-zero",
                                  "100-billion"])
def test_99_100_rate_limits(agent, bad, told, least, most):
    bad.fault({"status": 429} | ({"retry_after": told} if told else {}), path="/v1/*")
    for _ in range(2):  # the second is answered by the cooldown and reaches nobody
        answer = agent.chat()
        assert (answer.status, answer.error) == (429, "upstream_rate_limited")
        assert least - 1 <= int(answer.headers["Retry-After"]) <= most
    assert bad.stats()["by_path"][CHAT] <= 2


def test_99_the_soonest_end_is_told(agent, bad, good):
    bad.fault({"status": 429, "retry_after": "30"}, path="/v1/*")
    good.fault({"status": 429, "retry_after": "12"}, path="/v1/*")
    answer = agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    assert 10 <= int(answer.headers["Retry-After"]) <= 12


def test_101_a_refused_key_is_asked_no_more(agent, bad, good):
    bad.fault({"status": 401}, path="/v1/*")
    for _ in range(3):
        assert agent.chat().status == 200
    assert bad.stats()["by_path"][CHAT] == 1
    keys = agent.get("key-manager", "/api/v1/keys").body["items"]
    assert {key["key_name"]: key["state"] for key in keys}["first"] == "invalid"


def test_98_a_stream_that_drips_is_silence(agent, bad, good):
    """Its bytes come in time, its events do not."""
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "timeouts": {**DEADLINES, "first_byte_ms": 20000, "idle_ms": 200, "total_ms": 60000}})
    assert answer.status == 200, answer
    bad.fault({"tokens": 40, "drip": 400}, path="/v1/*")
    events = streamed(agent)
    assert any(event.get("choices") for event in events[:-1])
    assert events[-1]["error"]["code"] == "stream_interrupted"
    assert CHAT not in good.stats()["by_path"]


def test_102_no_storm_of_attempts(agent, bad):
    """However many candidates: each is asked once, and max_attempts in all."""
    for i in range(5):
        agent.add_key(bad.url, key_name=f"further {i}", api_key=f"sk-simulated-0000000000000{i}bad")
    bad.fault({"status": 503}, path="/v1/*")
    for n in (1, 2):
        answer = agent.chat()
        assert (answer.status, answer.error) == (502, "all_upstreams_failed")
        assert bad.stats()["by_path"][CHAT] == 3 * n
        event = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
        targets = [attempt["target"] for attempt in event["attempts"]]
        assert len(set(targets)) == len(targets) == 3


def test_104_a_bomb_is_not_unpacked(agent, bad):
    bad.fault({"gzip_bomb": 300 << 20}, path="/v1/*")
    before = anonymous_kib(agent.pid)
    answer = agent.chat()
    assert answer.status == 502 and answer.error in ("upstream_bad_response", "upstream_too_large")
    assert anonymous_kib(agent.pid) - before < 64 * MIB


def test_107_unknown_names(agent):
    assert agent.chat(model="nobody").error == "model_not_found"
    answer = agent.get("config-center", "/api/v1/features/nobody")
    assert (answer.status, answer.error) == (404, "not_found")


def test_102_the_same_upstream_is_asked_again_by_few(agent, bad):
    """Ten at once and then a tenth of the calls, however many calls fail."""
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "retry": {"max_attempts": 4, "per_target": 2}, "cooldown": {"fails": 1000}})
    assert answer.status == 200, answer
    bad.fault({"status": 500}, path="/v1/*")
    for _ in range(60):
        assert agent.chat().status >= 500
    calls = bad.stats()["by_path"][CHAT]
    assert 70 <= calls <= 76, "60, ten at once and a tenth of them"


def test_102_one_failure_is_asked_again(agent, bad):
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"retry": {"max_attempts": 4, "per_target": 2}})
    assert answer.status == 200, answer
    bad.fault({"status": 500}, path="/v1/chat/*", count=1)
    answer = agent.chat()
    assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "2"
