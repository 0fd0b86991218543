# SPDX-License-Identifier: MIT
"""The agent's own figures over time, and that a restart does not lose them."""
import pytest

GW = "api-gateway"
PATH = "/api/v1/metrics/series"


def series(agent, name, feature="", window="1h"):
    items = agent.get(GW, f"{PATH}?window={window}").body["items"]
    found = [i for i in items if (i["name"], i["feature"] or "") == (name, feature)]
    return found[0]["points"] if found else None


def counted(points, step):
    return round(sum(p for p in points if p is not None) * step)


@pytest.fixture
def agent(make_agent, vendord):
    agent = make_agent()
    agent.add_key(vendord.url)
    return agent


@pytest.mark.parametrize("window, step", [("1h", 10), ("24h", 60)])
def test_a_restart_keeps_them(agent, window, step):
    for _ in range(7):
        agent.chat()
    agent.restart()
    assert counted(series(agent, "rate", "chat", window), step) == 7
    assert counted(series(agent, "rate", "", window), step) == 7, "the total too"
    assert counted(series(agent, "tokens", "chat", window), step) > 7
    assert [p for p in series(agent, "p95", "chat", window) if p is not None]
    for _ in range(5):
        agent.chat()
    agent.restart()
    assert counted(series(agent, "rate", "chat", window), step) == 12
    status = agent.get(GW, "/api/v1/status").body
    assert status["traffic"]["rate_5m"] > 0, "what was before is in the windows too"


def test_a_damaged_chunk_is_left_out(agent):
    import sqlite3
    agent.chat()
    agent.stop()
    with sqlite3.connect(agent.state_dir / "yijian.db") as db:
        rows = db.execute("SELECT count(*) FROM history").fetchone()[0]
        assert rows >= 2
        db.execute("UPDATE history SET points = x'00112233' WHERE step = 10")
    db.close()
    agent.start()
    assert not counted(series(agent, "rate", "chat") or [], 10)
    assert counted(series(agent, "rate", "chat", "24h"), 60) == 1


def test_the_window_is_checked(agent):
    for window, error in (("0s", "field_range"), ("25h", "field_range"), ("x", "param_invalid")):
        assert agent.get(GW, f"{PATH}?window={window}").error == error
    body = agent.get(GW, PATH).body
    assert 0 < body["memory_bytes"] <= body["memory_max_bytes"] < 8 << 20
