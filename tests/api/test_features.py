# SPDX-License-Identifier: MIT
"""config-center: features, their revisions, the change log and watching."""
import concurrent.futures
import time

import pytest

CFG = "config-center"
PATH = "/api/v1/features"
DEFAULTS = {"text_to_image", "chat", "text_generation", "embeddings"}


def feature(name="demo", **more):
    return {"name": name, "endpoint": "chat.completions", "targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4"}], **more}


def create(agent, name="demo", headers=(), **more):
    return agent.post(CFG, PATH, feature(name, **more), headers=headers)


def patch(agent, name, json, headers=()):
    return agent.request(CFG, "PATCH", f"{PATH}/{name}", json, headers=headers)


def revision(agent):
    return agent.get(CFG, PATH).body["revision"]


def test_fresh_start_has_the_default_features(agent):
    answer = agent.get(CFG, PATH)
    assert answer.status == 200
    names = [item["name"] for item in answer.body["items"]]
    assert set(names) == DEFAULTS and names == sorted(names)
    assert answer.body["total"] == 4 and "next" not in answer.body
    one = agent.get(CFG, PATH + "/text_to_image")
    assert one.status == 200 and one.body["endpoint"] == "images.generations"
    assert [t["id"] for t in one.body["targets"]] == ["openai/dalle", "aliyun/wanx"]
    # the gateway mounts it too
    assert agent.get("api-gateway", PATH + "/chat").body["name"] == "chat"


def test_list_and_document_answer_304_when_unchanged(agent):
    for path in (PATH, PATH + "/chat"):
        etag = agent.get(CFG, path).headers["ETag"]
        assert agent.get(CFG, path, headers={"If-None-Match": etag}).status == 304
        assert agent.get(CFG, path, headers={"If-None-Match": '"999"'}).status == 200
    etag = agent.get(CFG, PATH).headers["ETag"]
    create(agent)
    assert agent.get(CFG, PATH, headers={"If-None-Match": etag}).status == 200


def test_create_get_patch_put_delete(agent):
    made = create(agent, display_name="演示 Demo")
    assert made.status == 201 and made.body["display_name"] == "演示 Demo"
    assert made.headers["ETag"] == '"%d"' % made.body["revision"]
    assert made.headers["Location"] == PATH + "/demo"
    assert made.body["targets"][0]["id"] == "openai/gpt-4"
    assert made.body["updated_by"].startswith("uid:")
    assert create(agent).error == "conflict_exists"

    changed = patch(agent, "demo", {"enabled": False, "timeouts": {"connect_ms": 1234}})
    assert changed.status == 200 and changed.body["enabled"] is False
    assert changed.body["timeouts"]["connect_ms"] == 1234
    assert changed.body["timeouts"]["idle_ms"] == made.body["timeouts"]["idle_ms"]
    assert changed.body["display_name"] == "演示 Demo"
    assert changed.body["revision"] > made.body["revision"]
    assert changed.body["created_at"] == made.body["created_at"]

    without_name = feature()
    del without_name["name"]
    replaced = agent.request(CFG, "PUT", PATH + "/demo", without_name)
    assert replaced.status == 200 and replaced.body["enabled"] is True
    assert replaced.body["display_name"] is None
    assert agent.request(CFG, "PUT", PATH + "/other", feature("other")).status == 201
    assert agent.request(CFG, "PUT", PATH + "/other", feature("demo")).error == "field_range"

    # what an answer had may be sent back
    assert agent.request(CFG, "PUT", PATH + "/demo", replaced.body).status == 200

    assert agent.request(CFG, "DELETE", PATH + "/demo").status == 204
    assert agent.get(CFG, PATH + "/demo").error == "not_found"
    assert agent.request(CFG, "DELETE", PATH + "/demo").error == "not_found"
    assert patch(agent, "demo", {"enabled": True}).error == "not_found"
    assert agent.get(CFG, PATH + "/demo/revisions").status in (200, 404)


def test_stale_if_match_changes_nothing(agent):
    made = create(agent)
    good, stale = made.headers["ETag"], '"%d"' % (made.body["revision"] - 1)
    for method, json in (("PATCH", {"enabled": False}), ("PUT", feature()), ("DELETE", None)):
        answer = agent.request(CFG, method, PATH + "/demo", json, headers={"If-Match": stale})
        assert (answer.status, answer.error) == (412, "precondition_failed")
    assert agent.request(CFG, "PUT", PATH + "/absent", feature("absent"),
                         headers={"If-Match": good}).status == 412
    assert agent.get(CFG, PATH + "/demo").headers["ETag"] == good
    assert patch(agent, "demo", {"enabled": False}, {"If-Match": good}).status == 200


