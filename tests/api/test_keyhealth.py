# SPDX-License-Identifier: MIT
"""Health with a price: keys that are out are looked at again, free of charge unless budgeted."""
from waiting import wait_for

GW, KEYS = "api-gateway", "key-manager"
CHAT, MODELS = "/v1/chat/completions", "/v1/models"


def make(make_agent, **env):
    return make_agent(env={"YIJIAN_KEY_CHECK_S": "1", **env})


def state(agent, key):
    return agent.get(KEYS, f"/api/v1/keys/{key['id']}").body["state"]


def checks(agent):
    return agent.get(GW, "/api/v1/status").body["health_checks"]


def asked(vendord, path):
    return vendord.stats()["by_path"].get(path, 0)


def test_an_invalid_key_recovers_by_a_free_look(make_agent, vendord):
    agent = make(make_agent)
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 401}, count=1, path=CHAT)
    vendord.fault({"status": 401}, count=1, path=MODELS)  # the first look finds it refused still
    assert agent.chat().status == 502
    assert state(agent, key) == "invalid"
    wait_for(lambda: state(agent, key) == "ok", what="the free look")
    assert asked(vendord, CHAT) == 1, "never a call that is paid for"
    assert asked(vendord, MODELS) == 2
    seen = checks(agent)
    assert (seen["free_today"], seen["paid_today"], seen["paid_budget"]) == (2, 0, 0)
    assert seen["cost"] == {"pico": 0, "currency": "USD", "source": "counted"}
    events = agent.get(GW, "/api/v1/events?kinds=key").body["items"]
    assert events[-1]["state"] == "recovered" and events[-1]["why"]


def test_a_healthy_key_is_left_alone(make_agent, vendord):
    agent = make(make_agent)
    good = agent.add_key(vendord.base_url, key_name="good")
    bad = agent.add_key(vendord.base_url, service="dalle", key_name="bad",
                        api_key="sk-simulated-0000000000000bad")
    vendord.fault({"status": 401}, count=1, path="/v1/images/generations")
    agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "x"})
    wait_for(lambda: checks(agent)["free_today"] == 1)
    assert [r["path"] for r in vendord.requests() if r["path"] == MODELS] == [MODELS]
    wait_for(lambda: state(agent, bad) == "ok")
    assert state(agent, good) == "ok"


def test_no_credit_is_not_found_out_at_a_price(make_agent, vendord):
    agent = make(make_agent)
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=1, path=CHAT)
    agent.chat()
    assert state(agent, key) == "no_quota"
    wait_for(lambda: checks(agent)["free_today"] >= 1, what="the free look")
    assert state(agent, key) == "no_quota", "a list of models says nothing of credit"
    assert asked(vendord, CHAT) == 1 and checks(agent)["paid_today"] == 0
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/test").body["ok"]
    assert state(agent, key) == "ok", "the operator's word"


def test_a_budget_pays_for_one_token(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PAID_PROBES_PER_DAY="3")
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=1, path=CHAT)
    agent.chat()
    wait_for(lambda: state(agent, key) == "ok", what="the paid look")
    assert asked(vendord, CHAT) == 2
    seen = checks(agent)
    assert (seen["paid_today"], seen["paid_budget"]) == (1, 3)
    assert seen["cost"]["pico"] > 0 and seen["cost"]["currency"] == "USD"
    sent = [r for r in vendord.requests() if r["path"] == CHAT][-1]
    assert '"max_tokens":1' in sent["body"].replace(" ", "")
    usage = agent.get(GW, "/api/v1/usage?by=client").body["items"]
    assert any(i["client"] == "health-check" for i in usage)


def test_a_budget_ends_and_is_remembered(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PAID_PROBES_PER_DAY="1")
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, path=CHAT)
    agent.chat()
    wait_for(lambda: checks(agent)["paid_today"] == 1 and checks(agent)["free_today"] >= 2,
             what="a free look after the paid one")
    assert asked(vendord, CHAT) == 2 and state(agent, key) == "no_quota"
    agent.kill9()
    agent.start()
    wait_for(lambda: checks(agent)["paid_today"] == 1, what="what was spent")
    agent.chat()
    before = asked(vendord, CHAT)
    wait_for(lambda: checks(agent)["free_today"] >= 1)
    assert asked(vendord, CHAT) == before
