# SPDX-License-Identifier: MIT
"""config-center: apply and export. Documents become what they say, all or none, by the judges that
every other road to them asks; what is exported makes the same platform again."""
import concurrent.futures
import copy
import json
import threading
import urllib.request

import pytest

from agent import Agent

CFG, KEYS, REG, GW = "config-center", "key-manager", "service-registry", "api-gateway"
APPLY, EXPORT = "/api/v1/apply", "/api/v1/export"
SECRET, OTHER = "sk-apply-000000000000000a", "sk-apply-000000000000000b"
HERE, THERE = "http://127.0.0.1:9", "http://127.0.0.2:9"
KINDS = ["Feature", "Key", "Service", "Client", "AlertRule"]


@pytest.fixture(scope="module")
def module_agent():
    with Agent() as one:
        yield one


def doc(kind, name, spec=None, **more):
    return {"kind": kind, "name": name, "spec": {} if spec is None else spec, **more}


def feature(name, **more):
    return doc("Feature", name, {"targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4"}], **more})


def key(name="openai/gpt-4/prod", **more):
    return doc("Key", name, {"api_key": SECRET, **more})


def engine_key(name="vllm/local/gpu", url=HERE, **more):
    return doc("Key", name, {"api_key": "engine-secret", "base_url": url, **more})


def service(name="farm/g1", **more):
    return doc("Service", name, {"url": HERE, "engine": "vllm", **more})


def rule(name="mine", **more):
    return doc("AlertRule", name, {"metric": "error_pct", "op": "gt", "threshold": 50,
                                   "severity": "warning", **more})


def one_of_each():
    return [rule(), doc("Client", "App", {"limits": {"rpm": 5}}),
            service(auth={"type": "bearer", "key": "vllm/local/gpu"}), engine_key(),
            key(key_name="Prod!", services=["gpt-4", "dalle"], note="n"), feature("extra")]


def apply(agent, documents, query="", headers=(), confirm=None, status=200):
    body = {"documents": documents, **({"confirm": confirm} if confirm is not None else {})}
    answer = agent.post(CFG, APPLY + query, body, headers=headers)
    assert answer.status == status, answer
    return answer.body


def results(body):
    return [item["result"] for item in body["items"]]


def errors(body):
    return [(item["error"]["code"], item["error"].get("field")) for item in body["items"]
            if item["result"] == "invalid"]


def export(agent, query=""):
    answer = agent.get(CFG, EXPORT + query)
    assert answer.status == 200, answer
    return answer.body["documents"]


def raw_export(agent):
    with urllib.request.urlopen(agent.url(CFG) + EXPORT, timeout=60) as answer:
        return answer.read()


def past(agent):
    """All that a change leaves: revision, change and audit rows, events."""
    logs = [agent.get(service, f"/api/v1/{log}?limit=1").body["total"]
            for service, log in ((CFG, "changes"), (KEYS, "audit"))]
    events = agent.get(GW, "/api/v1/events?since=0&limit=1000&kinds=config,key").body["items"]
    return agent.get(CFG, "/api/v1/features").body["revision"], *logs, len(events)


def token(agent, role, **more):
    answer = agent.post(KEYS, "/api/v1/tokens", {"name": f"t-{role}", "role": role, **more})
    assert answer.status == 201, answer
    return {"Authorization": "Bearer " + answer.body["token"]}


def the_key(agent, ref="openai/gpt-4/prod"):
    items = agent.get(KEYS, f"/api/v1/keys?ref={ref}").body["items"]
    return items[0] if items else None


# ---- all, and again ----

def test_kinds_go_in_whatever_their_order_and_then_nothing_changes(agent):
    before = past(agent)
    made = apply(agent, one_of_each(), confirm=["App"])
    assert made["applied"] and not made["dry_run"] and results(made) == ["created"] * 6
    after = past(agent)
    assert after[0] - before[0] == after[1] - before[1] == after[3] - before[3] == 6
    assert after[0] == made["revision"]
    assert sorted(item["revision"] for item in made["items"]) == list(range(before[0] + 1,
                                                                            after[0] + 1))
    again = apply(agent, one_of_each())
    assert results(again) == ["unchanged"] * 6 and past(agent) == after
    assert "key" not in again["items"][1]


