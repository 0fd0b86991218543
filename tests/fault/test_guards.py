# SPDX-License-Identifier: MIT
"""What the store promises of its files: the log stays short, what was deleted leaves every file in
time, a disk that fails is survived and recovered from, and changes that are missing are told."""
import contextlib
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import threading

import pytest

import small_disk
from test_kill9 import WRITERS, Writer, Writers, names
from process import BUILD
from waiting import wait_for

GW, CONFIG, KEYS, REGISTRY = "api-gateway", "config-center", "key-manager", "service-registry"
MIB = 1024 * 1024
LOG_MAX = 8 * MIB
UNDO_S, IDEMPOTENCY_S, REVOKED_S, RESULT_S = 600, 24 * 3600, 90 * 86400, 86400
YEAR_S = 365 * 86400
TRICKLE_S = 0.3  # between two writes of a writer that leaves no idle second


def size(path):
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def log_of(agent):
    return size(agent.state_dir / "yijian.db-wal")


def health(agent):
    return agent.get(GW, "/healthz").body


def is_ok(agent):
    return health(agent)["status"] == "ok"


def metric(agent, name):
    for line in agent.get(CONFIG, "/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    raise AssertionError(f"no {name}")


def doctor(agent):
    """Its findings: check -> the whole line, which begins with ok, warn or fail."""
    said = subprocess.run([str(BUILD / "yijian"), "doctor"], text=True, capture_output=True,
                          check=False, env={**os.environ, "YIJIAN_AGENT": agent.url()})
    lines = [line.split(None, 1) for line in said.stdout.splitlines()]
    return {check: f"{result} {rest}" for result, rest in lines
            for check in ("agent healthy", "database log", "deleted data wiped")
            if rest.startswith(check)}


def files_with(state_dir, *needles):
    """The files of the state directory that hold any of the byte strings."""
    found = []
    for path in sorted(pathlib.Path(state_dir).iterdir()):
        data = path.read_bytes() if path.is_file() else b""
        if any(needle in data for needle in needles):
            found.append(path.name)
    return found


def stored(agent, sql):
    """Rows of a stopped agent's database, read from a copy: nothing of the agent's is touched."""
    place = agent.scratch / "copy"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(agent.state_dir, place)
    with contextlib.closing(sqlite3.connect(place / "yijian.db")) as db:
        return db.execute(sql).fetchall()


def copied(agent):
    """A copy of the files of an agent that runs: what is in the log counts, where it is whole."""
    place = agent.scratch / "running"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    for name in ("yijian.db", "yijian.db-wal"):
        shutil.copy(agent.state_dir / name, place)
    return place / "yijian.db"


@contextlib.contextmanager
def altered(agent):
    """The database of a stopped agent, to be written to as nobody should."""
    with contextlib.closing(sqlite3.connect(agent.state_dir / "yijian.db")) as db:
        with db:
            yield db


class Trickle(threading.Thread):
    """A write now and then, so that no second is idle."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent, self.done, self.count = agent, threading.Event(), 0

    def run(self):
        while not self.done.wait(TRICKLE_S):
            answer = self.agent.request(CONFIG, "PATCH", "/api/v1/features/chat",
                                        {"display_name": f"Chat {self.count}"})
            assert answer.status == 200, answer
            self.count += 1

    def __enter__(self):
        self.start()
        wait_for(lambda: self.count > 0, what="a write")
        return self

    def __exit__(self, *_):
        self.done.set()
        self.join(60)
        assert not self.is_alive()


@contextlib.contextmanager
def nobody():
    yield


# ---- the log ----

def test_the_log_stays_short_while_writers_never_rest(agent):
    largest, kept = 0, agent.state_dir / "yijian.db"
    before = size(kept)
    writers = Writers(agent, "busy")
    while len(writers.acked()) < 1500:
        largest = max(largest, log_of(agent))
        assert not writers.refused() and agent.alive()
    grown = size(kept) - before
    writers.stop()
    assert largest < LOG_MAX, largest
    assert grown > 0  # it was copied back under way, not at the end


def test_idle_time_copies_the_log_back_and_empties_it(agent):
    agent.add_key("http://127.0.0.1:9")
    wait_for(lambda: log_of(agent) == 0, what="an empty log")
    path = agent.state_dir / "yijian.db"
    assert files_with(agent.state_dir, b"simulated") and b'"key_name":"simulated"' in path.read_bytes()


def test_large_transactions_leave_a_short_log(agent):
    with Trickle(agent):
        for price in range(3):  # close to 4 MiB of log each
            answer = agent.post(KEYS, "/api/v1/prices", timeout=120, json={"items": [
                {"vendor": "openai", "model": f"model-{i}", "input_pico": price, "output_pico": i}
                for i in range(9000)]})
            assert answer.status == 200, answer
            wait_for(lambda: log_of(agent) < LOG_MAX // 4, what="a short log")


def test_figures_of_the_upkeep(make_agent, clock):
    agent = make_agent(env=clock.env)
    agent.add_key("http://127.0.0.1:9")
    wait_for(lambda: metric(agent, "yijian_store_log_bytes") == 0, what="an empty log")
    names_at = ["yijian_store_last_checkpoint_timestamp_seconds",
                "yijian_store_last_purge_timestamp_seconds"]
    first = [metric(agent, name) for name in names_at]
    assert all(first)
    clock.advance(120)
    wait_for(lambda: all(metric(agent, name) >= before + 119
                         for name, before in zip(names_at, first)), what="upkeep by time")
    assert metric(agent, "yijian_store_changes_missing") == 0
    wait_for(lambda: health(agent)["store"]["log_bytes"] == 0, what="an empty log")
    store = health(agent)["store"]
    assert store["log_max_bytes"] == LOG_MAX
    assert not store["checkpoint_overdue"] and not store["purge_overdue"]


    said = doctor(agent)
    assert said["database log"].startswith("ok ") and "0.0 of 8 MiB" in said["database log"]
    assert said["deleted data wiped"].startswith("ok ")


def test_upkeep_that_fails_is_told_with_the_next_step(make_agent, clock, disk):
    both = f"{clock.env['LD_PRELOAD']}:{disk.env['LD_PRELOAD']}"
    agent = make_agent(env={**clock.env, **disk.env, "LD_PRELOAD": both}, state_dir=disk.place)
    key = agent.add_key("http://127.0.0.1:9")
    assert agent.request(KEYS, "DELETE", f"/api/v1/keys/{key['id']}").status in (200, 204)
    wait_for(lambda: log_of(agent) == 0, what="an idle log")
    disk.fail("EIO")
    clock.advance(UNDO_S + 61)  # now it is to be wiped
    wait_for(lambda: not is_ok(agent), what="the failure told")
    clock.advance(301)
    wait_for(lambda: health(agent)["store"]["purge_overdue"], what="that it is late")
    assert doctor(agent)["deleted data wiped"].startswith("warn ")
    assert "deleted secrets are in the files still" in doctor(agent)["deleted data wiped"]
    disk.mend()
    wait_for(lambda: is_ok(agent), what="recovery")
    assert not health(agent)["store"]["purge_overdue"]
    assert doctor(agent)["deleted data wiped"].startswith("ok ")


# ---- what is over leaves the files ----

@pytest.mark.parametrize("load", [lambda agent: nobody(), Trickle], ids=["idle", "busy"])
def test_what_was_deleted_leaves_every_file_in_time(make_agent, clock, load):
    agent = make_agent(env=clock.env)
    doomed = agent.add_key("http://127.0.0.1:9", key_name="doomed", api_key="sk-simulated-doomed-0001")
    turned = agent.add_key("http://127.0.0.1:9", key_name="turned", api_key="sk-simulated-turned-0001")
    agent.add_key("http://127.0.0.1:9", key_name="kept", api_key="sk-simulated-kept-000001")
    token = agent.post(KEYS, "/api/v1/tokens", {"name": "ci", "role": "viewer"}).body
    client = agent.post(KEYS, "/api/v1/clients", {"name": "app"},
                        headers={"Idempotency-Key": "once-and-only-7351"}).body
    agent.stop()
    secrets = dict(stored(agent, "SELECT id, envelope FROM vendor_key"))
    hashes = dict(stored(agent, "SELECT id, hash FROM caller"))
    agent.start()

    def left(*values):
        """Files that hold them: in the database they are bytes, in the kept configuration hex."""
        return files_with(agent.state_dir, *values, *(v.hex().encode() for v in values))

    def gone(what, *values):
        clock.pass_until(lambda: not left(*values), 0.2, what=f"{what} gone from every file")

    with load(agent):
        assert agent.request(KEYS, "DELETE", f"/api/v1/keys/{doomed['id']}").status in (200, 204)
        assert agent.post(KEYS, f"/api/v1/keys/{turned['id']}/rotate",
                          {"api_key": "sk-simulated-turned-0002"}).status == 200
        assert agent.request(KEYS, "DELETE", f"/api/v1/tokens/{token['id']}").status in (200, 204)
        assert agent.request(KEYS, "DELETE", f"/api/v1/clients/{client['id']}").status in (200, 204)
        clock.advance(UNDO_S / 2)
        gone("a rotated secret", secrets[turned["id"]])
        gone("a deleted client's hash", hashes[client["id"]])
        assert left(secrets[doomed["id"]])  # it may be undone still
        clock.advance(UNDO_S / 2 + 61)
        gone("a deleted secret", secrets[doomed["id"]])
        assert left(b"once-and-only-7351") and left(hashes[token["id"]])
        clock.advance(IDEMPOTENCY_S)
        gone("an answer kept for a repeated call", b"once-and-only-7351")
        clock.advance(REVOKED_S)
        gone("a revoked token's hash", hashes[token["id"]])
    assert names(agent) == {"turned", "kept"} and is_ok(agent)
    agent.restart()
    assert names(agent) == {"turned", "kept"} and is_ok(agent)


@pytest.mark.parametrize("load", [lambda agent: nobody(), Trickle], ids=["idle", "busy"])
def test_what_was_deleted_by_a_clock_that_was_ahead_leaves_as_well(make_agent, clock, load):
    """Set a year ahead and back again: no row waits for that year, nor do those behind it."""
    agent = make_agent(env=clock.env)
    doomed = agent.add_key("http://127.0.0.1:9", key_name="doomed")
    token = agent.post(KEYS, "/api/v1/tokens", {"name": "ci", "role": "viewer"}).body

    def answer_kept(mark):
        assert agent.post(KEYS, "/api/v1/clients", {"name": mark[:7]},
                          headers={"Idempotency-Key": mark}).status == 201
    agent.stop()
    [(envelope,)] = stored(agent, "SELECT envelope FROM vendor_key")
    hashes = dict(stored(agent, "SELECT id, hash FROM caller"))
    agent.start()

    def left(*values):
        return files_with(agent.state_dir, *values, *(v.hex().encode() for v in values))
    clock.advance(0, wall_s=YEAR_S)
    assert agent.request(KEYS, "DELETE", f"/api/v1/keys/{doomed['id']}").status in (200, 204)
    assert agent.request(KEYS, "DELETE", f"/api/v1/tokens/{token['id']}").status in (200, 204)
    answer_kept("of-next-year-7351")
    clock.advance(0, wall_s=-YEAR_S)
    answer_kept("of-this-year-7351")
    with load(agent):
        clock.advance(UNDO_S + 61)
        clock.pass_until(lambda: not left(envelope), 0.2, what="the secret gone from every file")
        clock.advance(IDEMPOTENCY_S)
        clock.pass_until(lambda: not left(b'of-next-year-7351', b'of-this-year-7351'), 0.2,
                         what="answers kept for repeated calls gone")
        clock.advance(REVOKED_S)
        clock.pass_until(lambda: not left(hashes[token["id"]]), 0.2, what="the token's hash gone")
    assert is_ok(agent)


@pytest.mark.parametrize("ahead_s", [0, YEAR_S], ids=["time", "clock-was-ahead"])
def test_a_picture_leaves_every_file_when_its_time_is_over(
        make_agent, make_vendord, clock, ahead_s):
    agent = make_agent(env={**clock.env, "YIJIAN_TASK_POLL_MS": "20"})
    agent.add_key(make_vendord(flavour="dashscope").url, vendor="aliyun", service="wanx",
                  key_name="wanx")
    clock.advance(0, wall_s=ahead_s)
    answer = agent.post(GW, "/v1/images/generations", headers={"Prefer": "respond-async"}, json={
        "model": "text_to_image", "prompt": "a cat"})
    assert answer.status == 202, answer
    path = "/api/v1/tasks/" + answer.headers["X-Yijian-Task"]
    clock.pass_until(lambda: agent.get(GW, path).body["state"] == "succeeded", what="a picture")
    agent.stop()
    [(result,)] = stored(agent, "SELECT result FROM task")
    clock.advance(0, wall_s=-ahead_s)
    agent.start()
    assert ahead_s or files_with(agent.state_dir, result[:64])
    clock.advance(RESULT_S)
    clock.pass_until(lambda: not files_with(agent.state_dir, result[:64], result[-64:]), 30,
                     what="the picture gone")
    if ahead_s:  # its whole row was of that clock
        clock.pass_until(lambda: agent.get(GW, path).status == 404, 30, what="the task gone")
    else:
        assert agent.get(GW, path).body["state"] == "expired"


def test_what_is_kept_for_a_time_ends_without_anybody_writing(make_agent):
    agent = make_agent()
    agent.stop()
    with altered(agent) as db:
        columns = [row[1] for row in db.execute("PRAGMA table_info(usage)")]
        for step in (60, 3600, 86400):
            db.execute(f"INSERT INTO usage VALUES({','.join('?' * len(columns))})",
                       [step, 86400, *["old"] * 6, *[1] * (len(columns) - 8)])
        db.execute("INSERT INTO live_override VALUES(0,'key_gone',1,-1,1000)")
        db.execute("INSERT INTO spend VALUES('key','key_gone',1,1,1,1)")
        db.execute("INSERT INTO probe_spend VALUES('key_gone',1,1,1,1,'USD')")
        db.executemany("INSERT INTO idempotency VALUES('uid:0','key_create',?,x'00',201,'{}',1)",
                       [(f"old-{i}",) for i in range(1234)])
    agent.start()
    wait_for(lambda: metric(agent, "yijian_store_last_purge_timestamp_seconds"), what="a purge")
    wait_for(lambda: not files_with(agent.state_dir, b"old-1233"), what="a long backlog gone")
    agent.stop()
    for table in ("usage", "live_override", "spend", "probe_spend", "idempotency"):
        assert stored(agent, f"SELECT count(*) FROM {table}") == [(0,)], table
    agent.start()


def test_an_unfinished_copy_of_the_configuration_does_not_stay(make_agent):
    agent = make_agent()
    agent.stop()
    left = agent.state_dir / "snapshot.json.new"
    left.write_text("the ciphertext of a key that was deleted since")
    agent.start()
    assert not left.exists()


# ---- changes that are missing ----

@pytest.fixture
def outdated(make_agent):
    """A stopped agent whose database is an old copy, with the names that it knew last."""
    agent = make_agent()
    agent.add_key("http://127.0.0.1:9", key_name="old")
    agent.stop()
    copy = agent.scratch / "old.db"
    shutil.copy(agent.state_dir / "yijian.db", copy)
    agent.start()
    agent.add_key("http://127.0.0.1:9", key_name="acknowledged")
    agent.stop()
    newer = agent.scratch / "newer.db"
    shutil.copy(agent.state_dir / "yijian.db", newer)
    shutil.copy(copy, agent.state_dir / "yijian.db")
    return agent, newer


def test_acknowledged_changes_that_are_missing_are_told(outdated):
    agent, _ = outdated
    kept = (agent.state_dir / "snapshot.json").read_bytes()
    agent.start()
    told = health(agent)
    assert told["status"] == "degraded" and "missing" in told["reasons"][0]
    assert "snapshot.lost.json" in told["reasons"][0]
    assert metric(agent, "yijian_store_changes_missing") == 1
    assert any(r["event"] == "store_degraded" and "missing" in r["detail"]
               for r in agent.log_records())
    assert "missing" in doctor(agent)["agent healthy"]
    # The database is what is served and written; the newer configuration stays as it was.
    assert names(agent) == {"old"}
    assert agent.add_key("http://127.0.0.1:9", key_name="later")
    lost = agent.state_dir / "snapshot.lost.json"
    assert lost.read_bytes() == kept
    agent.restart()
    assert health(agent)["status"] == "degraded" and lost.read_bytes() == kept
    lost.unlink()  # an operator goes on without them
    wait_for(lambda: is_ok(agent), what="the end of it")
    assert metric(agent, "yijian_store_changes_missing") == 0
    agent.restart()
    assert is_ok(agent) and names(agent) == {"old", "later"}


def test_the_newer_database_comes_back(outdated):
    agent, newer = outdated
    agent.start()
    agent.stop()
    shutil.copy(newer, agent.state_dir / "yijian.db")
    (agent.state_dir / "snapshot.lost.json").unlink()
    agent.start()
    assert is_ok(agent) and names(agent) == {"old", "acknowledged"}


def test_another_agents_database_is_told(make_agent):
    agent, other = make_agent(), make_agent()
    agent.add_key("http://127.0.0.1:9", key_name="mine")
    agent.stop()
    other.stop()
    for name in ("yijian.db", "root.key"):
        shutil.copy(other.state_dir / name, agent.state_dir / name)
    agent.start()
    told = health(agent)
    assert told["status"] == "degraded" and "another one" in told["reasons"][0]
    assert (agent.state_dir / "snapshot.lost.json").exists()


@pytest.mark.parametrize("harm", ["delete", "empty", "halve"])
def test_a_log_that_was_cut_is_never_passed_over(make_agent, clock, harm):
    agent = make_agent(env=clock.env)
    writers = Writers(agent, "cut")
    kept = agent.state_dir / "snapshot.json"
    first = kept.read_bytes()  # not its inode: a file written twice can get the first one's again
    wait_for(lambda: len(writers.acked()) > 100, what="writes")
    clock.advance(600)  # the configuration is kept now, whatever saving took
    wait_for(lambda: kept.read_bytes() != first, what="a kept configuration")
    # Their connections had outlived their time by then.
    again = Writers(agent, "again")
    wait_for(lambda: again.acked() and log_of(agent) > 0, what="a log")
    again.stop()
    writers.stop()
    assert agent.get(KEYS, "/api/v1/audit").status == 200  # behind what the last write left to do
    agent.kill9()
    log = agent.state_dir / "yijian.db-wal"
    if harm == "delete":
        log.unlink(missing_ok=True)
    else:
        os.truncate(log, 0 if harm == "empty" else log.stat().st_size // 2)
    saved = json.loads(kept.read_text().split("\n", 1)[1])
    agent.start()
    there = names(agent)
    assert {item["doc"]["key_name"] for item in saved["keys"]} <= there or not is_ok(agent)
    assert agent.get(CONFIG, "/api/v1/features").status == 200


@pytest.mark.parametrize("harm", ["delete", "empty"])
def test_a_log_that_goes_while_the_agent_runs_is_noticed(make_agent, harm):
    agent = make_agent()
    writers = Writers(agent, "going")
    wait_for(lambda: len(writers.acked()) > 100 and log_of(agent) > 0, what="writes")
    log = agent.state_dir / "yijian.db-wal"
    if harm == "delete":
        log.unlink()
    else:
        os.truncate(log, 0)
    before = len(writers.acked())
    # Emptied right after all of it was copied back it is no loss, and writing goes on.
    wait_for(lambda: len(writers.refused()) >= WRITERS or len(writers.acked()) > before + 500,
             what="refusals", alive=agent.alive)
    writers.stop()
    assert {(status, code) for _, status, code in writers.refused()} <= {(503, "storage_moved")}
    assert writers.refused() or harm == "empty"
    assert names(agent) >= set(writers.acked())
    agent.restart()
    assert names(agent) >= set(writers.acked()) or "missing" in health(agent)["reasons"][0]


def test_an_old_file_under_a_newer_log_is_told(make_agent):
    agent = make_agent()
    agent.add_key("http://127.0.0.1:9", key_name="old")
    agent.stop()
    old = agent.scratch / "old.db"
    shutil.copy(agent.state_dir / "yijian.db", old)
    agent.start()
    writers = Writers(agent, "newer")  # until the log was begun anew many times
    wait_for(lambda: len(writers.acked()) > 600 and log_of(agent) > 0, what="writes",
             alive=agent.alive)
    agent.kill9()
    writers.stop()
    shutil.copy(old, agent.state_dir / "yijian.db")
    agent.start()
    told = health(agent)
    assert told["status"] == "degraded", told
    assert agent.get(CONFIG, "/api/v1/features").status == 200


# ---- a disk that fails ----

CODES = {"ENOSPC": {(507, "storage_full")}, "EROFS": {(503, "storage_readonly")},
         "EIO": {(503, "storage_failed")}}


def try_key(agent, name):
    answer = agent.post(KEYS, "/api/v1/keys", {"vendor": "openai", "service": "dalle",
                                               "key_name": name, "api_key": "sk-simulated-" + name})
    return answer.status, answer.error


@pytest.mark.parametrize("fault", sorted(CODES))
def test_a_disk_that_fails_is_survived_and_left_behind(make_agent, make_vendord, disk, fault):
    agent = make_agent(env=disk.env, state_dir=disk.place)
    agent.add_key(make_vendord().url)
    disk.fail(fault)
    assert {try_key(agent, "refused")} == CODES[fault]
    told = health(agent)
    assert told["status"] == "degraded" and told["reasons"][0]
    assert agent.chat().status == 200
    assert agent.get(KEYS, "/api/v1/audit").status == 200
    disk.mend()
    wait_for(lambda: is_ok(agent), what="recovery without anybody's write")
    assert try_key(agent, "taken")[0] == 201
    agent.restart()
    assert is_ok(agent) and names(agent) == {"simulated", "taken"}


@pytest.mark.parametrize("fault", ["ENOSPC", "EROFS"])
def test_a_start_on_such_a_disk_serves(make_agent, make_vendord, disk, fault):
    agent = make_agent(env=disk.env, state_dir=disk.place)
    agent.add_key(make_vendord().url)
    agent.stop()
    disk.fail(fault)
    agent.start_by_log()
    assert agent.chat().status == 200 and names(agent) == {"simulated"}
    wait_for(lambda: not is_ok(agent), what="the state told")
    assert {try_key(agent, "refused")} == CODES[fault]
    disk.mend()
    if fault == "EROFS":  # mounted again is started again
        assert "revision" in health(agent)["reasons"][0]
        agent.restart()
    wait_for(lambda: is_ok(agent), what="recovery")
    assert try_key(agent, "taken")[0] == 201
    agent.restart()
    assert is_ok(agent) and names(agent) == {"simulated", "taken"}


def test_a_start_without_room_and_without_a_clean_stop_serves(make_agent, disk):
    agent = make_agent(env=disk.env, state_dir=disk.place)
    agent.add_key("http://127.0.0.1:9")
    agent.kill9()
    disk.fail("ENOSPC")
    agent.start_by_log()
    assert names(agent) == {"simulated"}
    disk.mend()
    wait_for(lambda: is_ok(agent), what="recovery")
    assert try_key(agent, "taken")[0] == 201


@pytest.fixture
def small(tmp_path):
    with small_disk.mounted(tmp_path / "small", 16) as disk:
        yield disk


def test_a_small_disk_is_enough_for_small_writes(make_agent, small):
    agent = make_agent(state_dir=small.place)
    writer = Writer(agent, "small")  # alone: nobody shares its commits
    writer.start()
    wait_for(lambda: writer.refused or len(writer.acked) >= 600, what="writes", alive=agent.alive)
    writer.stopping = True
    writer.join(60)
    assert not writer.refused and is_ok(agent)


def test_a_disk_without_a_free_byte_is_left_behind(make_agent, make_vendord, small):
    agent = make_agent(state_dir=small.place)
    agent.add_key(make_vendord().url)
    small.fill()
    writers = Writers(agent, "full")
    wait_for(lambda: len(writers.refused()) >= WRITERS, what="refusals", alive=agent.alive)
    assert agent.chat().status == 200 and not is_ok(agent)
    writers.stop()
    assert (507, "storage_full") in {(status, code) for _, status, code in writers.refused()}
    agent.kill9()
    agent.start_by_log()
    small.fill()  # the log it found was room
    number = iter(range(10000))
    wait_for(lambda: try_key(agent, f"after-{next(number)}") == (507, "storage_full"),
             what="a full disk", alive=agent.alive)
    assert agent.chat().status == 200 and not is_ok(agent)
    small.free()
    wait_for(lambda: is_ok(agent), what="recovery")
    assert names(agent) - {"simulated"} >= set(writers.acked())
    assert try_key(agent, "taken")[0] == 201


def test_what_is_over_goes_though_the_disk_has_little_room(make_agent, clock, small):
    """Wiping takes room in the log: a backlog of many rows goes in shares that fit."""
    agent = make_agent(state_dir=small.place, env=clock.env)
    agent.stop()
    with altered(agent) as db:
        db.executemany(
            "INSERT INTO task(id,state,feature,client,body_hash,doc,result,result_until,created_at,"
            "finished_at) VALUES(?,'succeeded','text_to_image','local',x'00','{}',?,2,1,1)",
            [(f"task-{i}", os.urandom(3000)) for i in range(800)])
        columns = [row[1] for row in db.execute("PRAGMA table_info(usage)")]
        db.executemany(f"INSERT INTO usage VALUES({','.join('?' * len(columns))})",
                       [[60, 86400, f"f{i}", *["old" * 50] * 5, *[1] * (len(columns) - 8)]
                        for i in range(2000)])
    small.fill()
    with open(small.filler, "r+b") as filler:
        filler.truncate(size(small.filler) - 3 * MIB // 4)
    agent.start()

    def left():
        with contextlib.closing(sqlite3.connect("file:" + str(copied(agent)) + "?mode=ro",
                                                uri=True)) as db:
            with contextlib.suppress(sqlite3.DatabaseError):  # it was written to meanwhile
                return sum(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
                           for table in ("task", "usage"))
    clock.pass_until(lambda: left() == 0, 20, what="all of it gone")
    wait_for(lambda: is_ok(agent), what="nothing to complain of")


def test_a_read_only_file_system_at_start_serves_what_was_kept(make_agent, make_vendord, small):
    agent = make_agent(state_dir=small.place)
    agent.add_key(make_vendord().url)
    agent.stop()
    assert small.remount("ro")
    agent.start_by_log()
    assert agent.chat().status == 200 and names(agent) == {"simulated"}
    told = health(agent)
    assert told["status"] == "degraded" and "revision" in told["reasons"][0]
    assert try_key(agent, "refused") == (503, "storage_readonly")
    agent.stop()
    assert small.remount("rw")
    agent.start()
    assert is_ok(agent) and names(agent) == {"simulated"}


# ---- what stands in the database and is not ours ----

@pytest.mark.parametrize("doc", ["", "{", "x" * 70000, "a\0b", '{"name":1}}', "[]"],
                         ids=["none", "cut", "long", "nul", "more", "a list"])
def test_damaged_documents_break_no_answer(make_agent, doc):
    agent = make_agent()
    key = {"Idempotency-Key": "again"}
    assert agent.post(KEYS, "/api/v1/clients", {"name": "app"}, headers=key).status == 201
    agent.stop()
    with altered(agent) as db:
        db.execute("UPDATE feature_revision SET doc=? WHERE name='chat'", [doc])
        db.execute("UPDATE idempotency SET body=?", [doc or "{"])  # of 204 there is none
    agent.start()
    items = agent.get(CONFIG, "/api/v1/features/chat/revisions").body["items"]
    assert items and all(item["document"] is None for item in items)
    again = agent.post(KEYS, "/api/v1/clients", {"name": "app"}, headers=key)
    assert (again.status, again.error) == (503, "storage_corrupt"), again
    assert names(agent) == set() and agent.get(KEYS, "/api/v1/clients").body["total"] == 1


STRANGE_IDS = {"zero": [0], "minus": [-1], "far below": [-1000000], "far beyond": [2**40],
               "a gap": [1, 2, 4, ...], "not from the first": [2, ...], "text": ["'one'"],
               "a fraction": [1.5], "twice": [1, 1], "newer": [99]}


@pytest.mark.parametrize("what", STRANGE_IDS)
def test_a_list_of_migrations_that_is_not_ours_is_refused(make_agent, what):
    agent = make_agent()
    agent.stop()
    kept, ids = agent.scratch / "kept.db", STRANGE_IDS[what]
    shutil.copy(agent.state_dir / "yijian.db", kept)
    with altered(agent) as db:
        rows = dict(db.execute("SELECT id, checksum FROM migration"))
        if ids[-1] is ...:  # and all that follow
            ids = [*ids[:-1], *range(ids[-2] + 1, max(rows) + 1)]
        db.execute("DROP TABLE migration")
        db.execute("CREATE TABLE migration(id, name, checksum, at)")
        for i in ids:
            db.execute(f"INSERT INTO migration VALUES({i},'x',?,1)", (rows.get(i, rows[1]),))
    agent.spawn()
    assert agent.child.wait(60) == 70, agent.log()[-2000:]
    assert "migration" in agent.log() or "newer version" in agent.log()
    shutil.copy(kept, agent.state_dir / "yijian.db")
    agent.start()


def test_numbers_that_are_not_ours_do_no_harm(make_agent):
    agent = make_agent()
    agent.add_key("http://127.0.0.1:9")
    agent.stop()
    extremes = (-(2**63), -1, 0, 7, 2**31, 2**63 - 1)
    with altered(agent) as db:
        for i, n in enumerate(extremes):
            db.execute("INSERT OR REPLACE INTO live_override VALUES(?,?,1,?,?)", (n, f"x{i}", n, n))
            db.execute("INSERT OR REPLACE INTO history VALUES(10,?,x'0102')", (n,))
            db.execute("INSERT OR REPLACE INTO idempotency VALUES('uid:0','key_create',?,"
                       "zeroblob(32),?,'{}',?)", (f"n{i}", n, 2**62))
            db.execute("INSERT OR REPLACE INTO spend VALUES('key',?,?,?,?,?)", (f"k{i}", n, n, n, n))
            db.execute("INSERT OR REPLACE INTO probe_spend VALUES(?,?,?,?,?,'USDUSD')",
                       (f"k{i}", n, n, n, n))
            db.execute("INSERT INTO task(id,state,feature,client,body_hash,doc,result_until,"
                       "created_at,finished_at) VALUES(?,'queued','chat','local',zeroblob(32),?,?,?,0)",
                       (f"img-{i}", json.dumps({
                           "id": f"img-{i}", "state": "queued", "feature": "text_to_image",
                           "n": n, "made": n, "attempts": n, "parts": [
                               {"state": "queued", "first": n, "n": n, "upstream_id": ""}]}), n, n))
        db.execute("UPDATE vendor_key SET created_at=?, updated_at=?, rotated_at=?",
                   (extremes[0], extremes[-1], extremes[-1]))
        db.execute("UPDATE feature SET created_at=?, revision=?", (extremes[-1], extremes[0]))
    agent.start()
    assert agent.get(KEYS, "/api/v1/keys").body["total"] == 1
    assert agent.get(CONFIG, "/api/v1/features").status == 200
    assert agent.get(GW, "/api/v1/tasks").status == 200
    for i in range(len(extremes)):
        answer = agent.post(KEYS, "/api/v1/keys", {
            "vendor": "openai", "service": "dalle", "key_name": f"n{i}",
            "api_key": "sk-simulated-0001"}, headers={"Idempotency-Key": f"n{i}"})
        assert answer.status in (201, 409, 503), answer
    assert agent.alive()


def deep(levels):
    value = "x"
    for _ in range(levels):
        value = {"d": value}
    return value


def test_what_was_accepted_is_readable_wherever_it_stands(make_agent, make_vendord):
    agent = make_agent(env={"YIJIAN_ALERT_INTERVAL_MS": "50"})
    vendord = make_vendord()
    agent.add_key(vendord.url)
    levels = 31  # of a member: its document is the 32nd
    features = "/api/v1/features"
    targets = [{"kind": "vendor", "vendor": "openai", "service": "gpt-4", "params": deep(29)}]
    made = agent.post(CONFIG, features, {"name": "deep", "endpoint": "chat.completions",
                                         "defaults": deep(levels), "targets": targets},
                      headers={"Idempotency-Key": "deep"})
    assert made.status == 201, made
    assert agent.post(CONFIG, features, {"name": "deeper", "endpoint": "chat.completions",
                                         "defaults": deep(levels + 1)}).error == "json_too_complex"
    agent.add_instance(vendord.url, meta=deep(levels), features=[])
    rule = agent.post(GW, "/api/v1/alerts/rules", {
        "name": "deep", "metric": "sealed", "threshold": 0, "op": "ge", "for_s": 0,
        "labels": deep(levels)})
    assert rule.status in (200, 201), rule
    wide = agent.post(GW, "/api/v1/alerts/rules", {
        "name": "wide", "metric": "sealed", "threshold": 5,
        "labels": {f"l{i}": "x" for i in range(490)}})
    assert wide.status in (200, 201), wide  # close to a thousand values, before what is added
    assert agent.request(CONFIG, "PATCH", f"{features}/deep", {"display_name": "2"}).status == 200

    def look():
        feature = agent.get(CONFIG, f"{features}/deep").body
        assert feature["defaults"] == deep(levels) and feature["targets"][0]["params"] == deep(29)
        instance = agent.get(REGISTRY, "/api/v1/services/simulated-vllm/instances/gpu1").body
        assert instance["meta"] == deep(levels)
        rules = {r["name"]: r for r in agent.get(GW, "/api/v1/alerts/rules").body["items"]}
        assert rules["deep"]["labels"] == deep(levels) and len(rules["wide"]["labels"]) == 490

    look()
    wait_for(lambda: any(a["rule"] == "deep" and a["labels"] == deep(levels)
                         for a in agent.get(GW, "/api/v1/alerts").body["items"]), what="its alert")
    revisions = agent.get(CONFIG, f"{features}/deep/revisions").body["items"]
    assert all(r["document"]["defaults"] == deep(levels) for r in revisions)
    back = agent.post(CONFIG, f"{features}/deep/rollback", {"revision": revisions[-1]["revision"]})
    assert back.status == 200 and back.body["defaults"] == deep(levels), back
    again = agent.post(CONFIG, features, {"name": "deep", "endpoint": "chat.completions",
                                          "defaults": deep(levels), "targets": targets},
                       headers={"Idempotency-Key": "deep"})
    assert again.status == 201 and again.body["defaults"] == deep(levels)
    assert agent.get(CONFIG, "/api/v1/revisions").status == 200
    agent.restart()
    look()
    assert is_ok(agent)
    agent.stop()
    (agent.state_dir / "yijian.db").unlink()
    agent.start()
    look()
    told = health(agent)
    assert told["status"] == "degraded" and "damaged" not in told["reasons"][0]
    assert agent.chat().status == 200
