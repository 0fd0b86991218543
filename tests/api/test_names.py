# SPDX-License-Identifier: MIT
"""Names are for people: whoever chooses one, it makes him nobody else."""
import json
import pathlib
import shutil
import sqlite3
import time

import pytest

from waiting import wait_for

KEYS, GATEWAY, REGISTRY = "key-manager", "api-gateway", "service-registry"
CLIENTS, TOKENS = "/api/v1/clients", "/api/v1/tokens"
IMAGES = "/v1/images/generations"
LONG = "長" * 53  # 159 bytes
FORMER = pathlib.Path(__file__).parent.parent / "data" / "names"


@pytest.fixture
def painter(agent, vendord):
    """An agent that paints, at a price."""
    agent.add_key(vendord.base_url, service="dalle", limits={"rpm": 60000})
    return agent


def make(agent, kind, name, **more):
    answer = agent.post(KEYS, kind, {"name": name, **more})
    assert answer.status == 201, answer
    return answer.body


def as_is(body):
    return {"Authorization": "Bearer " + (body.get("key") or body["token"])}


def delete(agent, kind, body):
    assert agent.request(KEYS, "DELETE", f"{kind}/{body['id']}").status == 204


def image(agent, who=None, idem="once", prompt="a cat"):
    headers = {**(as_is(who) if who else {}), "Idempotency-Key": idem}
    answer = agent.post(GATEWAY, IMAGES, headers=headers,
                        json={"model": "text_to_image", "prompt": prompt})
    assert answer.status == 200, answer
    return answer.headers["X-Yijian-Task"]


def sees(agent, who, task):
    answer = agent.get(GATEWAY, f"/v1/images/tasks/{task}", headers=as_is(who))
    assert answer.status in (200, 404), answer
    return answer.status == 200


# ---- clients ----

def test_names_alike_in_what_a_column_once_held(painter):
    one, two = make(painter, CLIENTS, LONG + "a" * 11), make(painter, CLIENTS, LONG + "b" * 11)
    first = image(painter, one)
    second = image(painter, two)  # the same Idempotency-Key, and not the same caller
    assert first != second
    assert image(painter, one) == first and image(painter, two) == second
    assert sees(painter, one, first) and sees(painter, two, second)
    assert not sees(painter, two, first) and not sees(painter, one, second)
    shown = painter.get(GATEWAY, f"/api/v1/tasks/{first}").body
    assert (shown["client"], shown["client_name"]) == (one["id"], one["name"])
    items = painter.get(GATEWAY, "/api/v1/usage?by=client").body["items"]
    assert {(i["client"], i["client_name"], i["requests"]) for i in items} == {
        (one["id"], one["name"], 1), (two["id"], two["name"], 1)}


def test_a_client_named_like_anothers_id(painter):
    victim = make(painter, CLIENTS, "victim", budget={"amount_pico": 10**18, "window": "day"})
    rogue = make(painter, CLIENTS, victim["id"], budget={"amount_pico": 10**18, "window": "day"})
    task = image(painter, rogue)
    look = {c["id"]: c for c in painter.get(KEYS, CLIENTS).body["items"]}
    assert look[victim["id"]]["spent"]["pico"] == 0 and look[victim["id"]]["unpriced"] == 0
    assert look[rogue["id"]]["spent"]["pico"] > 0 or look[rogue["id"]]["unpriced"] == 1
    assert not sees(painter, victim, task)
    assert painter.get(KEYS, f"{CLIENTS}/{victim['id']}").body["name"] == "victim"
    delete(painter, CLIENTS, rogue)
    assert painter.get(GATEWAY, "/v1/models", headers=as_is(victim)).status == 200
    rogue = make(painter, CLIENTS, victim["id"])
    delete(painter, CLIENTS, victim)
    assert painter.get(GATEWAY, "/v1/models", headers=as_is(rogue)).status == 200
    assert painter.get(KEYS, f"{CLIENTS}/{victim['id']}").error == "not_found"