def test_a_member_that_is_left_out_returns_to_its_default(agent):
    apply(agent, [feature("f", strategy="weighted", aliases=["x"]), key(note="n", weight=3)])
    body = apply(agent, [feature("f", strategy="weighted"), doc("Key", "openai/gpt-4/prod")])
    assert [item["changed"] for item in body["items"]] == [["aliases"], ["weight", "note"]]
    assert agent.get(CFG, "/api/v1/features/f").body["aliases"] == []
    assert the_key(agent)["weight"] == 1 and the_key(agent).get("note") is None


def test_the_stored_secret_stays_until_another_one_comes(agent):
    apply(agent, [key()])
    mark = the_key(agent)["fingerprint"]
    assert results(apply(agent, [doc("Key", "openai/gpt-4/prod")])) == ["unchanged"]
    assert results(apply(agent, [key()])) == ["unchanged"]
    body = apply(agent, [key(api_key=OTHER)])
    assert results(body) == ["configured"] and body["items"][0]["changed"] == ["api_key"]
    assert the_key(agent)["fingerprint"] != mark
    assert OTHER not in json.dumps(body)


def test_a_new_key_without_its_secret_says_so(agent):
    body = apply(agent, [doc("Key", "openai/gpt-4/prod")], status=422)
    assert errors(body) == [("field_required", "documents[0].spec.api_key")]
    assert body["items"][0]["needs_secret"] is True


def test_a_key_is_found_by_any_of_its_services(agent):
    apply(agent, [key(services=["gpt-4", "dalle"])])
    spec = {"services": ["gpt-4", "dalle"], "weight": 2}
    assert results(apply(agent, [doc("Key", "openai/dalle/prod", spec)])) == ["configured"]
    assert len(agent.get(KEYS, "/api/v1/keys").body["items"]) == 1
    both = [key("openai/dalle/prod", **spec), key(**spec)]
    for documents in (both, both[::-1]):
        body = apply(agent, documents, status=409)
        [(code, field)] = errors(body)
        assert code == "conflict_exists"
        assert field.startswith(f"documents[{documents.index(both[0])}].")


def test_keys_that_share_a_service_and_a_slug_are_two(agent):
    both = [key(services=["gpt-4", "dalle"]), key("openai/dalle/prod", api_key=OTHER)]
    assert results(apply(agent, both[::-1])) == ["created"] * 2
    for documents in (both, both[::-1]):
        assert results(apply(agent, documents)) == ["unchanged"] * 2


def test_the_name_keeps_the_slug_whatever_people_call_the_key(agent):
    apply(agent, [key(key_name="生产"), key("openai/gpt-4/prod-2", key_name="Prod")])
    assert the_key(agent)["key_name"] == "生产"
    assert the_key(agent, "openai/gpt-4/prod-2")["key_name"] == "Prod"
    assert results(apply(agent, [key(key_name="Other")])) == ["configured"]
    assert the_key(agent)["key_name"] == "Other"
    path = f"/api/v1/keys/{the_key(agent)['id']}"
    agent.request(KEYS, "PATCH", path, {"weight": 7})
    assert the_key(agent)["weight"] == 7
    agent.request(KEYS, "PATCH", path, {"key_name": "New name"})
    assert the_key(agent, "openai/gpt-4/new-name")["weight"] == 7


def test_what_a_get_brings_may_be_applied(agent):
    apply(agent, one_of_each(), confirm=["App"])
    client = agent.get(KEYS, "/api/v1/clients").body["items"][0]
    seen = [doc("Feature", "chat", agent.get(CFG, "/api/v1/features/chat").body),
            doc("Key", "openai/gpt-4/prod", the_key(agent)),
            doc("Service", "farm/g1",
                agent.get(REG, "/api/v1/services/farm/instances/g1").body),
            doc("Client", "App", client),
            doc("AlertRule", "mine", agent.get(GW, "/api/v1/alerts/rules/mine").body)]
    assert results(apply(agent, seen)) == ["unchanged"] * 5


