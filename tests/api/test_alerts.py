# SPDX-License-Identifier: MIT
"""Alerts: every rule that comes with the agent fires and clears, acks, history, restarts."""
import concurrent.futures
import datetime
import signal

import pytest

import tls
from waiting import wait_for

GW, CONFIG, KEYS, REG = "api-gateway", "config-center", "key-manager", "service-registry"
RULES = "/api/v1/alerts/rules"
FAST = {"YIJIAN_ALERT_INTERVAL_MS": "20"}


@pytest.fixture
def agent(make_agent, clock):
    """Its time is the clock's."""
    return make_agent(env={**FAST, **clock.env})


@pytest.fixture
def local(make_vendord):
    """A self-hosted server: it asks for no key."""
    return make_vendord(flavour="vllm", no_auth=True)


def rule(agent, name, **members):
    """Changes a rule; at once and with few requests unless the test says otherwise."""
    answer = agent.request(GW, "PATCH", f"{RULES}/{name}",
                           {"for_s": 0, "clear_for_s": 0, "min_count": 1, **members})
    assert answer.status == 200, answer
    return answer.body


def alerts(agent, name=None, state="all"):
    answer = agent.get(GW, f"/api/v1/alerts?state={state}")
    assert answer.status == 200, answer
    return [a for a in answer.body["items"] if name is None or a["rule"] == name]


def fires(agent, name):
    return wait_for(lambda: next((a for a in alerts(agent, name, "current")
                                  if a["state"] == "firing"), None), what=f"{name} to fire")


def clears(agent, alert):
    def resolved():
        found = agent.get(GW, f"/api/v1/alerts/{alert['id']}").body
        return found if found["state"] == "resolved" else None
    found = wait_for(resolved, what=f"{alert['rule']} to clear")
    assert found["resolved_at"] >= found["fired_at"] >= found["since"]
    return found


def patch(agent, feature, **members):
    answer = agent.request(CONFIG, "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


def check(alert, scope, obj, severity):
    """What each alert says."""
    assert (alert["scope"], alert["object"], alert["severity"]) == (scope, obj, severity)
    assert alert["message"] and "{" not in alert["message"]
    assert alert["hint"] and "{" not in alert["hint"]
    assert alert["value"] is not None and alert["threshold"] is not None


# ---- each rule that comes with the agent ----
# As it stands: thresholds and holds are the defaults, and it is the agent's time that passes.

def default(agent, name):
    """The rule, which nobody has changed."""
    found = agent.get(GW, f"{RULES}/{name}").body
    assert found["builtin"] and found["enabled"] and found["updated_by"] == "system", found
    return found


def seconds(earlier, later):
    parse = datetime.datetime.fromisoformat
    return (parse(later) - parse(earlier)).total_seconds()


def fires_in_time(agent, clock, name, scope, obj):
    """It has held for the rule's time, not less; who waits for a vendor lets time pass."""
    settled = default(agent, name)
    clock.pass_until(lambda: [a for a in alerts(agent, name, "current")
                              if a["state"] == "firing"], what=f"{name} to fire")
    found = alerts(agent, name, "current")
    assert len(found) == 1
    check(found[0], scope, obj, settled["severity"])
    assert found[0]["threshold"] == settled["threshold"]
    assert seconds(found[0]["since"], found[0]["fired_at"]) >= settled["for_s"]
    return found[0]


def clears_in_time(agent, clock, alert):
    """By itself: nobody touched the rule."""
    def resolved():
        found = agent.get(GW, f"/api/v1/alerts/{alert['id']}").body
        return found if found.get("state") == "resolved" else None
    found = clock.pass_until(resolved, what=f"{alert['rule']} to clear")
    settled = default(agent, alert["rule"])
    assert seconds(found["fired_at"], found["resolved_at"]) >= settled["clear_for_s"]
    assert alerts(agent, alert["rule"], "current") == []
    return found


def looked_at(agent):
    """Returns when the rules were looked at since: a rule made for it says so."""
    answer = agent.post(GW, RULES, {"name": "marker", "metric": "sealed", "op": "le",
                                    "threshold": 1, "for_s": 0})
    assert answer.status == 201, answer
    fires(agent, "marker")
    assert agent.request(GW, "DELETE", f"{RULES}/marker").status == 204


def chats(agent, n, status=200):
    for _ in range(n):
        assert agent.chat().status == status


def test_route_errors(agent, local, clock):
    agent.add_instance(local.url)
    local.fault({"status": 500}, path="/v1/chat/completions")
    for _ in range(10):
        assert agent.chat().status >= 500
    found = fires_in_time(agent, clock, "route-errors", "feature", "chat")
    assert found["value"] == 100
    assert "100 %" in found["message"]
    local.faults([])
    clock.advance(31)  # the instance may be tried again
    chats(agent, 10)
    assert alerts(agent, "route-errors", "current"), "half of them had failed"
    assert clears_in_time(agent, clock, found)["value"] < 5


def test_route_latency(agent, local, clock):
    """A server that takes its time, as long as callers wait."""
    agent.add_instance(local.url)
    with concurrent.futures.ThreadPoolExecutor(10) as callers:
        local.signal(signal.SIGSTOP)
        try:
            waiting = [callers.submit(agent.chat) for _ in range(10)]
            wait_for(lambda: b"yijian_gateway_inflight_requests 10\n"
                     in agent.get(GW, "/metrics").body, what="ten to wait")
            clock.advance(31)
        finally:
            local.signal(signal.SIGCONT)
        assert [w.result().status for w in waiting] == [200] * 10
    found = fires_in_time(agent, clock, "route-latency", "feature", "chat")
    assert found["unit"] == "ms" and 30000 <= found["value"] < 40000
    chats(agent, 10)
    assert clears_in_time(agent, clock, found)["value"] < 30000


def test_streams_broken(agent, local, clock):
    agent.add_instance(local.url)
    chats(agent, 9)
    local.fault({"tokens": 40, "cut_stream": 2}, count=1, path="/v1/chat/*")
    with agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True,
            "messages": [{"role": "user", "content": "hello"}]}) as stream:
        events = list(stream.events())
    assert events[-1]["error"]["code"] == "stream_interrupted"
    found = fires_in_time(agent, clock, "streams-broken", "feature", "chat")
    assert found["value"] == 10
    chats(agent, 10)
    clears_in_time(agent, clock, found)


