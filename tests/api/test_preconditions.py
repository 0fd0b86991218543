# SPDX-License-Identifier: MIT
"""If-Match, If-None-Match and Idempotency-Key: what every row of the table owes to them."""
import re

import pytest

from http_engines import expected
from raw import Raw, head
from waiting import wait_for

GW, KEYS, CFG, REG, ROUTER = ("api-gateway", "key-manager", "config-center", "service-registry",
                              "router-engine")
OBJECTS = ("/api/v1/features/{name}", "/api/v1/keys/{id}", "/api/v1/clients/{id}",
           "/api/v1/clients/policy", "/api/v1/tokens/{id}", "/api/v1/alerts/rules/{name}",
           "/api/v1/services/{service}/instances/{id}")
WHOLE = "/api/v1/apply"  # its object is all that there is
# What of these changes no document: a call at a vendor or an engine, and a sign of life.
NO_CHANGE = {"key_test", "instance_heartbeat", "instance_check"}
FEATURE = {"endpoint": "chat.completions", "targets": [
    {"id": "openai/gpt-4", "kind": "vendor", "vendor": "openai", "service": "gpt-4"}]}
BODIES = {
    "feature_put": {**FEATURE, "display_name": "other"}, "feature_patch": {"display_name": "other"},
    "feature_rollback": {"revision": 1}, "key_patch": {"note": "other"},
    "key_rotate": {"api_key": "sk-other-0000000000000001"}, "client_patch": {"note": "other"},
    "client_policy_put": {"required": False}, "instance_put": {"url": "http://127.0.0.1:10"}, "alert_rule_patch": {"for_s": 77},
    "apply": {"documents": [{"kind": "Feature", "name": "applied", "spec": FEATURE}]},
}


def operations(agent):
    """(operationId, method, path, names of its header parameters)"""
    doc = agent.get(GW, "/openapi.json").body
    return [(op["operationId"], method.upper(), path,
             {p["name"] for p in op["parameters"] if p["in"] == "header"})
            for path, item in doc["paths"].items() for method, op in item.items()]


def make(agent, path):
    """An object of this path; its own path."""
    if path == WHOLE:
        return "/api/v1/export"
    if path.startswith("/api/v1/features"):
        assert agent.post(CFG, "/api/v1/features", {**FEATURE, "name": "held"}).status == 201
        return "/api/v1/features/held"
    if path.startswith("/api/v1/keys"):
        return "/api/v1/keys/" + agent.add_key("http://127.0.0.1:1", enabled=False)["id"]
    if path == "/api/v1/clients/policy":
        return path
    if path.startswith("/api/v1/clients"):
        return "/api/v1/clients/" + agent.post(KEYS, "/api/v1/clients", {"name": "c"}).body["id"]
    if path.startswith("/api/v1/tokens"):
        return "/api/v1/tokens/" + agent.post(KEYS, "/api/v1/tokens", {
            "name": "t", "role": "viewer"}).body["id"]
    if path.startswith("/api/v1/alerts"):
        rules = agent.get(GW, "/api/v1/alerts/rules").body["items"]
        rule = {k: v for k, v in rules[0].items() if k in ("metric", "severity", "for_s", "limit",
                                                          "clear", "scope", "op", "threshold")}
        made = agent.post(GW, "/api/v1/alerts/rules", {**rule, "name": "held"})
        assert made.status == 201, made
        return "/api/v1/alerts/rules/held"
    agent.add_instance("http://127.0.0.1:9", service="sim", id="g1", features=[])
    return "/api/v1/services/sim/instances/g1"


def state(agent, path):
    """What is stored of the object and of the whole; live members left out."""
    answer = agent.get(GW, path)
    return answer.headers["ETag"], answer.body.get("revision"), \
        agent.get(GW, "/api/v1/changes").body["total"]


def test_every_row_that_changes_an_object_says_so(agent):
    for name, method, path, headers in operations(agent):
        changes = method != "GET" and (path.startswith(OBJECTS) or path == WHOLE) and (
            name not in NO_CHANGE)
        assert ("If-Match" in headers) == changes, name
        if method == "POST" and changes:
            assert "Idempotency-Key" in headers, name


