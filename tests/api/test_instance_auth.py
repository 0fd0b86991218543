# SPDX-License-Identifier: MIT
"""Credentials of self-hosted instances: who may set them, where they go, what answers show."""
import base64

import pytest

from waiting import wait_for
from vendord import header_of

SECRET = "operator:very-secret-word"


@pytest.fixture
def engine(make_vendord):
    return make_vendord(flavour="vllm")


def key(agent, url, vendor="vllm", name="gpu7", secret=SECRET):
    return agent.post("key-manager", "/api/v1/keys", {
        "vendor": vendor, "service": "local", "key_name": name, "api_key": secret,
        "base_url": url})


def register(agent, url, auth, headers=(), **more):
    body = {"url": url, "engine": "vllm", "features": ["chat"], **more}
    if auth is not None:
        body["auth"] = auth
    return agent.request("service-registry", "PUT", "/api/v1/services/own/instances/gpu7", body,
                         headers=headers)


@pytest.mark.parametrize("auth,shown", [
    ({"type": "bearer"}, "Bearer " + SECRET),
    ({"type": "basic"}, "Basic " + base64.b64encode(SECRET.encode()).decode()),
    ({"type": "header", "header": "Api-Key"}, SECRET),
])
def test_the_credential_goes_along(agent, engine, auth, shown):
    assert key(agent, engine.url).status == 201
    answer = register(agent, engine.url, {**auth, "key": "vllm/local/gpu7"})
    assert answer.status == 201, answer
    assert answer.body["auth"] == {**auth, "key": "vllm/local/gpu7"}
    assert agent.chat().status == 200
    name = auth.get("header", "Authorization")
    sent = [header_of(r, name) for r in engine.requests() if r["path"].endswith("completions")]
    assert sent == [shown[-4:]]  # the simulator keeps the last four
    check = agent.post("service-registry", "/api/v1/services/own/instances/gpu7/check")
    assert check.body["probe"]["ok"], check
    assert {header_of(r, name) for r in engine.requests() if r["path"] == "/health"} == {shown[-4:]}
    for said in (str(check.body), agent.log(), str(agent.get("service-registry", "/metrics").body)):
        assert "very-secret-word" not in said


def test_refusals_of_the_form(agent, engine, make_vendord):
    other = make_vendord(flavour="vllm")
    agent.add_key(engine.base_url, service="gpt-4", key_name="vendor")
    key(agent, engine.url)
    key(agent, other.url, name="other")
    key(agent, engine.url, name="plain", secret="no-colon-inside")

    def refused(auth, status, code, field):
        answer = register(agent, engine.url, auth)
        assert answer.status == status, answer
        assert (answer.body["error"]["code"], answer.body["error"]["field"]) == (code, field)
    refused({"type": "bearer", "key": "openai/gpt-4/vendor"}, 400, "field_forbidden", "auth.key")
    refused({"type": "bearer", "key": "vllm/local/other"}, 400, "field_forbidden", "auth.key")
    refused({"type": "basic", "key": "vllm/local/plain"}, 422, "field_range", "auth.key")
    refused({"type": "bearer", "key": "vllm/local/none"}, 422, "field_range", "auth.key")
    refused({"type": "bearer"}, 422, "field_required", "auth.key")
    refused({"type": "header", "key": "vllm/local/gpu7"}, 422, "field_required", "auth.header")
    refused({"type": "header", "key": "vllm/local/gpu7", "header": "Host"}, 422, "field_range",
            "auth.header")


def test_public_address_takes_tls(agent):
    answer = key(agent, "http://models.example.com:8000")
    assert (answer.status, answer.body["error"]["code"]) == (422, "tls_required")


