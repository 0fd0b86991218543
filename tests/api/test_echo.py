# SPDX-License-Identifier: MIT
"""An upstream that quotes the key it was shown: no answer, record, event or log holds it or a part
of it, whatever member it stands in and however it is written."""
import base64
import http.server
import json
import threading

import pytest

from waiting import wait_for

SECRET = "sk-proj-Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4z"
WRITTEN = {
    "whole": SECRET, "beginning": SECRET[:24], "end": SECRET[-12:], "upper": SECRET.upper(),
    "spaced": " ".join(SECRET), "masked": SECRET[:7] + "*" * 20 + SECRET[-4:],
    "dotted": SECRET[:8] + "…" + SECRET[-4:], "base64": base64.b64encode(SECRET.encode()).decode(),
    "url": "".join(f"%{ord(c):02x}" for c in SECRET), "hex": SECRET.encode().hex(),
    "json": "".join(f"\\u{ord(c):04x}" for c in SECRET)}


def error(**members):
    return {"error": {"message": "m", "type": "t", "param": None, "code": "c", **members}}


def bodies():
    """Where it may stand: name → (status, body)."""
    for name, text in WRITTEN.items():
        said = f"Incorrect API key provided: {text}."
        for member in ("message", "type", "param", "code"):
            word = said if member == "message" else text[:60]
            for status in (400, 401, 500):
                yield f"{name}-{member}-{status}", (status, error(**{member: word}))
    yield "flat", (400, {"message": SECRET, "code": SECRET, "type": SECRET})
    yield "detail", (422, {"detail": [{"msg": SECRET, "type": SECRET, "loc": [SECRET]}]})
    yield "text", (400, {"error": SECRET})
    yield "page", (403, f"<html><title>{SECRET}</title>{SECRET}</html>")
    yield "good-status", (200, error(message=SECRET, code=SECRET, type=SECRET))
    yield "good-status-flat", (200, {"message": SECRET, "code": SECRET})
    yield "good-status-list", (200, [error(message=SECRET)])
    yield "good-status-text", (200, {"error": SECRET})
    yield "good-status-detail", (200, {"detail": SECRET})


CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [
    {"index": 0, "delta": {"role": "assistant", "content": "hel"}, "finish_reason": None}]}
STREAMS = {"stream": [error(message=SECRET, code=SECRET)],
           "stream-flat": [{"message": SECRET, "code": SECRET}],
           "stream-text": [{"error": SECRET}],
           "stream-late": [CHUNK, error(message=SECRET, code=SECRET)],
           "stream-late-flat": [CHUNK, {"message": SECRET, "code": SECRET}],
           "stream-late-text": [CHUNK, {"error": SECRET}]}


class Echo(http.server.ThreadingHTTPServer):
    """The first path segment names the answer."""
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies = dict(bodies())
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def say(self, status, body, kind="application/json"):
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        name = self.path.split("/")[1]
        if name in STREAMS:
            self.say(200, "".join(f"data: {json.dumps(event)}\n\n" for event in STREAMS[name]),
                     "text/event-stream")
        elif name == "id":
            self.say(200, {"request_id": SECRET, "output": {
                "task_id": f"t-{SECRET}", "task_status": "PENDING"}})
        elif name == "sound":
            self.say(200, "sound", f"audio/mpeg; key={SECRET}")
        elif name == "sound-rate":
            self.say(200, "sound", "audio/L16; rate=24000")
        elif name in ("task", "items"):
            self.say(200, {"request_id": "r", "output": {"task_id": "t1", "task_status": "PENDING"}})
        else:
            self.say(*self.server.bodies[name])

    def do_GET(self):
        name = self.path.split("/")[1]
        if name == "task":
            self.say(200, {"request_id": "r", "output": {
                "task_id": "t1", "task_status": "FAILED", "code": SECRET, "message": SECRET}})
        elif name == "items":
            self.say(200, {"request_id": "r", "output": {
                "task_id": "t1", "task_status": "SUCCEEDED", "results": [
                    {"code": SECRET, "message": f"bad key {SECRET}"},
                    {"url": self.server.url("picture.png")}],
                "task_metrics": {"TOTAL": 2, "SUCCEEDED": 1, "FAILED": 1}}})
        elif name == "models":
            self.say(200, {"data": [{"id": f"{SECRET}-{i}"} for i in range(3)]})
        elif name in self.server.bodies:
            self.say(*self.server.bodies[name])
        else:
            self.say(200, "png", "image/png")


@pytest.fixture(scope="module")
def echo():
    with Echo() as server:
        yield server
        server.shutdown()


def shown(text):
    """What of the secret stands in it: eight letters in a row, in any of the forms."""
    text = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False)
    plain = "".join(c for c in text.lower() if c.isalnum())
    for form in (SECRET[8:], base64.b64encode(SECRET.encode()).decode()[12:], SECRET.encode().hex()):
        form = "".join(c for c in form.lower() if c.isalnum())
        for i in range(len(form) - 7):
            if form[i:i + 8] in plain:
                return form[i:i + 8]
    return None


def records(agent):
    """Everything the agent tells of what happened."""
    yield "log", agent.log()
    for service, path in (("router-engine", "/api/v1/decisions?limit=100"),
                          ("api-gateway", "/api/v1/status"), ("key-manager", "/api/v1/keys"),
                          ("api-gateway", "/api/v1/alerts"), ("router-engine", "/api/v1/routes"),
                          ("key-manager", "/api/v1/audit"), ("api-gateway", "/api/v1/tasks"),
                          ("api-gateway", "/api/v1/events?limit=500")):
        answer = agent.get(service, path)
        assert answer.status == 200, (path, answer)
        yield path, answer.body
    for item in agent.get("router-engine", "/api/v1/decisions?limit=100").body["items"]:
        yield item["id"], agent.get("router-engine", f"/api/v1/decisions/{item['id']}").body
    yield "metrics", agent.get("api-gateway", "/metrics").body.decode()