def test_every_row_keeps_the_conditions(make_agent):
    """Stale, weak, foreign, empty and broken conditions change nothing; then a list with the right
    tag does."""
    rows = [row for row in operations(make_agent()) if "If-Match" in row[3]]
    assert len(rows) >= 17
    agent = make_agent()
    for name, method, path, _ in rows:
        own = make(agent, path)
        url = path if path == WHOLE else own + path[len(next(
            o for o in OBJECTS if path.startswith(o))):]
        json = BODIES.get(name)
        if name == "feature_rollback":
            json = {"revision": agent.get(GW, own).body["revision"]}
            assert agent.request(GW, "PATCH", own, {"display_name": "second"}).status == 200
        before = state(agent, own)
        tag = before[0]
        number = int(tag.strip('"'))
        for header, value, status in (
                ("If-Match", f'"{number + 1}"', 412), ("If-Match", f'"{number - 1}"', 412),
                ("If-Match", f"W/{tag}", 412), ("If-Match", '"x", "y"', 412),
                ("If-Match", str(number), 400), ("If-Match", f'"{number}', 400),
                ("If-Match", f"{tag}, *", 400), ("If-Match", f"w/{tag}", 400),
                ("If-Match", f"{tag} {tag}", 400), ("If-Match", "", 400),
                ("If-None-Match", "*", 412), ("If-None-Match", tag, 412),
                ("If-None-Match", f'"x",, W/{tag}', 412), ("If-None-Match", number, 400)):
            answer = agent.request(GW, method, url, json, headers={header: str(value)})
            assert answer.status == status, (name, header, value, answer)
            assert answer.error == ("precondition_failed" if status == 412 else "param_invalid")
            assert state(agent, own) == before, (name, header, value)
        answer = agent.request(GW, method, url, json, headers=[
            ("If-Match", '"x" , W/"y"'), ("If-Match", f",{tag},")])
        assert answer.status in (200, 204), (name, answer)
        if method != "DELETE":
            assert agent.request(GW, method, url, json,
                                 headers={"If-Match": "*"}).status == 200, name
        if method != "DELETE" and own != "/api/v1/clients/policy" and path != WHOLE:
            assert agent.request(GW, "DELETE", own, headers={"If-Match": "*"}).status == 204


def test_a_call_without_an_object_passes_no_condition_over(agent):
    """Nothing there has a revision: the caller's cannot be held, so nothing is done."""
    before = agent.get(GW, "/api/v1/revisions").body
    seen = 0
    for name, method, path, headers in operations(agent):
        if method == "GET" or "If-Match" in headers or path.startswith("/v1/"):
            continue
        seen += 1
        url = re.sub(r"\{[^}]*\}", "none-such", path)
        for value, why in (('"1"', (412, "precondition_failed")), ("*", (412, "precondition_failed")),
                           ("1", (400, "param_invalid"))):
            answer = agent.request(GW, method, url, {}, headers={"If-Match": value})
            assert (answer.status, answer.error) == why, (name, answer)
    assert seen > 10 and agent.get(GW, "/api/v1/revisions").body == before


def test_something_new_or_nothing(agent):
    new = {"If-None-Match": "*"}
    url = {"url": "http://127.0.0.1:9"}
    path = "/api/v1/services/sim/instances/n1"
    assert agent.request(REG, "PUT", path, url, headers=new).status == 201
    again = agent.request(REG, "PUT", path, url, headers=new)
    assert (again.status, again.error) == (412, "precondition_failed")
    for service, where, body in (
            (CFG, "/api/v1/features", {**FEATURE, "name": "n1"}),
            (KEYS, "/api/v1/clients", {"name": "n1"}),
            (REG, "/api/v1/services", {"service": "sim", "id": "n2", **url}),
            (KEYS, "/api/v1/keys", {"vendor": "openai", "service": "gpt-4", "key_name": "n1",
                                    "api_key": "sk-0123456789abcdef", "tier": "primary"})):
        assert agent.post(service, where, body, headers=new).status == 201, where
        again = agent.post(service, where, body, headers=new)
        assert (again.status, again.error) == (412, "precondition_failed"), where
        assert agent.post(service, where, body).error == "conflict_exists"
    absent = agent.request(CFG, "PUT", "/api/v1/features/n9", FEATURE, headers={"If-Match": "*"})
    assert (absent.status, absent.error) == (412, "precondition_failed")
    assert agent.get(CFG, "/api/v1/features/n9").status == 404


@pytest.mark.parametrize("service", (GW, CFG))
def test_a_304_claims_no_length(agent, service):
    """It would be the document's, which is not empty (RFC 9110, 8.6)."""
    path = make(agent, OBJECTS[0])
    tag = agent.get(service, path).headers["ETag"]
    with Raw(agent.address(service)) as raw:
        raw.send(head("GET", path, f"If-None-Match: {tag}"))
        answer = raw.answer()
    assert answer.status == 304
    assert answer.header("content-length") == expected(service, "the length of a 304", None)


