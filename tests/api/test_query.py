# SPDX-License-Identifier: MIT
"""What stands behind '?': judged by the endpoint's rows before anything is done."""
import re

import pytest

GW, KEYS, CFG, ROUTER = "api-gateway", "key-manager", "config-center", "router-engine"


def concrete(path):
    return re.sub(r"\{[^}]*\}", "none-such", path)


def endpoints(agent):
    return [(i["method"], i["path"]) for i in agent.get(GW, "/api").body["items"]]


def test_every_platform_endpoint_refuses_an_unknown_name(agent):
    platform = [row for row in endpoints(agent) if not row[1].startswith("/v1/")]
    assert len(platform) > 60
    for method, path in platform:
        answer = agent.request(GW, method, concrete(path) + "?nosuch=1",
                               json=None if method == "GET" else {})
        assert answer.status == 400, (method, path, answer)
        assert answer.error == "field_unknown", (method, path)
        error = answer.body["error"]
        assert error.get("field", error.get("param")) == "nosuch", (method, path)


def test_every_parameter_of_the_api_is_judged(agent):
    doc = agent.get(GW, "/openapi.json").body
    judged = 0
    for path, item in doc["paths"].items():
        for method, op in item.items():
            for row in op["parameters"]:
                if row["in"] != "query":
                    continue
                judged += 1
                for value, code in (("%zz", "bad_path"), ("%00", "bad_path"), ("%ff", "bad_path"),
                                    ("", "param_invalid"), ("1&%s=1" % row["name"], None)):
                    answer = agent.request(GW, method.upper(),
                                           f"{concrete(path)}?{row['name']}={value}",
                                           json=None if method == "get" else {})
                    assert answer.status in ((400,) if code else (400, 422)), (path, row, answer)
                    assert answer.error == code or code is None, (path, row["name"], answer)
                    assert answer.body["error"]["field"] == row["name"]
    assert judged > 30


def test_model_traffic_ignores_what_sdks_add(agent):
    for path in ("/v1/models", "/models"):
        for query in ("beta=true", "api-version=2024-10-21", "a=1&a=2", "x=%zz", "limit=abc", "="):
            assert agent.get(GW, f"{path}?{query}").status == 200, (path, query)
    answer = agent.post(GW, "/v1/chat/completions?api-version=1", {
        "model": "none", "messages": [{"role": "user", "content": "x"}]})
    assert answer.error == "model_not_found"


SECRET = "s3cr3t-of-a-caller"


@pytest.mark.parametrize("name", ["%74oken", "to%6ben", "%54OKEN", "API%5FKEY", "api-key", "key",
                                  "token%5b%5d", "a=1;token", "access%2Dtoken", "x=1&password"])
def test_credentials_in_any_writing(agent, name):
    for method, path in (("GET", "/v1/models"), ("GET", "/models"), ("GET", "/api/v1/features"),
                         ("POST", "/v1/chat/completions"), ("GET", "/healthz"), ("GET", "/none"),
                         ("GET", "/api/v1/none"), ("POST", "/api/v1/invoke/chat")):
        answer = agent.request(GW, method, f"{path}?{name}={SECRET}",
                               json={} if method == "POST" else None)
        assert (answer.status, answer.error) == (400, "token_in_url"), (method, path)
        assert SECRET not in str(answer.body)
    assert SECRET not in agent.log()


def test_encoded_twice_is_data_and_is_not_logged(make_agent):
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug"})
    assert agent.get(GW, f"/v1/models?%2574oken={SECRET}").status == 200
    assert agent.get(GW, f"/api/v1/keys?%2574oken={SECRET}").error == "field_unknown"
    assert SECRET not in agent.log()


@pytest.mark.parametrize("query, code", [
    ("key=%zz", "bad_path"), ("key=", "param_invalid"), ("key", "param_invalid"),
    ("kee=one", "field_unknown"), ("key=one&key=one", "param_invalid"),
    ("key=one&instance=gpu1", "param_invalid"), ("key=one%00", "bad_path")])
def test_what_cannot_be_read_drains_nothing(agent, query, code):
    agent.add_key("http://127.0.0.1:1", key_name="one")
    path = "/api/v1/routes/chat/openai/gpt-4"
    answer = agent.request(ROUTER, "PATCH", f"{path}?{query}", {"drain": True})
    assert (answer.status, answer.error) == (400, code)
    skips = [skip["code"] for item in agent.get(ROUTER, "/api/v1/routes/chat").body["items"]
             for skip in item.get("skips", [])]
    assert "drained" not in skips
    events = agent.get(GW, "/api/v1/events?kinds=config").body["items"]
    assert not [e for e in events if str(e.get("action")).startswith("route.")]


@pytest.mark.parametrize("query", ["dry_run=maybe", "dry_run", "dry_run=", "dry_run=yes",
                                   "dryrun=1", "dry_run=1&dry_run=0", "dry_run=%31%zz",
                                   "format=csv", "format="])
def test_an_import_with_a_query_nobody_can_read_writes_nothing(agent, query):
    before = agent.get(KEYS, "/api/v1/prices").body
    answer = agent.post(KEYS, f"/api/v1/prices?{query}", {"items": [
        {"vendor": "openai", "model": "gpt-query", "currency": "USD", "input_pico": 1}]})
    assert answer.status == 400, answer
    assert agent.get(KEYS, "/api/v1/prices").body == before


def test_a_filter_nobody_can_read_lists_nothing(agent):
    agent.add_key("http://127.0.0.1:1", key_name="one")
    for path in ("/api/v1/keys?vendor=%zz", "/api/v1/keys?vendor=", "/api/v1/keys?vender=openai",
                 "/api/v1/keys?vendor=openai&vendor=aliyun", "/api/v1/usage?client=",
                 "/api/v1/prices?model=%c0%af", "/api/v1/tasks?state=lost",
                 "/api/v1/decisions?feature=", "/api/v1/events?kinds=traffic,",
                 "/api/v1/events?stream=maybe", "/api/v1/watch?since=x", "/api/v1/usage?by=,"):
        answer = agent.get(GW, path)
        assert answer.status == 400 and "items" not in answer.body, (path, answer)
        assert answer.body["error"]["field"] == re.search(r"\?(\w+)", path)[1]
        assert answer.body["error"]["hint"], path


# ---- bodies where the path says everything ----

def test_a_body_where_none_is_asked_for_is_judged(agent):
    key = agent.add_key("http://127.0.0.1:9")
    agent.add_instance("http://127.0.0.1:9", service="s", id="i")
    own, instance = f"/api/v1/keys/{key['id']}", "/api/v1/services/s/instances/i"
    paths = [f"{own}/{act}" for act in ("test", "enable", "disable")]
    paths += [f"{instance}/{act}" for act in ("drain", "undrain", "check")]
    before = agent.get(GW, "/api/v1/changes").body
    for path in paths:
        for body, code in ((b'{"base_url":"http://127.0.0.1:1"}', "field_unknown"),
                           (b"[]", "json_invalid"), (b'"x"', "json_invalid"), (b"{", "json_invalid"),
                           (b'{"a":1,"a":2}', "json_duplicate_key")):
            answer = agent.request(GW, "POST", path, body=body)
            assert (answer.status, answer.error) == (400, code), (path, body, answer)
    assert agent.get(GW, "/api/v1/changes").body == before
    for path in paths:
        assert agent.request(GW, "POST", path, body=b"{}").status == 200, path
        assert agent.request(GW, "POST", path).status == 200, path