def holds_nothing(agent):
    for name, text in records(agent):
        assert shown(text) is None, (name, shown(text), text)
    for file in agent.state_dir.iterdir():
        if file.is_file():
            assert SECRET[-20:].encode() not in file.read_bytes(), file


def key_for(agent, url, **more):
    return agent.add_key(url, api_key=SECRET, **more)


def test_chat(agent, echo):
    key = None
    for name in [*echo.bodies, *STREAMS]:
        if key:
            agent.request("key-manager", "DELETE", f"/api/v1/keys/{key['id']}")
        key = key_for(agent, echo.url(name), key_name=name)
        for path in ("/v1/chat/completions", "/v1/messages"):
            answer = agent.post("api-gateway", path, {
                "model": "chat", "max_tokens": 5, "stream": name in STREAMS,
                "messages": [{"role": "user", "content": "hello"}]})
            assert shown(str(answer.body)) is None, (name, path, answer)
            assert shown(str(answer.headers)) is None, (name, path)
            if "late" in name:  # what came before the error was passed on
                assert answer.status == 200 and b"hel" in answer.body, (name, answer)
                continue
            assert answer.status >= 400, (name, answer)
            assert answer.body["error"]["message"], (name, path)
        tested = agent.post("key-manager", f"/api/v1/keys/{key['id']}/test")
        assert shown(tested.body) is None, (name, tested)
    holds_nothing(agent)


def test_models_named_like_the_key(agent, echo):
    key = key_for(agent, echo.url("models"))
    tested = agent.post("key-manager", f"/api/v1/keys/{key['id']}/test")
    assert tested.status == 200 and any(c["name"] == "models" for c in tested.body["checks"])
    assert shown(tested.body) is None, tested


def test_sound(agent, echo):
    agent.post("config-center", "/api/v1/features", {
        "name": "speech", "endpoint": "audio.speech",
        "targets": [{"id": "t", "kind": "vendor", "vendor": "openai", "service": "audio"}]})
    key_for(agent, echo.url("whole-message-400"), service="audio")
    answer = agent.post("api-gateway", "/v1/audio/speech", {
        "model": "speech", "input": "hello", "voice": "alloy"})
    assert answer.status >= 400 and shown(str(answer.body)) is None, answer
    holds_nothing(agent)


def test_sound_of_a_type_that_quotes(agent, echo):
    agent.post("config-center", "/api/v1/features", {
        "name": "speech", "endpoint": "audio.speech",
        "targets": [{"id": "t", "kind": "vendor", "vendor": "openai", "service": "audio"}]})
    for name, said in (("sound", "application/octet-stream"),
                       ("sound-rate", "audio/L16; rate=24000")):
        key = key_for(agent, echo.url(name), service="audio", key_name=name)
        answer = agent.post("api-gateway", "/v1/audio/speech", {
            "model": "speech", "input": "hello", "voice": "alloy"})
        assert (answer.status, answer.body) == (200, b"sound"), answer
        assert answer.headers["Content-Type"] == said and shown(str(answer.headers)) is None
        agent.request("key-manager", "DELETE", f"/api/v1/keys/{key['id']}")
    holds_nothing(agent)


def test_a_task_whose_id_quotes(agent, echo):
    key_for(agent, echo.url("id"), vendor="aliyun", service="wanx")
    answer = agent.post("api-gateway", "/v1/images/generations",
                        {"model": "text_to_image", "prompt": "a cat"})
    assert (answer.status, answer.error) == (502, "upstream_bad_response"), answer
    tasks = agent.get("api-gateway", "/api/v1/tasks").body["items"]
    assert [t["state"] for t in tasks] == ["outcome_unknown"], tasks
    holds_nothing(agent)


@pytest.mark.parametrize("name", ["whole-message-400", "whole-code-400", "beginning-type-400"])
def test_pictures_refused(agent, echo, name):
    key_for(agent, echo.url(name), service="dalle")
    answer = agent.post("api-gateway", "/v1/images/generations",
                        {"model": "text_to_image", "prompt": "a cat"})
    assert answer.status >= 400 and shown(str(answer.body)) is None, answer
    holds_nothing(agent)


@pytest.mark.parametrize("name", ["task", "items"])
def test_pictures_that_fail_later(make_agent, echo, name):
    agent = make_agent(env={"YIJIAN_TASK_POLL_MS": "100"})
    key_for(agent, echo.url(name), vendor="aliyun", service="wanx")
    answer = agent.post("api-gateway", "/v1/images/generations",
                        {"model": "text_to_image", "prompt": "a cat", "n": 2},
                        headers={"Prefer": "respond-async"})
    assert answer.status == 202, answer
    path = "/api/v1/tasks/" + answer.headers["X-Yijian-Task"]

    def ended():
        task = agent.get("api-gateway", path).body
        return task if task["state"] in ("failed", "succeeded") else None
    task = wait_for(ended, 30, "the task's end")
    assert shown(task) is None, task
    seen = agent.get("api-gateway", "/v1/images/tasks/" + answer.headers["X-Yijian-Task"])
    assert shown(str(seen.body)) is None, seen
    if name == "items":
        failed = seen.body["result"]["failed"][0]
        assert failed["code"] == "unknown" and failed["message"], seen
    holds_nothing(agent)
