# SPDX-License-Identifier: MIT
"""Changes and the way back: every kind, who may, what has moved, what is final, and after a restart."""
import pytest

CFG, KEYS, REG, GW = "config-center", "key-manager", "service-registry", "api-gateway"
SECRET = "sk-undo-000000000000000000000001"


def newest(agent, **like):
    items = agent.get(CFG, "/api/v1/changes?limit=50").body["items"]
    return next(i for i in items if all(i[k] == v for k, v in like.items()))


def undo(agent, change, **more):
    return agent.post(CFG, f"/api/v1/changes/{change['id']}/undo", {}, **more)


def bare(document):
    return {k: v for k, v in document.items()
            if k not in ("revision", "updated_at", "updated_by", "created_at")}


class Feature:
    kind, service, path = "Feature", CFG, "/api/v1/features/demo"

    def make(self, agent):
        assert agent.post(CFG, "/api/v1/features", {
            "name": "demo", "endpoint": "chat.completions", "aliases": ["d"],
            "targets": [{"kind": "vendor", "vendor": "openai", "service": "gpt-4"}]}).status == 201

    def change(self, agent):
        assert agent.request(CFG, "PATCH", self.path, {
            "description": "second", "strategy": "weighted", "aliases": ["e", "f"]}).status == 200

    def remove(self, agent):
        assert agent.request(CFG, "DELETE", self.path).status == 204


class Instance:
    kind, service, path = "Instance", REG, "/api/v1/services/lab/instances/one"

    def make(self, agent):
        assert agent.request(REG, "PUT", self.path, {
            "url": "http://127.0.0.1:9", "engine": "vllm", "features": ["chat"], "enabled": False,
            "tags": ["a"]}).status == 201

    def change(self, agent):
        assert agent.request(REG, "PUT", self.path, {
            "url": "http://127.0.0.1:10", "engine": "vllm", "weight": 7}).status == 200

    def remove(self, agent):
        assert agent.request(REG, "DELETE", self.path).status == 204


class Rule:
    kind, service, path = "AlertRule", GW, "/api/v1/alerts/rules/mine"

    def make(self, agent):
        given = bare(agent.get(GW, "/api/v1/alerts/rules").body["items"][0])
        given = {k: v for k, v in given.items() if k != "builtin"}
        answer = agent.post(GW, "/api/v1/alerts/rules", {**given, "name": "mine"})
        assert answer.status == 201, answer

    def change(self, agent):
        assert agent.request(GW, "PATCH", self.path, {"enabled": False, "description": "off"}).status == 200

    def remove(self, agent):
        assert agent.request(GW, "DELETE", self.path).status == 204


KINDS = [Feature(), Instance(), Rule()]


def seen(agent, k):
    answer = agent.get(k.service, k.path)
    body = bare(answer.body) if answer.status == 200 else {}
    return answer.status, {n: v for n, v in body.items() if n not in (
        "health", "state", "since", "probe_ms", "last_error", "joins", "missing", "inflight")}


@pytest.mark.parametrize("restart", [False, True], ids=["at once", "after a restart"])
@pytest.mark.parametrize("k", KINDS, ids=lambda k: k.kind)
def test_each_kind_of_document_goes_back_and_forth(agent, k, restart):
    k.make(agent)
    made = seen(agent, k)
    k.change(agent)
    changed = seen(agent, k)
    assert changed != made
    if restart:
        agent.restart()
    back = undo(agent, newest(agent, kind=k.kind))
    assert back.status == 200, back
    assert seen(agent, k) == made
    assert back.body["id"] == newest(agent, kind=k.kind)["id"]
    assert "undoes c-" in back.body["summary"] and back.body["undoable_until"]
    assert undo(agent, back.body).status == 200  # an undo is a change, too
    assert seen(agent, k) == changed
    k.remove(agent)
    if restart:
        agent.restart()
    assert undo(agent, newest(agent, kind=k.kind)).status == 200
    assert seen(agent, k) == changed
    k.remove(agent)
    k.make(agent)
    assert undo(agent, newest(agent, kind=k.kind)).status == 200
    assert seen(agent, k)[0] == 404


@pytest.mark.parametrize("k", KINDS, ids=lambda k: k.kind)
def test_what_has_moved_is_not_undone(agent, k):
    k.make(agent)
    made = newest(agent, kind=k.kind)
    k.change(agent)
    later, now = newest(agent, kind=k.kind), seen(agent, k)
    answer = undo(agent, made)
    assert (answer.status, answer.error) == (412, "precondition_failed")
    assert later["id"] in answer.body["error"]["message"]
    assert seen(agent, k) == now
    k.remove(agent)
    gone = newest(agent, kind=k.kind)
    answer = undo(agent, later)
    assert (answer.status, answer.error) == (409, "conflict_state")
    k.make(agent)  # the name is taken again
    answer = undo(agent, gone)
    assert (answer.status, answer.error) == (409, "conflict_exists")


