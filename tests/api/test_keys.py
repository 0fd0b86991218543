# SPDX-License-Identifier: MIT
"""key-manager: vendor keys in, never out; tests, rotation, fingerprints, the URL policy."""
import concurrent.futures
import pathlib

import pytest

KEYS = "key-manager"
PATH = "/api/v1/keys"
RUNBOOK = {"vendor": "openai", "service": "dalle", "key_name": "OpenAI DALL-E Key",
           "api_key": "sk-abcdefghijklmnopqrstuvwxyz012345", "tier": "primary"}
GOOD = "sk-simulated-0001"


def create(agent, headers=(), **more):
    return agent.post(KEYS, PATH, {**RUNBOOK, **more}, headers=headers)


def get(agent, key):
    return agent.get(KEYS, f"{PATH}/{key['id']}").body


def act(agent, key, verb, json=None, **more):
    return agent.post(KEYS, f"{PATH}/{key['id']}/{verb}", json, **more)


def patch(agent, key, json, **more):
    return agent.request(KEYS, "PATCH", f"{PATH}/{key['id']}", json, **more)


@pytest.fixture
def vendord(make_vendord):
    return make_vendord()


def test_the_runbook(agent):
    assert agent.get(KEYS, PATH).body["items"] == []
    made = create(agent)
    assert made.status == 201
    key = made.body
    assert key["id"].startswith("key_") and key["slug"] == "openai-dall-e-key"
    assert key["api_key_masked"] == "sk-…2345" and "api_key" not in key
    assert len(key["fingerprint"]) == 12 and key["state"] == "unknown" and key["tier"] == "primary"
    assert made.headers["ETag"] == '"%d"' % key["revision"]
    assert made.headers["Location"] == f"{PATH}/{key['id']}"
    listed = agent.get(KEYS, PATH).body
    assert listed["total"] == 1 and listed["items"] == [key]
    assert get(agent, key) == key
    # the same calls as the runbook makes them, without a content type of ours
    answer = agent.request(KEYS, "POST", PATH, body='{"vendor":"openai","service":"gpt-4",'
                           '"key_name":"k","api_key":"sk-12345678901234567890"}',
                           headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert answer.status == 201 and answer.body["tier"] == "primary"


def test_the_secret_is_nowhere(agent):
    key = create(agent, headers={"Idempotency-Key": "once"}).body
    patch(agent, key, {"note": "n"})
    act(agent, key, "rotate", {"api_key": "sk-rotatedrotatedrotated9999"})
    agent.request(KEYS, "DELETE", f"{PATH}/{key['id']}")
    texts = [agent.log(), str(agent.get(KEYS, "/api/v1/audit").body),
             str(agent.get("config-center", "/api/v1/changes").body),
             str(agent.get("api-gateway", "/api/v1/events?limit=1000").body)]
    for name in ("cmdline", "environ"):
        texts.append(pathlib.Path(f"/proc/{agent.pid}/{name}").read_bytes().decode("latin-1"))
    agent.stop()
    for path in agent.state_dir.rglob("*"):
        if path.is_file():
            assert path.stat().st_mode & 0o077 == 0 or path.name == "ports.json", path
            texts.append(path.read_bytes().decode("latin-1"))
    for text in texts:
        assert RUNBOOK["api_key"] not in text and "rotatedrotated" not in text
        assert RUNBOOK["api_key"].encode().hex() not in text


def test_filters_ref_and_paging(agent):
    for i in range(5):
        create(agent, key_name=f"k{i}")
    create(agent, service="gpt-4", key_name="chat")
    create(agent, vendor="aliyun", service="qwen", key_name="q")
    count = lambda query: agent.get(KEYS, f"{PATH}?{query}").body["total"]  # noqa: E731
    assert count("vendor=openai") == 6 and count("vendor=aliyun") == 1
    assert count("service=dalle") == 5 and count("vendor=aliyun&service=dalle") == 0
    one = agent.get(KEYS, PATH + "?ref=openai/dalle/k3").body
    assert [item["key_name"] for item in one["items"]] == ["k3"]
    assert agent.get(KEYS, PATH + "?ref=openai/dalle/none").body["items"] == []
    seen, path = [], PATH + "?limit=3"
    while path:
        page = agent.get(KEYS, path).body
        assert len(page["items"]) <= 3 and page["total"] == 7
        seen += [item["id"] for item in page["items"]]
        path = page.get("next") and f"{PATH}?limit=3&cursor={page['next']}"
    assert len(seen) == len(set(seen)) == 7
    assert agent.get(KEYS, PATH + "?limit=1000000000").error == "field_range"


def test_patch_keeps_the_secret_and_identity(agent):
    key = create(agent).body
    changed = patch(agent, key, {"tier": "backup", "weight": 7, "key_name": "新名字",
                                 "limits": {"rpm": 60}, "expires_at": "2031-01-01T00:00:00Z"})
    assert changed.status == 200
    now = changed.body
    assert (now["tier"], now["weight"], now["limits"]["rpm"]) == ("backup", 7, 60)
    assert now["expires_at"] == "2031-01-01T00:00:00.000Z"
    assert now["fingerprint"] == key["fingerprint"] and now["rotated_at"] == key["rotated_at"]
    assert now["slug"] == key["id"]  # nothing ASCII is left of the name
    assert patch(agent, key, {"vendor": "aliyun"}).error in ("field_forbidden", "vendor_unknown")
    assert patch(agent, key, {"service": "gpt-4"}).error == "field_forbidden"
    stale = patch(agent, key, {"weight": 8}, headers={"If-Match": '"1"'})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    assert patch(agent, key, {"expires_at": None}).body.get("expires_at") is None
    assert agent.request(KEYS, "PATCH", PATH + "/key_none", {"weight": 1}).error == "not_found"


def test_rotate_enable_disable_delete(agent):
    key = create(agent).body
    rotated = act(agent, key, "rotate", {"api_key": "sk-anotheranotheranother7777"}).body
    assert rotated["fingerprint"] != key["fingerprint"]
    assert rotated["api_key_masked"] == "sk-…7777" and rotated["id"] == key["id"]
    assert act(agent, key, "rotate", {}).error == "field_required"
    assert act(agent, key, "rotate", {"api_key": "short"}).error == "field_range"
    disabled = act(agent, key, "disable")
    assert disabled.status == 200 and disabled.body["state"] == "disabled"
    again = act(agent, key, "disable")
    assert again.status == 200 and again.body["revision"] == disabled.body["revision"]
    assert act(agent, key, "enable").body["state"] == "unknown"
    assert agent.request(KEYS, "DELETE", f"{PATH}/{key['id']}").status == 204
    for answer in (agent.get(KEYS, f"{PATH}/{key['id']}"), act(agent, key, "enable"),
                   act(agent, key, "test"), agent.request(KEYS, "DELETE", f"{PATH}/{key['id']}"),
                   act(agent, key, "rotate", {"api_key": "sk-anotheranotheranother7777"})):
        assert (answer.status, answer.error) == (404, "not_found")
    assert create(agent).status == 201  # the name is free again
    actions = [item["action"] for item in agent.get("config-center", "/api/v1/changes").body["items"]]
    assert actions[:6] == ["create", "delete", "enable", "disable", "rotate", "create"]


def test_expired_is_a_state(agent):
    key = create(agent, expires_at="2020-01-01T00:00:00Z").body
    assert key["state"] == "expired"


def test_one_name_once(agent):
    create(agent)
    for name in ("OpenAI DALL-E Key", "openai dall-e key", "  OPENAI DALL-E KEY "):
        answer = create(agent, key_name=name)
        assert (answer.status, answer.error) == (409, "conflict_exists"), name
    assert create(agent, key_name="OpenAI DALL E Key").body["slug"] == "openai-dall-e-key-2"
    assert create(agent, service="gpt-4").status == 201
    other = create(agent, key_name="b").body
    assert patch(agent, other, {"key_name": "openai DALL-E key"}).error == "conflict_exists"


def test_a_race_for_one_name_has_one_winner(agent):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: create(agent).status, range(100)))
    assert sorted(set(answers)) == [201, 409] and answers.count(201) == 1
    assert agent.get(KEYS, PATH).body["total"] == 1