def test_a_new_client_of_a_deleted_name_inherits_nothing(painter):
    old = make(painter, CLIENTS, "shop")
    task = image(painter, old)
    delete(painter, CLIENTS, old)
    new = make(painter, CLIENTS, "shop")
    assert not sees(painter, new, task)
    assert image(painter, new) != task
    assert painter.get(GATEWAY, f"/api/v1/tasks/{task}").body["client"] == old["id"]


def test_a_renamed_client_stays_who_it_is(painter):
    me = make(painter, CLIENTS, "before")
    task = image(painter, me)
    answer = painter.request(KEYS, "PATCH", f"{CLIENTS}/{me['id']}", {"name": "after"})
    assert answer.status == 200
    other = make(painter, CLIENTS, "before")
    assert sees(painter, me, task) and not sees(painter, other, task)


@pytest.mark.parametrize("name", ["root", "uid:0", "peer:0", "trusted-peer", "token:ci", "system",
                                  "health-check", "anybody", "other", "unknown:1"])
def test_a_client_named_like_somebody_built_in(painter, name):
    task = image(painter)  # the callers without a key
    me = make(painter, CLIENTS, name)
    assert not sees(painter, me, task)
    assert image(painter, me) != task
    event = painter.get(GATEWAY, "/api/v1/events?kinds=traffic").body["items"][-1]
    assert (event["client"], event["client_name"]) == (me["id"], name)


def test_nobody_is_called_as_those_without_a_key_are(agent):
    answer = agent.post(KEYS, CLIENTS, {"name": " Local"})
    assert (answer.status, answer.error) == (409, "conflict_exists")


def test_a_dry_run_asks_for_a_client_by_its_id(agent):
    me = make(agent, CLIENTS, "shop")
    route = "/api/v1/route/chat"
    record = agent.post("router-engine", route, {"client": me["id"]}).body["request"]
    assert (record["client"], record["client_name"]) == (me["id"], "shop")
    assert agent.post("router-engine", route, {"client": "local"}).body["request"]["client"] == "local"
    for text in ("shop", me["id"].upper(), "yj_c_aaaaaaaaaa", "uid:0"):
        answer = agent.post("router-engine", route, {"client": text})
        assert (answer.status, answer.error) == (422, "field_range"), text


# ---- what is called id ----

def test_a_parameter_named_id_never_matches_a_name(agent, vendord):
    client, token = make(agent, CLIENTS, "shop"), make(agent, TOKENS, "ci", role="viewer")
    key = agent.add_key(vendord.base_url, key_name="prod")
    for path, document in ((f"{CLIENTS}/shop", client), (f"{TOKENS}/ci", token),
                           (f"/api/v1/keys/{key['slug']}", key)):
        base = path.rpartition("/")[0]
        assert agent.get(KEYS, path).error == "not_found", path
        assert agent.request(KEYS, "DELETE", path).error == "not_found", path
        if base != TOKENS:
            assert agent.request(KEYS, "PATCH", path, {"note": "x"}).error == "not_found", path
        assert agent.get(KEYS, f"{base}/{document['id']}").status == 200
    found = agent.get(KEYS, f"/api/v1/keys?ref=openai/gpt-4/{key['slug']}").body["items"]
    assert [k["id"] for k in found] == [key["id"]]


# ---- tokens ----

def instance(agent, method, token=None, suffix=""):
    body = {"url": "http://10.0.0.1:8000", "engine": "vllm", "ttl_s": 60} if method == "PUT" else None
    return agent.request(REGISTRY, method, "/api/v1/services/llm/instances/gpu1" + suffix, body,
                         headers=as_is(token) if token else {})


