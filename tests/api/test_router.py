# SPDX-License-Identifier: MIT
"""router-engine: decisions on request, live routes, overrides, records."""
import re

import pytest

from waiting import wait_for

ROUTER = "router-engine"
IMAGES = "/api/v1/route/text_to_image"
CODES = {
    "disabled", "drained", "no_key", "key_invalid", "key_no_quota", "cooldown", "breaker_open",
    "half_open_busy", "heartbeat_expired", "unhealthy", "rate_limited_rpm", "rate_limited_tpm",
    "concurrency_full", "budget_exhausted", "capability_missing", "size_unsupported",
    "model_unknown", "model_gone", "region_denied", "policy_denied", "gray_excluded",
    "feature_off", "already_attempted", "deadline_too_short"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def check_decision(doc):
    """Exactly the record that product and scripts rely on."""
    assert set(doc) - {"attempts"} == {
        "schema", "id", "feature", "at", "mode", "revision", "request", "policy", "candidates",
        "chosen", "fallback", "decide_us", "truncated"}
    assert doc["schema"] == "yijian.decision/1"
    assert doc["id"].startswith("d-")
    assert TIME.match(doc["at"])
    assert doc["mode"] in ("live", "dry_run", "replay")
    assert set(doc["policy"]) - {"wait_ms", "waited_ms", "data_policy", "space"} == {
        "strategy", "all_down", "seed"}
    assert {"client", "needs"} <= set(doc["request"])
    names = []
    for candidate in doc["candidates"]:
        names.append(candidate["target"])
        assert candidate["kind"] in ("vendor", "self_hosted")
        if not candidate["eligible"]:
            assert set(candidate) == {"target", "kind", "eligible", "skips"}
            assert candidate["skips"][0]["code"] in CODES
            continue
        assert set(candidate) == {"target", "kind", "eligible", "order", "tier", "weight",
                                  "evidence"}
        assert set(candidate["evidence"]) == {"p95_ms", "ok_rate_5m", "inflight", "limit", "cost"}
    if doc["chosen"]:
        assert set(doc["chosen"]) == {"target", "reason", "draw", "share"}
        assert doc["chosen"]["target"] in names
    assert all(name in names for name in doc["fallback"])
    assert doc["decide_us"] > 0 and doc["truncated"] is False


def skips(doc):
    return {c["target"]: c["skips"][0]["code"] for c in doc["candidates"] if not c["eligible"]}


def state_of(agent, feature, target):
    rows = agent.get(ROUTER, f"/api/v1/routes/{feature}").body["items"]
    return next((row for row in rows if row["target"] == target), None)


def test_runbook_call_explains_an_empty_install(agent):
    answer = agent.post(ROUTER, IMAGES, {"prompt": "a cat", "width": 1024, "height": 1024})
    assert answer.status == 200
    check_decision(answer.body)
    assert answer.body["mode"] == "dry_run" and answer.body["chosen"] is None
    assert answer.body["request"]["width"] == 1024
    assert answer.body["request"]["needs"] == ["size"]
    assert skips(answer.body)["openai/dalle"] == "no_key"
    assert answer.headers["X-Yijian-Decision"] == answer.body["id"]


def test_a_key_makes_it_fit_and_the_gateway_port_answers_too(agent):
    agent.add_key("http://127.0.0.1:9/v1", service="dalle", key_name="OpenAI DALL-E Key")
    for service in (ROUTER, "api-gateway"):
        answer = agent.post(service, IMAGES, {"prompt": "a cat", "size": "1024x1024"})
        check_decision(answer.body)
        assert answer.body["chosen"]["target"] == "openai/dalle#openai-dall-e-key"
        assert answer.body["request"]["height"] == 1024


def test_a_protocol_that_does_not_fit_is_said(agent):
    agent.add_key("http://127.0.0.1:9", vendor="aliyun", service="wanx", key_name="main")
    answer = agent.post(ROUTER, IMAGES, {"prompt": "a cat"})
    assert "aliyun/wanx#main" not in skips(answer.body)
    answer = agent.request("config-center", "PATCH", "/api/v1/features/text_to_image", {"targets": [
        {"kind": "vendor", "vendor": "aliyun", "service": "wanx", "protocol": "openai.chat"}]})
    assert answer.status == 200, answer
    answer = agent.post(ROUTER, IMAGES, {"prompt": "a cat"})
    assert skips(answer.body)["aliyun/wanx#main"] == "capability_missing"


def test_plain_curl_without_a_body_or_json_type(agent):
    answer = agent.request(ROUTER, "POST", IMAGES, body='{"prompt":"a cat"}',
                           headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 200
    assert agent.request(ROUTER, "POST", IMAGES, body="").status == 200


@pytest.mark.parametrize("body, status, code, field", [
    ('{"width":0}', 422, "field_range", "width"),
    ('{"width":-1}', 422, "field_range", "width"),
    ('{"width":65536}', 422, "field_range", "width"),
    ('{"height":2147483648}', 422, "field_range", "height"),
    ('{"width":1.5}', 422, "field_range", "width"),
    ('{"width":1e3}', 422, "field_range", "width"),
    ('{"width":"1024"}', 422, "field_type", "width"),
    ('{"width":true}', 422, "field_type", "width"),
    ('{"size":"1024"}', 422, "field_range", "size"),
    ('{"size":7}', 422, "field_type", "size"),
    ('{"size":"1024x-1"}', 422, "field_range", "size"),
    ('{"n":0}', 422, "field_range", "n"),
    ('{"stream":"yes"}', 422, "field_type", "stream"),
    ('{"model":7}', 422, "field_type", "model"),
    ('{"prompt":""}', 422, "field_range", "prompt"),
    ('{"prompt":"\\u200b \\n"}', 422, "field_range", "prompt"),
    ('{"prompt":7}', 422, "field_type", "prompt"),
    ('{"base_url":"http://evil"}', 400, "field_forbidden", "base_url"),
    ('{"api_key":"sk-x"}', 400, "field_forbidden", "api_key"),
    ('{"prompt":"a","prompt":"b"}', 400, "json_duplicate_key", None),
    ('{"prompt":"\\u0000"}', 400, "json_invalid", None),
    ("[]", 400, "json_invalid", None),
    ("{", 400, "json_invalid", None),
    ('{"a":[' + "{}," * 1200 + "{}]}", 400, "json_too_complex", None),
    ('{"prompt":"' + "x" * 70000 + '"}', 413, "body_too_large", None),
])
def test_bad_bodies(agent, body, status, code, field):
    answer = agent.request(ROUTER, "POST", IMAGES, body=body,
                           headers={"Content-Type": "application/json"})
    assert (answer.status, answer.error) == (status, code)
    assert answer.body["error"].get("field") in (field, None if field is None else field)


def test_of_many_candidates_the_first_are_built(agent):
    """By order and tier, not by when they came; the record says how many were left out."""
    for i in range(130):
        agent.add_key("http://127.0.0.1:9", key_name=f"backup {i:03}", tier="backup",
                      api_key=f"sk-simulated-backup-{i:016}")
    for i in range(3):
        agent.add_key("http://127.0.0.1:9", key_name=f"first {i}", api_key=f"sk-simulated-first-{i:016}")
    agent.add_instance("http://127.0.0.1:9")
    doc = agent.post(ROUTER, "/api/v1/route/chat", {}).body
    names = [c["target"] for c in doc["candidates"]]
    assert len(names) == 128 and (doc["truncated"], doc["left_out"]) == (True, 7)
    assert names[:5] == ["self/simulated-vllm#gpu1", "openai/gpt-4#first-0", "openai/gpt-4#first-1",
                         "openai/gpt-4#first-2", "openai/gpt-4#backup-000"]
    assert names[5:] == sorted(names[5:])


def test_unknown_feature(agent):
    answer = agent.post(ROUTER, "/api/v1/route/nothing", {})
    assert (answer.status, answer.error) == (404, "not_found")
    assert agent.get(ROUTER, "/api/v1/routes/nothing").status == 404


def test_records_are_found_and_age_out(agent):
    made = agent.post(ROUTER, IMAGES, {"prompt": "a cat"}).body
    found = agent.get(ROUTER, "/api/v1/decisions/" + made["id"])
    assert found.status == 200 and found.body == made
    listed = agent.get(ROUTER, "/api/v1/decisions?feature=text_to_image&limit=1").body
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    assert agent.get(ROUTER, "/api/v1/decisions?feature=chat").body["items"] == []
    gone = agent.get(ROUTER, "/api/v1/decisions/d-01hqqqqqq0000000000")
    assert (gone.status, gone.error) == (410, "gone")
    assert re.search(r"\d{4}-\d\d-\d\dT", gone.body["error"]["message"])
    for bad in ("d-", "x", "d-zzzzzzzzzzzzzzzzzzz"):
        assert agent.get(ROUTER, "/api/v1/decisions/" + bad).status == 404


def test_asking_changes_nothing(agent):
    agent.add_key("http://127.0.0.1:9", key_name="one")
    agent.add_key("http://127.0.0.1:9", key_name="two")
    feature = agent.get("config-center", "/api/v1/features/chat")
    changed = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                            {"strategy": "round_robin"})
    assert feature.status == 200 and changed.status == 200
    seen = {agent.post(ROUTER, "/api/v1/route/chat", {}).body["chosen"]["target"]
            for _ in range(5)}
    assert len(seen) == 1


def test_live_table(agent):
    agent.add_key("http://127.0.0.1:9", key_name="one")
    rows = agent.get(ROUTER, "/api/v1/routes").body
    assert rows["total"] == len(rows["items"]) and rows["revision"] > 0
    row = state_of(agent, "chat", "openai/gpt-4#one")
    assert row["state"] == "OK" and row["reason"] is None
    assert row["p95_ms"] is None and row["rate"] == 0 and row["inflight"] == 0
    assert row["tier"] == "primary" and row["kind"] == "vendor"
    assert state_of(agent, "text_to_image", "openai/dalle")["state"] == "NO_KEY"


def test_drain_and_weight_for_a_while(agent):
    agent.add_key("http://127.0.0.1:9", key_name="one")
    agent.add_key("http://127.0.0.1:9", key_name="two")
    path = "/api/v1/routes/chat/openai/gpt-4"
    drained = agent.request(ROUTER, "PATCH", path + "?key=one", {"drain": True})
    assert drained.status == 200 and drained.body["audited"] is True
    assert [(i["target"], i["state"]) for i in drained.body["items"]] == [
        ("openai/gpt-4#one", "DRAINED")]
    doc = agent.post(ROUTER, "/api/v1/route/chat", {}).body
    assert skips(doc)["openai/gpt-4#one"] == "drained"
    assert doc["chosen"]["target"] == "openai/gpt-4#two"
    both = agent.request(ROUTER, "PATCH", path, {"drain": True, "expires_in_s": 1})
    assert {i["state"] for i in both.body["items"]} == {"DRAINED"}
    wait_for(lambda: state_of(agent, "chat", "openai/gpt-4#two")["state"] == "OK")
    assert state_of(agent, "chat", "openai/gpt-4#one")["state"] == "DRAINED"
    lifted = agent.request(ROUTER, "PATCH", path + "?key=one", {"drain": False, "weight": 7})
    assert lifted.body["items"][0]["state"] == "OK" and lifted.body["items"][0]["weight"] == 7
    lifted = agent.request(ROUTER, "PATCH", path + "?key=one", {"weight": None})
    assert lifted.body["items"][0]["weight"] == 1
    again = agent.request(ROUTER, "PATCH", path, {"weight": 3})  # does not wake the drain that ended
    assert "DRAINED" not in {i["state"] for i in again.body["items"]}
    audit = agent.get("key-manager", "/api/v1/audit").body["items"]
    assert any(row["action"] == "route.drain" and "openai/gpt-4#one" in row["object"]
               for row in audit)


@pytest.mark.parametrize("path, body, status, code", [
    ("openai/gpt-4", {}, 422, "field_required"),
    ("openai/gpt-4", {"weight": -1}, 422, "field_range"),
    ("openai/gpt-4", {"drain": 1}, 422, "field_type"),
    ("openai/gpt-4", {"drian": True}, 400, "field_unknown"),
    ("openai/other", {"drain": True}, 404, "not_found"),
    ("openai/gpt-4?key=none", {"drain": True}, 404, "not_found"),
    ("openai/gpt-4?instance=none", {"drain": True}, 404, "not_found"),
])
def test_bad_overrides(agent, path, body, status, code):
    answer = agent.request(ROUTER, "PATCH", "/api/v1/routes/chat/" + path, body)
    assert (answer.status, answer.error) == (status, code)


def live_decision(agent, answer):
    return agent.get(ROUTER, "/api/v1/decisions/" + answer.headers["X-Yijian-Decision"])


def test_a_fallen_back_decision_is_kept_with_its_attempts(agent, make_vendord):
    broken, good = make_vendord(), make_vendord()
    agent.add_key(broken.base_url, key_name="broken", api_key="sk-simulated-00000000broken")
    agent.add_key(good.base_url, key_name="good", api_key="sk-simulated-0000000000good",
                  tier="secondary")
    broken.fault({"status": 500}, path="/v1/chat/completions")
    answer = agent.chat()
    assert answer.status == 200
    assert answer.headers["X-Yijian-Target"] == "openai/gpt-4#good"
    assert answer.headers["X-Yijian-Attempts"] == "2"
    found = wait_for(lambda: (a := live_decision(agent, answer)).status == 200
                     and a.body.get("attempts") and a).body
    check_decision(found)
    assert found["mode"] == "live"
    assert found["chosen"]["target"] == "openai/gpt-4#broken"
    assert found["fallback"] == ["openai/gpt-4#good"]
    assert [(a["n"], a["target"], a["status"]) for a in found["attempts"]] == [
        (1, "openai/gpt-4#broken", 500), (2, "openai/gpt-4#good", 200)]


def test_a_breaker_opens_and_is_explained(agent, make_vendord):
    broken, good = make_vendord(), make_vendord()
    agent.add_key(broken.base_url, key_name="broken", api_key="sk-simulated-00000000broken")
    agent.add_key(good.base_url, key_name="good", api_key="sk-simulated-0000000000good",
                  tier="secondary")
    agent.request("config-center", "PATCH", "/api/v1/features/chat",
                  {"cooldown": {"fails": 2, "window_s": 60, "for_s": 1}})
    broken.fault({"status": 500}, path="/v1/chat/completions")
    for _ in range(2):
        assert agent.chat().status == 200
    row = state_of(agent, "chat", "openai/gpt-4#broken")
    assert row["state"] in ("OPEN", "HALF_OPEN") and row["last_error"] == "HTTP 500"
    assert row["until"] or row["state"] == "HALF_OPEN"  # its second may be over
    broken.faults([])
    wait_for(lambda: state_of(agent, "chat", "openai/gpt-4#broken")["state"] == "HALF_OPEN")
    assert agent.chat().headers["X-Yijian-Target"] == "openai/gpt-4#broken"
    wait_for(lambda: state_of(agent, "chat", "openai/gpt-4#broken")["state"] == "OK")


def test_a_rate_limited_key_cools(agent, vendord):
    agent.add_key(vendord.base_url, key_name="one")
    vendord.fault({"status": 429, "retry_after": "1"}, count=1, path="/v1/chat/completions")
    answer = agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    row = state_of(agent, "chat", "openai/gpt-4#one")
    if row["state"] != "OK":  # the second may be over on a slow machine
        assert row["state"] == "COOLING" and row["reason"] == "cooldown"
    wait_for(lambda: state_of(agent, "chat", "openai/gpt-4#one")["state"] == "OK")
    assert agent.chat().status == 200


@pytest.mark.parametrize("strategy", ["round_robin", "weighted", "least_inflight"])
def test_strategies_spread_live_traffic(agent, vendord, strategy):
    for name in ("one", "two"):
        agent.add_key(vendord.base_url, key_name=name, api_key=f"sk-simulated-00000000000{name}")
    agent.request("config-center", "PATCH", "/api/v1/features/chat", {"strategy": strategy})
    n = 10 if strategy == "round_robin" else 40
    seen = [agent.chat().headers["X-Yijian-Target"] for _ in range(n)]
    assert set(seen) == {"openai/gpt-4#one", "openai/gpt-4#two"}
    if strategy == "round_robin":
        assert seen.count("openai/gpt-4#one") == n // 2


def test_a_drained_key_gets_no_traffic(agent, vendord):
    for name in ("one", "two"):
        agent.add_key(vendord.base_url, key_name=name, api_key=f"sk-simulated-00000000000{name}")
    agent.request(ROUTER, "PATCH", "/api/v1/routes/chat/openai/gpt-4?key=one", {"drain": True})
    seen = {agent.chat().headers["X-Yijian-Target"] for _ in range(6)}
    assert seen == {"openai/gpt-4#two"}


def test_only_the_first_in_order_have_a_share(agent):
    agent.add_key("http://127.0.0.1:9", key_name="one")
    agent.add_key("http://127.0.0.1:9", key_name="two", tier="backup")
    assert state_of(agent, "chat", "openai/gpt-4#one")["share"] == 1
    assert state_of(agent, "chat", "openai/gpt-4#two")["share"] == 0


def test_overrides_survive_until_they_run_out(agent, vendord):
    """A drain, a weight, and one that is over by the time the agent is back."""
    for name in ("one", "two", "three"):
        agent.add_key(vendord.base_url, key_name=name, api_key=f"sk-simulated-000000000{name}")
    path = "/api/v1/routes/chat/openai/gpt-4"
    for key, members in (("one", {"drain": True}), ("two", {"weight": 7, "expires_in_s": 3600}),
                         ("three", {"drain": True, "expires_in_s": 1})):
        answer = agent.request(ROUTER, "PATCH", f"{path}?key={key}", members)
        assert answer.status == 200 and answer.body["audited"], answer
    assert agent.request(ROUTER, "PATCH", path, {"weight": 9}).status == 200
    agent.kill9()
    agent.start()
    assert state_of(agent, "chat", "openai/gpt-4#one")["state"] == "DRAINED"
    assert state_of(agent, "chat", "openai/gpt-4#two")["weight"] == 7
    wait_for(lambda: state_of(agent, "chat", "openai/gpt-4#three")["state"] == "OK")
    assert state_of(agent, "chat", "openai/gpt-4#three")["weight"] == 9, "the target's"
    assert agent.request(ROUTER, "PATCH", f"{path}?key=one", {"drain": False}).status == 200
    agent.restart()
    assert state_of(agent, "chat", "openai/gpt-4#one")["state"] == "OK"
    assert state_of(agent, "chat", "openai/gpt-4#two")["weight"] == 7
