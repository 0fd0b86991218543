# SPDX-License-Identifier: MIT
"""Servers that let nobody in without a credential: requests, pictures and probes are let in, a refusal
is told and remembered, and without its key an instance is not called."""
import base64
import http.server
import json
import os
import sqlite3
import threading

import pytest

from vendord import header_of
from waiting import wait_for

REG, KEYS, ROUTER = "service-registry", "key-manager", "router-engine"
PNG = b"\x89PNG\r\n\x1a\n"
BASIC, BEARER = "studio:pass-word-0123456789", "vllm-secret-0123456789abcdef"
FAST = {"interval_s": 1, "timeout_ms": 1000, "fall": 2, "rise": 2}


@pytest.fixture
def sd(make_vendord):
    server = make_vendord(flavour="sdwebui")
    server.lock(basic=BASIC)
    return server


@pytest.fixture
def vllm(make_vendord):
    server = make_vendord(flavour="vllm")
    server.lock(bearer=BEARER)
    return server


def add_key(agent, url, engine="vllm", secret=BEARER, name="front"):
    return agent.add_key(url, vendor=engine, service="local", key_name=name, api_key=secret)


def put(agent, url, service="sim", headers=(), engine="vllm", **more):
    return agent.request(REG, "PUT", f"/api/v1/services/{service}/instances/gpu1", headers=headers,
                         json={"url": url, "engine": engine, "check": FAST, **more})


def instance(agent, service="sim"):
    return agent.get(REG, f"/api/v1/services/{service}/instances/gpu1").body


def check(agent, service="sim"):
    return agent.post(REG, f"/api/v1/services/{service}/instances/gpu1/check").body["probe"]


def add_sd(agent, sd, secret=BASIC):
    key = add_key(agent, sd.url, "sdwebui", secret)
    answer = put(agent, sd.url, "sd", engine="sdwebui", features=["text_to_image"],
                 auth={"type": "basic", "key": "sdwebui/local/front"})
    assert answer.status == 201, answer
    return key


def add_vllm(agent, vllm, secret=BEARER, **more):
    key = add_key(agent, vllm.url, secret=secret)
    answer = put(agent, vllm.url, **{"features": ["chat"],
        "auth": {"type": "bearer", "key": key["id"]}, **more})
    assert answer.status == 201, answer
    return key


def image(agent, headers=(), **more):
    return agent.post("api-gateway", "/v1/images/generations", headers=headers, json={
        "model": "text_to_image", "prompt": "a cat", "response_format": "b64_json", **more})


def skip(agent, feature="chat", target="self/sim#gpu1"):
    candidates = agent.post(ROUTER, f"/api/v1/route/{feature}", {}).body["candidates"]
    skips = next(c for c in candidates if c["target"] == target).get("skips")
    return (skips[0]["code"], skips[0].get("detail")) if skips else None


def calls(vendor, path):
    return [r for r in vendor.requests(1000) if r["path"].endswith(path)]


def token(agent, role, name="someone"):
    answer = agent.post(KEYS, "/api/v1/tokens", {"name": name, "role": role})
    assert answer.status == 201, answer
    return {"Authorization": "Bearer " + answer.body["token"]}


# ---- it goes along ----

def test_sdwebui_is_asked_with_basic(agent, sd):
    add_sd(agent, sd)
    answer = image(agent)
    assert answer.status == 200, answer
    assert base64.b64decode(answer.body["data"][0]["b64_json"]).startswith(PNG)
    answer = image(agent, headers={"Prefer": "respond-async"})
    assert answer.status == 202, answer
    path = "/v1/images/tasks/" + answer.body["id"]
    wait_for(lambda: agent.get("api-gateway", path).body["status"] == "succeeded",
             what="the picture")
    assert agent.get("api-gateway", path).body["result"]["data"]
    assert len(calls(sd, "/txt2img")) == 2


def test_vllm_is_asked_with_bearer(agent, vllm):
    add_vllm(agent, vllm, features=["chat", "embeddings"])
    answer = agent.chat("hello")
    assert answer.status == 200 and answer.headers["X-Yijian-Target"] == "self/sim#gpu1"
    with agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True,
            "messages": [{"role": "user", "content": "hello"}]}) as stream:
        assert stream.status == 200
        assert list(stream.events())[-1] == "[DONE]"
    listed = agent.post("api-gateway", "/v1/embeddings", {"model": "embeddings", "input": ["a", "b"]})
    assert listed.status == 200 and len(listed.body["data"]) == 2
    assert {r["key"] for r in calls(vllm, "/completions") + calls(vllm, "/embeddings")} == {BEARER[-4:]}


