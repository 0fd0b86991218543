# SPDX-License-Identifier: MIT
"""The dashboard's one call, and the agent's own figures over time."""
from waiting import wait_for

GW = "api-gateway"


def status(agent):
    answer = agent.get(GW, "/api/v1/status")
    assert answer.status == 200
    return answer.body


def test_all_a_dashboard_needs(agent):
    doc = status(agent)
    assert set(doc) == {"agent", "services", "traffic", "routes", "keys", "instances", "alerts", "health_checks",
                        "usage", "tasks", "refused", "clients", "metrics"}
    assert doc["agent"]["state"] == "ok" and doc["agent"]["store"]["state"] == "ok"
    assert doc["agent"]["sealed"] is False and doc["agent"]["simulated"] is False
    assert [s["service"] for s in doc["services"]][0] == "api-gateway"
    assert len(doc["services"]) == 5
    assert doc["traffic"]["rate_1m"] == 0 and doc["traffic"]["error_pct_1m"] is None
    assert doc["traffic"]["history"]["rate"] == []
    assert {r["feature"] for r in doc["routes"]} == {
        "chat", "embeddings", "text_generation", "text_to_image"}
    assert {r["state"] for r in doc["routes"]} == {"DOWN"}
    assert doc["keys"] == {"total": 0, "problems": [], "by_state": {}}
    assert doc["instances"]["total"] == 0


def test_304_until_something_happens(agent):
    first = agent.get(GW, "/api/v1/status")
    etag = first.headers["ETag"]
    same = agent.get(GW, "/api/v1/status", headers={"If-None-Match": etag})
    assert same.status == 304 and same.body == b"" and same.headers["ETag"] == etag
    agent.add_key("http://127.0.0.1:9", key_name="one")
    other = agent.get(GW, "/api/v1/status", headers={"If-None-Match": etag})
    assert other.status == 200 and other.headers["ETag"] != etag
    assert other.body["keys"]["total"] == 1 and other.body["keys"]["by_state"] == {"unknown": 1}
    chat = next(r for r in other.body["routes"] if r["feature"] == "chat")
    assert chat["state"] in ("OK", "WARN") and chat["candidates_ok"] == 1


def test_simulated_is_labelled(make_agent):
    assert status(make_agent(env={"YIJIAN_SIMULATED": "1"}))["agent"]["simulated"] is True


def test_troubled_instances_are_named(agent):
    agent.add_instance("http://127.0.0.1:9", service="sim", id="gpu1",
                       check={"interval_s": 1, "fall": 1})
    wait_for(lambda: status(agent)["instances"]["by_state"] == {"DOWN": 1})
    problem = status(agent)["instances"]["problems"][0]
    assert problem["instance"] == "sim/gpu1" and problem["state"] == "DOWN" and problem["since"]


def test_traffic_is_counted_per_feature_and_in_all(chat_agent):
    for _ in range(5):
        assert chat_agent.chat().status == 200
    doc = wait_for(lambda: (d := status(chat_agent))["traffic"]["rate_1m"] > 0 and d)
    assert doc["traffic"]["error_pct_1m"] == 0 and doc["traffic"]["p95_ms"] > 0
    chat = next(r for r in doc["routes"] if r["feature"] == "chat")
    assert chat["rate"] > 0 and chat["p95_ms"] > 0 and chat["error_pct"] == 0
    series = chat_agent.get(GW, "/api/v1/metrics/series?window=5m").body
    names = {(s["feature"], s["name"]) for s in series["items"]}
    assert ("chat", "p95") in names and (None, "rate") in names
    assert series["memory_bytes"] <= series["memory_max_bytes"] <= 4 * 1024 * 1024


def test_a_failing_vendor_shows(chat_agent, vendord):
    vendord.fault({"status": 500}, path="/v1/chat/completions")
    for _ in range(3):
        assert chat_agent.chat().status >= 500
    doc = wait_for(lambda: (d := status(chat_agent))["traffic"]["error_pct_1m"] == 100 and d)
    chat = next(r for r in doc["routes"] if r["feature"] == "chat")
    assert chat["error_pct"] == 100


def test_series_window(agent):
    for window, step in (("5m", 10), ("1h", 10), ("24h", 60)):
        answer = agent.get(GW, f"/api/v1/metrics/series?window={window}")
        assert answer.status == 200 and answer.body["items"][0]["step_s"] == step
    for bad, why in (("25h", (422, "field_range")), ("0s", (422, "field_range")),
                     ("soon", (400, "param_invalid"))):
        answer = agent.get(GW, f"/api/v1/metrics/series?window={bad}")
        assert (answer.status, answer.error) == why
