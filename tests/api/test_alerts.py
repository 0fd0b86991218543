# SPDX-License-Identifier: MIT
"""Alerts: every rule that comes with the agent fires and clears, acks, history, restarts."""
import json

import pytest

from bytes_upstream import BytesUpstream, answer
from waiting import wait_for

GW, CONFIG, KEYS, REG = "api-gateway", "config-center", "key-manager", "service-registry"
RULES = "/api/v1/alerts/rules"
FAST = {"YIJIAN_ALERT_INTERVAL_MS": "20"}


@pytest.fixture
def agent(make_agent):
    return make_agent(env=FAST)


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

def test_route_errors(agent, local):
    agent.add_instance(local.url)
    rule(agent, "route-errors", threshold=50)
    local.fault({"status": 500}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 502
    found = fires(agent, "route-errors")
    check(found, "feature", "chat", "critical")
    assert found["value"] == 100
    assert "100 %" in found["message"]
    assert agent.chat().status == 200  # half of two
    assert agent.chat().status == 200
    assert clears(agent, found)["value"] < 50


def test_too_few_requests_say_nothing(agent, local):
    agent.add_instance(local.url)
    rule(agent, "route-errors", min_count=2)
    patch(agent, "chat", cooldown={"fails": 100})
    local.fault({"status": 500}, count=2, path="/v1/chat/completions")
    assert agent.chat().status == 502
    marker = rule(agent, "route-latency", threshold=0.0001, min_count=1)
    assert marker["threshold"] == 0.0001
    fires(agent, "route-latency")  # the rules were looked at meanwhile
    assert alerts(agent, "route-errors") == []
    assert agent.chat().status == 502
    fires(agent, "route-errors")


def test_route_latency(agent, local):
    agent.add_instance(local.url)
    agent.chat()
    rule(agent, "route-latency", threshold=0.0001)
    found = fires(agent, "route-latency")
    check(found, "feature", "chat", "warning")
    assert found["unit"] == "ms" and found["value"] > 0
    rule(agent, "route-latency", threshold=3600000)
    clears(agent, found)


def test_streams_broken(agent, local):
    agent.add_instance(local.url)
    rule(agent, "streams-broken", threshold=60)
    local.fault({"tokens": 40, "cut_stream": 2}, count=1, path="/v1/*")
    with agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True,
            "messages": [{"role": "user", "content": "hello"}]}) as stream:
        events = list(stream.events())
    assert events[-1]["error"]["code"] == "stream_interrupted"
    found = fires(agent, "streams-broken")
    check(found, "feature", "chat", "warning")
    assert agent.chat().status == 200
    clears(agent, found)


def test_targets_down(agent, local):
    agent.add_instance(local.url)
    rule(agent, "targets-down")
    patch(agent, "chat", cooldown={"fails": 1, "for_s": 1, "window_s": 60})
    local.fault({"status": 500}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 502
    found = fires(agent, "targets-down")
    check(found, "feature", "chat", "critical")
    assert found["value"] == 0
    clears(agent, found)  # its breaker is half open: it takes requests


def test_an_empty_install_is_no_outage(agent):
    rule(agent, "targets-down")
    rule(agent, "sealed", op="le")  # 0 <= 1: fires once the rules were looked at
    fires(agent, "sealed")
    assert [a["rule"] for a in alerts(agent)] == ["sealed"]


def test_key_cooling(agent, vendord):
    agent.add_key(vendord.base_url)
    rule(agent, "key-cooling")
    vendord.fault({"status": 429, "retry_after": "1"}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 429
    found = fires(agent, "key-cooling")
    check(found, "key", "openai/gpt-4/simulated", "warning")
    clears(agent, found)


def test_key_invalid(agent, vendord):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 401}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 502
    found = fires(agent, "key-invalid")  # at once, as it comes
    check(found, "key", "openai/gpt-4/simulated", "critical")
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/test").body["ok"]
    clears(agent, found)


def test_key_no_quota(agent, vendord):
    key = agent.add_key(vendord.base_url)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=1,
                  path="/v1/chat/completions")
    agent.chat()
    found = fires(agent, "key-no-quota")
    check(found, "key", "openai/gpt-4/simulated", "critical")
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/disable").status == 200
    clears(agent, found)  # the operator has seen to it


def test_key_expiry(agent, vendord):
    key = agent.add_key(vendord.base_url, expires_at="2020-01-01T00:00:00.000Z")
    found = fires(agent, "key-expiry")
    check(found, "key", "openai/gpt-4/simulated", "warning")
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"expires_at": None})
    assert answer.status == 200
    clears(agent, found)


def test_key_budget(agent, vendord):
    key = agent.add_key(vendord.base_url, budget={"amount_pico": 0, "currency": "USD"})
    rule(agent, "key-budget", clear_for_s=0)
    found = fires(agent, "key-budget")
    check(found, "key", "openai/gpt-4/simulated", "warning")
    assert found["value"] == 100
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}",
                           {"budget": {"amount_pico": 10**13, "currency": "USD"}})
    assert answer.status == 200, answer
    clears(agent, found)


