# SPDX-License-Identifier: MIT
"""What was learned belongs to what it was learned of: a secret, an address, an object."""
import concurrent.futures

import pytest
from held_upstream import HeldUpstream, refusal
from waiting import wait_for

GW, CONFIG, KEYS = "api-gateway", "config-center", "key-manager"
REGISTRY, ROUTER = "service-registry", "router-engine"
OLD, NEW = "sk-simulated-00000000000000old", "sk-simulated-00000000000000new"


@pytest.fixture
def held():
    with HeldUpstream() as upstream:
        yield upstream


@pytest.fixture
def pool():
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        yield pool


def key_of(agent, key):
    return agent.get(KEYS, f"/api/v1/keys/{key['id']}").body


def rotate(agent, key):
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate", {"api_key": NEW}).status == 200


def one_attempt(agent, feature="chat", **more):
    """The feature asks once, so that an answer is the upstream's."""
    answer = agent.request(CONFIG, "PATCH", f"/api/v1/features/{feature}", {
        "retry": {"max_attempts": 1, "per_target": 1}, **more})
    assert answer.status == 200, answer


def works(agent, held, pool, secret=NEW):
    """A call now goes out, with that secret, and is answered."""
    n = len(held.calls)
    answer = pool.submit(agent.chat)
    wait_for(lambda: len(held.calls) > n or answer.done(), what="a call or its refusal")
    assert len(held.calls) > n, answer.result()
    assert held.calls[n].secret == secret
    held.calls[n].answer(200)
    return answer.result().status == 200


@pytest.mark.parametrize("status, code", [(401, "invalid_api_key"), (429, "insufficient_quota"),
                                          (403, "unsupported_country_region_territory")])
def test_a_late_refusal_of_the_old_secret_leaves_the_new_one_alone(
        agent, held, pool, status, code):
    key = agent.add_key(held.url, api_key=OLD)
    one_attempt(agent)
    late = pool.submit(agent.chat)
    held.call(0)
    rotate(agent, key)
    held.call(0).answer(status, refusal(code))
    assert late.result().status >= 400
    assert key_of(agent, key)["state"] == "unknown", "nobody asked the new one yet"
    assert works(agent, held, pool)
    assert key_of(agent, key)["state"] == "ok"


def test_a_late_success_of_the_old_secret_does_not_clear_the_new_one(agent, held, pool):
    key = agent.add_key(held.url, api_key=OLD)
    one_attempt(agent)
    late = pool.submit(agent.chat)
    held.call(0)
    rotate(agent, key)
    refused = pool.submit(agent.chat)
    held.call(1).answer(401, refusal("invalid_api_key"))
    refused.result()
    assert key_of(agent, key)["state"] == "invalid"
    held.call(0).answer(200)
    assert late.result().status == 200
    assert key_of(agent, key)["state"] == "invalid", "it was the old secret that worked"


@pytest.mark.parametrize("before, status, after", [(None, 401, "unknown"), (401, 200, "invalid")],
                         ids=["refused", "taken"])
def test_a_late_answer_to_a_test_is_of_the_secret_it_showed(
        agent, held, pool, before, status, after):
    key = agent.add_key(held.url, api_key=OLD)
    held.probes = None
    late = pool.submit(agent.post, KEYS, f"/api/v1/keys/{key['id']}/test")
    held.call(0)
    rotate(agent, key)
    if before:
        one_attempt(agent)
        refused = pool.submit(agent.chat)
        held.call(1).answer(before, refusal("invalid_api_key"))
        refused.result()
    held.call(0).answer(status, {"object": "list", "data": []})
    assert late.result().body["ok"] == (status == 200)
    assert key_of(agent, key)["state"] == after


def test_calls_of_both_secrets_are_taken_off_the_key(agent, held, pool):
    key = agent.add_key(held.url, api_key=OLD, limits={"concurrency": 2})
    one_attempt(agent)
    late = pool.submit(agent.chat)
    held.call(0)
    rotate(agent, key)
    other = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"base_url": held.url + "/b"})
    assert other.status == 200
    second = pool.submit(agent.chat)
    held.call(1)
    assert agent.chat().status == 429, "two are under way, whatever they show"
    for call in held.calls:
        call.answer(200)
    assert (late.result().status, second.result().status) == (200, 200)
    first, second = pool.submit(agent.chat), pool.submit(agent.chat)
    held.call(3)
    for call in held.calls[2:]:
        call.answer(200)
    assert (first.result().status, second.result().status) == (200, 200)


def dead(agent, attempts):
    for _ in range(attempts):
        assert agent.chat().status >= 500


