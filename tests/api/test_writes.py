# SPDX-License-Identifier: MIT
"""What a write costs and leaves: log per write, nothing where nothing changes, a bounded past."""
import json
import sqlite3
import struct

import pytest

import waiting

CFG, KEYS, REG, GW = "config-center", "key-manager", "service-registry", "api-gateway"
WRITES = 120
CHANGES_KEPT, REVISIONS_KEPT = 10_000, 200
FRAME_HEAD = 24


def key(name, **more):
    return {"vendor": "openai", "service": "gpt-4", "key_name": name,
            "api_key": f"sk-writes-{name}-0000000000000000", **more}


def instance(**more):
    return {"url": "http://127.0.0.1:9", "engine": "vllm", "features": ["chat"], **more}


def change(agent, service, method, path, body=None, headers=()):
    answer = agent.request(service, method, path, body, headers=headers)
    assert answer.status < 300, answer
    return answer


# ---- the log ----

class Log:
    """Bytes that went into the database's log, counted frame by frame over its beginnings anew."""

    def __init__(self, state_dir):
        self.path = state_dir / "yijian.db-wal"
        self.last = self.look()

    def look(self):
        """(what marks this log, frames of it, bytes of a frame)"""
        data = self.path.read_bytes()
        if len(data) < 32:
            return None, 0, 0
        page, salt = struct.unpack(">I", data[8:12])[0], data[16:24]
        frames = 0
        for at in range(32, len(data) - FRAME_HEAD - page + 1, FRAME_HEAD + page):
            if data[at + 8:at + 16] != salt:
                break
            frames += 1
        return salt, frames, FRAME_HEAD + page

    def grown(self):
        was, self.last = self.last, self.look()
        return (self.last[1] - (was[1] if was[0] == self.last[0] else 0)) * self.last[2]


SMALL = {  # KiB of log that one may take: half of what whole documents in each table came to
    "key made": 14, "key made with Idempotency-Key": 20, "key patched": 8, "feature patched": 17.5,
    "instance registered": 11, "instance changed": 8, "client patched": 8}


def small_write(agent, kind, n, ids):
    key_path, client_path = (f"/api/v1/{noun}s/{ids[noun]}" for noun in ("key", "client"))
    if kind.startswith("key made"):
        headers = {"Idempotency-Key": f"writes-{n}"} if "Idempotency" in kind else {}
        change(agent, KEYS, "POST", "/api/v1/keys", key(f"k{n}"), headers)
    elif kind == "key patched":
        change(agent, KEYS, "PATCH", key_path, {"weight": n + 2})
    elif kind == "feature patched":
        change(agent, CFG, "PATCH", "/api/v1/features/chat", {"display_name": f"Chat {n}"})
    elif kind == "client patched":
        change(agent, KEYS, "PATCH", client_path, {"limits": {"rpm": n + 1}})
    else:
        name, more = (f"g{n}", {}) if kind == "instance registered" else ("g", {"weight": n + 2})
        change(agent, REG, "PUT", f"/api/v1/services/s/instances/{name}", instance(**more))


@pytest.mark.parametrize("kind", SMALL)
def test_a_small_write_takes_little_log(agent, kind):
    ids = {"key": change(agent, KEYS, "POST", "/api/v1/keys", key("first")).body["id"],
           "client": change(agent, KEYS, "POST", "/api/v1/clients", {"name": "c"}).body["id"]}
    change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance())
    log, total = Log(agent.state_dir), 0
    for n in range(WRITES):
        small_write(agent, kind, n, ids)
        total += log.grown()
    assert 2 < total / WRITES / 1024 <= SMALL[kind]


# ---- nothing where nothing changes ----

def revision(agent):
    return agent.get(CFG, "/api/v1/features").body["revision"]


def past(agent):
    """All that a change would leave: revision, change and audit rows, events of the configuration."""
    logs = [agent.get(service, f"/api/v1/{log}?limit=1").body["total"]
            for service, log in ((CFG, "changes"), (KEYS, "audit"))]
    events = agent.get(GW, "/api/v1/events?since=0&limit=1000&kinds=config,key").body["items"]
    return revision(agent), *logs, len(events)