def test_an_alias_moves_within_one_apply(agent):
    apply(agent, [feature("a", aliases=["x"])])
    assert results(apply(agent, [feature("a0", aliases=["x"]), feature("a")])) == [
        "created", "configured"]


# ---- nothing at all ----

def test_a_dry_run_changes_nothing_and_says_the_same(agent):
    apply(agent, [feature("f", description="was")])
    before = past(agent)
    documents = [*one_of_each(), feature("f", description="is"), feature("chat", enabled=1)]
    body = apply(agent, documents, "?dry_run=1")
    assert results(body) == ["created"] * 6 + ["configured", "invalid"]
    assert body["dry_run"] and not body["applied"] and body["items"][1]["needs_confirm"]
    change = body["items"][6]
    assert (change["before"]["description"], change["after"]["description"]) == ("was", "is")
    assert change["changed"] == ["description"] and body["items"][0]["before"] is None
    assert past(agent) == before and the_key(agent) is None
    assert not agent.get(KEYS, "/api/v1/clients/policy").body["required"]
    assert "yj_c_" not in json.dumps(body) and SECRET not in json.dumps(body)
    headers = {"Idempotency-Key": "dry"}
    for _ in range(2):
        answer = agent.post(CFG, APPLY + "?dry_run=1", {"documents": one_of_each()}, headers=headers)
        assert answer.status == 200 and "Idempotent-Replayed" not in answer.headers
    real = apply(agent, [*documents[:-1], feature("chat")], confirm=["App"])
    assert results(real) == ["created"] * 6 + ["configured"] * 2


def test_one_wrong_document_undoes_all(agent):
    before, was = past(agent), export(agent)
    body = apply(agent, [*one_of_each(), feature("chat"), feature("f", strategy="fastest")],
                 confirm=["App"], status=422)
    assert not body["applied"]
    assert results(body) == ["not_applied"] * 7 + ["invalid"]
    assert errors(body) == [("field_range", "documents[7].spec.strategy")]
    assert (body["error"]["code"], body["error"]["field"]) == errors(body)[0]
    assert body["error"]["request_id"] and "changed" not in body["items"][0]
    assert past(agent) == before and export(agent) == was
    assert not agent.get(KEYS, "/api/v1/clients/policy").body["required"]