def test_one_key_for_several_services(agent):
    body = {**RUNBOOK, "services": ["dalle", "gpt-4", "embeddings"]}
    del body["service"]
    made = agent.post(KEYS, PATH, body)
    assert made.status == 201 and made.body["services"] == ["dalle", "gpt-4", "embeddings"]
    for name, target in (("text_to_image", "openai/dalle"), ("chat", "openai/gpt-4"),
                         ("embeddings", "openai/embeddings")):
        routes = agent.get("router-engine", f"/api/v1/routes/{name}").body
        assert f"{target}#openai-dall-e-key" in str(routes)
    assert agent.get(KEYS, PATH + "?service=embeddings").body["total"] == 1
    bad = agent.post(KEYS, PATH, {**body, "key_name": "b", "services": ["dalle", "nothing"]})
    assert bad.error == "vendor_unknown"


def test_idempotency_key(agent):
    headers = {"Idempotency-Key": "k-1"}
    first, again = create(agent, headers=headers), create(agent, headers=headers)
    assert first.status == again.status == 201 and first.body == again.body
    assert agent.get(KEYS, PATH).body["total"] == 1
    other = create(agent, headers=headers, key_name="other")
    assert (other.status, other.error) == (409, "idempotency_mismatch")


@pytest.mark.parametrize("missing", ["vendor", "service", "key_name", "api_key"])
def test_required_fields(agent, missing):
    body = dict(RUNBOOK)
    del body[missing]
    answer = agent.post(KEYS, PATH, body)
    assert (answer.status, answer.error) == (422, "field_required")
    assert answer.body["error"]["field"] == missing