def test_every_answer_with_a_tag_has_a_304(agent):
    paths = [make(agent, path) for path in OBJECTS]
    paths += [path for _, method, path, _ in operations(agent)
              if method == "GET" and "{" not in path and path not in (
                  "/api/v1/events", "/api/v1/watch", "/api/v1/status")]
    tagged = 0
    for path in paths:
        first = agent.get(GW, path)
        tag = first.headers.get("ETag")
        if tag is None:
            assert path not in paths[:len(OBJECTS)], path
            continue
        tagged += 1
        for value in (tag, f"W/{tag}", f'"x", {tag}', "*", f',,W/"x",W/{tag}'):
            same = agent.get(GW, path, headers={"If-None-Match": value})
            assert (same.status, same.body) == (304, b""), (path, value)
            assert same.headers["ETag"] == tag
        for value in ('"x"', 'W/"x", "y"', '""'):
            assert agent.get(GW, path, headers={"If-None-Match": value}).status == 200
        for value in ("x", tag.strip('"'), tag + '"', f"{tag} *", "W/"):
            bad = agent.get(GW, path, headers={"If-None-Match": value})
            assert (bad.status, bad.error) == (400, "param_invalid"), (path, value)
            assert bad.body["error"]["field"] == "If-None-Match"
        assert agent.get(GW, path, headers={"If-Match": '"x"'}).status == 412
        assert agent.get(GW, path, headers={"If-Match": f'"x", {tag}'}).status == 200
    assert tagged >= len(OBJECTS) + 2


# ---- Idempotency-Key ----

PRICES = "/api/v1/prices"


def test_an_import_after_its_dry_run_with_the_same_key(agent):
    body = {"items": [{"vendor": "openai", "model": "gpt-idem", "input_pico": 1}]}
    key = {"Idempotency-Key": "list-7"}
    before = agent.get(KEYS, PRICES).body
    dry = agent.post(KEYS, PRICES + "?dry_run=1", body, headers=key)
    assert dry.status == 200, dry
    real = agent.post(KEYS, PRICES, body, headers=key)
    assert (real.status, real.error) == (409, "idempotency_mismatch")
    assert agent.get(KEYS, PRICES).body == before
    again = agent.post(KEYS, PRICES + "?dry_run=1", body, headers=key)
    assert again.body == dry.body and again.headers["Idempotent-Replayed"] == "true"
    assert agent.post(KEYS, PRICES, body, headers={"Idempotency-Key": "list-8"}).body["created"] == 1


def test_one_key_stands_for_one_request(agent):
    """Another method, path, query or body under the same key is another request."""
    key = {"Idempotency-Key": "k"}
    made = agent.add_key("http://127.0.0.1:1", key_name="one")
    other = agent.add_key("http://127.0.0.1:1", key_name="two")
    first = agent.post(KEYS, f"/api/v1/keys/{made['id']}/disable", headers=key)
    assert first.status == 200 and first.body["enabled"] is False
    for service, path, body in (
            (KEYS, f"/api/v1/keys/{other['id']}/disable", None),
            (KEYS, f"/api/v1/keys/{made['id']}/enable", None),
            (KEYS, f"/api/v1/keys/{made['id']}/disable", {}),
            (KEYS, "/api/v1/clients", {"name": "c"}),
            (CFG, "/api/v1/features", {**FEATURE, "name": "idem"}),
            (REG, "/api/v1/services", {"service": "s", "id": "i", "url": "http://127.0.0.1:9"})):
        answer = agent.post(service, path, body, headers=key)
        assert (answer.status, answer.error) == (409, "idempotency_mismatch"), path
    assert agent.get(KEYS, f"/api/v1/keys/{other['id']}").body["enabled"] is True
    assert agent.get(KEYS, "/api/v1/clients").body["total"] == 0
    assert agent.get(REG, "/api/v1/services/s").status == 404


@pytest.mark.parametrize("suffix", ["rotate", "enable", "disable", "drain", "undrain", "rollback"])
def test_every_verb_is_done_once(agent, suffix):
    if suffix in ("drain", "undrain"):
        own = make(agent, "/api/v1/services")
    else:
        own = make(agent, "/api/v1/features" if suffix == "rollback" else "/api/v1/keys")
    json = {"rotate": {"api_key": "sk-other-0000000000000001"},
            "rollback": {"revision": agent.get(GW, own).body["revision"]}}.get(suffix)
    if suffix == "rollback":
        agent.request(GW, "PATCH", own, {"display_name": "second"})
    if suffix == "undrain":
        assert agent.post(GW, own + "/drain").status == 200
    if suffix == "disable":
        assert agent.post(GW, own + "/enable").status == 200
    key = {"Idempotency-Key": "once"}
    first = agent.post(GW, f"{own}/{suffix}", json, headers=key)
    assert first.status == 200, first
    undo = {"enable": "disable", "disable": "enable", "drain": "undrain",
            "undrain": "drain"}.get(suffix)
    if undo:
        assert agent.post(GW, f"{own}/{undo}").status == 200
    else:
        assert agent.request(GW, "PATCH", own, {"note": "x"} if suffix == "rotate" else
                             {"display_name": "third"}).status == 200
    before = state(agent, own)
    again = agent.post(GW, f"{own}/{suffix}", json, headers=key)
    assert again.status == 200 and again.headers["Idempotent-Replayed"] == "true"
    assert again.body["revision"] == first.body["revision"]
    assert state(agent, own) == before