def test_targets_down(agent, local, clock):
    agent.add_instance(local.url)
    # Open for longer than a busy machine takes to look at the rules twice.
    assert agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "cooldown": {"for_s": 300}}).status == 200
    local.fault({"status": 500}, path="/v1/chat/completions")
    chats(agent, 3, 502)
    chats(agent, 1, 503)  # its breaker is open
    found = fires_in_time(agent, clock, "targets-down", "feature", "chat")
    assert found["value"] == 0
    local.faults([])
    clears_in_time(agent, clock, found)  # half open: it takes requests
    chats(agent, 2)


def test_key_cooling(agent, vendord, clock):
    agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "retry_after": "300"}, count=1, path="/v1/chat/completions")
    chats(agent, 2, 429)
    found = fires_in_time(agent, clock, "key-cooling", "key", "openai/gpt-4/simulated")
    chats(agent, 1, 429)
    found = clears_in_time(agent, clock, found)
    assert seconds(found["since"], found["resolved_at"]) >= 300
    chats(agent, 1)


def test_key_invalid(agent, vendord, clock):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 401}, key="0001")  # this key, whatever it asks for
    chats(agent, 1, 502)
    found = fires_in_time(agent, clock, "key-invalid", "key", "openai/gpt-4/simulated")
    chats(agent, 1, 503)
    answer = agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate",
                        {"api_key": "sk-simulated-0000000000000002"})
    assert answer.status == 200
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_key_no_quota(agent, vendord, clock):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, path="/v1/chat/completions")
    assert agent.chat().status >= 400
    found = fires_in_time(agent, clock, "key-no-quota", "key", "openai/gpt-4/simulated")
    vendord.faults([])  # the bill is paid
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/test").body["ok"]
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_a_key_that_is_disabled_alerts_nobody(agent, vendord):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, path="/v1/chat/completions")
    agent.chat()
    found = fires(agent, "key-no-quota")
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/disable").status == 200
    clears(agent, found)  # the operator has seen to it