@pytest.mark.parametrize("change, code", [
    ({"vendor": "nobody"}, "vendor_unknown"), ({"service": "nothing"}, "vendor_unknown"),
    ({"vendor": "Open AI"}, "field_charset"), ({"vendor": "' OR 1=1--"}, "field_charset"),
    ({"key_name": "a\x1b[2Jb"}, "field_charset"), ({"key_name": "a\u202eb"}, "field_charset"),
    ({"key_name": "a\u009bb"}, "field_charset"), ({"key_name": "\u200b"}, "field_charset"),
    ({"key_name": ""}, "field_range"), ({"key_name": "   "}, "field_range"),
    ({"key_name": "x" * 129}, "field_range"),
    ({"api_key": "sk-with blank 123456"}, "field_charset"),
    ({"api_key": "sk-with\r\nnewline123"}, "field_charset"),
    ({"api_key": "sk-ünïcode-12345678"}, "field_charset"),
    ({"api_key": "short"}, "field_range"), ({"api_key": "s" * 513}, "field_range"),
    ({"tier": "Primary"}, "field_range"), ({"tier": 1}, "field_type"),
    ({"weight": -1}, "field_range"), ({"weight": "1"}, "field_type"),
    ({"expires_at": "tomorrow"}, None), ({"nonsense": 1}, "field_unknown"),
])
def test_bad_fields_store_nothing(agent, change, code):
    answer = create(agent, **change)
    assert answer.status in (400, 422) and (code is None or answer.error == code), answer
    for value in change.values():
        if isinstance(value, str) and len(value) > 6:
            assert value not in str(answer.body)
    assert agent.get(KEYS, PATH).body["total"] == 0


def test_strange_but_good_names(agent):
    for name in ("=cmd|' /c calc'!A1", "生产 密钥 🔑", "' OR 1=1--", "a" * 128):
        assert create(agent, key_name=name).status == 201
    slugs = [item["slug"] for item in agent.get(KEYS, PATH).body["items"]]
    assert len(set(slugs)) == 4 and all(slug.isascii() for slug in slugs)


@pytest.mark.parametrize("url, code", [
    ("file:///etc/passwd", "upstream_url_forbidden"), ("gopher://h", "upstream_url_forbidden"),
    ("//host", "upstream_url_forbidden"), ("http:host", "upstream_url_forbidden"),
    ("https://h:99999", "upstream_url_forbidden"), ("https://h:0", "upstream_url_forbidden"),
    ("https://user:pw@host", "upstream_url_forbidden"),
    ("https://host/?q=1", "upstream_url_forbidden"), ("https://host/#f", "upstream_url_forbidden"),
    ("https://169.254.169.254", "upstream_url_forbidden"),
    ("https://[fe80::1]", "upstream_url_forbidden"), ("https://0.0.0.0", "upstream_url_forbidden"),
    ("http://0/", "upstream_url_forbidden"), ("https://224.0.0.1", "upstream_url_forbidden"),
    ("https://255.255.255.255", "upstream_url_forbidden"),
    ("https://metadata.google.internal", "upstream_url_forbidden"),
    ("https://127.0.0.1\\@evil", "upstream_url_forbidden"),
    ("http://8.8.8.8", "tls_required"), ("http://api.example.com", "tls_required"),
])
def test_addresses_a_key_is_never_sent_to(agent, url, code):
    answer = create(agent, base_url=url)
    assert (answer.status, answer.error) == (422, code)
    assert agent.post(KEYS, PATH + "/test", {**RUNBOOK, "base_url": url}).error == code
    key = create(agent).body
    assert patch(agent, key, {"base_url": url}).error == code
    assert "base_url" not in get(agent, key)