def test_instance_down(agent, make_vendord):
    local = make_vendord(flavour="vllm", no_auth=True)
    rule(agent, "instance-down")
    agent.add_instance(local.url, check={"interval_s": 1, "fall": 1, "rise": 1,
                                         "timeout_ms": 5000})
    local.fault({"status": 500}, path="/health")
    agent.post(REG, "/api/v1/services/simulated-vllm/instances/gpu1/check")
    found = fires(agent, "instance-down")
    check(found, "instance", "simulated-vllm/gpu1", "warning")
    local.faults([])
    agent.post(REG, "/api/v1/services/simulated-vllm/instances/gpu1/check")
    clears(agent, found)


def test_model_gone(agent, vendord):
    agent.add_key(vendord.base_url)
    vendord.fault({"status": 404, "code": "model_not_found"}, count=1,
                  path="/v1/chat/completions")
    agent.chat()
    found = fires(agent, "model-gone")
    check(found, "target", "chat/openai/gpt-4", "critical")
    patch(agent, "chat", targets=[{"vendor": "openai", "service": "gpt-4", "kind": "vendor",
                                   "upstream_model": "gpt-newer"}])
    clears(agent, found)


def test_model_shutdown(agent):
    rule(agent, "model-shutdown")
    patch(agent, "chat", targets=[{"id": "old", "vendor": "openai", "service": "gpt-4",
                                   "kind": "vendor", "upstream_model": "gpt-3.5-turbo-0125"}])
    found = fires(agent, "model-shutdown")
    check(found, "target", "chat/old", "warning")
    patch(agent, "chat", targets=[{"id": "old", "vendor": "openai", "service": "gpt-4",
                                   "kind": "vendor", "upstream_model": "gpt-unannounced"}])
    clears(agent, found)


def test_store_degraded(agent):
    rule(agent, "store-degraded")
    path = agent.state_dir / "yijian.db"
    path.rename(path.with_suffix(".away"))
    found = fires(agent, "store-degraded")
    check(found, "agent", "agent", "critical")
    assert agent.get(GW, "/healthz").body["status"] == "degraded"
    answer = agent.post(GW, f"/api/v1/alerts/{found['id']}/ack", {"note": "on it"})
    assert answer.status == 200, "an ack holds also without a database"
    assert answer.body["state"] == "acked" and answer.body["stored"] is False
    path.with_suffix(".away").rename(path)
    clears(agent, found)


def test_zero_cost(agent):
    """A vendor that counts nothing for a model with a price."""
    free = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "y"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    rule(agent, "zero-cost")
    upstream = BytesUpstream({"a": answer("200 OK", "application/json",
                                          json.dumps(free).encode())})
    agent.add_key(upstream.url("a"))
    assert agent.chat().status == 200
    upstream.close()
    found = fires(agent, "zero-cost")
    check(found, "agent", "agent", "warning")
    assert found["value"] == 1
    rule(agent, "zero-cost", threshold=1000000)
    clears(agent, found)


def test_outcome_unknown(agent, vendord):
    """A picture that may have been paid for, and nobody can tell."""
    agent.add_key(vendord.url, service="dalle", key_name="dalle")
    rule(agent, "outcome-unknown")
    vendord.fault({"reset": True}, path="/v1/*")
    answer = agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "x"})
    assert answer.status >= 500
    found = fires(agent, "outcome-unknown")
    check(found, "agent", "agent", "warning")
    assert found["value"] == 1
    rule(agent, "outcome-unknown", threshold=1000000)
    clears(agent, found)


def test_sealed(make_agent):
    agent = make_agent(env=FAST)
    agent.stop()
    key = agent.state_dir / "root.key"
    good = key.read_bytes()
    key.write_bytes(bytes(reversed(good.strip())) + b"\n")
    agent.start()
    found = fires(agent, "sealed")
    check(found, "agent", "agent", "critical")
    agent.stop()
    key.write_bytes(good)
    agent.start()
    if agent.get(GW, f"/api/v1/alerts/{found['id']}").status == 200:  # it had been kept
        clears(agent, found)
    wait_for(lambda: alerts(agent, "sealed", "current") == [], what="the seal's alert to go")


# ---- life of an alert ----

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
            "outcome-unknown"} == {i["name"] for i in items}
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
    stale = agent.request(GW, "PATCH", RULES + "/any-key", {"threshold": 1},
                          headers={"If-Match": '"1"'})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    done = agent.request(GW, "PATCH", RULES + "/any-key", {"description": "mine"},
                         headers={"If-Match": etag})
    assert done.status == 200 and done.body["description"] == "mine"
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
    assert answer.status in (400, 422) and answer.error == "field_range"
