# SPDX-License-Identifier: MIT
"""The store under kill -9 and under loss of its database: no acknowledged write is lost, none is
acknowledged in vain, and requests of the data path never notice."""
import http.client
import json
import os
import shutil
import sqlite3
import subprocess
import threading

import pytest

import small_disk
from waiting import wait_for

KEYS = "key-manager"
PATH = "/api/v1/keys"
WRITERS = 8
KILLS = int(os.environ.get("YIJIAN_KILLS", "100"))
FULL_KILLS = int(os.environ.get("YIJIAN_FULL_KILLS", "12"))
EPOCH = 40  # rounds on one state: more keys than that do not fit on a small disk
WRITES_BEFORE_KILL = 12  # a kill before any traffic would prove nothing


class Writer(threading.Thread):
    """Adds keys over one connection until it is told to stop or the agent is gone."""

    def __init__(self, agent, tag, wanted=None):
        super().__init__(daemon=True)
        self.address, self.tag, self.wanted = agent.address(KEYS), tag, wanted
        self.acked, self.refused, self.open = [], [], None
        self.stopping = False

    def run(self):
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        number = 0
        try:
            while not self.stopping:
                name = f"{self.tag}-{number}"
                number += 1
                self.open = name
                connection.request("POST", PATH, json.dumps({
                    "vendor": "openai", "service": "dalle", "key_name": name,
                    "api_key": "sk-simulated-" + name}), {"Content-Type": "application/json"})
                answer = connection.getresponse()
                body = json.loads(answer.read())
                self.open = None
                if answer.status == 201:
                    self.acked.append(name)
                else:
                    self.refused.append((name, answer.status, body["error"]["code"]))
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()


class Writers:
    def __init__(self, agent, tag):
        self.all = [Writer(agent, f"{tag}-{i}") for i in range(WRITERS)]
        for writer in self.all:
            writer.start()

    def acked(self):
        return [name for writer in self.all for name in writer.acked]

    def refused(self):
        return [one for writer in self.all for one in writer.refused]

    def stop(self):
        for writer in self.all:
            writer.stopping = True
        for writer in self.all:
            writer.join(60)
            assert not writer.is_alive()


def names(agent):
    """Every key the agent knows."""
    found, path = set(), PATH + "?limit=1000"
    while path:
        page = agent.get(KEYS, path).body
        found |= {item["key_name"] for item in page["items"]}
        path = page.get("next") and f"{PATH}?limit=1000&cursor={page['next']}"
    return found


CHANGES_KEPT = 10_000  # of all kinds, so a handful of other ones may stand for some of these


def check_database(path):
    """What SQLite itself says, and that every key has its change, as long as those are kept, and its
    audit row."""
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        keys = {row[0] for row in db.execute("SELECT id FROM vendor_key")}
        changes = db.execute("SELECT count(*) FROM change WHERE kind='Key'").fetchone()[0]
        audits = db.execute("SELECT count(*), max(seq) FROM audit"
                            " WHERE object LIKE 'Key %'").fetchone()[0]
        rows, last = db.execute("SELECT count(*), max(seq) FROM audit").fetchone()
    db.close()
    assert len(keys) == audits and rows == last
    assert min(len(keys), CHANGES_KEPT - 100) <= changes <= len(keys)


def test_kill9_loses_no_acknowledged_write(make_agent):
    agent = make_agent()
    acked = set()
    for round_number in range(KILLS):
        writers = Writers(agent, f"r{round_number}")
        wait_for(lambda: len(writers.acked()) >= WRITES_BEFORE_KILL, what="writes",
                 alive=agent.alive)
        agent.kill9()
        writers.stop()
        assert not writers.refused()
        acked |= set(writers.acked())
        agent.start()
        assert agent.get("api-gateway", "/healthz").body["status"] == "ok"
        present = names(agent)
        assert acked <= present, f"round {round_number} lost {sorted(acked - present)[:5]}"
        # what was never answered may be there or not; nothing else may
        asked = {writer.open for writer in writers.all}
        assert present - acked <= asked, sorted(present - acked - asked)[:5]
        acked = present
    assert len(acked) >= KILLS * WRITES_BEFORE_KILL
    agent.kill9()
    check_database(agent.state_dir / "yijian.db")
    agent.start()


