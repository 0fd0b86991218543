# SPDX-License-Identifier: MIT
"""The wall clock is set by a year while work is under way: what was promised in seconds is kept in
seconds, and nothing that lives ends at once."""
import concurrent.futures

import pytest

from waiting import wait_for

GW, CONFIG, REG = "api-gateway", "config-center", "service-registry"
CHAT = "/v1/chat/completions"
YEAR_S = 365 * 86400
FIRST_BYTE_MS = 1500


@pytest.fixture
def agent(make_agent, clock):
    return make_agent(env=clock.env)


@pytest.fixture
def local(make_vendord):
    return make_vendord(flavour="vllm", no_auth=True)


@pytest.fixture(params=[YEAR_S, -YEAR_S], ids=["forward", "backward"])
def jump(clock, request):
    return lambda: clock.advance(0, wall_s=request.param)


def test_a_stream_goes_on(agent, local, jump):
    agent.add_instance(local.url)
    local.fault({"tokens": 20, "pace_ms": 30}, path="/v1/*")
    with agent.stream(CHAT, {"model": "chat", "stream": True, "messages": [
            {"role": "user", "content": "x"}]}) as stream:
        events = stream.events()
        next(events)
        jump()
        rest = list(events)
    assert rest[-1] == "[DONE]" and sum(bool(e.get("choices")) for e in rest[:-1]) >= 18
    assert local.stats()["streams"]["aborted"] == 0


def test_a_deadline_stays_where_it_was(agent, local, jump):
    agent.add_instance(local.url)
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {
        "timeouts": {"first_byte_ms": FIRST_BYTE_MS}, "retry": {"max_attempts": 1}})
    assert answer.status == 200, answer
    local.fault({"hang": True}, path="/v1/*")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(agent.chat)
        local.wait_stats(lambda s: s["in_flight"] >= 1, what="the call upstream")
        jump()
        answer = asked.result(30)
    assert (answer.status, answer.error) == (504, "upstream_timeout")
    event = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
    assert event["attempts"][0]["end"] == "first_byte_timeout"
    assert FIRST_BYTE_MS <= event["total_ms"] < 20 * FIRST_BYTE_MS


def test_a_cooldown_is_as_long_as_it_was(agent, vendord, jump):
    agent.add_key(vendord.url)
    vendord.fault({"status": 429, "retry_after": "30"}, path=CHAT)
    assert agent.chat().error == "upstream_rate_limited"
    jump()
    answer = agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    assert 1 <= int(answer.headers["Retry-After"]) <= 30
    assert vendord.stats()["by_path"][CHAT] == 1


def test_nobodys_registration_ends(agent, local, jump):
    for i in range(5):
        agent.add_instance(local.url, id=f"gpu{i}", ttl_s=600)
    jump()
    agent.add_instance(local.url, id="short", ttl_s=1)

    def states():
        items = agent.get(REG, "/api/v1/services/simulated-vllm").body["instances"]
        return {i["id"]: i["state"] for i in items}
    found = wait_for(lambda: states() if states()["short"] == "EXPIRED" else None,
                     what="the one to end whose time is over")
    assert [found[f"gpu{i}"] for i in range(5)] == ["OK"] * 5
    assert agent.chat().status == 200


def jumps(agent):
    return [int(r["seconds"]) for r in agent.log_records() if r["event"] == "clock_jump"]


def test_it_is_said_once_and_writes_go_on(agent, clock, jump):
    clock.advance(2)  # both clocks: time passed, and nobody set anything
    assert jumps(agent) == []
    jump()
    said = wait_for(lambda: jumps(agent), what="the jump in the log")
    assert len(said) == 1 and abs(said[0] - clock.wall_us // 10**6) <= 3
    before = agent.get(CONFIG, "/api/v1/features/chat").body
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"description": "later"})
    assert answer.status == 200 and answer.body["updated_at"][:4] != before["updated_at"][:4]
    assert agent.get(CONFIG, "/healthz").status == 200
    agent.restart()
    assert agent.get(CONFIG, "/api/v1/features/chat").body["description"] == "later"
    assert wait_for(lambda: agent.get(GW, "/api/v1/status").status == 200)


def test_figures_outlive_a_clock_that_was_ahead_for_a_while(agent, local, clock):
    agent.add_instance(local.url)

    def seen():
        history = agent.get(GW, "/api/v1/status").body["traffic"]["history"]
        return sum(rate or 0 for rate in history["rate"])

    def asked(times):
        before = seen()
        for _ in range(times):
            assert agent.chat().status == 200
        clock.pass_until(lambda: seen() > before, 10, what="the figures")
    clock.advance(0, wall_s=YEAR_S)
    asked(3)
    clock.advance(61)
    agent.restart()
    clock.advance(0, wall_s=-YEAR_S)
    asked(30)
    agent.restart()  # which writes down what there is
    assert seen() >= 3, "30 in steps of 10 s"