def test_key_expiry(agent, vendord, clock):
    clock.set_wall("2099-12-01T00:00:00Z")
    key = agent.add_key(vendord.base_url, expires_at="2099-12-15T00:30:00.000Z")
    chats(agent, 1)
    clock.advance(0, wall_s=1200)
    looked_at(agent)
    assert alerts(agent, "key-expiry") == []  # 14 days and ten minutes
    clock.advance(0, wall_s=1200)
    found = fires_in_time(agent, clock, "key-expiry", "key", "openai/gpt-4/simulated")
    assert 13 < found["value"] < 14
    chats(agent, 1)  # it is still good
    clock.advance(0, wall_s=14 * 86400)
    chats(agent, 1, 503)
    agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate",
               {"api_key": "sk-simulated-0000000000000002"})
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}",
                           {"expires_at": "2100-12-15T00:00:00.000Z"})
    assert answer.status == 200
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_key_budget(agent, vendord, clock):
    """Spent by calls, and a new day begins."""
    clock.set_wall("2099-12-01T12:00:00Z")
    key = agent.add_key(vendord.base_url)
    path = f"/api/v1/keys/{key['id']}"
    chats(agent, 1)
    paid = wait_for(lambda: agent.get(GW, "/api/v1/usage?by=key").body["items"])[0]["cost"]
    one = paid[0]["pico"]
    answer = agent.request(KEYS, "PATCH", path, {
        "budget": {"amount_pico": 20 * one, "currency": "USD", "window": "day"}})
    assert answer.status == 200, answer
    chats(agent, 17)  # it counts from now on
    looked_at(agent)
    assert alerts(agent, "key-budget") == []  # 85 %
    chats(agent, 1)
    found = fires_in_time(agent, clock, "key-budget", "key", "openai/gpt-4/simulated")
    assert found["value"] == 90
    chats(agent, 2)
    chats(agent, 1, 429)
    clock.advance(0, wall_s=86400)
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_instance_down(agent, make_vendord, clock):
    local = make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(local.url)
    chats(agent, 1)
    local.kill9()
    found = fires_in_time(agent, clock, "instance-down", "instance", "simulated-vllm/gpu1")
    chats(agent, 1, 503)
    local.start()
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_model_gone(agent, vendord, clock):
    agent.add_key(vendord.base_url)
    vendord.fault({"status": 404, "code": "model_not_found"}, model="gpt-5*")
    assert agent.chat().status >= 400
    found = fires_in_time(agent, clock, "model-gone", "target", "chat/openai/gpt-4")
    patch(agent, "chat", targets=[{"vendor": "openai", "service": "gpt-4", "kind": "vendor",
                                   "upstream_model": "gpt-newer"}])
    chats(agent, 1)
    clears_in_time(agent, clock, found)


def test_model_shutdown(agent, vendord, clock):
    agent.add_key(vendord.base_url)
    clock.set_wall("2026-11-01T00:00:00Z")
    target = {"id": "old", "vendor": "openai", "service": "gpt-4", "kind": "vendor"}
    patch(agent, "chat", targets=[{**target, "upstream_model": "gpt-4o"}])
    chats(agent, 1)
    looked_at(agent)
    assert alerts(agent, "model-shutdown") == []  # 2027-01-14: 74 days
    clock.advance(0, wall_s=20 * 86400)
    found = fires_in_time(agent, clock, "model-shutdown", "target", "chat/old")
    assert 53 <= found["value"] <= 54
    patch(agent, "chat", targets=[{**target, "upstream_model": "gpt-unannounced"}])
    clears_in_time(agent, clock, found)
    chats(agent, 1)


def test_store_degraded(agent, clock):
    path = agent.state_dir / "yijian.db"
    path.rename(path.with_suffix(".away"))
    found = fires_in_time(agent, clock, "store-degraded", "agent", "agent")
    assert agent.get(GW, "/healthz").body["status"] == "degraded"
    answer = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack", {"note": "on it"})
    assert answer.status == 200, "an ack holds also without a database"
    assert answer.body["state"] == "acked" and answer.body["stored"] is False
    path.with_suffix(".away").rename(path)
    clears_in_time(agent, clock, found)
    assert agent.get(GW, "/healthz").body["status"] == "ok"