def test_a_proxy_is_shown_its_header(agent, make_vendord):
    server = make_vendord(flavour="vllm")
    server.lock(field="X-Gate-Key", value="gate-secret-0123456789")
    add_vllm(agent, server, "gate-secret-0123456789", auth={
        "type": "header", "key": "vllm/local/front", "header": "X-Gate-Key"})
    assert agent.chat("hello").status == 200
    assert check(agent)["ok"]
    assert header_of(calls(server, "/chat/completions")[0], "Authorization") is None


def test_a_task_polls_and_fetches_with_it(agent, make_vendord):
    server = make_vendord(flavour="comfyui")
    server.lock(basic=BASIC)
    add_key(agent, server.url, "comfyui", BASIC)
    graph = {"3": {"class_type": "KSampler", "inputs": {"text": "{{prompt}}"}}}
    assert put(agent, server.url, "comfy", engine="comfyui", features=["text_to_image"],
               meta={"workflow": graph},
               auth={"type": "basic", "key": "comfyui/local/front"}).status == 201
    answer = image(agent)
    assert answer.status == 200, answer
    assert base64.b64decode(answer.body["data"][0]["b64_json"]).startswith(PNG)


class Painter(http.server.BaseHTTPRequestHandler):
    """An OpenAI-like server that always answers with an address of its own."""
    def answer(self, body, kind="application/json"):
        self.server.asked.append((self.command, self.headers["Authorization"]))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        url = "http://127.0.0.1:%d/made/1.png" % self.server.server_address[1]
        self.answer(json.dumps({"created": 1, "data": [{"url": url}]}).encode())

    def do_GET(self):
        self.answer(PNG, "image/png")

    def log_message(self, *_):
        pass


@pytest.fixture
def painter():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Painter) as server:
        server.asked = []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_picture_an_instance_serves_itself_is_fetched_with_it(agent, painter):
    url = "http://127.0.0.1:%d" % painter.server_address[1]
    key = add_key(agent, url, "localai")
    assert put(agent, url, "own", engine="localai", features=["text_to_image"],
               check={**FAST, "interval_s": 3600},
               auth={"type": "bearer", "key": key["id"]}).status == 201
    answer = image(agent)
    assert answer.status == 200, answer
    assert base64.b64decode(answer.body["data"][0]["b64_json"]) == PNG
    assert ("POST", "Bearer " + BEARER) in painter.asked
    assert {shown for _, shown in painter.asked} == {"Bearer " + BEARER}


# ---- it is looked after ----

def test_a_probe_says_whether_it_is_right(agent, vllm):
    key = add_vllm(agent, vllm, "wrong-0123456789abcdef")
    probe = check(agent)
    assert (probe["ok"], probe["status"]) == (False, 401)
    assert probe["detail"] == "credential refused: HTTP 401"
    assert instance(agent)["state"] == "WARN"
    assert skip(agent) == ("key_invalid", "credential refused, HTTP 401")
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate", {"api_key": BEARER}).status == 200
    assert skip(agent) is None
    assert agent.chat("hello").status == 200
    assert check(agent)["ok"] and instance(agent)["state"] == "OK"


def test_a_probe_of_sdwebui(agent, sd):
    add_sd(agent, sd)
    assert check(agent, "sd")["ok"]
    sd.lock(basic="studio:changed")
    assert check(agent, "sd")["status"] == 401
    sd.lock(basic=BASIC)
    assert check(agent, "sd")["ok"]  # and the key is known to be good again
    assert image(agent).status == 200


def test_a_path_that_is_not_there_says_nothing(agent, vllm):
    add_vllm(agent, vllm)
    vllm.fault({"status": 404}, path="/v1/models")
    assert check(agent)["ok"]