RULE = {"name": "mine", "metric": "error_pct", "op": "gt", "threshold": 50, "severity": "warning"}
PRICE = {"items": [{"vendor": "openai", "model": "m-1", "input_pico": 5}]}


def made(agent, noun):
    """One document of a kind: the service, and where it stands."""
    if noun == "feature":
        return CFG, "/api/v1/features/chat"
    if noun == "instance":
        change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance())
        return REG, "/api/v1/services/s/instances/g"
    service, path, body = {
        "key": (KEYS, "/api/v1/keys", key("k", note="n", services=["gpt-4", "dalle"])),
        "client": (KEYS, "/api/v1/clients", {"name": "c", "limits": {"rpm": 5}}),
        "alert rule": (GW, "/api/v1/alerts/rules", RULE)}[noun]
    answer = change(agent, service, "POST", path, body)
    return service, f"{path}/{answer.body.get('id') or answer.body['name']}"


LIVE = {"state", "joins", "state_reason", "state_until", "inflight", "requests", "failures", "last_used_at",
        "probes_cost", "probes_paid", "spent", "last_seen_at", "spent_until", "limited", "unpriced"}


def same_again(agent, noun, service, path):
    """Every road that puts the document as it is."""
    document = agent.get(service, path).body
    said = {name: value for name, value in document.items() if name not in LIVE}
    answers = [change(agent, service, "PATCH", path, body) for body in ({}, said)] \
        if noun != "instance" else []
    if noun in ("feature", "instance"):
        answers.append(change(agent, service, "PUT", path,
                              instance() if noun == "instance" else said))
    if noun == "key":
        answers.append(change(agent, service, "POST", path + "/enable"))
    if noun == "feature":
        answers.append(change(agent, service, "POST", path + "/rollback",
                              {"revision": document["revision"]}))
    if noun == "instance":
        answers.append(change(agent, service, "POST", path + "/undrain"))
    return document, answers


@pytest.mark.parametrize("noun", ("feature", "key", "client", "alert rule", "instance"))
def test_a_document_put_again_changes_nothing(agent, noun):
    service, path = made(agent, noun)
    before = past(agent)
    document, answers = same_again(agent, noun, service, path)
    for answer in answers:
        assert answer.body["revision"] == document["revision"]
        assert answer.body["updated_at"] == document["updated_at"]
        if noun != "instance":
            assert answer.headers["ETag"] == f'"{document["revision"]}"'
    assert past(agent) == before
    # a watcher is not woken either, and what does change is still told
    assert agent.get(CFG, f"/api/v1/watch?since={before[0]}&wait=0s").body["changed"] is False
    if noun == "instance":
        change(agent, service, "PUT", path, instance(weight=7))
    else:
        change(agent, service, "PATCH", path, {"enabled": False})
    assert [now - was for now, was in zip(past(agent), before)] == [1, 1, 1, 1]


def test_a_stale_precondition_is_refused_though_nothing_would_change(agent):
    service, path = made(agent, "feature")
    old = agent.get(service, path).body["revision"]
    change(agent, service, "PATCH", path, {"description": "another"})
    answer = agent.request(service, "PATCH", path, {}, headers={"If-Match": f'"{old}"'})
    assert answer.status == 412


def test_prices_put_again_change_nothing(agent):
    change(agent, KEYS, "POST", "/api/v1/prices?format=yijian", PRICE)
    before = past(agent)
    change(agent, KEYS, "POST", "/api/v1/prices?format=yijian", PRICE)
    assert past(agent) == before


def test_an_instance_put_again_still_beats(agent):
    change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance(ttl_s=60))
    before = past(agent)
    answer = change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance(ttl_s=60))
    assert answer.status == 200 and answer.body["last_heartbeat_at"]
    assert past(agent) == before