def test_zero_cost(agent, vendord, clock):
    """A vendor that counts nothing for a model with a price."""
    agent.add_key(vendord.base_url)
    chats(agent, 1)
    vendord.fault({"uncounted": True}, count=1, path="/v1/chat/completions")
    chats(agent, 1)
    found = fires_in_time(agent, clock, "zero-cost", "agent", "agent")
    assert found["value"] == 1
    chats(agent, 1)
    clears_in_time(agent, clock, found)


def test_unpriced(agent, vendord, clock):
    """A model that came out today; the price comes later."""
    agent.add_key(vendord.base_url)
    patch(agent, "chat", targets=[{"vendor": "openai", "service": "gpt-4", "kind": "vendor",
                                   "upstream_model": "gpt-newest"}])
    chats(agent, 1)
    found = fires_in_time(agent, clock, "unpriced", "agent", "agent")
    assert found["value"] == 1
    answer = agent.post(KEYS, "/api/v1/prices", {"vendor": "openai", "model": "gpt-newest",
                                                 "input_pico": 1000, "output_pico": 1000})
    assert answer.status == 200, answer
    chats(agent, 1)
    clears_in_time(agent, clock, found)


def test_outcome_unknown(agent, vendord, clock):
    """A picture that may have been paid for, and nobody can tell."""
    agent.add_key(vendord.url, service="dalle", key_name="dalle")
    vendord.fault({"reset": True}, count=1, path="/v1/images/*")
    picture = {"model": "text_to_image", "prompt": "x"}
    assert agent.post(GW, "/v1/images/generations", picture).status >= 500
    found = fires_in_time(agent, clock, "outcome-unknown", "agent", "agent")
    assert found["value"] == 1
    assert agent.post(GW, "/v1/images/generations", picture).status == 200
    clears_in_time(agent, clock, found)


def test_sealed(agent, clock):
    agent.stop()
    key = agent.state_dir / "root.key"
    good = key.read_bytes()
    key.write_bytes(bytes(reversed(good.strip())) + b"\n")
    agent.start()
    found = fires_in_time(agent, clock, "sealed", "agent", "agent")
    agent.stop()
    key.write_bytes(good)
    agent.start()
    clears_in_time(agent, clock, found)


def test_callers_refused(agent, vendord, clock):
    """Callers without a key once one is asked for; a stray request is no alarm."""
    agent.add_key(vendord.base_url)
    assert agent.post(KEYS, "/api/v1/clients", {"name": "shop"}).status == 201
    chats(agent, 9, 401)
    clock.advance(120)
    looked_at(agent)
    assert alerts(agent, "callers-refused", "current") == []
    chats(agent, 3, 401)
    found = fires_in_time(agent, clock, "callers-refused", "refusal", "key_missing")
    assert found["value"] == 12
    clears_in_time(agent, clock, found)


def test_certificate_expiry(make_agent, tmp_path):
    authority = tls.Authority(tmp_path / "authority")
    pair = authority.issue(days=13, name="served")
    agent = make_agent(over_tls=True, env={**FAST, "YIJIAN_TLS_CERT": str(pair.cert),
                                           "YIJIAN_TLS_KEY": str(pair.key)})
    agent.tls = tls.caller_context(authority)
    found = fires(agent, "certificate-expiry")
    assert found["value"] == 12 and "12 days" in found["message"]
    authority.issue(days=60, name="served")
    agent.signal(signal.SIGHUP)
    clears(agent, found)


def test_every_default_rule_fires_and_clears_above(agent):
    rules = [r["name"] for r in agent.get(GW, RULES).body["items"]]
    assert rules
    for name in rules:
        assert "test_" + name.replace("-", "_") in globals(), name


# ---- life of an alert ----

def test_too_few_requests_say_nothing(agent, local):
    agent.add_instance(local.url)
    rule(agent, "route-errors", min_count=2)
    patch(agent, "chat", cooldown={"fails": 100})
    local.fault({"status": 500}, count=2, path="/v1/chat/completions")
    assert agent.chat().status == 502
    looked_at(agent)
    assert alerts(agent, "route-errors") == []
    assert agent.chat().status == 502
    fires(agent, "route-errors")


def test_an_empty_install_is_no_outage(agent):
    rule(agent, "targets-down")
    looked_at(agent)
    assert [a["rule"] for a in alerts(agent)] == ["marker"]