def test_revisions_and_rollback(agent):
    first = create(agent, description="one").body
    second = patch(agent, "demo", {"description": "two"}).body
    revisions = agent.get(CFG, PATH + "/demo/revisions").body
    assert [item["revision"] for item in revisions["items"]] == [
        second["revision"], first["revision"]]
    assert revisions["items"][1]["document"]["description"] == "one"
    back = agent.post(CFG, PATH + "/demo/rollback", {"revision": first["revision"]})
    assert back.status == 200 and back.body["description"] == "one"
    assert back.body["revision"] > second["revision"]
    assert agent.get(CFG, PATH + "/demo").body["description"] == "one"
    assert agent.post(CFG, PATH + "/demo/rollback", {"revision": 99999}).error == "not_found"
    assert agent.post(CFG, PATH + "/demo/rollback", {"revision": 0}).error == "field_range"
    assert agent.post(CFG, PATH + "/demo/rollback", {}).error == "field_required"
    assert agent.post(CFG, PATH + "/none/rollback", {"revision": 1}).error == "not_found"
    assert agent.get(CFG, PATH + "/none/revisions").error == "not_found"
    stale = agent.post(CFG, PATH + "/demo/rollback", {"revision": first["revision"]},
                       headers={"If-Match": '"1"'})
    assert stale.status == 412


def test_change_log_says_who_and_pages(agent):
    for i in range(5):
        create(agent, f"demo{i}")
    page = agent.get(CFG, "/api/v1/changes?limit=2").body
    assert [item["name"] for item in page["items"]] == ["demo4", "demo3"]
    assert {item["action"] for item in page["items"]} == {"create"}
    assert page["items"][0]["kind"] == "Feature"
    assert page["items"][0]["actor"].startswith("uid:")
    seen = [item["name"] for item in page["items"]]
    while "next" in page:
        page = agent.get(CFG, f"/api/v1/changes?limit=2&cursor={page['next']}").body
        seen += [item["name"] for item in page["items"]]
    assert len(seen) == len(set(seen)) == 5 + len(DEFAULTS)
    assert agent.get(CFG, "/api/v1/revisions?limit=1").body["items"][0]["revision"] == \
        revision(agent)
    for path in ("/api/v1/changes", "/api/v1/revisions", "/api/v1/audit"):
        assert agent.get("api-gateway", path + "?cursor=garbage").error == "cursor_invalid"
        wide = agent.get("api-gateway", path + "?limit=1000000000")
        assert (wide.status, wide.error) == (422, "field_range")


def test_watch(agent):
    now = revision(agent)
    behind = agent.get(CFG, f"/api/v1/watch?since={now - 1}&wait=30s")
    assert behind.body["revision"] == now and behind.body["changed"] is True
    idle = agent.get(CFG, f"/api/v1/watch?since={now}&wait=50ms")
    assert idle.body == {"revision": now, "changed": False, "lineage": idle.body["lineage"]}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(agent.get, CFG, f"/api/v1/watch?since={now}&wait=30s")
                   for _ in range(8)]
        create(agent)
        started = time.monotonic()
        for one in waiting:
            assert one.result().body["revision"] > now
        assert time.monotonic() - started < 20
    assert agent.get(CFG, "/api/v1/watch?since=x").error == "param_invalid"
    assert agent.get(CFG, "/api/v1/watch?since=1&wait=2h").error == "field_range"