def breaker_is_open(agent, name):
    rows = agent.get(ROUTER, "/api/v1/routes/chat").body["items"]
    return next(r for r in rows if r["name"] == name)["state"] == "OPEN"


FAST_BREAKER = {"cooldown": {"fails": 2, "window_s": 60, "for_s": 3600}}


def test_a_key_at_a_new_address_starts_anew(agent, held, pool):
    key = agent.add_key("http://127.0.0.1:1", api_key=OLD)
    one_attempt(agent, **FAST_BREAKER)
    dead(agent, 2)
    assert agent.chat().status == 503
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"base_url": held.url})
    assert answer.status == 200
    assert works(agent, held, pool, OLD)


def test_what_the_old_address_said_late_is_not_the_new_ones(agent, held, pool):
    key = agent.add_key(held.url, api_key=OLD)
    one_attempt(agent, cooldown={"fails": 1, "window_s": 60, "for_s": 3600})
    late = [pool.submit(agent.chat) for _ in range(2)]
    held.call(1)
    with HeldUpstream() as other:
        agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"base_url": other.url})
        held.call(0).answer(429, refusal("rate_limit_exceeded"), retry_after="3600")
        held.call(1).answer(500)
        assert sorted(one.result().status for one in late) == [429, 502]
        assert works(agent, other, pool, OLD)


def instance(agent, url, **more):
    return agent.add_instance(url, engine="vllm", models=["m"], **more)


def instance_state(agent):
    return agent.get(REGISTRY, "/api/v1/services/simulated-vllm/instances/gpu1").body


@pytest.mark.parametrize("again", [False, True], ids=["replaced", "deleted"])
def test_an_instance_at_a_new_address_starts_anew(agent, held, pool, again):
    with HeldUpstream() as first:
        instance(agent, first.url)
        wait_for(lambda: instance_state(agent)["state"] == "OK")
        one_attempt(agent, **FAST_BREAKER)
        for i in range(2):
            bad = pool.submit(agent.chat)
            first.call(i).answer(500)
            assert bad.result().status == 502
        assert agent.chat().status == 503, "its breaker is open"
    if again:
        gone = agent.request(REGISTRY, "DELETE", "/api/v1/services/simulated-vllm/instances/gpu1")
        assert gone.status == 204
    instance(agent, held.url)
    seen = instance_state(agent)
    assert seen["p95_ms"] is None and seen["error_pct"] is None
    assert works(agent, held, pool, "")


def test_a_new_instance_of_the_name_is_not_drained(agent, held, pool):
    instance(agent, held.url)
    path = "/api/v1/services/simulated-vllm/instances/gpu1"
    drained = agent.request(ROUTER, "PATCH",
                            "/api/v1/routes/chat/self/simulated-vllm?instance=gpu1",
                            {"drain": True, "weight": 7})
    assert drained.status == 200
    assert instance_state(agent)["state"] == "DRAIN"
    assert agent.request(REGISTRY, "PUT", path, {"url": held.url + "/v2", "engine": "vllm",
                                                 "features": ["chat"]}).status == 200
    assert instance_state(agent)["state"] == "DRAIN", "the operator's word outlives an address"
    assert agent.request(REGISTRY, "DELETE", path).status == 204
    instance(agent, held.url)
    assert instance_state(agent)["state"] != "DRAIN", "not another object"
    agent.restart()
    assert instance_state(agent)["state"] != "DRAIN"


def test_a_new_feature_of_the_name_owes_nothing(agent, held, pool):
    """Drains, figures and what was spent end with the feature they were of."""
    agent.add_key(held.url, api_key=OLD)
    doc = {"name": "small", "endpoint": "chat.completions", "targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": "m"}]}
    assert agent.post(CONFIG, "/api/v1/features", doc).status == 201
    used = pool.submit(agent.chat, model="small")
    held.call(0).answer(200)
    assert used.result().status == 200
    drained = agent.request(ROUTER, "PATCH", "/api/v1/routes/small/openai/gpt-4", {"drain": True})
    assert drained.status == 200
    row = agent.get(ROUTER, "/api/v1/routes/small").body["items"][0]
    assert row["state"] == "DRAINED" and agent.chat(model="small").status == 503
    assert agent.request(CONFIG, "DELETE", "/api/v1/features/small").status == 204
    assert agent.post(CONFIG, "/api/v1/features", doc).status == 201
    row = agent.get(ROUTER, "/api/v1/routes/small").body["items"][0]
    assert row["state"] != "DRAINED", row
    agent.restart()
    row = agent.get(ROUTER, "/api/v1/routes/small").body["items"][0]
    assert row["state"] != "DRAINED", row
