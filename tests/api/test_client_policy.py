# SPDX-License-Identifier: MIT
"""Whether callers of the model traffic need a client's key: from the first client on they do, whatever
becomes of its row, until an administrator says otherwise."""
import json
import shutil
import sqlite3

import pytest

KEYS, GATEWAY = "key-manager", "api-gateway"
CLIENTS, POLICY = "/api/v1/clients", "/api/v1/clients/policy"


def make_client(agent, name="app", **more):
    answer = agent.post(KEYS, CLIENTS, {"name": name, **more})
    assert answer.status == 201, answer
    return answer.body


def is_open(agent, headers=()):
    answer = agent.get(GATEWAY, "/v1/models", headers=headers)
    assert answer.status in (200, 401, 503), answer
    return answer.status == 200


def policy(agent):
    return agent.get(KEYS, POLICY).body


def put(agent, required, **more):
    return agent.request(KEYS, "PUT", POLICY, {"required": required}, **more)


def stopped(agent):
    """The database of the agent, for whoever has the disk."""
    agent.stop()
    return sqlite3.connect(agent.state_dir / "yijian.db")


def change(agent, *sql):
    db = stopped(agent)
    for text in sql:
        assert db.execute(text).rowcount, text
    db.commit()
    db.close()


# ---- the fact ----

def test_a_fresh_agent_asks_for_none(agent):
    assert policy(agent) == {"required": False, "revision": 0} and is_open(agent)
    agent.restart()
    assert policy(agent) == {"required": False, "revision": 0} and is_open(agent)


def test_the_first_client_closes_and_the_last_does_not_open(agent):
    first = make_client(agent)
    assert policy(agent) == {"required": True, "revision": first["revision"]}
    assert not is_open(agent)
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{first['id']}").status == 204
    for _ in range(2):
        assert policy(agent)["required"] and not is_open(agent)
        agent.restart()


def test_an_administrator_says_otherwise(agent):
    key = {"Authorization": "Bearer " + make_client(agent)["key"]}
    answer = put(agent, False)
    assert (answer.status, answer.body["required"]) == (200, False), answer
    assert answer.headers["ETag"] == f'"{answer.body["revision"]}"'
    assert is_open(agent) and is_open(agent, key)
    make_client(agent, "second")  # there was one before: what was said still holds
    agent.restart()
    assert policy(agent) == answer.body and is_open(agent)
    assert put(agent, True).status == 200 and not is_open(agent)


def test_a_first_client_closes_again(agent):
    first = make_client(agent)
    assert put(agent, False).status == 200
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{first['id']}").status == 204
    assert is_open(agent)
    make_client(agent, "next")
    assert policy(agent)["required"] and not is_open(agent)


def test_it_can_be_asked_for_before_there_is_a_client(agent):
    assert put(agent, True).status == 200
    assert not is_open(agent)


def test_the_same_again_changes_nothing(agent):
    before = agent.get(KEYS, CLIENTS).body["revision"]
    assert put(agent, False).body == {"required": False, "revision": 0}
    assert agent.get(KEYS, CLIENTS).body["revision"] == before
    one = put(agent, True)
    rows = agent.get(KEYS, "/api/v1/audit").body["total"]
    assert put(agent, True).body == one.body
    assert agent.get(KEYS, "/api/v1/audit").body["total"] == rows


def test_it_is_a_change_like_others(agent):
    make_client(agent)
    said = put(agent, False).body
    row = agent.get("config-center", "/api/v1/revisions").body["items"][0]
    assert (row["kind"], row["action"], row["revision"]) == ("ClientPolicy", "update", said["revision"])
    audit = agent.get(KEYS, "/api/v1/audit").body["items"][0]
    assert (audit["object"], audit["actor"]) == ("ClientPolicy clients", row["actor"])
    event = agent.get(GATEWAY, "/api/v1/events?kinds=config").body["items"][-1]
    assert (event["action"], event["name"]) == ("update", "clients/policy")
    stale = put(agent, True, headers={"If-Match": '"1"'})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    assert put(agent, True, headers={"If-Match": f'"{said["revision"]}"'}).status == 200