def test_the_agent_is_no_vendor_of_its_own(agent):
    for service in ("api-gateway", "router-engine"):
        port = agent.address(service)[1]
        for host in ("127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::1]", "localhost",
                     "[::ffff:7f00:1]"):
            answer = create(agent, base_url=f"http://{host}:{port}")
            assert (answer.status, answer.error) == (422, "upstream_loop"), host


def test_loopback_needs_its_setting(make_agent):
    agent = make_agent(env={"YIJIAN_ALLOW_LOOPBACK_UPSTREAMS": "0"})
    for url in ("http://127.0.0.1:9", "http://localhost:9", "https://[::1]:9"):
        assert create(agent, base_url=url).error == "upstream_url_forbidden", url


def test_key_test_says_what_it_saw(agent, vendord):
    key = create(agent, service="gpt-4", base_url=vendord.url, api_key=GOOD).body
    for answer in (act(agent, key, "test"),
                   agent.post(KEYS, PATH + "/test", {**RUNBOOK, "service": "gpt-4",
                                                     "base_url": vendord.url, "api_key": GOOD})):
        assert answer.status == 200 and answer.body["ok"] is True, answer
        names = [check["name"] for check in answer.body["checks"]]
        assert "models" in names and len(names) >= 3
        warned = {check["name"] for check in answer.body["checks"] if check["result"] != "ok"}
        assert warned <= {"duplicate"}  # the second is a stored key again
    assert agent.get(KEYS, PATH).body["total"] == 1  # the second stored nothing


def test_key_test_of_a_base_url_with_a_path(agent, vendord):
    vendord.fault({"status": 404}, path="/v1/models")
    answer = agent.post(KEYS, PATH + "/test", {
        "vendor": "aliyun", "service": "qwen", "key_name": "q", "api_key": GOOD,
        "base_url": vendord.url + "/compatible-mode"})
    assert answer.status == 200
    assert vendord.requests()[-1]["path"].startswith("/compatible-mode/v1/models")


def test_key_test_failures(agent, vendord):
    key = create(agent, service="gpt-4", base_url=vendord.url, api_key=GOOD).body
    for fault in ({"status": 401}, {"status": 403}, {"status": 500}):
        vendord.faults([])
        vendord.fault(fault)
        body = act(agent, key, "test").body
        assert body["ok"] is False
        failed = [check for check in body["checks"] if check["result"] == "fail"]
        assert failed and failed[0]["hint"] and str(fault["status"]) in failed[0]["detail"]
    vendord.stop()
    body = act(agent, key, "test").body
    assert body["ok"] is False and body["checks"][-1]["result"] == "fail"
    assert GOOD not in str(body)


def test_an_invalid_key_becomes_good_by_a_test(agent, vendord):
    key = create(agent, service="gpt-4", base_url=vendord.url, api_key=GOOD).body
    vendord.fault({"status": 401})
    assert act(agent, key, "test").body["ok"] is False
    assert get(agent, key)["state"] == "invalid"
    vendord.faults([])
    assert act(agent, key, "test").body["ok"] is True
    assert get(agent, key)["state"] == "ok"


def test_fingerprint_knows_its_own(agent):
    key = create(agent).body
    answer = agent.post(KEYS, PATH + "/fingerprint", {"api_key": RUNBOOK["api_key"]})
    assert answer.status == 200 and answer.body == {
        "fingerprint": key["fingerprint"], "api_key_masked": "sk-…2345",
        "known_as": "openai/dalle/openai-dall-e-key"}
    other = agent.post(KEYS, PATH + "/fingerprint", {"api_key": "sk-somethingelse1234567"}).body
    assert other["known_as"] is None and other["fingerprint"] != key["fingerprint"]
    assert agent.post(KEYS, PATH + "/fingerprint", {}).error == "field_required"
    assert agent.get(KEYS, PATH).body["total"] == 1