def key(agent, **more):
    return agent.post(KEYS, "/api/v1/keys", {
        "vendor": "openai", "service": "gpt-4", "key_name": "Main", "api_key": SECRET,
        "base_url": "http://127.0.0.1:9/v1", **more}).body


def test_a_deleted_key_comes_back_disabled(agent, make_vendord):
    vendor = make_vendord()
    made = key(agent, base_url=vendor.base_url, note="n")
    agent.request(KEYS, "DELETE", f"/api/v1/keys/{made['id']}")
    gone = newest(agent, kind="Key", action="delete")
    agent.restart()
    back = undo(agent, gone)
    assert back.status == 200 and back.body["action"] == "restore"
    now = agent.get(KEYS, f"/api/v1/keys/{made['id']}").body
    assert now["enabled"] is False and now["note"] == "n"
    assert now["fingerprint"] == made["fingerprint"] and now["slug"] == made["slug"]
    assert agent.post(KEYS, f"/api/v1/keys/{made['id']}/test", {}).body["ok"]  # its secret opens
    assert undo(agent, gone).status == 410
    assert undo(agent, back.body).status == 200
    assert agent.get(KEYS, f"/api/v1/keys/{made['id']}").status == 404


def test_a_deleted_key_whose_name_was_taken(agent):
    made = key(agent)
    agent.request(KEYS, "DELETE", f"/api/v1/keys/{made['id']}")
    gone = newest(agent, kind="Key", action="delete")
    other = key(agent, api_key=SECRET[:-1] + "2")
    answer = undo(agent, gone)
    assert (answer.status, answer.error) == (409, "conflict_exists")
    assert [k["id"] for k in agent.get(KEYS, "/api/v1/keys").body["items"]] == [other["id"]]


def test_keys_settings_and_switches(agent):
    made = key(agent)
    path = f"/api/v1/keys/{made['id']}"
    for method, tail, body, member in (
            ("PATCH", "", {"note": "x"}, "note"), ("POST", "/disable", {}, "enabled"),
            ("PATCH", "", {"weight": 5, "tier": "backup"}, "tier")):
        before = agent.get(KEYS, path).body
        assert agent.request(KEYS, method, path + tail, body).status == 200
        assert agent.get(KEYS, path).body.get(member) != before.get(member)
        assert undo(agent, newest(agent, kind="Key")).status == 200
        assert bare(agent.get(KEYS, path).body) == bare(before)


def test_a_drain_goes_back(agent):
    Instance().make(agent)
    agent.post(REG, Instance.path + "/drain", {})
    assert undo(agent, newest(agent, kind="Instance", action="drain")).status == 200
    assert agent.get(REG, Instance.path).body["draining"] is False
    assert undo(agent, newest(agent, kind="Instance", action="undrain")).status == 200
    assert agent.get(REG, Instance.path).body["draining"] is True


def test_clients_and_the_policy(agent):
    made = agent.post(KEYS, "/api/v1/clients", {"name": "app", "limits": {"rpm": 60}}).body
    path = f"/api/v1/clients/{made['id']}"
    agent.request(KEYS, "PATCH", path, {"limits": {"rpm": 5}, "note": "less"})
    assert undo(agent, newest(agent, kind="Client")).status == 200
    assert agent.get(KEYS, path).body["limits"]["rpm"] == 60
    assert agent.request(KEYS, "PUT", "/api/v1/clients/policy", {"required": False}).status == 200
    assert undo(agent, newest(agent, kind="ClientPolicy")).status == 200
    assert agent.get(KEYS, "/api/v1/clients/policy").body["required"] is True


def test_a_revocation_is_final(agent):
    made = key(agent)
    agent.post(KEYS, f"/api/v1/keys/{made['id']}/rotate", {"api_key": SECRET[:-1] + "2"})
    app = agent.post(KEYS, "/api/v1/clients", {"name": "app"}).body
    agent.request(KEYS, "PATCH", f"/api/v1/clients/{app['id']}", {"enabled": False, "note": "x"})
    off = newest(agent, kind="Client")
    token = agent.post(KEYS, "/api/v1/tokens", {"name": "ci", "role": "viewer"}).body
    agent.request(KEYS, "DELETE", f"/api/v1/tokens/{token['id']}")
    agent.request(KEYS, "DELETE", f"/api/v1/clients/{app['id']}")
    changes = [newest(agent, action="rotate"), off, newest(agent, kind="Token"),
               newest(agent, kind="Client", action="delete")]
    for change in changes:
        assert change["undoable_until"] is None, change
        answer = undo(agent, change)
        assert (answer.status, answer.error) == (409, "conflict_state"), change
        assert "final" in answer.body["error"]["message"]
    assert agent.get(KEYS, f"/api/v1/clients/{app['id']}").status == 404