def test_a_service_sets_and_moves_nothing(agent, engine):
    key(agent, engine.url)
    token = agent.post("key-manager", "/api/v1/tokens", {"name": "box", "role": "service"}).body
    box = {"Authorization": "Bearer " + token["token"]}
    auth = {"type": "bearer", "key": "vllm/local/gpu7"}
    answer = register(agent, engine.url, auth, headers=box)
    assert (answer.status, answer.body["error"]["code"]) == (403, "role_forbidden")
    assert register(agent, engine.url, None, headers=box).status == 201
    assert register(agent, engine.url, auth).status == 200
    again = register(agent, engine.url, None, headers=box)  # as boxes do when they start
    assert again.status == 200 and again.body["auth"] == auth
    for url, said in ((engine.url + "/else", None), (engine.url, {"type": "none"})):
        answer = register(agent, url, said, headers=box)
        assert (answer.status, answer.body["error"]["code"]) == (403, "role_forbidden")


def skip_of(agent):
    said = agent.post("router-engine", "/api/v1/route/chat", {}).body["candidates"]
    return next(c for c in said if c["target"] == "self/own#gpu7").get("skips", [None])[0]


def test_without_its_key_it_is_not_called(agent, engine):
    stored = key(agent, engine.url).body
    register(agent, engine.url, {"type": "bearer", "key": stored["id"]})
    assert agent.chat().status == 200
    path = f"/api/v1/keys/{stored['id']}"
    agent.post("key-manager", path + "/disable")
    assert skip_of(agent) == {"code": "no_key", "detail": "the key of its credential is disabled"}
    before = engine.stats()["requests"]
    assert agent.chat().status == 503
    agent.post("key-manager", path + "/enable")
    assert agent.chat().status == 200
    agent.request("key-manager", "PATCH", path, {"base_url": "http://127.0.0.1:9"})
    assert skip_of(agent)["code"] == "key_invalid"
    agent.request("key-manager", "DELETE", path)
    assert skip_of(agent) == {"code": "no_key", "detail": "the key of its credential is gone"}
    assert agent.chat().status == 503
    chats = [r for r in engine.requests() if r["path"].endswith("completions")]
    assert len(chats) == 2 and before >= 1


def test_refused_then_rotated(agent, engine):
    stored = key(agent, engine.url).body
    register(agent, engine.url, {"type": "bearer", "key": stored["id"]})
    engine.fault({"status": 401}, path="/v1/chat/completions")
    assert agent.chat().status == 502
    skip = skip_of(agent)
    assert skip["code"] == "key_invalid" and "credential refused" in skip["detail"]
    engine.faults([])
    answer = agent.post("key-manager", f"/api/v1/keys/{stored['id']}/rotate",
                        {"api_key": "operator:another-word"})
    assert answer.status == 200
    assert agent.chat().status == 200


def test_a_probe_says_why(agent, engine):
    key(agent, engine.url)
    register(agent, engine.url, {"type": "bearer", "key": "vllm/local/gpu7"},
             check={"path": "/v1/models", "interval_s": 1, "fall": 1, "rise": 1})
    engine.fault({"status": 401}, path="/v1/models")
    path = "/api/v1/services/own/instances/gpu7"
    check = agent.post("service-registry", path + "/check").body
    assert check["probe"]["detail"] == "credential refused: HTTP 401"
    assert check["last_error"] == "upstream_auth_failed"
    engine.faults([])
    wait_for(lambda: agent.get("service-registry", path).body["state"] == "OK", what="state OK")
    assert skip_of(agent) is None


def test_pictures_show_it_too(agent, make_vendord):
    sd = make_vendord(flavour="sdwebui")
    key(agent, sd.url, vendor="sdwebui")
    register(agent, sd.url, {"type": "basic", "key": "sdwebui/local/gpu7"}, engine="sdwebui",
             features=["text_to_image"])
    body = {"model": "text_to_image", "prompt": "a cat", "size": "512x512"}
    assert agent.post("api-gateway", "/v1/images/generations", body).status == 200
    task = agent.post("api-gateway", "/v1/images/generations", body,
                      headers={"Prefer": "respond-async"})
    assert task.status == 202, task
    path = "/api/v1/tasks/" + task.body["id"]
    wait_for(lambda: agent.get("api-gateway", path).body.get("state") == "succeeded", what="pictures")
    sent = [header_of(r, "Authorization") for r in sd.requests() if r["path"].endswith("txt2img")]
    assert sent == [base64.b64encode(SECRET.encode()).decode()[-4:]] * 2
