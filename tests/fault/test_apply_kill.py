# SPDX-License-Identifier: MIT
"""apply under kill -9: afterwards all of its documents are there or none, one that was acknowledged is,
and the audit chain holds. YIJIAN_KILLS=N kills more often."""
import json
import os
import socket
import sqlite3

from waiting import wait_for

CFG, KEYS = "config-center", "key-manager"
KILLS = int(os.environ.get("YIJIAN_KILLS", "100"))
KEYS_EACH, FEATURES_EACH = 20, 20
TARGET = {"kind": "vendor", "vendor": "openai", "service": "gpt-4"}


def documents(mark):
    """Others than those of every other mark, as long as it takes to be killed among them."""
    return [{"kind": "Key", "name": f"openai/gpt-4/k{i}",
             "spec": {"api_key": f"sk-kill-000000000000{i:04}", "note": mark}}
            for i in range(KEYS_EACH)] + [
        {"kind": "Feature", "name": f"f{i}", "spec": {"description": mark, "targets": [TARGET]}}
        for i in range(FEATURES_EACH)]


def begin(agent, mark):
    """A connection on which the whole request has been sent."""
    body = json.dumps({"documents": documents(mark)}).encode()
    connection = socket.create_connection(agent.address(CFG), timeout=60)
    connection.sendall(b"POST /api/v1/apply HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))
    return connection


def acknowledged(connection):
    """Whether a 200 came; what else there is ends with the agent."""
    try:
        return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


def marks(agent):
    listed = agent.get(CFG, "/api/v1/export?kind=Key,Feature").body["documents"]
    ours = [d["spec"] for d in listed if d["kind"] == "Key" or d["name"].startswith("f")]
    assert len(ours) in (0, KEYS_EACH + FEATURES_EACH)
    return {spec.get("note") or spec.get("description") for spec in ours}


def kill(agent, moment, connection):
    """At once; when its rows come into the log; or when it has answered."""
    log = agent.state_dir / "yijian.db-wal"
    size = log.stat().st_size if log.exists() else 0
    answered = False
    if moment == 1:
        wait_for(lambda: log.exists() and log.stat().st_size != size, what="rows in the log",
                 alive=agent.alive)
    elif moment == 2:
        answered = acknowledged(connection)
        assert answered
    agent.kill9()
    return answered or acknowledged(connection)


def test_apply_is_whole_whenever_it_is_killed(make_agent):
    agent = make_agent()
    now, outcomes = None, set()
    for number in range(KILLS):
        mark = f"m{number}"
        with begin(agent, mark) as connection:
            told = kill(agent, number % 3, connection)
        agent.start()
        found = marks(agent)
        assert len(found) <= 1, found
        found = found.pop() if found else None
        assert found == mark or (found == now and not told)
        outcomes.add(found == mark)
        now = found
    assert True in outcomes
    assert agent.get("key-manager", "/api/v1/audit/verify").body["ok"]
    agent.stop()
    with sqlite3.connect(agent.state_dir / "yijian.db") as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
