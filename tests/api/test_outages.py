# SPDX-License-Identifier: MIT
"""What is known dead stays so over a restart, and what never comes back is taken away."""
import re
import threading

import pytest
from held_upstream import HeldUpstream, refusal
from waiting import wait_for

GW, CONFIG, KEYS = "api-gateway", "config-center", "key-manager"
REGISTRY, ROUTER = "service-registry", "router-engine"
PATH = "/api/v1/services/simulated-vllm/instances/gpu1"


def instance(agent):
    return agent.get(REGISTRY, PATH)


def beat(agent):
    return agent.post(REGISTRY, PATH + "/heartbeat")


def written(agent, kind="instance"):
    """How many are written down as out."""
    text = agent.get(CONFIG, "/metrics").body.decode()
    found = re.search(rf'^yijian_outages_written{{kind="{kind}"}} (.*)$', text, re.M)
    return float(found[1]) if found else None


def skip_of(agent):
    decision = agent.post(ROUTER, "/api/v1/route/chat", {}).body
    found = [c for c in decision["candidates"] if c["target"].startswith("self/")]
    return [s["code"] for s in found[0]["skips"]] if found else None


@pytest.fixture
def vendord(make_vendord):
    return make_vendord(flavour="vllm")


@pytest.fixture
def agent(make_agent, clock):
    return make_agent(env=clock.env)


@pytest.fixture
def expired(agent, vendord, clock):
    agent.add_instance(vendord.url, ttl_s=30)
    assert instance(agent).body["state"] == "OK"
    clock.pass_until(lambda: instance(agent).body["state"] == "EXPIRED", 10)
    wait_for(lambda: written(agent) == 1, what="the row of its expiry")
    return agent


@pytest.mark.parametrize("end", ["stop", "kill9"])
def test_an_expired_instance_stays_expired(expired, vendord, end):
    agent = expired
    getattr(agent, end)()
    agent.start()
    assert instance(agent).body["state"] == "EXPIRED"
    assert skip_of(agent) == ["heartbeat_expired"]
    assert agent.chat().status == 503
    assert not vendord.stats()["by_path"].get("/v1/chat/completions")
    assert beat(agent).status == 200
    assert instance(agent).body["state"] == "OK" and agent.chat().status == 200
    wait_for(lambda: written(agent) == 0, what="the row to go with the heartbeat")
    agent.restart()
    assert instance(agent).body["state"] != "EXPIRED"


def test_another_instance_of_the_name_is_not_expired(expired, vendord):
    assert expired.request(REGISTRY, "DELETE", PATH).status == 204
    expired.add_instance(vendord.url + "/", ttl_s=3600)
    expired.restart()
    assert instance(expired).body["state"] != "EXPIRED"


def test_heartbeats_write_nothing(agent, vendord):
    agent.add_instance(vendord.url, ttl_s=30)
    wait_for(lambda: instance(agent).body["state"] == "OK")

    def writes():
        text = agent.get(CONFIG, "/metrics").body.decode()
        return next(line for line in text.splitlines() if line.startswith("yijian_store_writes_total"))
    before = writes()
    for _ in range(20):
        assert beat(agent).status == 200
    assert writes() == before


def test_one_that_never_beats_again_is_reaped(expired, clock):
    agent = expired
    clock.advance(23 * 3600)
    agent.restart()
    assert instance(agent).body["state"] == "EXPIRED"
    clock.advance(2 * 3600)  # a day since, and more than an hour since the start
    wait_for(lambda: instance(agent).status == 404, what="its end")
    audit = agent.get(KEYS, "/api/v1/audit").body["items"]
    mine = [a for a in audit if a["object"].endswith("simulated-vllm/gpu1")][0]
    assert mine["actor"] == "system" and "reap" in mine["action"]
    events = agent.get(GW, "/api/v1/events?kinds=config").body["items"]
    told = [e for e in events if e["action"] == "instance.reap"]
    assert [e["object"] for e in told] == ["simulated-vllm/gpu1"] and told[0]["why"]
    assert "gpu1" not in agent.get(REGISTRY, "/metrics").body.decode()
    wait_for(lambda: written(agent) == 0)


def test_what_was_down_together_may_come_back_together(expired, clock):
    expired.stop()
    clock.advance(3 * 86400)
    expired.start()
    clock.advance(1800)
    assert instance(expired).body["state"] == "EXPIRED"
    assert beat(expired).status == 200 and instance(expired).body["state"] == "OK"
    clock.advance(1801)
    assert instance(expired).status == 200


def key_state(agent, key):
    return agent.get(KEYS, f"/api/v1/keys/{key['id']}").body["state"]


@pytest.mark.parametrize("status, code, state, more", [
    (401, "invalid_api_key", "invalid", {}),
    (429, "insufficient_quota", "no_quota", {}),
    (429, "rate_limit_exceeded", "cooling", {"retry_after": "3000"}),
])
def test_what_was_said_of_a_key_outlives_a_restart(make_agent, clock, status, code, state, more):
    """Whatever alert rules there are."""
    agent = make_agent(env={**clock.env, "YIJIAN_KEY_CHECK_S": "3600"})
    with HeldUpstream() as held:
        key = agent.add_key(held.url)
        agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {
            "retry": {"max_attempts": 1, "per_target": 1, "honour_retry_after_max_s": 3600}})
        for rule in agent.get(GW, "/api/v1/alerts/rules").body["items"]:
            agent.request(GW, "DELETE", f"/api/v1/alerts/rules/{rule['name']}")
        caller = threading.Thread(target=agent.chat)
        caller.start()
        held.call(0).answer(status, refusal(code), **more)
        caller.join()
        assert key_state(agent, key) == state
        wait_for(lambda: written(agent, "key") == 1, what="its row")
        agent.kill9()
        agent.start()
        assert key_state(agent, key) == state
        assert agent.chat().status in (429, 503)
        assert len(held.calls) == 1, "nobody asked it again"
        rotated = agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate",
                             {"api_key": "sk-simulated-0000000000000002"})
        assert rotated.status == 200
        agent.kill9()
        agent.start()
        assert key_state(agent, key) == "unknown", "the row is of the secret that was shown"


def test_a_cooldown_ends_though_the_clock_was_set_back_meanwhile(make_agent, make_vendord, clock):
    vendord = make_vendord()
    agent = make_agent(env=clock.env)
    key = agent.add_key(vendord.url)
    vendord.fault({"status": 429, "retry_after": "280"}, path="/v1/chat/*", count=1)
    assert agent.chat().error == "upstream_rate_limited"
    wait_for(lambda: written(agent, "key") == 1, what="its row")
    agent.kill9()
    clock.advance(0, wall_s=-365 * 86400)
    agent.start()
    assert key_state(agent, key) == "cooling"
    clock.advance(301)
    assert agent.chat().status == 200