WRONG = {
    "no kind": ({"name": "x", "spec": {}}, 422, "documents[1].kind"),
    "unknown kind": (doc("Token", "x"), 422, "documents[1].kind"),
    "no name": ({"kind": "Feature", "spec": {}}, 422, "documents[1].name"),
    "name of controls": (doc("Feature", "a\u202eb"), 422, "documents[1].name"),
    "no spec": ({"kind": "Feature", "name": "x"}, 422, "documents[1].spec"),
    "spec is a list": (doc("Feature", "x", []), 422, "documents[1].spec"),
    "no object": ("Feature", 400, "documents[1]"),
    "unknown member": ({**feature("x"), "metadata": {}}, 400, "documents[1].metadata"),
    "unknown member of the spec": (feature("x", colour=1), 400, "documents[1].spec.colour"),
    "deep in the spec": (doc("Feature", "x", {"targets": [{
        "kind": "vendor", "vendor": "openai", "service": "gpt-4", "weight": "much"}]}), 422,
        "documents[1].spec.targets[0].weight"),
    "another name inside": (doc("Feature", "x", {"name": "y"}), 422, "documents[1].spec.name"),
    "another vendor inside": (key(vendor="aliyun"), 422, "documents[1].spec.vendor"),
    "another service inside": (key(service="dalle"), 422, "documents[1].spec.service"),
    "a key by half a name": (doc("Key", "openai/gpt-4", {"api_key": SECRET}), 422,
                             "documents[1].name"),
    "a key by a long name": (key("openai/gpt-4/a/b"), 422, "documents[1].name"),
    "a key by capitals": (key("openai/gpt-4/Prod"), 422, "documents[1].name"),
    "an unknown vendor": (key("nobody/gpt-4/prod"), 422, "documents[1].spec.vendor"),
    "an instance by half a name": (service("farm"), 422, "documents[1].name"),
    "one of the platform's own": (service("key-manager/x"), 409, "documents[1].spec.service"),
    "a key that is not there": (service(auth={"type": "bearer", "key": "vllm/local/gpu"}), 422,
                                "documents[1].spec.auth.key"),
    "an address that is never dialled": (service(url="http://169.254.169.254"), 422,
                                         "documents[1].spec.url"),
    "the built-in client": (doc("Client", "local"), 409, "documents[1].spec.name"),
    "a revision that is none": (feature("x") | {"revision": "7"}, 422, "documents[1].revision"),
    "a revision of nothing": (feature("x") | {"revision": 1}, 412, "documents[1]"),
    "twice": (feature("fine"), 409, "documents[1].name"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_said_where_it_is(module_agent, what):
    wrong, status, field = WRONG[what]
    body = apply(module_agent, [feature("fine"), wrong], status=status, confirm=["local"])
    assert [item["result"] for item in body["items"]] == ["not_applied", "invalid"]
    assert errors(body)[0][1] == field


def test_the_worst_error_is_the_answers(agent):
    body = apply(agent, [feature("a", colour=1), feature("b") | {"revision": 1},
                         feature("c", strategy="x")], status=422)
    assert body["error"]["field"] == "documents[2].spec.strategy"
    assert len(errors(body)) == 3


# ---- bodies ----

BODIES = {
    "no JSON": ("documents:", "json_invalid"),
    "a list": ("[]", "json_invalid"),
    "nothing": ("", "json_invalid"),
    "no documents": ("{}", "field_required"),
    "documents are none": ('{"documents":{}}', "field_type"),
    "another member": ('{"documents":[],"force":true}', "field_unknown"),
    "a member twice": ('{"documents":[],"documents":[]}', "json_duplicate_key"),
    "confirm is no list": ('{"documents":[],"confirm":"x"}', "field_type"),
    "tokens": ('{"documents":[' + ",".join(["1"] * 200_001) + "]}", "json_too_complex"),
    "documents": ('{"documents":[' + ",".join(["1"] * 10_001) + "]}", "json_too_complex"),
    "depth": ('{"documents":[' + '{"spec":' * 40 + "1" + "}" * 40 + "]}", "json_too_complex"),
    "NUL": ('{"documents":[{"kind":"Feature","name":"a\\u0000","spec":{}}]}', "json_invalid"),
    "no UTF-8": (b'{"documents":[{"kind":"\xff"}]}', "json_invalid"),
}


@pytest.mark.parametrize("what", BODIES)
def test_bodies_that_are_no_documents(module_agent, what):
    body, code = BODIES[what]
    before = past(module_agent)
    answer = module_agent.request(CFG, "POST", APPLY, body=body)
    assert answer.body["error"]["code"] == code and "items" not in answer.body, answer
    assert past(module_agent) == before


@pytest.mark.parametrize("at", ["document", "spec", "target"])
def test_a_member_twice_at_any_depth_is_refused(module_agent, at):
    text = json.dumps({"documents": [feature("twice")]})
    mark = {"document": '"kind": "Feature"', "spec": '"targets"', "target": '"vendor": "openai"'}[at]
    twice = {"document": '"kind":"Feature",', "spec": '"enabled":true,"enabled":true,',
             "target": '"vendor":"openai",'}[at]
    answer = module_agent.request(CFG, "POST", APPLY, body=text.replace(mark, twice + mark, 1))
    assert answer.status == 400
    assert errors(answer.body)[0][0] == "json_duplicate_key"


def test_a_body_of_more_than_eight_mebibytes_is_refused(module_agent):
    body = json.dumps({"documents": [feature("f", description="x" * (8 << 20))]})
    assert module_agent.request(CFG, "POST", APPLY, body=body).status == 413


def test_what_is_in_the_place_of_a_kind_is_not_repeated(module_agent):
    body = apply(module_agent, [doc(SECRET, "x")], status=422)
    assert SECRET not in json.dumps(body)


# ---- revisions ----

def test_a_document_that_moved_is_not_written(agent):
    made = apply(agent, [feature("f"), feature("g")])["items"]
    apply(agent, [feature("f", enabled=False)])
    body = apply(agent, [feature("f") | {"revision": made[0]["revision"]},
                         feature("g", enabled=False) | {"revision": made[1]["revision"]}], status=412)
    assert results(body) == ["invalid", "not_applied"]
    assert errors(body)[0][0] == "precondition_failed"
    now = agent.get(CFG, "/api/v1/features/f").body["revision"]
    assert results(apply(agent, [feature("f") | {"revision": now}])) == ["configured"]


@pytest.mark.parametrize("how", ["query", "header"])
def test_a_platform_that_moved_takes_nothing(agent, how):
    revision = apply(agent, [feature("f")])["revision"]

    def conditional(number, status):
        query = f"?revision={number}" if how == "query" else ""
        headers = {"If-Match": f'"{number}"'} if how == "header" else {}
        return apply(agent, [feature("g")], query, headers, status=status)
    assert conditional(revision - 1, 412)["error"]["code"] == "precondition_failed"
    assert agent.get(CFG, "/api/v1/features/g").status == 404
    assert results(conditional(revision, 200)) == ["created"]


# ---- who ----

def test_a_viewer_exports_and_applies_nothing(agent):
    viewer, narrow = token(agent, "viewer"), token(agent, "service")
    assert agent.get(CFG, EXPORT, headers=viewer).status == 200
    for query in ("", "?dry_run=1"):
        assert apply(agent, [], query, viewer, status=403)["error"]["code"] == "role_forbidden"
        assert apply(agent, [], query, narrow, status=403)
    assert agent.get(CFG, EXPORT, headers=narrow).status == 403


@pytest.mark.parametrize("document", one_of_each(), ids=lambda d: d["kind"])
def test_a_token_applies_and_exports_the_kinds_of_its_scopes(agent, document):
    kind, headers = document["kind"], token(agent, "admin", scopes=["features:write", "features:read"])
    allowed = kind == "Feature"
    body = apply(agent, [document, feature("f")], headers=headers, status=200 if allowed else 403)
    assert results(body) == ["created", "created"] if allowed else ["invalid", "not_applied"]
    if not allowed:
        assert errors(body)[0][0] == "scope_exceeded"
    apply(agent, one_of_each(), confirm=["App"])
    assert agent.get(CFG, f"{EXPORT}?kind={kind}", headers=headers).status == (
        200 if allowed else 403)
    assert agent.get(CFG, EXPORT, headers=headers).status == 403
    if not allowed:
        pruned = apply(agent, [], f"?prune={kind}", headers, ["App", "openai/gpt-4/prod",
                                                            "vllm/local/gpu"], status=403)
        assert {code for code, _ in errors(pruned)} == {"scope_exceeded"}


def test_scopes_of_all_kinds_apply_all_kinds(agent):
    nouns = ("features", "keys", "services", "clients", "alerts")
    headers = token(agent, "operator", scopes=[f"{noun}:write" for noun in nouns])
    assert apply(agent, one_of_each(), headers=headers, confirm=["App"])["applied"]


def test_a_stored_secret_goes_to_another_address_with_itself_or_an_admin_only(agent):
    operator = token(agent, "operator")
    moved = doc("Key", "vllm/local/gpu", {"base_url": THERE})
    apply(agent, [engine_key()], headers=operator)
    body = apply(agent, [feature("f"), moved], headers=operator, status=403)
    assert errors(body) == [("role_forbidden", "documents[1].spec.base_url")]
    assert the_key(agent, "vllm/local/gpu")["base_url"] == HERE
    assert results(apply(agent, [engine_key(url=THERE)], headers=operator)) == ["configured"]
    assert results(apply(agent, [engine_key(url=HERE)], headers=operator)) == ["configured"]
    assert results(apply(agent, [moved])) == ["configured"]


def test_a_public_instance_takes_an_admin_and_stays_as_far_as_it_was(agent):
    operator = token(agent, "operator")
    public = service("farm/p", url="https://8.8.8.8")
    assert errors(apply(agent, [public], headers=operator, status=403))[0][0] == "role_forbidden"
    apply(agent, [service("farm/n")], headers=operator)
    assert results(apply(agent, [service("farm/n")])) == ["unchanged"]
    path = "/api/v1/services/farm/instances/n"
    assert agent.get(REG, path).body["reach"] == "site"


# ---- clients ----

def test_the_first_client_says_whom_it_locks_out(agent, vendord):
    agent.add_key(vendord.url)
    assert agent.chat().status == 200
    body = apply(agent, [doc("Client", "App")], status=409)
    item = body["items"][0]
    assert item["error"]["code"] == "conflict_state" and item["error"]["field"] == "confirm"
    assert item["effect"] == "callers without a key get 401: 1 in the last 5 min"
    assert item["locks_out"]["keyless_callers"] == 1 and item["needs_confirm"]
    assert agent.chat().status == 200
    made = apply(agent, [doc("Client", "App")], "?confirm=App")["items"][0]
    assert agent.chat().status == 401
    assert agent.chat(headers={"Authorization": "Bearer " + made["key"]}).status == 200
    assert "effect" not in apply(agent, [doc("Client", "App"), doc("Client", "Two")])["items"][1]


def test_a_key_is_told_once(agent):
    headers = {"Idempotency-Key": "once"}
    body = {"documents": [doc("Client", "A"), doc("Client", "B")], "confirm": ["A"]}
    first = agent.post(CFG, APPLY, body, headers=headers)
    keys = [item.pop("key") for item in first.body["items"]]
    assert len(set(keys)) == 2
    second = agent.post(CFG, APPLY, body, headers=headers)
    assert second.headers["Idempotent-Replayed"] == "true" and second.body == first.body
    other = agent.post(CFG, APPLY, {"documents": []}, headers=headers)
    assert other.body["error"]["code"] == "idempotency_mismatch"


def test_a_deleted_client_comes_back_as_another(agent):
    old = apply(agent, [doc("Client", "A")], "?confirm=A")["items"][0]["key"]
    items = agent.get(KEYS, "/api/v1/clients").body["items"]
    agent.request(KEYS, "DELETE", f"/api/v1/clients/{items[0]['id']}")
    new = apply(agent, [doc("Client", "A")])["items"][0]
    assert new["result"] == "created" and new["key"] != old
    answer = agent.chat(headers={"Authorization": "Bearer " + old})
    assert answer.status == 401 and answer.body["error"]["code"] == "invalid_api_key"


# ---- pruning ----

def test_pruning_deletes_what_is_in_no_document_of_the_named_kinds(agent):
    apply(agent, one_of_each(), confirm=["App"])
    plan = apply(agent, [feature("kept")], "?prune=Feature,AlertRule&dry_run=1")
    assert [(i["kind"], i["name"], i["result"]) for i in plan["items"]] == [
        ("Feature", "kept", "created"), ("Feature", "extra", "deleted"),
        ("AlertRule", "mine", "deleted")]
    assert agent.get(CFG, "/api/v1/features/extra").status == 200
    done = apply(agent, [feature("kept")], "?prune=Feature,AlertRule")
    assert results(done) == ["created", "deleted", "deleted"]
    assert {d["name"] for d in export(agent, "?kind=Feature")} == {
        "chat", "embeddings", "text_generation", "text_to_image", "kept"}
    assert {d["kind"] for d in export(agent)} == {"Feature", "Key", "Service", "Client"}


def test_a_feature_of_every_agent_goes_only_when_it_is_named(agent):
    assert results(apply(agent, [], "?prune=Feature&confirm=chat")) == ["deleted"]
    assert agent.get(CFG, "/api/v1/features/chat").status == 404
    assert agent.get(CFG, "/api/v1/features/embeddings").status == 200


@pytest.mark.parametrize("kind,document", [("Key", key()), ("Client", doc("Client", "App"))])
def test_keys_and_clients_are_pruned_by_name(agent, kind, document):
    apply(agent, [document], confirm=["App"])
    plan = apply(agent, [], f"?prune={kind}&dry_run=1")["items"][0]
    assert plan["result"] == "deleted" and plan["needs_confirm"]
    body = apply(agent, [feature("f")], f"?prune={kind}", status=409)
    assert results(body) == ["not_applied", "invalid"]
    assert errors(body) == [("conflict_state", "confirm")]
    assert len(export(agent, f"?kind={kind}")) == 1
    body = apply(agent, [], f"?prune={kind}", confirm=[document["name"]])
    assert results(body) == ["deleted"] and not export(agent, f"?kind={kind}")


def test_a_rule_that_came_with_the_agent_is_set_back(agent):
    rules = agent.get(GW, "/api/v1/alerts/rules").body["items"]
    built = next(r for r in rules if r["builtin"])
    apply(agent, [doc("AlertRule", built["name"], {**built, "threshold": 77})])
    assert [d["name"] for d in export(agent, "?kind=AlertRule")] == [built["name"]]
    body = apply(agent, [], "?prune=AlertRule")
    assert results(body) == ["deleted"] and "set back" in body["items"][0]["effect"]
    path = f"/api/v1/alerts/rules/{built['name']}"
    assert agent.get(GW, path).body["threshold"] == built["threshold"]
    assert results(apply(agent, [], "?prune=AlertRule")) == []


@pytest.mark.parametrize("query", ["prune=Token", "prune=", "kind=x", "dry_run=maybe", "revision=x"])
def test_queries_that_say_nothing_known_are_refused(module_agent, query):
    assert apply(module_agent, [], "?" + query, status=400)
    assert module_agent.get(CFG, EXPORT + "?" + query).status == 400


# ---- exporting ----

def with_secrets(documents):
    secrets = {"openai": SECRET, "vllm": "engine-secret"}
    documents = copy.deepcopy(documents)
    for d in documents:
        if d["kind"] == "Key":
            d["spec"]["api_key"] = secrets[d["spec"]["vendor"]]
    return documents


def test_an_export_makes_the_same_platform_and_is_what_is_there(make_agent):
    here, there = make_agent(), make_agent()
    apply(here, [*one_of_each(), key("openai/dalle/prod", key_name="生产"),
                 feature("text_to_image", strategy="cost")], confirm=["App"])
    documents = export(here)
    assert [d["kind"] for d in documents] == sorted((d["kind"] for d in documents), key=KINDS.index)
    assert set(results(apply(here, documents))) == {"unchanged"}
    made = apply(there, with_secrets(documents), confirm=["App"])
    assert set(results(made)) == {"created", "configured", "unchanged"}
    assert raw_export(there) == raw_export(here)
    here.restart()
    assert export(here) == documents


def test_an_export_has_nothing_secret_or_seen(agent):
    apply(agent, one_of_each(), confirm=["App"])
    text = json.dumps(export(agent))
    for word in (SECRET, "engine-secret", "yj_c_", "key_", "api_key", "masked", "fingerprint",
                 "revision", "created_at", "updated", "passing", "state", "owner", "null", "{}", "[]"):
        assert word not in text.replace("key_name", ""), word
    assert export(agent, "?kind=Key,Client") == [
        d for d in export(agent) if d["kind"] in ("Key", "Client")]
    assert all(d["spec"]["auth"]["key"] == "vllm/local/gpu" for d in export(agent, "?kind=Service"))


# ---- several at once, and many ----

def test_two_who_apply_at_once_never_mix(agent):
    def documents(tag):
        return [feature(f"f{i}", description=tag) for i in range(40)]

    def run(tag):
        for _ in range(10):
            apply(agent, documents(tag))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for done in [pool.submit(run, tag) for tag in ("one", "two")]:
            while not done.done():
                seen = {d["spec"].get("description") for d in export(agent, "?kind=Feature")
                        if d["name"].startswith("f")}
                assert len(seen) <= 1
            done.result()


def test_a_large_apply_keeps_no_other_caller_waiting(agent):
    documents = [key(f"openai/gpt-4/k{i}") for i in range(1000)] + [
        feature(f"f{i}") for i in range(1000)]
    done, answers = threading.Event(), []

    def run():
        answers.append(apply(agent, documents))
        done.set()
    worker = threading.Thread(target=run)
    worker.start()
    served = 0
    while not done.is_set():
        assert agent.get(CFG, "/healthz").status == 200
        served += not done.is_set()
    worker.join()
    assert results(answers[0]) == ["created"] * 2000
    assert served >= 3  # a loop that does the work itself answers at most the one before