def test_pending_first(agent, vendord):
    rule(agent, "key-expiry", for_s=3600)
    agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    found = wait_for(lambda: alerts(agent, "key-expiry", "current"))[0]
    assert found["state"] == "pending" and found["fired_at"] is None
    status = agent.get(GW, "/api/v1/status").body["alerts"]
    assert status["firing"] == 0 and status["pending"] >= 1
    answer = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack")
    assert (answer.status, answer.error) == (409, "conflict_state")
    rule(agent, "key-expiry", enabled=False)
    wait_for(lambda: alerts(agent, "key-expiry") == [], what="it to calm without a trace")


def test_ack_events_status_and_metric(agent, vendord):
    head = agent.get(GW, "/api/v1/events?kinds=alert&limit=1").body
    assert head["items"] == []
    agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    rule(agent, "key-expiry", labels={"team": "gateway"}, severity="critical")
    found = wait_for(lambda: next((a for a in alerts(agent, "key-expiry", "current")
                                   if a["state"] == "firing" and a.get("labels")), None))
    assert found["labels"] == {"team": "gateway"} and found["severity"] == "critical"
    status = agent.get(GW, "/api/v1/status").body["alerts"]
    assert (status["firing"], status["critical"], status["acked"]) == (1, 1, 0)
    assert status["items"][0]["id"] == found["id"]
    wait_for(lambda: b'yijian_alerts_firing{rule="key-expiry"} 1'
             in agent.get(GW, "/metrics").body)
    assert agent.get(GW, "/healthz").body["status"] == "ok"
    answer = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack", {"note": "new key ordered"})
    assert answer.status == 200, answer
    assert answer.body["state"] == "acked" and answer.body["note"] == "new key ordered"
    assert answer.body["acked_by"] and answer.body["stored"] is True
    assert agent.get(GW, "/api/v1/status").body["alerts"]["acked"] == 1
    audit = agent.get(KEYS, "/api/v1/audit").body["items"]
    assert any(a["action"] == "alert.ack" and a["object"] == found["id"] for a in audit)
    rule(agent, "key-expiry", threshold=-1000000)
    clears(agent, found)
    events = agent.get(GW, "/api/v1/events?kinds=alert").body["items"]
    assert [e["action"] for e in events if e["id"] == found["id"]] == [
        "firing", "acked", "resolved"]
    assert all(e["kind"] == "alert" and e["message"] for e in events)
    wait_for(lambda: b'yijian_alerts_firing{rule="key-expiry"} 0'
             in agent.get(GW, "/metrics").body)


def test_firing_alerts_survive(agent, vendord):
    agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    found = fires(agent, "key-expiry")
    acked = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack", {"note": "seen"}).body
    agent.restart()
    again = wait_for(lambda: alerts(agent, "key-expiry", "current"))[0]
    for member in ("id", "since", "fired_at", "state", "acked_by", "acked_at", "note"):
        assert again[member] == acked[member]
    rule(agent, "key-expiry", threshold=-1000000)
    clears(agent, found)
    agent.kill9()
    agent.start()
    wait_for(lambda: [a for a in alerts(agent, "key-expiry", "resolved")
                      if a["id"] == found["id"]], what="the history")


def test_each_of_many_is_found_by_its_id_and_kept(agent, vendord):
    """One that is acked, or resolved, changes none of the others."""
    n = 40
    for i in range(n):
        agent.add_key(vendord.base_url, key_name=f"key {i}", api_key=f"sk-simulated-{i:018d}",
                      expires_at="2020-01-01T00:00:00.000Z")

    def firing():
        return {a["id"]: a for a in alerts(agent, "key-expiry", "current")
                if a["state"] == "firing"}
    wait_for(lambda: len(firing()) == n, what="all to fire")
    found = firing()
    for id, each in found.items():
        one = agent.get(GW, f"/api/v1/alerts/{id}").body
        assert (one["id"], one["object"], one["since"]) == (id, each["object"], each["since"])
    acked, resolved, *others = sorted(found)
    assert agent.post(GW, f"/api/v1/alerts/{acked}/ack", {"note": "this one"}).status == 200
    key = found[resolved]["object_id"]
    assert agent.request(KEYS, "PATCH", f"/api/v1/keys/{key}", {
        "expires_at": "2199-01-01T00:00:00.000Z"}).status == 200
    rule(agent, "key-expiry")
    clears(agent, found[resolved])
    assert sorted(firing()) == others
    wait_for(lambda: all(a["stored"] for a in alerts(agent, "key-expiry")), what="all to be kept")
    agent.kill9()
    agent.start()
    wait_for(lambda: len(alerts(agent, "key-expiry")) == n, what="all after the restart")
    again = {a["id"]: a for a in alerts(agent, "key-expiry")}
    assert sorted(again) == sorted(found)
    assert {id for id in again if again[id]["note"]} == {acked}
    assert {id for id in again if again[id]["state"] == "resolved"} == {resolved}
    assert all(again[id]["fired_at"] == found[id]["fired_at"] for id in found)