def test_vendor_catalogue(agent):
    create(agent)
    body = agent.get(KEYS, "/api/v1/vendors").body
    rows = {(item["vendor"], item["service"]): item for item in body["items"]}
    for pair in (("openai", "dalle"), ("openai", "gpt-4"), ("openai", "embeddings"),
                 ("aliyun", "wanx"), ("aliyun", "qwen"), ("anthropic", "messages"),
                 ("self", "vllm"), ("self", "ollama"), ("self", "sdwebui"), ("self", "comfyui"),
                 ("self", "tei"), ("self", "openai-compatible")):
        assert pair in rows
    assert rows["openai", "dalle"]["keys"] == 1 and rows["openai", "gpt-4"]["keys"] == 0
    assert body["total"] == len(body["items"])


def test_audit_rows(agent):
    key = create(agent).body
    act(agent, key, "disable")
    items = agent.get(KEYS, "/api/v1/audit").body["items"]
    assert [item["action"] for item in items][:2] == ["disable", "create"]
    assert items[0]["object"] == "Key openai/dalle/openai-dall-e-key"
    assert items[0]["actor"].startswith("uid:") and items[0]["result"] == "ok"
    assert items[0]["request_id"] and len(items[0]["mac"]) == 64
    seqs = [item["seq"] for item in items]
    assert seqs == list(range(len(seqs), 0, -1))


def test_state_survives_a_restart(agent):
    key = create(agent).body
    agent.restart()
    assert get(agent, key) == key


def test_a_wrong_root_key_seals(agent):
    key = create(agent).body
    agent.stop()
    root = agent.state_dir / "root.key"
    right = root.read_bytes()
    root.write_bytes(b"0" * 64 + b"\n")
    agent.start()
    assert agent.get("api-gateway", "/healthz").body["status"] == "degraded"
    assert agent.get(KEYS, PATH).body["total"] == 1
    # A key that cannot be opened is no choice, and nothing is tried with it.
    decided = agent.post("router-engine", "/api/v1/route/text_to_image", {}).body
    [choice] = [c for c in decided["candidates"] if c["target"].startswith("openai/dalle#")]
    assert decided["chosen"] is None and not choice["eligible"]
    assert choice["skips"] == [{"code": "key_invalid", "detail": "sealed"}]
    live = agent.get("router-engine", "/api/v1/routes").body["items"]
    assert [(row["state"], row["reason"]) for row in live if row["feature"] == "text_to_image"
            and row["target"].startswith("openai/dalle")] == [("INVALID", "key_invalid")]
    for path in ("/v1/images/generations", "/v1/chat/completions"):
        called = agent.post("api-gateway", path, {
            "model": "openai/dalle", "prompt": "x", "messages": [{"role": "user", "content": "x"}]})
        assert called.status == 503, called
        assert called.headers.get("X-Yijian-Attempts", "0") == "0"
    for answer in (create(agent, key_name="b"), act(agent, key, "test"),
                   act(agent, key, "rotate", {"api_key": "sk-anotheranotheranother7777"}),
                   agent.post(KEYS, PATH + "/fingerprint", {"api_key": RUNBOOK["api_key"]})):
        assert (answer.status, answer.error) == (503, "sealed"), answer
    agent.stop()
    root.write_bytes(right)
    agent.start()
    assert get(agent, key)["state"] == "unknown"
    assert create(agent, key_name="b").status == 201


def test_a_key_is_an_event(agent):
    create(agent)
    items = agent.get("api-gateway", "/api/v1/events?kinds=key&limit=10").body["items"]
    assert any("openai/dalle/openai-dall-e-key" in str(item) for item in items)


@pytest.mark.parametrize("member", ["key_name", "note", "account", "region", "base_url"])
def test_a_key_in_the_wrong_field_is_refused(agent, member):
    secret = "sk-simulated-0000000000pasted"
    text = {"base_url": f"http://127.0.0.1:9/{secret}"}.get(member, f"my {secret}")
    document = {**RUNBOOK, "api_key": secret}

    def refused(answer, field=member):
        assert (answer.status, answer.error) == (400, "field_forbidden"), answer
        assert answer.body["error"]["field"] == field and secret not in str(answer.body)
    refused(agent.post(KEYS, PATH, {**document, member: text}))
    key = agent.post(KEYS, PATH, document).body
    own = f"{PATH}/{key['id']}"
    refused(agent.request(KEYS, "PATCH", own, {member: text}))
    assert agent.request(KEYS, "PATCH", own, {"note": "sk-simulated"}).status == 200
    refused(agent.post(KEYS, own + "/rotate", {"api_key": "sk-simulated"}), "note")
    for path in ("/api/v1/changes", "/api/v1/audit", PATH):
        assert secret not in str(agent.get("api-gateway", path).body)