def test_a_new_token_of_a_revoked_name_owns_nothing(agent):
    old = make(agent, TOKENS, "gpu", role="service")
    assert instance(agent, "PUT", old).status == 201
    delete(agent, TOKENS, old)
    new = make(agent, TOKENS, "gpu", role="service")
    for method, suffix in (("PUT", ""), ("POST", "/heartbeat"), ("DELETE", "")):
        answer = instance(agent, method, new, suffix)
        assert (answer.status, answer.error) == (403, "scope_exceeded"), method
    agent.restart()
    assert instance(agent, "DELETE", new).status == 403
    assert instance(agent, "GET").body["owner"] == old["id"]


@pytest.mark.parametrize("name", ["uid:0", "root", "token:gpu", "local"])
def test_a_token_named_like_the_owner(agent, name):
    owner = instance(agent, "PUT").body["owner"]
    assert owner.startswith("uid:")
    rogue = make(agent, TOKENS, owner if name == "uid:0" else name, role="service")
    assert instance(agent, "POST", rogue, "/heartbeat").status == 403
    assert instance(agent, "DELETE", rogue).status == 403


def test_an_answer_is_not_told_to_another_of_the_same_name(agent):
    old = make(agent, TOKENS, "ci", role="operator")
    call = {"name": "shop"}, {"Idempotency-Key": "k"}
    first = agent.post(KEYS, CLIENTS, call[0], headers={**as_is(old), **call[1]})
    assert first.status == 201
    again = agent.post(KEYS, CLIENTS, call[0], headers={**as_is(old), **call[1]})
    assert (again.status, again.body["id"]) == (201, first.body["id"])
    delete(agent, TOKENS, old)
    new = make(agent, TOKENS, "ci", role="operator")
    answer = agent.post(KEYS, CLIENTS, call[0], headers={**as_is(new), **call[1]})
    assert answer.error == "conflict_exists"  # it is a call of its own


def test_who_did_it_has_an_id_and_a_name(agent):
    ci = make(agent, TOKENS, "ci", role="operator")
    answer = agent.post(KEYS, CLIENTS, {"name": "shop"}, headers=as_is(ci))
    client = answer.body
    assert client["updated_by"] == ci["id"]
    want = (ci["id"], "ci", "create", client["id"])
    audit = agent.get(KEYS, "/api/v1/audit").body["items"][0]
    change = agent.get("config-center", "/api/v1/revisions").body["items"][0]
    for row in (audit, change):
        assert (row["actor"], row["actor_name"], row["action"], row["object_id"]) == want
    event = agent.get(GATEWAY, "/api/v1/events?kinds=config").body["items"][-1]
    assert (event["actor"], event["actor_name"]) == (ci["id"], "ci")


def test_who_is_refused_has_an_id_and_a_name(agent):
    name = LONG + "x" * 11
    token = make(agent, TOKENS, name, role="viewer")
    assert agent.get(KEYS, "/api/v1/audit", headers=as_is(token)).status == 403

    def denied():
        items = agent.get(KEYS, "/api/v1/audit").body["items"]
        return next((i["object"] for i in items if i["action"] == "denied"), None)
    text = wait_for(denied, what="the refusal's row")
    assert f"by {token['id']} ({name})" in text


# ---- a database of a version that kept names ----