def test_a_refusal_falls_back_and_is_remembered(agent, vllm, make_vendord):
    other = make_vendord()
    add_vllm(agent, vllm, check={**FAST, "interval_s": 3600})
    assert check(agent)["ok"]
    agent.add_key(other.base_url, tier="secondary")
    vllm.lock(bearer="changed")
    answer = agent.chat("hello")
    assert answer.status == 200 and answer.headers["X-Yijian-Target"].startswith("openai/")
    asked = len(calls(vllm, "/chat/completions"))
    assert agent.chat("hello").status == 200
    assert len(calls(vllm, "/chat/completions")) == asked
    assert skip(agent)[0] == "key_invalid"
    key = agent.get(KEYS, "/api/v1/keys").body["items"]
    assert next(k for k in key if k["vendor"] == "vllm")["state"] == "invalid"


def test_a_refused_picture_is_remembered(agent, sd):
    key = add_sd(agent, sd, "studio:wrong")
    answer = image(agent)
    assert answer.status >= 500
    assert skip(agent, "text_to_image", "self/sd#gpu1")[0] == "key_invalid"
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate", {"api_key": BASIC}).status == 200
    assert image(agent).status == 200


@pytest.mark.parametrize("end, code, detail", [
    ("disable", "no_key", "the key of its credential is disabled"),
    ("delete", "no_key", "the key of its credential is gone"),
    ("move", "key_invalid", "the key of its credential is bound to another address"),
])
def test_without_its_key_it_is_not_called(agent, vllm, end, code, detail):
    key = add_vllm(agent, vllm)
    assert agent.chat("hello").status == 200
    path = f"/api/v1/keys/{key['id']}"
    if end == "delete":
        assert agent.request(KEYS, "DELETE", path).status == 204
    else:
        change = {"enabled": False} if end == "disable" else {"base_url": "http://127.0.0.1:9"}
        assert agent.request(KEYS, "PATCH", path, change).status == 200
    vllm.clear_stats()
    assert skip(agent) == (code, detail)
    for all_down in ("fail_fast", "least_bad"):
        assert agent.request("config-center", "PATCH", "/api/v1/features/chat",
                             {"all_down": all_down}).status == 200
        assert agent.chat("hello").status >= 500
    probe = check(agent)
    assert (probe["ok"], probe["detail"]) == (False, detail)
    assert not calls(vllm, "/chat/completions")
    if end == "disable":
        assert agent.request(KEYS, "PATCH", path, {"enabled": True}).status == 200
        assert agent.chat("hello").status == 200


@pytest.mark.parametrize("damage", ["sealed", "corrupt"])
def test_a_key_that_does_not_open_is_not_left_out(agent, vllm, damage):
    """The request falls to nobody: never to the instance without its credential."""
    key = add_vllm(agent, vllm)
    agent.stop()
    if damage == "sealed":
        root = next(p for p in agent.state_dir.glob("*") if p.is_file() and "root" in p.name)
        root.write_bytes(os.urandom(32))
    else:
        with sqlite3.connect(next(agent.state_dir.glob("*.db"))) as db:
            envelope, = db.execute("SELECT envelope FROM vendor_key WHERE id=?",
                                   (key["id"],)).fetchone()
            db.execute("UPDATE vendor_key SET envelope=? WHERE id=?",
                       (envelope[:-1] + bytes([envelope[-1] ^ 1]), key["id"]))
        db.close()
    vllm.clear_stats()
    agent.start()
    assert agent.chat("hello").status >= 500
    assert skip(agent)[0] in ("key_invalid", "no_key")
    assert not check(agent)["ok"]
    assert not vllm.requests()


def test_a_key_is_tested_as_its_instance_is_asked(agent, make_vendord):
    server = make_vendord(flavour="vllm")
    server.lock(basic=BASIC)  # a proxy before it
    key = add_key(agent, server.url, secret=BASIC)
    assert put(agent, server.url, auth={"type": "basic", "key": key["id"]}).status == 201
    doc = agent.post(KEYS, f"/api/v1/keys/{key['id']}/test").body
    assert doc["ok"], doc


# ---- who may say so, and where it goes ----

