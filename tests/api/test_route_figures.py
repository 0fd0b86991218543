# SPDX-License-Identifier: MIT
"""Figures of a target are those of the feature that sends there: two features share a key, and what
one of them asks is nowhere a figure of the other."""
import json
import threading

from command import yijian
from waiting import wait_for

ROUTER = "router-engine"
USED, IDLE = "chat", "text_generation"
TARGET = "openai/gpt-4#chat"


def rows(agent, path="/api/v1/routes"):
    answer = agent.get(ROUTER, path)
    assert answer.status == 200
    return {(r["feature"], r["target"]): r for r in answer.body["items"]}


def is_idle(row):
    return (row["rate"] == 0 and row["error_pct"] is None and row["p95_ms"] is None
            and row["mean_ms"] is None and row["last_error"] is None
            and row["last_error_at"] is None and row["inflight"] == 0)


def series(agent, name, **labels):
    text = agent.get("api-gateway", "/metrics").body.decode()
    return [line for line in text.splitlines() if line.startswith(name + "{")
            and all(f'{k}="{v}"' in line for k, v in labels.items())]


def test_traffic_of_one_feature_shows_nothing_at_the_other(chat_agent):
    assert {(USED, TARGET), (IDLE, TARGET)} <= set(rows(chat_agent))
    for _ in range(3):
        assert chat_agent.chat(model=USED).status == 200
    for path in ("/api/v1/routes", f"/api/v1/routes/{USED}"):
        row = rows(chat_agent, path)[USED, TARGET]
        assert row["rate"] > 0 and row["p95_ms"] > 0 and row["mean_ms"] > 0 and row["error_pct"] == 0
    for path in ("/api/v1/routes", f"/api/v1/routes/{IDLE}"):
        assert is_idle(rows(chat_agent, path)[IDLE, TARGET])
    routes = {r["feature"]: r for r in chat_agent.get("api-gateway", "/api/v1/status").body["routes"]}
    assert routes[USED]["p95_ms"] > 0 and routes[IDLE]["p95_ms"] is None
    attempts = "yijian_gateway_attempts_total"
    assert series(chat_agent, attempts, feature=USED, target="openai/gpt-4", outcome="ok")
    assert not series(chat_agent, attempts, feature=IDLE)
    decision = chat_agent.post(ROUTER, f"/api/v1/route/{IDLE}", {}).body
    evidence = next(c["evidence"] for c in decision["candidates"] if c["target"] == TARGET)
    assert evidence["p95_ms"] is None and evidence["ok_rate_5m"] is None


def test_the_command_shows_the_same(chat_agent):
    assert chat_agent.chat(model=USED).status == 200
    done = yijian(chat_agent, "route", "list", "-o", "json")
    assert done.returncode == 0, done.stderr
    shown = {(r["feature"], r["target"]): r for r in json.loads(done.stdout)["items"]}
    assert shown[USED, TARGET]["rate"] > 0 and is_idle(shown[IDLE, TARGET])


def test_failures_are_the_features_own(chat_agent, vendord):
    vendord.fault({"status": 500})
    assert chat_agent.chat(model=USED).status >= 500
    row = rows(chat_agent)[USED, TARGET]
    assert row["error_pct"] == 100 and row["last_error"] == "HTTP 500" and row["last_error_at"]
    assert is_idle(rows(chat_agent)[IDLE, TARGET])


def test_what_is_under_way_is_the_features_own(chat_agent, vendord):
    vendord.fault({"hang": True}, count=1)
    caller = threading.Thread(target=chat_agent.chat, kwargs={"model": USED}, daemon=True)
    caller.start()
    wait_for(lambda: rows(chat_agent)[USED, TARGET]["inflight"] == 1)
    other = rows(chat_agent)[IDLE, TARGET]
    assert other["inflight"] == 0 and other["inflight_all"] == 1


def test_figures_outlast_a_change_of_the_route(chat_agent):
    assert chat_agent.chat(model=USED).status == 200
    before = rows(chat_agent)[USED, TARGET]
    for name in ("second", "third"):
        chat_agent.add_key("http://127.0.0.1:9", key_name=name, tier="backup")
    after = rows(chat_agent)[USED, TARGET]
    assert after["p95_ms"] == before["p95_ms"] > 0 and after["error_pct"] == 0
    assert len(rows(chat_agent, f"/api/v1/routes/{USED}")) > 2