def test_keys_nobody_can_read(agent):
    for value, status, code in (("", 400, "param_invalid"), ("a b", 400, "param_invalid"),
                                ("a\tb", 400, "param_invalid"), ("\xe9", 400, "param_invalid"),
                                ("x" * 256, 422, "field_range")):
        for path, body in (("/api/v1/clients", {"name": "c"}), ("/api/v1/prices", {"items": []}),
                           ("/api/v1/services", {"service": "s", "id": "i",
                                                 "url": "http://127.0.0.1:9"}),
                           ("/api/v1/keys/test", {}),
                           ("/v1/images/generations", {"model": "text_to_image",
                                                       "prompt": "a cat"})):
            answer = agent.post(GW, path, body, headers={"Idempotency-Key": value})
            assert (answer.status, answer.error) == (status, code), (path, value, answer)
    twice = agent.post(GW, "/api/v1/clients", {"name": "c"},
                       headers=[("Idempotency-Key", "a"), ("Idempotency-Key", "b")])
    assert (twice.status, twice.error) == (400, "bad_framing")
    assert agent.get(GW, "/api/v1/clients").body["total"] == 0


def test_preferences(agent, vendord):
    agent.add_key(vendord.base_url, service="dalle")
    picture = {"model": "text_to_image", "prompt": "a cat"}
    for headers in ([("Prefer", "wait=10"), ("Prefer", "respond-async")],
                    [("prefer", 'x="a, \\", b"; y="1;", , Respond-Async;foo')]):
        answer = agent.post(GW, "/v1/images/generations", picture, headers=headers)
        assert answer.status == 202, (headers, answer)
    for value in ("respond-async=no", "respond async", "respond-async/", "=x", '"respond-async"', ";"):
        answer = agent.post(GW, "/v1/images/generations", picture, headers={"Prefer": value})
        assert (answer.status, answer.error) == (400, "param_invalid"), (value, answer)
        assert answer.body["error"]["param"] == "Prefer"


def test_a_key_test_is_made_once(agent, vendord):
    stored = agent.add_key(vendord.base_url)
    body = {"vendor": "openai", "service": "gpt-4", "key_name": "new", "api_key": "sk-new-000000000001",
            "base_url": vendord.base_url}
    for n, (path, json) in enumerate(((f"/api/v1/keys/{stored['id']}/test", None),
                                      ("/api/v1/keys/test", body))):
        key = {"Idempotency-Key": f"test-{n}"}
        vendord.clear_stats()
        first = agent.post(KEYS, path, json, headers=key)
        assert first.status == 200 and first.body["checks"], first
        seen = len(vendord.requests())
        wait_for(lambda: any(row["action"] == "key.test" for row in agent.get(
            KEYS, "/api/v1/audit").body["items"][:1]), what="its audit row")
        again = agent.post(KEYS, path, json, headers=key)
        assert again.body == first.body and again.headers["Idempotent-Replayed"] == "true"
        assert len(vendord.requests()) == seen
        other = agent.post(KEYS, path, {**body, "key_name": "other"} if json else {}, headers=key)
        assert (other.status, other.error) == (409, "idempotency_mismatch")
        assert agent.post(KEYS, path, json).status == 200
    assert body["api_key"] not in agent.log()


def test_two_wishes_for_ones_data(agent):
    for name in ("X-Yijian-Data", "X-Yijian-Session"):
        answer = agent.post(GW, "/v1/chat/completions", {"model": "chat", "messages": [
            {"role": "user", "content": "x"}]}, headers=[(name, "any"), (name, "local_only")])
        assert (answer.status, answer.error) == (400, "bad_framing")


def test_a_repeated_drain_outlives_its_instance(agent, vendord):
    path = "/api/v1/services/near/instances/gpu1"
    once = {"Idempotency-Key": "drain-it"}
    agent.add_instance(vendord.url, service="near")
    first = agent.post("service-registry", path + "/drain", headers=once)
    assert first.status == 200 and first.body["draining"]
    assert agent.request("service-registry", "DELETE", path).status == 204
    again = agent.post("service-registry", path + "/drain", headers=once)
    assert (again.status, again.headers["Idempotent-Replayed"]) == (200, "true"), again
    assert again.body["draining"] and again.body["id"] == "gpu1"
    assert agent.post("service-registry", path + "/drain").status == 404
    assert agent.request("service-registry", "DELETE", path).status == 404