def die_while_the_disk_is(how, agent, disk, tag):
    """Writers, a disk that fills up at some moment of theirs, and the end of the agent."""
    writers = Writers(agent, tag)
    wait_for(lambda: len(writers.acked()) >= WRITES_BEFORE_KILL, what="writes", alive=agent.alive)
    if how != "roomy":
        disk.fill()
    if how in ("full", "freed"):
        wait_for(lambda: len(writers.refused()) >= WRITERS, what="refusals", alive=agent.alive)
    if how == "freed":
        before = len(writers.acked())
        disk.free()
        wait_for(lambda: len(writers.acked()) >= before + WRITERS, what="writes again",
                 alive=agent.alive)
    agent.kill9()
    writers.stop()
    return writers


def test_kill9_while_the_disk_fills_loses_no_acknowledged_write(make_agent, tmp_path):
    acked, agent, total = set(), None, 0
    with small_disk.mounted(tmp_path / "small", 16) as disk:
        for number in range(FULL_KILLS):
            if number % EPOCH == 0:
                if agent:
                    agent.stop()
                    shutil.rmtree(agent.state_dir)
                agent, acked = make_agent(state_dir=disk.place / f"state{number}"), set()
            how = ("roomy", "full", "filling", "freed")[number % 4]
            writers = die_while_the_disk_is(how, agent, disk, f"f{number}")
            acked |= set(writers.acked())
            total += len(writers.acked())
            refused = {name for name, _, _ in writers.refused()}
            assert {(status, code) for _, status, code in writers.refused()} <= {
                (507, "storage_full")}
            agent.start_by_log()  # on what room there is
            present = names(agent)
            assert acked <= present, f"{number} {how}: lost {sorted(acked - present)[:5]}"
            assert present - acked <= {writer.open for writer in writers.all}
            assert not refused & present
            disk.free()
            wait_for(lambda: agent.get("api-gateway", "/healthz").body["status"] == "ok",
                     what="recovery", alive=agent.alive)
            acked = present
        agent.stop()
        check_database(agent.state_dir / "yijian.db")
        agent.start()
        agent.stop()
    print(f"{FULL_KILLS} kills, {total} writes acknowledged, none lost")