def test_the_secret_that_is_stored_is_no_rotation(agent):
    service, path = made(agent, "key")
    before, was = past(agent), agent.get(service, path).body
    answer = change(agent, service, "POST", path + "/rotate", {"api_key": key("k")["api_key"]})
    assert answer.body["rotated_at"] == was["rotated_at"] and past(agent) == before
    answer = change(agent, service, "POST", path + "/rotate", {"api_key": key("k")["api_key"] + "x"})
    assert answer.body["rotated_at"] != was["rotated_at"]
    assert past(agent)[0] == before[0] + 1


# ---- the past is bounded ----

def database(agent):
    return sqlite3.connect(agent.state_dir / "yijian.db")


def test_changes_are_kept_so_many_and_so_long(agent):
    change(agent, CFG, "PUT", "/api/v1/features/gone", {
        "name": "gone", "endpoint": "chat.completions", "targets": [
            {"kind": "vendor", "vendor": "openai", "service": "gpt-4"}]})
    change(agent, CFG, "DELETE", "/api/v1/features/gone")
    agent.stop()
    with database(agent) as db:
        newest, at = db.execute("SELECT revision, at FROM change ORDER BY 1 DESC LIMIT 1").fetchone()
        old = at - 91 * 24 * 3600 * 1000
        db.execute("UPDATE change SET at = ?", (old,))
        db.executemany(
            "INSERT INTO change(revision,at,actor,action,kind,name,summary) VALUES(?,?,?,?,?,?,?)",
            ((newest + n, at, "system", "update", "Key", "k", "s") for n in range(1, 501)))
    db.close()
    agent.start()
    audited = agent.get(KEYS, "/api/v1/audit?limit=1").body["total"]
    page = lambda: agent.get(CFG, "/api/v1/changes?limit=1000").body
    waiting.wait_for(lambda: page()["total"] == 500, what="changes of 91 days ago to go")
    change(agent, CFG, "PATCH", "/api/v1/features/chat", {"description": "one more"})
    assert min(item["revision"] for item in page()["items"]) == newest + 1
    assert page()["items"][0]["revision"] == revision(agent) == newest + 501
    assert agent.get(KEYS, "/api/v1/audit?limit=1").body["total"] == audited + 1
    # what the deleted feature was went with them, what stands kept its own
    assert agent.get(CFG, "/api/v1/features/gone/revisions").status == 404
    assert agent.get(CFG, "/api/v1/features/chat/revisions").body["total"] == 2
    agent.stop()
    with database(agent) as db:
        db.executemany(
            "INSERT INTO change(revision,at,actor,action,kind,name,summary) VALUES(?,?,?,?,?,?,?)",
            ((newest + 501 + n, at, "system", "update", "Key", "k", "s")
             for n in range(1, CHANGES_KEPT + 1)))
    db.close()
    agent.start()
    waiting.wait_for(lambda: page()["total"] == CHANGES_KEPT, what="changes beyond the bound to go")
    assert revision(agent) == newest + 501 + CHANGES_KEPT
    agent.restart()
    assert revision(agent) == newest + 501 + CHANGES_KEPT
    assert agent.get(KEYS, "/api/v1/audit/verify").body.get("bad_seq", 0) in (0, None)


def test_a_rollback_to_what_is_no_longer_kept_says_so(agent):
    first = agent.get(CFG, "/api/v1/features/chat").body["revision"]
    for n in range(REVISIONS_KEPT):
        change(agent, CFG, "PATCH", "/api/v1/features/chat", {"description": f"d{n}"})
    listed = agent.get(CFG, "/api/v1/features/chat/revisions").body["items"]
    assert len(listed) == REVISIONS_KEPT and listed[0]["document"]["description"] == f"d{n}"
    answer = agent.post(CFG, "/api/v1/features/chat/rollback", {"revision": first})
    assert answer.status == 404 and answer.error == "not_found"
    assert str(REVISIONS_KEPT) in answer.body["error"]["message"]
    assert answer.body["error"]["hint"]
    assert change(agent, CFG, "POST", "/api/v1/features/chat/rollback",
                  {"revision": listed[-1]["revision"]}).body["description"] == "d0"


FOLLOWS = {"revision", "updated_at", "updated_by"}