def test_what_could_not_be_kept_is_kept_later(agent, vendord):
    agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    found = fires(agent, "key-expiry")
    wait_for(lambda: agent.get(GW, f"/api/v1/alerts/{found['id']}").body["stored"])
    path = agent.state_dir / "yijian.db"
    path.rename(path.with_suffix(".away"))
    wait_for(lambda: agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {
        "description": "another"}).error == "storage_moved", what="its loss to be seen")
    acked = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack", {"note": "on it"}).body
    assert acked["state"] == "acked" and acked["stored"] is False
    path.with_suffix(".away").rename(path)
    wait_for(lambda: agent.get(GW, f"/api/v1/alerts/{found['id']}").body["stored"],
             what="the ack to be kept")
    agent.kill9()
    agent.start()
    again = wait_for(lambda: alerts(agent, "key-expiry", "current"))[0]
    assert (again["id"], again["note"]) == (found["id"], "on it")


def test_what_a_vendor_said_of_a_key_survives(agent, vendord):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 401}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 502
    found = fires(agent, "key-invalid")
    assert agent.post(GW, f"/api/v1/alerts/{found['id']}/ack").body["stored"]
    agent.restart()
    wait_for(lambda: agent.get(KEYS, f"/api/v1/keys/{key['id']}").body["state"] == "invalid",
             what="the key's state")
    assert agent.get(GW, f"/api/v1/alerts/{found['id']}").body["state"] == "acked"
    assert agent.chat().status == 503, "it is not tried again at every start"
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/test").body["ok"]
    clears(agent, found)
    agent.restart()
    assert agent.chat().status == 200


def test_an_object_that_goes_takes_its_alert_along(agent, vendord):
    key = agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    found = fires(agent, "key-expiry")
    assert agent.request(KEYS, "DELETE", f"/api/v1/keys/{key['id']}").status == 204
    clears(agent, found)


def test_a_key_of_the_same_name_is_another(agent, vendord):
    old = "2020-01-01T00:00:00.000Z"
    key = agent.add_key(vendord.base_url, key_name="prod", expires_at=old)
    found = fires(agent, "key-expiry")
    assert (found["object"], found["object_id"]) == ("openai/gpt-4/prod", key["id"])
    assert agent.post(GW, f"/api/v1/alerts/{found['id']}/ack").body["acked_by"].startswith("uid:")
    path = f"/api/v1/keys/{key['id']}"
    assert agent.request(KEYS, "PATCH", path, {"key_name": "was prod"}).status == 200
    other = agent.add_key(vendord.base_url, key_name="prod", expires_at=old,
                          api_key="sk-simulated-0000000000other")
    fresh = fires(agent, "key-expiry")  # not acknowledged, as the other is
    assert (fresh["object"], fresh["object_id"]) == ("openai/gpt-4/prod", other["id"])
    same = agent.get(GW, f"/api/v1/alerts/{found['id']}").body
    assert (same["state"], same["object"]) == ("acked", "openai/gpt-4/was-prod")


def test_only_these_objects(agent, vendord):
    for name in ("one", "two"):
        agent.add_key(vendord.base_url, key_name=name, api_key=f"sk-simulated-0000000000{name}",
                      expires_at="2020-01-01T00:00:00.000Z")
    wait_for(lambda: len(alerts(agent, "key-expiry", "current")) == 2)
    rule(agent, "key-expiry", only=["openai/gpt-4/two"])
    wait_for(lambda: [a["object"] for a in alerts(agent, "key-expiry", "current")]
             == ["openai/gpt-4/two"])


# ---- rules ----

