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
    assert (seen["free_today"], seen["paid_today"], seen["budget_pico"]) == (2, 0, 0)
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
    assert state(agent, good) == "unknown", "nobody asked it"


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


def out_of_credit(agent, vendord, count=1):
    """The next calls are refused, and the first of them has been made."""
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=count, path=CHAT)
    assert agent.chat().status >= 400


def spent(agent, key):
    doc = agent.get(KEYS, f"/api/v1/keys/{key['id']}").body
    return doc["probes_paid"], doc["probes_cost"]


def test_a_budget_pays_for_one_token(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PROBE_BUDGET_MICRO="1000")
    key = agent.add_key(vendord.base_url)
    assert spent(agent, key) == (0, {"pico": 0, "currency": "USD", "source": "counted"})
    out_of_credit(agent, vendord)
    wait_for(lambda: state(agent, key) == "ok", what="the paid look")
    assert asked(vendord, CHAT) == 2
    seen = checks(agent)
    assert (seen["paid_today"], seen["budget_pico"]) == (1, 10**9)
    assert seen["cost"]["pico"] > 0 and seen["cost"]["currency"] == "USD"
    sent = [r for r in vendord.requests() if r["path"] == CHAT][-1]
    assert '"max_completion_tokens":1' in sent["body"].replace(" ", "")
    usage = agent.get(GW, "/api/v1/usage?by=client").body["items"]
    own = next(i for i in usage if i["client"] == "health-check")
    assert own["cost"][0]["pico"] == seen["cost"]["pico"]
    assert spent(agent, key) == (1, {"pico": seen["cost"]["pico"], "currency": "USD",
                                     "source": "estimated"})


def with_odd_model(agent):
    """The one target of chat has a model that no shipped price knows."""
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": "odd"}]})
    assert answer.status == 200, answer


def dear(agent, micro):
    """A look costs so many millionths."""
    with_odd_model(agent)
    answer = agent.post(KEYS, "/api/v1/prices", {"items": [
        {"vendor": "openai", "model": "odd", "currency": "CNY", "input_pico": 0,
         "output_pico": 0, "request_pico": micro * 10**6}]})
    assert answer.status == 200, answer


def test_money_ends_and_is_remembered(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PROBE_BUDGET_MICRO="100", YIJIAN_PAID_PROBES_PER_DAY="100")
    dear(agent, 60)
    key = agent.add_key(vendord.base_url)
    out_of_credit(agent, vendord)
    wait_for(lambda: state(agent, key) == "ok", what="the paid look")
    assert spent(agent, key) == (1, {"pico": 60 * 10**6, "currency": "CNY",
                                     "source": "estimated"})
    out_of_credit(agent, vendord)
    before = asked(vendord, CHAT)
    free = checks(agent)["free_today"]
    wait_for(lambda: checks(agent)["free_today"] > free, what="a free look")
    assert state(agent, key) == "no_quota" and asked(vendord, CHAT) == before, \
        "60 more do not fit into 100, and a count is no way around"
    agent.kill9()
    agent.start()
    assert spent(agent, key)[1]["pico"] == 60 * 10**6
    out_of_credit(agent, vendord)
    before = asked(vendord, CHAT)
    wait_for(lambda: checks(agent)["free_today"] >= 1)
    assert asked(vendord, CHAT) == before and checks(agent)["paid_today"] == 1


def test_a_refused_look_costs_nothing(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PROBE_BUDGET_MICRO="100")
    dear(agent, 60)
    key = agent.add_key(vendord.base_url)
    out_of_credit(agent, vendord, count=3)
    wait_for(lambda: state(agent, key) == "ok", what="the third paid look")
    assert asked(vendord, CHAT) == 4
    assert spent(agent, key) == (3, {"pico": 60 * 10**6, "currency": "CNY",
                                     "source": "estimated"})


def test_each_key_has_its_own(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PROBE_BUDGET_MICRO="100")
    dear(agent, 60)
    keys = [agent.add_key(vendord.base_url, key_name=n, api_key="sk-simulated-000000000000000" + n)
            for n in ("one", "two")]
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=2, path=CHAT)
    agent.chat()
    wait_for(lambda: [state(agent, k) for k in keys] == ["ok", "ok"], what="both looks")
    assert [spent(agent, k)[1]["pico"] for k in keys] == [60 * 10**6] * 2


def test_without_a_price_looks_are_counted(make_agent, vendord):
    agent = make(make_agent, YIJIAN_PROBE_BUDGET_MICRO="100", YIJIAN_PAID_PROBES_PER_DAY="1")
    with_odd_model(agent)
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, path=CHAT)
    agent.chat()
    wait_for(lambda: checks(agent)["paid_today"] == 1 and checks(agent)["free_today"] >= 2,
             what="a free look after the paid one")
    assert asked(vendord, CHAT) == 2 and state(agent, key) == "no_quota"
    assert spent(agent, key) == (1, {"pico": 0, "currency": "USD", "source": "unknown"})
    assert checks(agent)["cost"]["source"] == "unknown"
    agent.kill9()
    agent.start()
    wait_for(lambda: checks(agent)["paid_today"] == 1, what="what was spent")
    agent.chat()
    before = asked(vendord, CHAT)
    wait_for(lambda: checks(agent)["free_today"] >= 1)
    assert asked(vendord, CHAT) == before