class Calls(threading.Thread):
    """Chat requests one after another; every answer's status."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.statuses, self.stopping = agent, [], False

    def run(self):
        while not self.stopping:
            self.statuses.append(self.agent.chat().status)

    def stop(self):
        self.stopping = True
        self.join(60)
        assert not self.is_alive()


def truncate(path):
    os.truncate(path, 0)


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def delete(path):
    path.unlink()


def replace(path):
    other = path.with_suffix(".other")
    other.write_bytes(b"\0" * path.stat().st_size)
    other.replace(path)


def hollow(path):
    """Emptied, and as long as before: what a checkpoint makes of a file that is emptied under it."""
    size = path.stat().st_size
    os.truncate(path, 0)
    os.truncate(path, size)


@pytest.fixture
def loaded(make_agent, make_vendord):
    """An agent with a working chat route, its writers, and a caller of the data path."""
    vendord = make_vendord()
    agent = make_agent()
    agent.add_key(vendord.url)
    calls, writers = Calls(agent), Writers(agent, "before")
    calls.start()
    wait_for(lambda: len(writers.acked()) >= 50 and len(calls.statuses) >= 10, what="load")
    yield agent, writers, calls
    calls.stop()
    writers.stop()


@pytest.mark.parametrize("harm", [delete, truncate, cut, replace, hollow])
def test_a_lost_database_is_noticed_and_served_through(loaded, harm):
    agent, writers, calls = loaded
    harm(agent.state_dir / "yijian.db")
    # Writes under way at that instant may have been acknowledged just before; soon all fail.
    wait_for(lambda: len(writers.refused()) >= WRITERS * 2, what="refusals")
    writers.stop()
    late = Writers(agent, "late")
    wait_for(lambda: len(late.refused()) >= WRITERS * 2, what="refusals")
    late.stop()
    assert late.acked() == []
    assert {(status, code) for _, status, code in late.refused()} == {(503, "storage_moved")}
    before = len(calls.statuses)
    wait_for(lambda: len(calls.statuses) >= before + 20, what="calls")
    calls.stop()
    assert set(calls.statuses) == {200}
    health = agent.get("api-gateway", "/healthz")
    assert health.status == 200 and health.body["status"] == "degraded"
    assert names(agent) >= set(writers.acked())

    # The next start makes no empty database: it serves what was saved, read-only.
    agent.restart()
    assert names(agent) >= set(writers.acked())
    if harm in (cut, replace) and agent.get("api-gateway", "/healthz").body["status"] == "ok":
        agent.stop()  # the log beside it held every page: it is whole again
        check_database(agent.state_dir / "yijian.db")
        return
    answer = agent.post(KEYS, PATH, {"vendor": "openai", "service": "dalle", "key_name": "new",
                                     "api_key": "sk-simulated-new"})
    assert (answer.status, answer.error) == (503, "storage_readonly")
    assert agent.get("api-gateway", "/healthz").body["status"] == "degraded"
    assert agent.chat().status == 200
    if harm is delete:
        assert not (agent.state_dir / "yijian.db").exists()


def test_a_file_that_was_emptied_and_grows_again_is_not_the_one_before(loaded):
    agent, writers, calls = loaded
    path = agent.state_dir / "yijian.db"
    writers.stop()
    wait_for(lambda: path.with_name("yijian.db-wal").stat().st_size == 0, what="an empty log")
    writers = Writers(agent, "again")
    wait_for(lambda: len(writers.acked()) >= WRITES_BEFORE_KILL, what="writes")
    size = path.stat().st_size
    os.truncate(path, 0)
    wait_for(lambda: len(writers.refused()) >= WRITERS, what="refusals")
    os.truncate(path, size)
    writers.stop()
    late = Writers(agent, "late")
    wait_for(lambda: len(late.refused()) >= WRITERS * 2 or late.acked(), what="answers")
    late.stop()
    calls.stop()
    assert late.acked() == []
    assert {(status, code) for _, status, code in late.refused()} == {(503, "storage_moved")}


def test_a_database_that_comes_back_is_used_again(loaded):
    agent, writers, calls = loaded
    path, aside = agent.state_dir / "yijian.db", agent.state_dir / "aside.db"
    path.rename(aside)
    wait_for(lambda: len(writers.refused()) >= WRITERS, what="refusals")
    aside.rename(path)
    acked = len(writers.acked())
    wait_for(lambda: len(writers.acked()) >= acked + 50, what="writes again")
    writers.stop()
    calls.stop()
    assert set(calls.statuses) == {200}
    wait_for(lambda: agent.get("api-gateway", "/healthz").body["status"] == "ok", what="health")
    assert names(agent) >= set(writers.acked())
    present = names(agent)
    agent.restart()
    assert names(agent) == present
    agent.stop()
    check_database(path)
    agent.start()


def test_nobody_else_gets_in_while_it_runs(loaded):
    agent, writers, calls = loaded
    acked = len(writers.acked())
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        with sqlite3.connect(agent.state_dir / "yijian.db", timeout=0.2) as db:
            db.execute("BEGIN EXCLUSIVE")
    db.close()
    wait_for(lambda: len(writers.acked()) >= acked + 50, what="writes")
    writers.stop()
    calls.stop()
    assert not writers.refused() and set(calls.statuses) == {200}


def test_a_locked_database_at_start_is_said(make_agent):
    agent = make_agent()
    agent.add_key("http://127.0.0.1:9")
    agent.stop()
    db = sqlite3.connect(agent.state_dir / "yijian.db")
    db.execute("BEGIN EXCLUSIVE")
    agent.spawn()
    assert agent.child.wait(60) == 75
    assert "in use by another process" in agent.log()
    db.rollback()
    db.close()
    agent.start()
    assert agent.get(KEYS, PATH).body["total"] == 1


def test_rows_changed_from_outside_are_left_out(make_agent):
    agent = make_agent()
    first = agent.add_key("http://127.0.0.1:9", key_name="one")
    agent.add_key("http://127.0.0.1:9", key_name="two")
    agent.stop()
    path = agent.state_dir / "yijian.db"
    with sqlite3.connect(path) as db:
        # the secret would go to another host
        db.execute("UPDATE vendor_key SET doc=replace(doc,'127.0.0.1:9','127.0.0.2:9')"
                   " WHERE id=?", (first["id"],))
    db.close()
    agent.start()
    assert names(agent) == {"two"}
    assert agent.get("api-gateway", "/healthz").body["status"] == "degraded"
    assert agent.add_key("http://127.0.0.1:9", key_name="three")
    assert agent.get("api-gateway", "/healthz").body["status"] == "degraded"


def test_a_secret_moved_to_another_row_does_not_open(make_agent):
    agent = make_agent()
    keys = [agent.add_key("http://127.0.0.1:9", key_name=name, api_key=f"sk-simulated-{name}-0001")
            for name in ("one", "two")]
    agent.stop()
    with sqlite3.connect(agent.state_dir / "yijian.db") as db:
        rows = dict(db.execute("SELECT id, envelope FROM vendor_key"))
        db.execute("UPDATE vendor_key SET envelope=? WHERE id=?",
                   (rows[keys[1]["id"]], keys[0]["id"]))
    db.close()
    agent.start()
    assert names(agent) == {"two"}  # the row's MAC covers its secret


def test_a_changed_migration_is_refused(make_agent):
    agent = make_agent()
    agent.stop()
    path = agent.state_dir / "yijian.db"
    kept = path.with_suffix(".kept")
    shutil.copy(path, kept)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE migration SET checksum='0' WHERE id=1")
    db.close()
    agent.spawn()
    assert agent.child.wait(60) != 0
    assert "migration 1" in agent.log()
    kept.replace(path)
    agent.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting takes root")
def test_a_full_disk_refuses_and_recovers(make_agent, make_vendord, tmp_path):
    state = tmp_path / "small"
    state.mkdir()
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", str(state)],
                           capture_output=True, check=False)
    if mount.returncode:
        pytest.skip("no right to mount here")
    try:
        agent = make_agent(state_dir=state)
        agent.add_key(make_vendord().url)
        writers = Writers(agent, "full")
        wait_for(lambda: len(writers.refused()) >= WRITERS, timeout=60, what="a full disk")
        assert agent.chat().status == 200
        writers.stop()
        assert {(status, code) for _, status, code in writers.refused()} <= {
            (507, "storage_full"), (503, "storage_failed")}
        assert (507, "storage_full") in {(s, c) for _, s, c in writers.refused()}
        assert names(agent) - {"simulated"} == set(writers.acked())
        subprocess.run(["mount", "-o", "remount,size=16m", str(state)], check=True)
        wait_for(lambda: agent.post(KEYS, PATH, {
            "vendor": "openai", "service": "dalle", "key_name": "after",
            "api_key": "sk-simulated-after"}).status in (201, 409), what="room again")
        wait_for(lambda: agent.get("api-gateway", "/healthz").body["status"] == "ok",
                 what="the configuration is kept again")
        agent.restart()
        assert names(agent) - {"simulated", "after"} == set(writers.acked())
        agent.stop()
        check_database(state / "yijian.db")
    finally:
        subprocess.run(["umount", "-l", str(state)], check=False)