@pytest.fixture(params=["as it was", "without its changes"])
def former(make_agent, clock, tmp_path, request):
    """That database, opened by this agent soon after it was written; and who was in it."""
    told = json.loads((FORMER / "who.json").read_text())
    state = tmp_path / "former"
    state.mkdir(mode=0o700)
    shutil.copy(FORMER / "root.key", state)
    (state / "root.key").chmod(0o600)
    db = sqlite3.connect(state / "yijian.db")
    db.executescript((FORMER / "database.sql").read_text())
    told["pruned"] = request.param == "without its changes"
    if told["pruned"]:  # they may have been pruned: names tell less then
        db.execute("DELETE FROM change WHERE kind IN ('Client','Token')")
        db.commit()
    db.close()
    clock.set_wall(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(told["at"] // 1000 + 60)))
    return make_agent(state_dir=state, env=clock.env), told


def test_pictures_of_former_names(former):
    agent, told = former
    who, tasks = told["callers"], told["tasks"]
    theirs = {"shop", "like_id"}  # each name had but one meaning
    for label in tasks:
        for other, body in who.items():
            if "key" in body and other != "gone":  # its key ended with it
                owns = label == other and label in theirs
                assert sees(agent, body, tasks[label]) == owns, (label, other)
        assert agent.get(GATEWAY, f"/api/v1/tasks/{tasks[label]}").status == 200  # nothing is lost
    shown = agent.get(GATEWAY, f"/api/v1/tasks/{tasks['shop']}").body
    assert (shown["client"], shown["client_name"]) == (who["shop"]["id"], "shop")
    shown = agent.get(GATEWAY, f"/api/v1/tasks/{tasks['gone']}").body
    assert shown["client"].startswith("unknown:") and shown["client_name"] == "former"
    assert agent.get(GATEWAY, f"/api/v1/tasks/{tasks['local']}").body["client"] == "local"
    items = agent.get(GATEWAY, "/api/v1/usage?by=client").body["items"]
    theirs = [who["shop"]["id"], who["like_id"]["id"]]
    if told["pruned"]:
        theirs = ["unknown:shop", "unknown:" + who["like_id"]["name"]]  # a day's sum began before them
    assert {i["client"] for i in items} == {
        "local", *theirs, "unknown:former", "unknown:was", "unknown:" + LONG}


def test_instances_and_answers_of_former_names(former):
    agent, told = former
    who = told["callers"]
    path = "/api/v1/services/llm/instances/"
    for id, token, status in (("gpu1", "svc", 200), ("gpu2", "lost_again", 403), ("gpu1", "lost_again", 403)):
        answer = agent.post(REGISTRY, f"{path}{id}/heartbeat", headers=as_is(who[token]))
        assert answer.status == status, (id, token, answer)
    assert agent.get(REGISTRY, path + "gpu1").body["owner"] == who["svc"]["id"]
    headers = {**as_is(who["ci"]), "Idempotency-Key": "made"}
    answer = agent.post(KEYS, CLIENTS, {"name": "by ci"}, headers=headers)
    assert (answer.status, answer.body["id"]) == (201, who["by_ci"]["id"])
    agent.restart()
    assert agent.get(REGISTRY, path + "gpu1").body["owner"] == who["svc"]["id"]


def test_a_former_name_given_again_later_is_not_the_owner(former):
    agent, told = former
    svc = told["callers"]["svc"]
    delete(agent, TOKENS, svc)
    again = make(agent, TOKENS, "svc", role="service")
    agent.restart()  # what the names meant was settled once
    answer = agent.post(REGISTRY, "/api/v1/services/llm/instances/gpu1/heartbeat", headers=as_is(again))
    assert answer.status == 403
    assert agent.get(GATEWAY, "/v1/models").status == 401  # it had clients: keys are asked for


def test_features_of_before_take_longer_times(former):
    """Those that only hold the former defaults do, once: what is said from now on is what is meant."""
    agent, _ = former

    def times(name):
        told = agent.get("config-center", f"/api/v1/features/{name}").body["timeouts"]
        return told["first_byte_ms"], told["idle_ms"], told["total_ms"]
    for name in ("chat", "text_to_image", "embeddings", "text_generation"):
        assert times(name) == (600000, 60000, 1800000), name
    agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "timeouts": {"first_byte_ms": 60000, "total_ms": 300000}})
    agent.stop()
    agent.start()
    assert times("chat") == (60000, 60000, 300000)
    first = agent.get("config-center", "/api/v1/features/chat/revisions").body["items"][-1]
    back = agent.post("config-center", "/api/v1/features/chat/rollback",
                      {"revision": first["revision"]})
    assert back.status == 200 and times("chat") == (600000, 60000, 1800000), back