def test_a_watcher_that_leaves_harms_nobody(agent):
    now = revision(agent)
    for _ in range(5):
        with agent.connect(CFG) as raw:
            raw.send(b"GET /api/v1/watch?since=%d&wait=60s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                     % now)
    assert create(agent).status == 201
    assert agent.get(CFG, f"/api/v1/watch?since={now}&wait=1s").body["changed"] is True


def test_idempotency_key(agent):
    key = {"Idempotency-Key": "abc-1"}
    first = create(agent, headers=key)
    again = create(agent, headers=key)
    assert first.status == again.status == 201 and first.body == again.body
    other = create(agent, "another", headers=key)
    assert (other.status, other.error) == (409, "idempotency_mismatch")
    assert agent.get(CFG, PATH + "/another").status == 404
    assert create(agent, "demo2", headers={"Idempotency-Key": "x" * 300}).error == "field_range"


def test_names_and_aliases_share_one_space(agent):
    assert create(agent, aliases=["fast"]).status == 201
    assert create(agent, "fast").error == "conflict_exists"
    assert create(agent, "demo2", aliases=["fast"]).error == "conflict_exists"
    assert create(agent, "demo3", aliases=["chat"]).error == "conflict_exists"
    assert patch(agent, "demo", {"aliases": []}).status == 200
    assert create(agent, "fast").status == 201


@pytest.mark.parametrize("change, code, field", [
    ({"nonsense": 1}, "field_unknown", "nonsense"),
    ({"name": "Bad Name"}, "field_charset", "name"),
    ({"name": "x" * 65}, "field_range", "name"),
    ({"display_name": "a\u202eb"}, "field_charset", "display_name"),
    ({"display_name": "a\x1b[31m"}, "field_charset", "display_name"),
    ({"enabled": "yes"}, "field_type", "enabled"),
    ({"endpoint": "chats"}, "field_range", "endpoint"),
    ({"timeouts": {"connect_ms": 0}}, "field_range", "timeouts.connect_ms"),
    ({"timeouts": {"connect_ms": 1.5}}, "field_range", "timeouts.connect_ms"),
    ({"targets": [{"kind": "vendor", "vendor": "nobody", "service": "x"}]}, "vendor_unknown",
     "targets[0].vendor"),
    ({"targets": [{"kind": "vendor", "service": "gpt-4"}]}, "field_required",
     "targets[0].vendor"),
    ({"targets": [{"kind": "vendor", "vendor": "openai"}]}, "field_required",
     "targets[0].service"),
    ({"targets": [{"kind": "vendor", "vendor": "openai", "service": "gpt-4", "id": "a"}] * 2},
     "conflict_exists", "targets[1].id"),
])
def test_bad_fields(agent, change, code, field):
    answer = agent.post(CFG, PATH, {**feature(), **change})
    assert (answer.error, answer.body["error"].get("field")) == (code, field), answer
    assert agent.get(CFG, PATH).body["total"] == 4


@pytest.mark.parametrize("body, code", [
    ("", "json_invalid"), ("{", "json_invalid"), ("[]", "json_invalid"), ("3", "json_invalid"),
    ('{"name":"a",}', "json_invalid"), ("{'name':'a'}", "json_invalid"),
    ('{"name":NaN}', "json_invalid"), ('\ufeff{"name":"a"}', "json_invalid"),
    ('{"name":"a","name":"b"}', "json_duplicate_key"),
    ('{"name":"a\\u0000"}', "json_invalid"), ('{"name":"\\ud800"}', "json_invalid"),
    ('{"defaults":' + '{"a":' * 40 + "1" + "}" * 41, "json_too_complex"),
    ('{"x":[' + "{}," * 2000 + "{}]}", "json_too_complex"),
])
def test_bad_json(agent, body, code):
    for method, path in (("POST", PATH), ("PUT", PATH + "/demo"), ("PATCH", PATH + "/chat")):
        answer = agent.request(CFG, method, path, body=body)
        assert (answer.status, answer.error) == (400, code), (method, answer)
    assert agent.get(CFG, PATH).body["total"] == 4


def test_too_large_a_body(agent):
    answer = agent.request(CFG, "POST", PATH, body=b" " * 65537)
    assert (answer.status, answer.error) == (413, "body_too_large")


def test_concurrent_patches_are_all_kept(agent):
    create(agent)
    fields = [("description", "d"), ("display_name", "n"), ("strategy", "weighted"),
              ("enabled", False), ("auto_join", False), ("aliases", ["zz"])]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        for answer in pool.map(lambda f: patch(agent, "demo", {f[0]: f[1]}), fields):
            assert answer.status == 200
    now = agent.get(CFG, PATH + "/demo").body
    assert {name: now[name] for name, _ in fields} == dict(fields)


def test_state_survives_a_restart(agent):
    made = create(agent, description="kept").body
    agent.restart()
    assert agent.get(CFG, PATH + "/demo").body == made
    assert revision(agent) == made["revision"]


def test_a_change_is_an_event(agent):
    create(agent)
    items = agent.get("api-gateway", "/api/v1/events?kinds=config&limit=10").body["items"]
    assert any(item["action"] == "create" and "demo" in str(item) for item in items)


def test_totals_of_logs_count_all_rows(agent):
    for i in range(3):
        agent.request(CFG, "PATCH", f"{PATH}/chat", {"description": f"change {i}"})
    for path in ("/api/v1/changes", "/api/v1/revisions"):
        everything = agent.get(CFG, path).body
        page = agent.get(CFG, path + "?limit=1").body
        assert len(page["items"]) == 1 and page["total"] == everything["total"] >= 3, path
    assert agent.get("key-manager", "/api/v1/audit?limit=1").body["total"] >= 3
