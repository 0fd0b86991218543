# SPDX-License-Identifier: MIT
"""The way back: the last change or a named one, shown first, refused where it would take more along."""
import contextlib
import json
import os
import pty
import sqlite3
import subprocess

import pytest

from command import YIJIAN, environment, yijian


def strategy(agent):
    return json.loads(yijian(agent, "feature", "get", "chat", "-o", "json").stdout)["strategy"]


def changes(agent):
    return json.loads(yijian(agent, "change", "list", "-o", "json").stdout)["items"]


@pytest.fixture
def changed(agent):
    """An agent whose feature chat was changed; the strategy before, and the change's id."""
    before = strategy(agent)
    done = yijian(agent, "feature", "set", "chat", "--strategy", "weighted")
    assert done.returncode == 0 and before != "weighted", done.stderr
    return before, changes(agent)[0]["id"]


def test_a_change_is_undone_and_so_is_the_undoing(agent, changed):
    before, change = changed
    done = yijian(agent, "undo", change)
    assert done.returncode == 0 and change in done.stdout, done.stderr
    assert strategy(agent) == before
    again = json.loads(yijian(agent, "change", "undo", changes(agent)[0]["id"], "-o", "json").stdout)
    assert again["id"].startswith("c-") and strategy(agent) == "weighted"
    shown = json.loads(yijian(agent, "change", "get", change, "-o", "json").stdout)
    assert shown["before"]["strategy"] == before


def test_the_last_one_is_shown_and_agreed_to(agent, changed):
    before, change = changed
    made = yijian(agent, "token", "create", "ci", "--role", "viewer")
    assert made.returncode == 0, made.stderr
    token = json.loads(yijian(agent, "token", "list", "-o", "json").stdout)["items"][0]["id"]
    assert yijian(agent, "token", "delete", token, "--yes").returncode == 0
    first = changes(agent)[0]
    assert first["kind"] == "Token" and first["undoable_until"] is None, "final, so not the one"
    asked = yijian(agent, "undo")
    last = next(c["id"] for c in changes(agent) if c["undoable_until"])
    assert asked.returncode == 11 and last in asked.stderr and f"yijian undo {last}" in asked.stderr
    assert strategy(agent) == "weighted"
    done = yijian(agent, "undo", "--yes")
    assert done.returncode == 0 and last in done.stdout, done.stderr


@pytest.mark.parametrize("answer,undone", [("y", True), ("n", False), ("", False)])
def test_a_terminal_is_asked(agent, changed, answer, undone):
    before, change = changed
    main, side = pty.openpty()
    process = subprocess.Popen([YIJIAN, "undo"], env=environment(agent.url()), stdin=side, stdout=side, stderr=side,
                               start_new_session=True)
    os.close(side)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(main, 4096)
    assert change.encode() in said
    os.write(main, answer.encode() + b"\n")
    assert process.wait(30) == (0 if undone else 11)
    os.close(main)
    assert strategy(agent) == (before if undone else "weighted")


def test_what_came_on_top_is_not_taken_along(agent, changed):
    _, change = changed
    assert yijian(agent, "feature", "set", "chat", "--strategy", "cost").returncode == 0
    done = yijian(agent, "undo", change)
    assert done.returncode == 5, done.stderr
    assert strategy(agent) == "cost"


def test_what_is_final_nobody_undoes(agent):
    yijian(agent, "token", "create", "ci", "--role", "viewer")
    token = json.loads(yijian(agent, "token", "list", "-o", "json").stdout)["items"][0]["id"]
    yijian(agent, "token", "delete", token, "--yes")
    done = yijian(agent, "undo", changes(agent)[0]["id"])
    assert done.returncode == 5 and "final" in done.stderr
    assert yijian(agent, "undo", "c-999999").returncode == 3
    assert yijian(agent, "--read-only", "undo", "c-1").returncode == 11


def test_a_lesser_role_may_not(agent, changed, tmp_path):
    before, change = changed
    made = yijian(agent, "token", "create", "see", "--role", "viewer", "--out", str(tmp_path / "token"))
    assert made.returncode == 0, made.stderr
    done = yijian(agent, "--token-file", str(tmp_path / "token"), "undo", change)
    assert done.returncode == 4 and strategy(agent) == "weighted", done.stderr


def test_a_fresh_agent_has_nothing_to_undo(agent):
    done = yijian(agent, "undo", "--yes")
    assert done.returncode == 3 and "change list" in done.stderr, done.stderr


# ---- audit ----

def test_the_audit_log_is_whole(agent, changed):
    done = yijian(agent, "audit", "verify")
    assert done.returncode == 0, done.stderr
    said = json.loads(yijian(agent, "audit", "verify", "-o", "json").stdout)
    assert said["ok"] is True and said["rows"] > 0


def test_a_row_that_was_changed_is_found(agent, changed):
    agent.stop()
    with contextlib.closing(sqlite3.connect(agent.state_dir / "yijian.db")) as db, db:
        db.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2")
    agent.start()
    done = yijian(agent, "audit", "verify")
    assert done.returncode == 1, done.stdout + done.stderr
