# SPDX-License-Identifier: MIT
"""Figures end with their objects, and another object of the name begins with none."""
import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from waiting import wait_for

GW, CONFIG, KEYS = "api-gateway", "config-center", "key-manager"
REGISTRY, ROUTER = "service-registry", "router-engine"
ROUNDS = 200
SMALL = {"name": "small", "endpoint": "chat.completions", "targets": [
    {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": "m"}]}


def metrics(agent, service):
    return agent.get(service, "/metrics").body.decode()


def value(agent, service, series):
    """The value of the one series that begins so; None when there is none."""
    found = re.findall(rf"^{re.escape(series)}[^ ]* (.*)$", metrics(agent, service), re.M)
    assert len(found) <= 1, found
    return float(found[0]) if found else None


def every(pool, n, call):
    answers = list(pool.map(call, range(n)))
    assert all(a.status < 300 for a in answers), [a for a in answers if a.status >= 300][:1]
    return [a.body for a in answers]


def test_gauges_end_with_their_objects(agent, vendord):
    """Created, renamed and deleted, many times over, while somebody scrapes."""
    with ThreadPoolExecutor(8) as pool:
        keys = every(pool, ROUNDS, lambda i: agent.post(KEYS, "/api/v1/keys", {
            "vendor": "openai", "service": "gpt-4", "key_name": f"first {i}",
            "api_key": f"sk-simulated-{i:020}", "base_url": vendord.url}))
        every(pool, ROUNDS, lambda i: agent.request(
            REGISTRY, "PUT", f"/api/v1/services/sd/instances/gpu{i}",
            {"url": vendord.url, "engine": "vllm", "features": ["chat"]}))
        for service in SERVICES:
            metrics(agent, service)
        assert value(agent, KEYS, 'yijian_key_usable{key="openai/gpt-4/first-7"}') == 1
        every(pool, ROUNDS, lambda i: agent.request(
            KEYS, "PATCH", f"/api/v1/keys/{keys[i]['id']}", {"key_name": f"second {i}"}))
        assert value(agent, KEYS, 'yijian_key_usable{key="openai/gpt-4/second-7"}') == 1
        assert "first-" not in metrics(agent, KEYS), "a name that is not there any more"
        assert 'candidate="openai/gpt-4#first-' not in metrics(agent, ROUTER)
        every(pool, ROUNDS, lambda i: agent.request(KEYS, "DELETE", f"/api/v1/keys/{keys[i]['id']}"))
        every(pool, ROUNDS, lambda i: agent.request(
            REGISTRY, "DELETE", f"/api/v1/services/sd/instances/gpu{i}"))
    seen = "".join(metrics(agent, service) for service in SERVICES)
    for name in ("first-", "second-", "gpu7"):
        assert name not in seen, name


SERVICES = (GW, CONFIG, KEYS, REGISTRY, ROUTER)


def test_objects_beyond_the_limit_are_counted(agent, vendord):
    with ThreadPoolExecutor(8) as pool:
        every(pool, 1005, lambda i: agent.post(KEYS, "/api/v1/keys", {
            "vendor": "openai", "service": "dalle", "key_name": f"k{i}",
            "api_key": f"sk-simulated-{i:020}", "base_url": vendord.url}))
    assert metrics(agent, KEYS).count("\nyijian_key_usable{") == 1000
    assert value(agent, GW, 'yijian_metrics_series_dropped{metric="yijian_key_usable"}') == 5
    assert agent.get(GW, "/api/v1/status").body["metrics"]["series_dropped"] >= 5

    def said():
        return [r for r in agent.log_records() if r["event"] == "metric_series_dropped"]
    wait_for(said, what="the line in the log")  # which a thread of its own writes
    assert len(said()) == 1, "once"


def use(agent, n=1, model="small"):
    for _ in range(n):
        assert agent.chat(model=model).status == 200


def requests_of(agent, name="small"):
    return value(agent, GW, f'yijian_gateway_requests_total{{feature="{name}",class="2xx"}}')


def counted(agent, feature):
    items = agent.get(GW, "/api/v1/metrics/series?window=24h").body["items"]
    points = [i["points"] for i in items if (i["name"], i["feature"] or "") == ("rate", feature)]
    return round(sum(p for p in points[0] if p is not None) * 60) if points else None


def again(agent):
    assert agent.request(CONFIG, "DELETE", "/api/v1/features/small").status == 204
    assert agent.post(CONFIG, "/api/v1/features", SMALL).status == 201


@pytest.fixture
def small(make_agent, vendord, clock):
    agent = make_agent(env=clock.env)
    agent.add_key(vendord.url)
    assert agent.post(CONFIG, "/api/v1/features", SMALL).status == 201
    use(agent, 3)
    return agent


def test_a_new_feature_of_the_name_counts_from_nothing(small, clock):
    tokens = 'yijian_usage_tokens_total{feature="small",target="openai/gpt-4",kind="out"}'
    assert requests_of(small) == 3 and value(small, GW, tokens) > 0
    before = value(small, GW, tokens)
    again(small)
    assert requests_of(small) is None
    use(small)
    assert requests_of(small) == 1
    assert value(small, ROUTER, 'yijian_decisions_total{feature="small",result="chosen"}') == 1
    assert value(small, GW, tokens) == before / 3


def test_history_is_of_the_feature_and_not_of_its_name(small, clock):
    clock.pass_until(lambda: counted(small, "small") == 3, 30)
    again(small)
    use(small)
    clock.pass_until(lambda: counted(small, "small") == 1, 30)
    assert counted(small, "") == 4, "the total has all"
    small.restart()
    assert counted(small, "small") == 1
    assert counted(small, "") == 4
    assert small.request(CONFIG, "DELETE", "/api/v1/features/small").status == 204
    small.restart()
    assert counted(small, "small") is None and counted(small, "") == 4


def test_counters_of_what_is_gone_end_after_a_while(small, clock):
    use(small, model="chat")
    assert small.request(CONFIG, "DELETE", "/api/v1/features/small").status == 204
    assert requests_of(small) == 3, "whoever scrapes sees the last value"
    clock.pass_until(lambda: requests_of(small) is None, 60, "its series end")
    clock.pass_until(lambda: counted(small, "small") is None, 60, "its history too")
    assert requests_of(small, "chat") == 1
    attempts = 'yijian_gateway_attempts_total{feature="%s",target="openai/gpt-4",outcome="ok"}'
    assert value(small, GW, attempts % "chat") == 1 and value(small, GW, attempts % "small") is None
    use(small, model="chat")
    assert requests_of(small, "chat") == 2, "calls go on where they counted"


def refuse(agent, client):
    """One request that this client may not make."""
    assert agent.chat(headers={"Authorization": "Bearer " + client["key"]}).status == 403


def refused_of(agent, client):
    return value(agent, GW, 'yijian_gateway_refused_total{reason="feature_denied",client="%s"}' % client)


def test_counters_of_a_client_that_is_gone_end(make_agent, clock):
    agent = make_agent(env=clock.env)
    made = [agent.post(KEYS, "/api/v1/clients", {"name": name, "features": ["embeddings"]}).body
            for name in ("stays", "goes")]
    for client in made:
        refuse(agent, client)
    stays, goes = (client["id"] for client in made)
    assert agent.request(KEYS, "DELETE", f"/api/v1/clients/{goes}").status == 204
    assert refused_of(agent, goes) == 1, "whoever scrapes sees the last value"
    clock.pass_until(lambda: refused_of(agent, goes) is None, 60, "its series end")
    assert refused_of(agent, stays) == 1


def test_clients_that_are_gone_make_room_among_the_refused(agent):
    """64 are told apart."""
    def make(i):
        return agent.post(KEYS, "/api/v1/clients", {"name": f"c{i}", "features": ["embeddings"]})

    with ThreadPoolExecutor(4) as pool:
        made = every(pool, 65, make)
        for client in made:
            refuse(agent, client)
        assert refused_of(agent, made[64]["id"]) is None and refused_of(agent, "other") == 1
        every(pool, 64, lambda i: agent.request(KEYS, "DELETE", f"/api/v1/clients/{made[i]['id']}"))

    def is_told():
        refuse(agent, made[64])
        return refused_of(agent, made[64]["id"])
    wait_for(is_told, what="a place of its own")


def test_there_is_room_for_whoever_comes_later(small, vendord):
    """More features come and go than are kept apart, each with traffic."""
    def live(i):
        name = f"f{i}"
        assert small.post(CONFIG, "/api/v1/features", {**SMALL, "name": name}).status == 201
        assert small.chat(model=name).status == 200
        return small.request(CONFIG, "DELETE", f"/api/v1/features/{name}")
    with ThreadPoolExecutor(4) as pool:
        every(pool, 1200, live)
    assert small.get(GW, "/metrics").status == 200
    assert small.post(CONFIG, "/api/v1/features", {**SMALL, "name": "late"}).status == 201
    use(small, model="late")
    assert requests_of(small, "late") == 1