def test_a_credential_takes_an_operator(agent, vllm, make_vendord):
    add_vllm(agent, vllm)
    service, operator = token(agent, "service", "node"), token(agent, "operator", "ops")
    auth = {"type": "bearer", "key": "vllm/local/front"}
    mine = put(agent, vllm.url, "mine", service)
    assert mine.status == 201 and mine.body["auth"] == {"type": "none"}
    refused = put(agent, vllm.url, "mine", service, auth=auth)
    assert (refused.status, refused.error) == (403, "role_forbidden")
    assert put(agent, vllm.url, "new", service, auth=auth).status == 403
    assert put(agent, vllm.url, "mine", operator, auth=auth).status == 200
    # What it had stays when its owner registers again, but not with another address.
    kept = put(agent, vllm.url, "mine", service)
    assert (kept.status, kept.body["auth"]) == (200, auth)
    assert put(agent, make_vendord(flavour="vllm").url, "mine", service).status == 403
    assert put(agent, vllm.url + "/elsewhere", "mine", service).status == 403
    assert put(agent, vllm.url, "mine", service, auth={"type": "none"}).status == 403
    assert instance(agent, "mine")["auth"] == auth
    assert put(agent, vllm.url, "mine", operator, auth={"type": "none"}).status == 200


def test_a_key_goes_to_its_own_address_alone(agent, vllm, make_vendord):
    add_vllm(agent, vllm)
    other = make_vendord(flavour="vllm")
    for service in ("sim", "new"):  # a change of url, and a new one
        answer = put(agent, other.url, service, auth={"type": "bearer", "key": "vllm/local/front"})
        assert (answer.status, answer.body["error"]["field"]) == (400, "auth.key"), answer
    assert not other.requests()


@pytest.mark.parametrize("auth, field", [
    ({"type": "none", "key": "vllm/local/front"}, "auth.type"),
    ({"type": "header", "key": "vllm/local/front", "header": "X: y"}, "auth.header"),
    ({"type": "bearer", "key": "vllm/local/front", "header": "X-Key"}, "auth.header"),
    ({"type": "digest", "key": "vllm/local/front"}, "auth.type"),
])
def test_what_is_not_understood_is_refused(agent, vllm, auth, field):
    add_key(agent, vllm.url)
    answer = put(agent, vllm.url, auth=auth)
    assert answer.status in (400, 403, 422), answer
    assert answer.body["error"]["field"] == field


def test_such_a_key_is_no_candidate(agent, vllm):
    add_key(agent, vllm.url)
    answer = agent.post("config-center", "/api/v1/features", {
        "name": "mine", "endpoint": "chat.completions", "targets": [
            {"id": "vllm/local", "kind": "vendor", "vendor": "vllm", "service": "local"}]})
    assert (answer.status, answer.error) == (422, "vendor_unknown"), answer
    assert agent.chat("hello").status == 503
    assert not calls(vllm, "/chat/completions")


def test_the_secret_is_nowhere(agent, sd):
    add_sd(agent, sd)
    assert image(agent).status == 200
    sd.lock(basic="studio:other")
    image(agent)
    shown = json.dumps([agent.get(service, path).body for service, path in (
        (REG, "/api/v1/services/sd"), (REG, "/api/v1/services/sd/instances/gpu1"),
        (KEYS, "/api/v1/keys"), (KEYS, "/api/v1/audit"), (KEYS, "/api/v1/changes"),
        ("api-gateway", "/api/v1/events?limit=100"), (ROUTER, "/api/v1/decisions"))], default=str)
    shown += str(agent.get("api-gateway", "/metrics").body) + agent.log()
    assert "sdwebui/local/front" in shown
    for secret in (BASIC.split(":")[1], base64.b64encode(BASIC.encode()).decode()):
        assert secret not in shown
    stored = b"".join(p.read_bytes() for p in agent.state_dir.glob("*") if p.is_file())
    assert BASIC.encode() not in stored


def test_later_parts_of_a_picture_are_not_sent_without_it(agent, sd):
    key = add_sd(agent, sd)
    assert agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                         {"limits": {"max_n": 10}}).status == 200
    sd.fault({"delay": 700}, path="/sdapi/v1/txt2img")
    answer = image(agent, n=10, headers={"Prefer": "respond-async"})
    assert answer.status == 202, answer
    sd.wait_stats(lambda s: s["in_flight"] > 0, what="the first part")
    assert agent.post(KEYS, f"/api/v1/keys/{key['id']}/disable").status == 200
    path = "/v1/images/tasks/" + answer.body["id"]
    wait_for(lambda: agent.get("api-gateway", path).body["status"] not in (
        "queued", "submitting", "running"), what="the end")
    sent = [header_of(r, "Authorization") for r in calls(sd, "/txt2img")]
    assert sent and None not in sent