def said(document):
    return {name: value for name, value in document.items()
            if name not in LIVE | FOLLOWS and value is not None}


@pytest.mark.parametrize("noun, patches", (
    ("key", [{"weight": 7, "note": None}, {"note": 'a "new" é', "limits": {"rpm": 3}},
             {"budget": {"amount_pico": 5, "window": "day"}}, {"key_name": "other", "weight": 1}]),
    ("feature", [{"aliases": ["a", "b"]}, {"description": "d"},
                 {"targets": [{"kind": "vendor", "vendor": "openai", "service": "gpt-4"}]},
                 {"retry": {"max_attempts": 1}, "aliases": []}]),
    ("client", [{"limits": {"rpm": None, "tpm": 9}}, {"name": "d"}])))
def test_a_change_keeps_what_leads_back(agent, noun, patches):
    service, path = made(agent, noun)
    states = [agent.get(service, path).body]
    for patch in patches:
        states.append(change(agent, service, "PATCH", path, patch).body)
    agent.stop()
    db = database(agent)
    for was, now in zip(states, states[1:]):
        row = db.execute("SELECT before FROM change WHERE revision = ?", (now["revision"],))
        kept = json.loads(row.fetchone()[0])
        assert kept and not FOLLOWS & kept.keys() and len(kept) < len(now) / 2
        assert said({**now, **kept}) == said(was)
    db.close()


# ---- databases of before ----

WAS = """
CREATE UNIQUE INDEX vendor_key_slug ON vendor_key(vendor, service, slug) WHERE deleted_at IS NULL;
ALTER TABLE instance RENAME TO instance_now;
CREATE TABLE instance(service TEXT NOT NULL, id TEXT NOT NULL, revision INTEGER NOT NULL,
 draining INTEGER NOT NULL, doc TEXT NOT NULL, created_at INTEGER NOT NULL,
 updated_at INTEGER NOT NULL, updated_by TEXT NOT NULL, mac BLOB NOT NULL,
 PRIMARY KEY(service, id)) STRICT, WITHOUT ROWID;
INSERT INTO instance SELECT * FROM instance_now;
DROP TABLE instance_now;
ALTER TABLE idempotency RENAME TO idempotency_now;
CREATE TABLE idempotency(actor TEXT NOT NULL, endpoint TEXT NOT NULL, key TEXT NOT NULL,
 body_hash BLOB NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, at INTEGER NOT NULL,
 PRIMARY KEY(actor, endpoint, key)) STRICT, WITHOUT ROWID;
INSERT INTO idempotency SELECT * FROM idempotency_now;
DROP TABLE idempotency_now;
DELETE FROM migration WHERE id >= 10;
PRAGMA journal_mode = DELETE;
PRAGMA page_size = 4096;
VACUUM;
PRAGMA journal_mode = WAL;
"""


def test_a_database_of_before_is_carried_over(agent):
    headers = {"Idempotency-Key": "before"}
    first = change(agent, KEYS, "POST", "/api/v1/keys", key("k"), headers)
    change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance(weight=3))
    change(agent, REG, "POST", "/api/v1/services/s/instances/g/drain")
    agent.stop()
    db = database(agent)
    db.executescript(WAS)
    db.close()
    agent.start()
    again = change(agent, KEYS, "POST", "/api/v1/keys", key("k"), headers)
    assert again.headers["Idempotent-Replayed"] == "true" and again.body["id"] == first.body["id"]
    found = agent.get(REG, "/api/v1/services/s/instances/g").body
    assert found["weight"] == 3 and found["draining"] is True
    change(agent, REG, "PUT", "/api/v1/services/s/instances/g", instance(weight=4))
    change(agent, KEYS, "PATCH", f"/api/v1/keys/{first.body['id']}", {"key_name": "renamed"})
    agent.restart()
    assert agent.get(REG, "/api/v1/services/s/instances/g").body["weight"] == 4
    assert change(agent, KEYS, "POST", "/api/v1/keys", key("k")).status == 201  # the name is free
    assert agent.post(KEYS, "/api/v1/keys", key("Renamed", api_key="sk-another-00000000000")).status == 409