@pytest.mark.parametrize("role,may_read,may_change", [
    ("viewer", 200, 403), ("operator", 200, 403), ("service", 403, 403), ("admin", 200, 200)])
def test_who_may(agent, role, may_read, may_change):
    token = agent.post(KEYS, "/api/v1/tokens", {"name": role, "role": role}).body["token"]
    headers = {"Authorization": "Bearer " + token}
    assert agent.get(KEYS, POLICY, headers=headers).status == may_read
    assert put(agent, True, headers=headers).status == may_change
    assert is_open(agent) == (may_change != 200)


@pytest.mark.parametrize("body,code", [
    ({}, "field_required"), ({"required": None}, "field_required"), ({"required": "no"}, "field_type"),
    ({"required": 0}, "field_type"), ({"required": False, "x": 1}, "field_unknown")])
def test_what_is_no_policy(agent, body, code):
    make_client(agent)
    answer = agent.request(KEYS, "PUT", POLICY, body)
    assert answer.status in (400, 422), answer
    assert answer.error in (code, "field_type"), answer
    assert not is_open(agent)


def test_policy_is_no_client(agent):
    client = make_client(agent, "policy")
    assert agent.request(KEYS, "DELETE", POLICY).status == 405
    assert agent.get(KEYS, f"{CLIENTS}/{client['id']}").status == 200


# ---- what could open it ----

def test_damaged_rows_do_not_open(agent):
    make_client(agent)
    change(agent, "UPDATE caller SET mac=zeroblob(32)")
    agent.start()
    assert agent.get(KEYS, CLIENTS).body["items"] == []
    assert policy(agent)["required"] and not is_open(agent)
    make_client(agent, "next")
    assert not is_open(agent)


def write_fact(agent, value):
    db = stopped(agent)
    db.execute("DELETE FROM meta WHERE key='clients_required'")
    if value is not None:
        db.execute("INSERT INTO meta(key,value) VALUES('clients_required',?)", (value,))
    db.commit()
    db.close()


def read_fact(agent):
    db = stopped(agent)
    value, = db.execute("SELECT value FROM meta WHERE key='clients_required'").fetchone()
    db.close()
    agent.start()
    return value


@pytest.mark.parametrize("damage", [
    lambda v: None, lambda v: b"", lambda v: bytes(len(v)), lambda v: b"0" + v[1:], lambda v: v[:-1],
    lambda v: b"0 1" + v[-32:], lambda v: b"0" * 4096])
def test_a_damaged_or_missing_fact_does_not_open(agent, damage):
    client = make_client(agent)
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{client['id']}").status == 204
    write_fact(agent, damage(read_fact(agent)))
    agent.start()
    assert policy(agent)["required"] and not is_open(agent)
    agent.restart()
    assert not is_open(agent)
    assert agent.get(KEYS, "/healthz").body["status"] == "ok"  # it was written down anew


def test_a_fact_of_another_database_does_not_open(agent, make_agent):
    make_client(agent)
    other = make_agent()
    make_client(other)
    assert put(other, False).status == 200
    write_fact(agent, read_fact(other))
    agent.start()
    assert not is_open(agent)


def test_a_fact_of_earlier_does_not_open(agent):
    make_client(agent)
    assert put(agent, False).status == 200
    said = read_fact(agent)
    assert put(agent, True).status == 200
    write_fact(agent, said)
    agent.start()
    assert not is_open(agent)


@pytest.mark.parametrize("damage", [lambda v: v, lambda v: b"0" + v[1:], lambda v: b""])
def test_nothing_left_but_the_fact(agent, damage):
    client = make_client(agent)
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{client['id']}").status == 204
    value = damage(read_fact(agent))
    change(agent, "DELETE FROM change WHERE kind='Client'", "DELETE FROM audit")
    write_fact(agent, value)
    for file in agent.state_dir.glob("snapshot.json*"):
        file.unlink()
    agent.start()
    assert not is_open(agent)