def test_rules_come_with_the_agent(agent):
    items = agent.get(GW, RULES).body["items"]
    assert {"route-errors", "route-latency", "targets-down", "key-cooling", "key-invalid",
            "key-no-quota", "key-budget", "key-expiry", "instance-down", "store-degraded", "sealed",
            "model-shutdown", "model-gone", "zero-cost", "unpriced", "streams-broken",
            "outcome-unknown", "callers-refused", "certificate-expiry"} == {i["name"] for i in items}
    assert all(i["enabled"] and i["builtin"] and i["scope"] for i in items)


def test_a_rule_of_ones_own(agent, vendord):
    answer = agent.post(GW, RULES, {
        "name": "any-key", "metric": "key_expires_days", "op": "lt", "threshold": 100000,
        "for_s": 0, "severity": "info"})
    assert answer.status == 201, answer
    assert answer.headers["Location"] == RULES + "/any-key"
    etag = answer.headers["ETag"]
    again = agent.post(GW, RULES, {"name": "any-key", "metric": "sealed", "threshold": 1})
    assert (again.status, again.error) == (409, "conflict_exists")
    agent.add_key(vendord.base_url, expires_at="2099-01-01T00:00:00.000Z")
    found = fires(agent, "any-key")
    assert found["severity"] == "info"
    summaries = {c["summary"] for c in agent.get("config-center", "/api/v1/changes").body["items"]
                 if c["name"] == "any-key"}
    assert summaries == {"alert rule created"}
    stale = agent.request(GW, "PATCH", RULES + "/any-key", {"threshold": 1},
                          headers={"If-Match": '"1"'})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    done = agent.request(GW, "PATCH", RULES + "/any-key", {"description": "mine"},
                         headers={"If-Match": etag})
    assert done.status == 200 and done.body["description"] == "mine"
    newest = agent.get("config-center", "/api/v1/changes").body["items"][0]
    assert (newest["name"], newest["summary"]) == ("any-key", "alert rule changed")
    agent.restart()
    assert agent.get(GW, RULES + "/any-key").body["description"] == "mine"
    assert agent.request(GW, "DELETE", RULES + "/any-key").status == 204
    assert agent.get(GW, RULES + "/any-key").error == "not_found"
    clears(agent, found)


def test_a_built_in_rule_goes_back(agent):
    default = agent.get(GW, RULES + "/key-expiry").body
    answer = agent.request(GW, "DELETE", RULES + "/key-expiry")
    assert (answer.status, answer.error) == (409, "conflict_exists")
    rule(agent, "key-expiry", threshold=3)
    agent.restart()
    assert agent.get(GW, RULES + "/key-expiry").body["threshold"] == 3
    assert agent.request(GW, "DELETE", RULES + "/key-expiry").status == 204
    assert agent.get(GW, RULES + "/key-expiry").body == default


@pytest.mark.parametrize("body,code", [
    ({"metric": "sealed", "threshold": 1}, "field_required"),
    ({"name": "x", "threshold": 1}, "field_required"),
    ({"name": "x", "metric": "moon", "threshold": 1}, "field_range"),
    ({"name": "x", "metric": "sealed", "threshold": "1"}, "field_type"),
    ({"name": "x", "metric": "sealed", "threshold": 1, "op": "eq"}, "field_range"),
    ({"name": "x", "metric": "sealed", "threshold": 1, "for_s": -1}, "field_range"),
    ({"name": "x", "metric": "sealed", "threshold": 1, "window_s": 301}, "field_range"),
    ({"name": "X y", "metric": "sealed", "threshold": 1}, "field_charset"),
    ({"name": "x", "metric": "sealed", "threshold": 1, "loud": True}, "field_unknown")])
def test_rules_are_checked(agent, body, code):
    answer = agent.post(GW, RULES, body)
    assert answer.status in (400, 422) and answer.error == code, answer


def test_what_is_not_there(agent):
    for method, path in (("GET", "/api/v1/alerts/al-none"), ("POST", "/api/v1/alerts/al-none/ack"),
                         ("PATCH", RULES + "/none"), ("DELETE", RULES + "/none")):
        answer = agent.request(GW, method, path, {} if method == "PATCH" else None)
        assert (answer.status, answer.error) == (404, "not_found"), (method, path)
    answer = agent.get(GW, "/api/v1/alerts?state=loud")
    assert (answer.status, answer.error) == (400, "param_invalid")