def tokens(agent):
    return {role: {"Authorization": "Bearer " + agent.post(KEYS, "/api/v1/tokens", {
        "name": role, "role": role}).body["token"]} for role in ("viewer", "operator", "service", "admin")}


def test_who_may_is_who_might_have_done_it(agent):
    who = tokens(agent)
    agent.post(KEYS, "/api/v1/clients", {"name": "app"})
    agent.request(KEYS, "PUT", "/api/v1/clients/policy", {"required": False})
    policy = newest(agent, kind="ClientPolicy")
    Feature().make(agent)
    feature = newest(agent, kind="Feature")
    for role in ("viewer", "service"):
        assert undo(agent, feature, headers=who[role]).status == 403
    assert undo(agent, policy, headers=who["operator"]).status == 403  # an admin's to change
    assert agent.get(KEYS, "/api/v1/clients/policy").body["required"] is False
    assert undo(agent, feature, headers=who["operator"]).status == 200
    assert undo(agent, policy, headers=who["admin"]).status == 200
    narrow = agent.post(KEYS, "/api/v1/tokens", {
        "name": "narrow", "role": "operator", "scopes": ["features:write"]}).body["token"]
    Feature().make(agent)
    answer = undo(agent, newest(agent, kind="Feature"), headers={"Authorization": "Bearer " + narrow})
    assert (answer.status, answer.error) == (403, "scope_exceeded")


def test_a_secret_goes_to_its_former_address_only_by_an_admin(agent):
    who = tokens(agent)
    made = key(agent)
    path = f"/api/v1/keys/{made['id']}"
    assert agent.request(KEYS, "PATCH", path, {"base_url": "http://127.0.0.1:10/v1"}).status == 200
    moved = newest(agent, kind="Key", action="update")
    assert undo(agent, moved, headers=who["operator"]).status == 403
    assert agent.get(KEYS, path).body["base_url"] == "http://127.0.0.1:10/v1"
    assert undo(agent, moved, headers=who["admin"]).status == 200
    assert agent.get(KEYS, path).body["base_url"] == "http://127.0.0.1:9/v1"


def test_one_change_says_what_stood_before_it(agent):
    Feature().make(agent)
    made = newest(agent, kind="Feature")
    assert agent.get(CFG, f"/api/v1/changes/{made['id']}").body["before"] is None
    Feature().change(agent)
    change = newest(agent, kind="Feature")
    one = agent.get(CFG, f"/api/v1/changes/{change['id']}").body
    assert one["before"] == {"description": None, "strategy": "priority", "aliases": ["d"]}
    assert {k: v for k, v in one.items() if k != "before"} == {k: v for k, v in change.items() if k != "before"}
    made_key = key(agent)
    agent.request(KEYS, "DELETE", f"/api/v1/keys/{made_key['id']}")
    gone = newest(agent, kind="Key", action="delete")
    assert SECRET not in str(agent.get(CFG, f"/api/v1/changes/{gone['id']}").body)


@pytest.mark.parametrize("name,status", [("c-999999", 404), ("c-0", 404), ("x", 404), ("c-", 404),
                                         ("c-99999999999999999999", 404), ("c--1", 404)])
def test_what_is_no_change(agent, name, status):
    assert agent.get(CFG, f"/api/v1/changes/{name}").status == status
    assert agent.post(CFG, f"/api/v1/changes/{name}/undo", {}).status == status


def test_once_however_often_it_is_asked(agent):
    Feature().make(agent)
    Feature().change(agent)
    change = newest(agent, kind="Feature")
    answers = [undo(agent, change, headers={"Idempotency-Key": "u-1"}) for _ in range(2)]
    assert answers[0].status == answers[1].status == 200 and answers[0].body == answers[1].body
    assert undo(agent, change).status == 412


def test_the_audit_log_holds(agent):
    Feature().make(agent)
    answer = agent.get(KEYS, "/api/v1/audit/verify").body
    assert answer["ok"] is True and answer["rows"] > 0 and answer["first_bad"] is None