@pytest.mark.parametrize("sql", ["UPDATE caller SET mac=zeroblob(32)", None])
def test_a_former_database_with_clients_is_closed(agent, sql):
    """A version that did not write the fact left clients, or what tells of some."""
    client = make_client(agent)
    if not sql:
        assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{client['id']}").status == 204
    change(agent, "DELETE FROM meta WHERE key='clients_required'", *([sql] if sql else []))
    for file in agent.state_dir.glob("snapshot.json*"):
        file.unlink()
    agent.start()
    assert policy(agent)["required"] and not is_open(agent)


def test_an_older_database_put_back_does_not_open(agent):
    agent.stop()
    for name in ("yijian.db", "yijian.db-wal"):
        if (agent.state_dir / name).exists():
            shutil.copy(agent.state_dir / name, agent.state_dir / (name + ".old"))
    agent.start()
    make_client(agent)
    agent.stop()
    for file in agent.state_dir.glob("yijian.db*"):
        if file.suffix != ".old":
            file.unlink()
    for file in agent.state_dir.glob("yijian.db*.old"):
        file.rename(file.with_suffix(""))
    agent.start()
    assert agent.get(KEYS, CLIENTS).body["total"] == 0
    assert policy(agent)["required"] and not is_open(agent)
    agent.restart()
    assert not is_open(agent)


@pytest.mark.parametrize("more", [{"enabled": False}, {"expires_at": "2020-01-01T00:00:00.000Z"}])
def test_only_clients_that_may_nothing(agent, more):
    make_client(agent, **more)
    assert not is_open(agent)
    agent.restart()
    assert not is_open(agent)


def gone(agent):
    agent.stop()
    for file in agent.state_dir.glob("yijian.db*"):
        file.unlink()
    agent.start()


def test_the_kept_configuration_keeps_it(agent):
    client = make_client(agent)
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{client['id']}").status == 204
    gone(agent)
    assert policy(agent)["required"] and not is_open(agent)
    answer = put(agent, False)  # nothing can be written now
    assert (answer.status, answer.error) == (503, "storage_readonly")
    assert not is_open(agent)


@pytest.mark.parametrize("required", [True, False])
def test_it_is_kept_at_once(agent, required):
    """Without a clean end, and the database gone with it."""
    make_client(agent)
    if not required:
        assert put(agent, False).status == 200
    agent.kill9()
    for file in agent.state_dir.glob("yijian.db*"):
        file.unlink()
    agent.start()
    assert policy(agent)["required"] == required and is_open(agent) != required


def test_the_kept_configuration_keeps_what_was_said(agent):
    make_client(agent)
    said = put(agent, False).body
    gone(agent)
    assert policy(agent) == said and is_open(agent)


def test_a_kept_configuration_that_does_not_say(agent):
    """As a former version wrote it, or damaged where nobody can check: clients in it tell."""
    make_client(agent)
    agent.stop()
    for file in agent.state_dir.glob("yijian.db*"):
        file.unlink()
    (agent.state_dir / "root.key").unlink()
    path = agent.state_dir / "snapshot.json"
    head, _, text = path.read_text().partition("\n")
    document = json.loads(text)
    del document["clients_required"]
    path.write_text(head + "\n" + json.dumps(document))
    agent.start()
    assert not is_open(agent)


def test_a_sealed_agent_stays_closed(agent):
    make_client(agent)
    assert put(agent, False).status == 200
    agent.stop()
    key = (agent.state_dir / "root.key").read_bytes()
    (agent.state_dir / "root.key").unlink()
    agent.start()  # nothing it reads can be checked
    assert not is_open(agent)
    agent.stop()
    (agent.state_dir / "root.key").write_bytes(key)
    (agent.state_dir / "root.key").chmod(0o600)
    agent.start()
    assert is_open(agent)
