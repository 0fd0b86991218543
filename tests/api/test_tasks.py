# SPDX-License-Identifier: MIT
"""Image tasks: what is asked of each upstream, what callers are told at once or later, the queue,
and that nothing is submitted twice."""
import base64
import concurrent.futures
import http.server
import json
import threading

import pytest

from vendord import header_of
from waiting import wait_for

GW = "api-gateway"
IMAGES = "/v1/images/generations"
PNG = b"\x89PNG\r\n\x1a\n"
SUBMIT = "/api/v1/services/aigc/text2image/image-synthesis"


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


@pytest.fixture
def dashscope(make_vendord):
    return make_vendord(flavour="dashscope")


@pytest.fixture
def wanx(agent, dashscope):
    """An agent whose only image target is wanx."""
    return add_wanx(agent, dashscope)


def add_wanx(agent, dashscope, **more):
    return add_wanx_at(agent, dashscope.url, **more)


def add_wanx_at(agent, url, **more):
    return agent.add_key(url, vendor="aliyun", service="wanx", key_name="wanx",
                         **{"limits": {"rpm": 60000}, **more})


def image(agent, headers=(), **more):
    return agent.post(GW, IMAGES, headers=headers, json={
        "model": "text_to_image", "prompt": "a cat", **more})


def submitted(vendor, path=SUBMIT):
    """The bodies of submits that arrived, oldest first."""
    return [json.loads(r["body"]) for r in vendor.requests(1000)
            if r["method"] == "POST" and r["path"].split("?")[0].endswith(path)]


def task(agent, answer):
    return agent.get(GW, "/api/v1/tasks/" + answer.headers["X-Yijian-Task"]).body


def over(agent, id):
    doc = agent.get(GW, "/v1/images/tasks/" + id).body
    return doc if doc["status"] not in ("queued", "submitting", "running") else None


def wait_over(agent, id):
    return wait_for(lambda: over(agent, id), what="the task's end")


# ---- wanx ----

def test_wanx_waits_for_its_pictures(agent, dashscope, wanx):
    answer = image(agent, n=2, seed=7, size="1024x1024", negative_prompt="blurry",
                   prompt_extend=False)
    assert answer.status == 200, answer
    assert [set(item) for item in answer.body["data"]] == [{"url", "revised_prompt"}] * 2
    assert answer.headers["X-Yijian-Target"] == "aliyun/wanx#wanx"
    assert submitted(dashscope) == [{
        "model": "wan2.2-t2i-flash", "input": {"prompt": "a cat", "negative_prompt": "blurry"},
        "parameters": {"size": "1024*1024", "n": 2, "seed": 7, "prompt_extend": False}}]
    record = next(r for r in dashscope.requests() if r["method"] == "POST")
    assert header_of(record, "X-DashScope-Async") == "enable"
    doc = task(agent, answer)
    assert (doc["state"], doc["made"], doc["failed"]) == ("succeeded", 2, 0)
    assert doc["parts"][0]["upstream_id"] and doc["key"] == wanx["id"]
    assert "a cat" not in json.dumps(doc)


def test_one_picture_is_asked_for_when_nobody_says(agent, dashscope, wanx):
    assert len(image(agent).body["data"]) == 1
    assert submitted(dashscope)[0]["parameters"]["n"] == 1


def test_more_than_four_are_several_vendor_tasks(agent, dashscope, wanx):
    feature = {"limits": {"max_n": 10}}
    assert agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                         feature).status == 200
    answer = image(agent, n=6, seed=10)
    assert answer.status == 200 and len(answer.body["data"]) == 6
    assert [(s["parameters"]["n"], s["parameters"]["seed"]) for s in submitted(dashscope)] == [
        (4, 10), (2, 14)]
    assert len(task(agent, answer)["parts"]) == 2


def test_bytes_are_fetched_when_asked_for(agent, dashscope, wanx):
    answer = image(agent, response_format="b64_json")
    assert base64.b64decode(answer.body["data"][0]["b64_json"]).startswith(PNG)


def test_a_failed_download_is_told(agent, dashscope, wanx):
    dashscope.fault({"status": 404}, path="/dashscope/simulated/*")
    answer = image(agent, response_format="b64_json")
    assert (answer.status, answer.error) == (502, "upstream_bad_response"), answer
    assert task(agent, answer)["state"] == "failed"


def test_partial_success_is_told(agent, dashscope, wanx):
    dashscope.fault({"task_partial": 1}, path="/api/*")
    answer = image(agent, n=2)
    assert answer.status == 200 and len(answer.body["data"]) == 1
    assert answer.body["failed"][0]["index"] == 1
    assert answer.body["failed"][0]["code"] == "InternalError.Timeout"
    assert answer.headers["X-Yijian-Images-Failed"] == "1"


def test_a_refused_picture_is_the_callers_fault(agent, dashscope, wanx):
    dashscope.fault({"task_fail": 1}, path="/api/*")
    answer = image(agent)
    assert (answer.status, answer.error) in ((400, "content_policy_violation"),
                                             (400, "DataInspectionFailed"))
    assert task(agent, answer)["state"] == "failed"


def test_polls_that_fail_are_made_again(agent, dashscope, wanx):
    dashscope.fault({"status": 503}, count=3, path="/api/v1/tasks/*")
    assert image(agent).status == 200
    assert len(submitted(dashscope)) == 1


# ---- asynchronous ----

def test_async_is_accepted_and_found_by_its_id(agent, dashscope, wanx):
    answer = image(agent, {"Prefer": "respond-async"})
    assert answer.status == 202, answer
    id = answer.body["id"]
    assert answer.headers["Location"] == "/v1/images/tasks/" + id
    assert answer.headers["Preference-Applied"] == "respond-async"
    assert answer.headers["Retry-After"] and answer.headers["Cache-Control"] == "no-store"
    doc = wait_over(agent, id)
    assert doc["status"] == "succeeded" and len(doc["result"]["data"]) == 1
    assert doc["expires_at"] > doc["created_at"]
    listed = agent.get(GW, "/api/v1/tasks?state=succeeded&feature=text_to_image").body
    assert listed["total"] == 1 and listed["items"][0]["id"] == id
    assert agent.get(GW, "/api/v1/tasks?state=running").body["total"] == 0
    assert agent.get(GW, "/api/v1/status").body["tasks"]["succeeded"] == 1


def test_unknown_and_foreign_tasks(agent, dashscope, wanx):
    assert agent.get(GW, "/v1/images/tasks/task_nobody").status == 404
    assert agent.get(GW, "/api/v1/tasks/task_nobody").status == 404
    assert agent.request(GW, "DELETE", "/api/v1/tasks/task_nobody").status == 404
    assert agent.get(GW, "/api/v1/tasks?state=lost").error == "param_invalid"
    assert agent.get(GW, "/api/v1/tasks?cursor=x").error == "cursor_invalid"
    id = image(agent).headers["X-Yijian-Task"]
    key = agent.post("key-manager", "/api/v1/clients", {"name": "other"}).body["key"]
    headers = {"Authorization": "Bearer " + key}
    assert agent.get(GW, "/v1/images/tasks/" + id, headers=headers).status == 404


def test_pages(agent, dashscope, wanx):
    ids = [image(agent).headers["X-Yijian-Task"] for _ in range(3)]
    page = agent.get(GW, "/api/v1/tasks?limit=2").body
    assert [i["id"] for i in page["items"]] == ids[:0:-1] and page["total"] == 3
    rest = agent.get(GW, f"/api/v1/tasks?limit=2&cursor={page['next']}").body
    assert [i["id"] for i in rest["items"]] == ids[:1] and "next" not in rest


# ---- the same key, the same task ----

def test_the_same_key_is_the_same_task(agent, dashscope, wanx):
    key = {"Idempotency-Key": "once"}
    first, second = image(agent, key), image(agent, key)
    assert first.status == second.status == 200
    assert first.body == second.body and second.headers["Idempotent-Replayed"] == "true"
    assert first.headers["X-Yijian-Task"] == second.headers["X-Yijian-Task"]
    other = image(agent, key, prompt="a dog")
    assert (other.status, other.error) == (409, "idempotency_mismatch")
    assert len(submitted(dashscope)) == 1
    again = image(agent, {**key, "Prefer": "respond-async"})
    assert again.status == 202 and again.body["id"] == first.headers["X-Yijian-Task"]


def test_callers_of_one_key_wait_together(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 8}, path="/api/*")
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: image(agent, {"Idempotency-Key": "k"}), range(8)))
    assert {a.status for a in answers} == {200}
    assert len({a.headers["X-Yijian-Task"] for a in answers}) == 1
    assert len(submitted(dashscope)) == 1


def test_leaving_cancels_nothing(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 10}, path="/api/*")
    body = json.dumps({"model": "text_to_image", "prompt": "left"})
    caller = agent.connect()
    caller.send((f"POST {IMAGES} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: left\r\n"
                 f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                 + body).encode())
    wait_for(lambda: submitted(dashscope), what="the submit")
    caller.close()
    answer = image(agent, {"Idempotency-Key": "left"}, prompt="left")
    assert answer.status == 200 and len(submitted(dashscope)) == 1


def test_a_caller_whose_time_is_over_finds_it_later(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 13}, path="/api/*")
    assert agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                         {"timeouts": {"total_ms": 300}}).status == 200
    answer = image(agent)
    assert (answer.status, answer.error) == (504, "upstream_timeout")
    assert answer.headers["x-should-retry"] == "false"
    assert wait_over(agent, answer.headers["X-Yijian-Task"])["status"] == "succeeded"
    assert len(submitted(dashscope)) == 1


# ---- limits and the queue ----

def test_a_hundred_against_two(agent, dashscope, wanx):
    dashscope.control("POST", "tasks", {"running": 2})
    accepted = []
    lock = threading.Lock()

    def one(i):
        answer = image(agent, {"Prefer": "respond-async"}, prompt=f"p{i}")
        assert answer.status == 202, answer
        with lock:
            accepted.append(answer.body["id"])
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(100)))
    tasks = wait_for(lambda: agent.get(GW, "/api/v1/tasks?state=succeeded").body["total"] == 100,
                     timeout=120, what="all of them")
    assert tasks
    assert dashscope.stats()["by_prompt"] == {f"p{i}": 1 for i in range(100)}
    assert dashscope.stats()["tasks_peak"] <= 2


def test_cancel(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 100000}, path="/api/*")
    running = [image(agent, {"Prefer": "respond-async"}).body["id"] for _ in range(2)]
    for id in running:
        wait_for(lambda: agent.get(GW, "/api/v1/tasks/" + id).body["parts"][0]["upstream_id"]
                 and dashscope.stats()["by_path"], what="acceptance")
    waiting = image(agent, {"Prefer": "respond-async"}).body["id"]
    assert agent.get(GW, "/api/v1/tasks/" + waiting).body["state"] == "queued"
    answer = agent.request(GW, "DELETE", "/api/v1/tasks/" + waiting)
    assert answer.status == 200 and answer.body["state"] == "canceled", answer
    again = agent.request(GW, "DELETE", "/api/v1/tasks/" + waiting)
    assert again.status == 200 and again.body["state"] == "canceled"
    wait_for(lambda: any(r["path"].startswith("/api/v1/tasks/")
                         for r in dashscope.requests(1000)), what="a poll")
    wait_for(lambda: agent.request(GW, "DELETE", "/api/v1/tasks/" + running[0]).error
             == "not_cancelable", what="a vendor that has begun")
    assert len(submitted(dashscope)) == 2


# ---- other upstreams ----

def test_a_refusal_before_acceptance_falls_back(agent, dashscope, wanx, make_vendord):
    openai = make_vendord()
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    openai.fault({"status": 500}, path="/v1/*")
    answer = image(agent)
    assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "2"
    assert answer.headers["X-Yijian-Target"] == "aliyun/wanx#wanx"


@pytest.mark.parametrize("fault", [{"reset": True}, {"close_mid": 10}, {"bad_json": True},
                                   {"status": 504}, {"truncated": 100}])
def test_what_may_have_been_paid_for_is_not_asked_again(agent, dashscope, wanx, make_vendord, fault):
    openai = make_vendord()
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    openai.fault(fault, path="/v1/*")
    answer = image(agent, {"Idempotency-Key": "k"})
    assert answer.status >= 500 and answer.headers["x-should-retry"] == "false", answer
    assert task(agent, answer)["state"] == "outcome_unknown"
    again = image(agent, {"Idempotency-Key": "k"})
    assert again.status == answer.status
    assert openai.stats()["requests"] == 1 and not submitted(dashscope)


def test_gpt_image_is_spoken_to_in_its_words(agent, make_vendord):
    openai = make_vendord()
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    answer = image(agent, size="1024x1024", quality="hd", style="vivid", response_format="url")
    assert answer.status == 200
    assert answer.body["data"][0]["url"].startswith(("data:image/png;base64,", "http"))
    sent = submitted(openai, "/images/generations")[0]
    assert sent["quality"] == "high" and not {"style", "response_format"} & set(sent)


def test_sdwebui(agent, make_vendord):
    server = make_vendord(flavour="sdwebui")
    agent.add_instance(server.url, service="sd", id="gpu1", engine="sdwebui",
                       features=["text_to_image"], models=["sdxl"])
    answer = image(agent, n=2, seed=3, size="512x768", response_format="b64_json")
    assert answer.status == 200 and len(answer.body["data"]) == 2
    assert base64.b64decode(answer.body["data"][1]["b64_json"]).startswith(PNG)
    sent = submitted(server, "/sdapi/v1/txt2img")[0]
    assert (sent["width"], sent["height"], sent["batch_size"], sent["seed"]) == (512, 768, 2, 3)
    assert sent["override_settings"] == {"sd_model_checkpoint": "sdxl"}


def test_comfyui(agent, make_vendord):
    server = make_vendord(flavour="comfyui")
    graph = {"3": {"class_type": "KSampler", "inputs": {"seed": "{{seed}}", "text": "{{prompt}}"}}}
    agent.add_instance(server.url, service="comfy", id="gpu1", engine="comfyui",
                       features=["text_to_image"], meta={"workflow": graph})
    answer = image(agent, seed=5)
    assert answer.status == 200, answer
    assert base64.b64decode(answer.body["data"][0]["b64_json"]).startswith(PNG)
    assert submitted(server, "/prompt")[0]["prompt"]["3"]["inputs"] == {"seed": 5, "text": "a cat"}


# ---- what does not reach them ----

ODD = {"quality": "hd", "style": "vivid", "background": "transparent", "user": "u1",
       "steps": 30, "unheard_of": 1, "moderation": "auto"}


def dropped_of(agent, answer):
    decision = agent.get("router-engine", "/api/v1/decisions/"
                         + answer.headers["X-Yijian-Decision"]).body
    return [a.get("dropped") for a in decision["attempts"]]


@pytest.mark.parametrize("flavour, lost", [
    ("dashscope", "quality,style,background,user,steps,unheard_of"),
    ("sdwebui", "quality,style,background,user,unheard_of"),
    ("comfyui", "quality,style,background,user,steps,unheard_of,negative_prompt"),
    ("openai", "style")])
@pytest.mark.parametrize("later", [False, True])
def test_what_pictures_lose_is_named(agent, make_vendord, flavour, lost, later):
    """In the answer that holds them and in the one that promises them, and in the decision."""
    vendor = make_vendord(flavour=flavour)
    if flavour == "dashscope":
        add_wanx(agent, vendor)
    elif flavour == "openai":
        agent.add_key(vendor.url, service="dalle", key_name="dalle")
    else:
        meta = {"workflow": {"1": {"text": "{{prompt}}"}}}
        agent.add_instance(vendor.url, service="own", id="gpu1", engine=flavour,
                           features=["text_to_image"], meta=meta)
    headers = {"Prefer": "respond-async"} if later else {}
    answer = image(agent, headers, **ODD, negative_prompt="rain")
    assert answer.status == (202 if later else 200), answer
    assert answer.headers["X-Yijian-Dropped"] == lost
    if later:
        wait_over(agent, answer.body["id"])
    assert dropped_of(agent, answer) == [lost]
    plain = image(agent)
    assert plain.status == 200 and "X-Yijian-Dropped" not in plain.headers
    assert dropped_of(agent, plain) == [None]


def test_what_each_attempt_loses_is_its_own(agent, dashscope, wanx, make_vendord):
    openai = make_vendord()
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    dashscope.fault({"status": 500}, path=SUBMIT)
    openai.fault({"status": 500}, path="/v1/images/*")
    failed = image(agent, user="u1", style="vivid")
    assert failed.status >= 500, failed
    decision = agent.get("router-engine", "/api/v1/decisions/"
                         + failed.headers["X-Yijian-Decision"]).body
    seen = {(a["target"].split("#")[0], a.get("dropped")) for a in decision["attempts"]}
    assert seen == {("aliyun/wanx", "user,style"), ("openai/dalle", "style")}


@pytest.mark.parametrize("wish", [{"image": "data:image/png;base64,AA=="},
                                  {"mask": "data:image/png;base64,AA=="}])
def test_a_picture_to_begin_with_goes_where_it_is_known(agent, make_vendord, wish):
    """Who cannot look at it would paint another one: foreseen, skipped by name, refused alone."""
    near, far = make_vendord(flavour="sdwebui"), make_vendord()
    agent.add_instance(near.url, service="near", id="n1", engine="sdwebui",
                       features=["text_to_image"])
    member = next(iter(wish))
    refused = image(agent, **wish)
    assert refused.status in (400, 422) and member in json.dumps(refused.body["error"]), refused
    agent.add_key(far.url, service="dalle", key_name="dalle")
    route = agent.post("router-engine", "/api/v1/route/text_to_image",
                       {"prompt": "a cat", **wish}).body
    assert route["chosen"]["target"].startswith("openai/dalle"), route
    skips = [s for c in route["candidates"] if c["target"].startswith("self/near")
             for s in c["skips"]]
    assert skips[0]["code"] == "capability_missing" and member in skips[0]["detail"]
    answer = image(agent, **wish)
    assert answer.status == 200, answer
    assert answer.headers["X-Yijian-Target"].startswith("openai/dalle")
    assert not submitted(near, "/sdapi/v1/txt2img")
    assert member in submitted(far, "/images/generations")[0]


def test_edits(agent, make_vendord):
    openai = make_vendord()
    feature = {"name": "image_edit", "endpoint": "images.edits", "targets": [
        {"id": "openai/dalle", "kind": "vendor", "vendor": "openai", "service": "dalle",
         "upstream_model": "gpt-image-1"}]}
    assert agent.post("config-center", "/api/v1/features", feature).status == 201
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    form = ("--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nimage_edit\r\n"
            "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\na hat\r\n"
            "--b\r\nContent-Disposition: form-data; name=\"style\"\r\n\r\nvivid\r\n"
            "--b\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n"
            "Content-Type: image/png\r\n\r\nPNG\r\n--b--\r\n")
    answer = agent.request(GW, "POST", "/v1/images/edits", body=form, headers={
        "Content-Type": "multipart/form-data; boundary=b"})
    assert answer.status == 200 and answer.body["data"], answer
    sent = next(r for r in openai.requests() if r["path"].endswith("/images/edits"))
    assert "gpt-image-1" in sent["body"] and "image_edit" not in sent["body"]
    assert "vivid" not in sent["body"] and answer.headers["X-Yijian-Dropped"] == "style"
    bad = agent.request(GW, "POST", "/v1/images/edits", body="--b--\r\n", headers={
        "Content-Type": "multipart/form-data; boundary=b"})
    assert bad.status in (400, 422)


def test_what_is_wrong_is_told_before_anything_is_sent(agent, dashscope, wanx):
    for bad in ({"n": 17}, {"n": 0}, {"seed": "x"}, {"response_format": "png"},
                {"negative_prompt": 3}, {"prompt": 7}):
        assert image(agent, **bad).status == 422, bad
    assert image(agent, {"Idempotency-Key": "k" * 256}).status == 422
    assert image(agent, model="nothing").error == "model_not_found"
    assert not submitted(dashscope)


def test_while_the_store_fails_only_waiting_callers_are_served(agent, dashscope, make_vendord):
    openai = make_vendord()
    agent.add_key(openai.url, service="dalle", key_name="dalle")
    moved = agent.state_dir / "moved.db"
    (agent.state_dir / "yijian.db").rename(moved)
    answer = image(agent)
    assert answer.status == 200 and answer.headers["X-Yijian-Task-Durable"] == "false", answer
    assert answer.headers["X-Yijian-Task"] is None
    for headers in ({"Prefer": "respond-async"}, {"Idempotency-Key": "k"}):
        refused = image(agent, headers)
        assert (refused.status, refused.error) == (503, "storage_moved"), refused
    assert openai.stats()["images_submitted"] == 1
    moved.rename(agent.state_dir / "yijian.db")
    wait_for(lambda: image(agent).headers["X-Yijian-Task"], what="the store's return")


def test_while_the_store_fails_an_upstream_with_tasks_of_its_own_is_not_asked(agent, dashscope, wanx):
    (agent.state_dir / "yijian.db").rename(agent.state_dir / "moved.db")
    refused = image(agent)
    assert (refused.status, refused.error) == (503, "storage_moved"), refused
    assert not submitted(dashscope)


# ---- addresses of pictures ----

class Liar(http.server.BaseHTTPRequestHandler):
    """Plays DashScope; its pictures are where `place` says. What is asked for there is kept."""
    place, asked = "", []

    def answer(self, status, document, **headers):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, {"request_id": "r", "output": {"task_id": "t1",
                                                        "task_status": "PENDING"}})

    def do_GET(self):
        if "/tasks/" in self.path:
            self.answer(200, {"request_id": "r", "output": {
                "task_id": "t1", "task_status": "SUCCEEDED", "results": [{"url": self.place}],
                "task_metrics": {"TOTAL": 1, "SUCCEEDED": 1, "FAILED": 0}}, "usage": {"image_count": 1}})
        else:
            self.asked.append(self.path)
            self.answer(302, {}, Location="/elsewhere")

    def log_message(self, *_):
        pass


@pytest.fixture
def liar():
    """(a server of its own class, a second one that nobody may be sent to)"""
    kind = type("Liar", (Liar,), {"asked": []})
    servers = [http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind),
               http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, *(f"http://127.0.0.1:{s.server_port}" for s in servers)
    for server in servers:
        server.shutdown()
        server.server_close()


def refused(agent, kind, place):
    kind.place = place
    answer = image(agent, response_format="b64_json")
    assert task(agent, answer)["state"] == "failed", answer


def test_pictures_are_not_fetched_from_a_neighbour(agent, liar):
    """A vendor names addresses; they are no way to what only this machine reaches: not to another
    port of its own host, nor to one that a name hides."""
    kind, own, other = liar
    add_wanx_at(agent, own)
    port = other.rsplit(":", 1)[1]
    for place in (f"{other}/secret", f"http://localhost:{port}/secret",
                  f"http://[::ffff:127.0.0.1]:{port}/secret", f"http://0x7f000001:{port}/secret",
                  "http://169.254.169.254/latest/meta-data"):
        refused(agent, kind, place)
        assert kind.asked == []


def test_a_redirected_picture_is_not_followed(agent, liar):
    kind, own, _ = liar
    add_wanx_at(agent, own)
    refused(agent, kind, f"{own}/picture")
    assert kind.asked and set(kind.asked) == {"/picture"}


# ---- what is told of their ends ----

LISTED = "/api/v1/events?kinds=traffic&since=0&limit=1000"


def told(agent, id):
    """The traffic events of one task, oldest first."""
    return [e for e in agent.get(GW, LISTED).body["items"] if e.get("task") == id]


def wait_told(agent, id, n):
    wait_for(lambda: len(told(agent, id)) >= n, what="the end's event")
    events = told(agent, id)
    assert len(events) == n, events
    return events


def route(agent):
    """What the status has of the feature's route, as soon as it has figures."""
    def row():
        rows = agent.get(GW, "/api/v1/status").body["routes"]
        found = next(r for r in rows if r["feature"] == "text_to_image")
        return found if found["error_pct"] is not None else None
    return wait_for(row, what="figures of the route")


def requests_counted(agent):
    """Samples of the gateway's request series for this feature, by name and class."""
    text = agent.get(GW, "/metrics").body.decode()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
            for line in text.splitlines() if 'feature="text_to_image"' in line
            and line.startswith(("yijian_gateway_requests_total",
                                 "yijian_gateway_request_duration_seconds_count",
                                 "yijian_image_tasks_total"))}


def leave(agent, vendor, key):
    """A caller that waits, and leaves once its request was submitted."""
    before = len(submitted(vendor))
    body = json.dumps({"model": "text_to_image", "prompt": "left"})
    caller = agent.connect()
    caller.send((f"POST {IMAGES} HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n"
                 f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                 + body).encode())
    wait_for(lambda: len(submitted(vendor)) > before, what="the submit")
    caller.close()


def price(agent):
    """What a picture of the only target costs; the agent comes without a price for it."""
    answer = agent.post("key-manager", "/api/v1/prices", {
        "vendor": "aliyun", "model": "wan2.2-t2i-flash", "image_pico": 20_000_000_000})
    assert answer.status == 200, answer


def test_a_call_that_waits_tells_the_end(agent, dashscope, wanx):
    answer = image(agent)
    event = wait_told(agent, answer.headers["X-Yijian-Task"], 1)[0]
    assert event["status"] == 200 and event["total_ms"] > 0


def test_the_end_of_an_accepted_task_is_told_once(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 5}, path="/api/*")
    price(agent)
    key = {"Idempotency-Key": "told", "Prefer": "respond-async"}
    id = image(agent, key).body["id"]
    wait_over(agent, id)
    begun, ended = wait_told(agent, id, 2)
    assert begun["status"] == 202
    assert (ended["status"], ended["feature"], ended["client"], ended["id"]) == (
        200, "text_to_image", begun["client"], id)
    assert ended["target"] == "aliyun/wanx#wanx" and "code" not in ended
    assert ended["total_ms"] > begun["total_ms"] and ended["endpoint"] == begun["endpoint"]
    assert [a["end"] for a in ended["attempts"]] == ["ok"]
    doc = agent.get(GW, "/api/v1/tasks/" + id).body
    assert ended["decision"] == doc["decision"] == begun["decision"]
    assert ended["cost"] == {"pico": 20_000_000_000, "currency": "USD", "source": "counted"}
    assert begun["cost"]["pico"] is None
    again = image(agent, key)
    assert again.status == 202 and again.body["id"] == id
    assert [e["status"] for e in wait_told(agent, id, 3)] == [202, 200, 202]


def test_the_end_is_no_request_but_its_outcome_counts(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 3, "task_fail": 1}, path="/api/*")
    id = image(agent, {"Prefer": "respond-async"}).body["id"]
    ended = wait_told(agent, id, 2)[1]
    doc = agent.get(GW, "/api/v1/tasks/" + id).body
    assert (ended["status"], ended["code"]) == (doc["error"]["status"], doc["error"]["code"])
    counts = {name: n for name, n in requests_counted(agent).items() if n > 0}
    assert counts == {
        'yijian_gateway_requests_total{feature="text_to_image",class="2xx"}': 1,
        'yijian_gateway_request_duration_seconds_count{feature="text_to_image"}': 1,
        'yijian_image_tasks_total{feature="text_to_image",state="failed"}': 1}


def test_the_history_sees_the_end_of_the_work(agent, dashscope, wanx):
    dashscope.fault({"status": 500}, path=SUBMIT)
    id = image(agent, {"Prefer": "respond-async"}).body["id"]
    ended = wait_told(agent, id, 2)[1]
    assert ended["status"] >= 500
    assert route(agent)["error_pct"] == 100


def test_the_end_after_its_caller_left_is_told(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 5}, path="/api/*")
    leave(agent, dashscope, "left")
    id = agent.get(GW, "/api/v1/tasks").body["items"][0]["id"]
    wait_over(agent, id)
    assert [(e["status"], e.get("code")) for e in wait_told(agent, id, 2)] == [
        (499, "client_gone"), (200, None)]


def test_the_end_after_its_callers_time_is_told(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 13}, path="/api/*")
    assert agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                         {"timeouts": {"total_ms": 300}}).status == 200
    id = image(agent).headers["X-Yijian-Task"]
    wait_over(agent, id)
    assert [e["status"] for e in wait_told(agent, id, 2)] == [504, 200]


def test_a_later_caller_of_the_key_is_pointed_at_the_same_task(agent, dashscope, wanx):
    dashscope.fault({"task_polls": 13}, path="/api/*")
    id = image(agent, {"Idempotency-Key": "k", "Prefer": "respond-async"}).body["id"]
    assert agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                         {"timeouts": {"total_ms": 200}}).status == 200
    late = image(agent, {"Idempotency-Key": "k"})
    assert late.status == 504 and late.headers["X-Yijian-Task"] == id


def test_of_callers_that_wait_together_one_tells_the_cost(agent, dashscope, wanx):
    price(agent)
    dashscope.fault({"task_polls": 8}, path="/api/*")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: image(agent, {"Idempotency-Key": "k"}), range(4)))
    events = wait_told(agent, answers[0].headers["X-Yijian-Task"], 4)
    assert {e["status"] for e in events} == {200}
    assert sum(e["cost"]["pico"] is not None for e in events) == 1


def test_the_end_of_a_canceled_task_is_told(agent, dashscope, wanx):
    key = agent.get("key-manager", "/api/v1/keys").body["items"][0]
    assert agent.request("key-manager", "PATCH", "/api/v1/keys/" + key["id"],
                         {"limits": {"concurrency": 1, "rpm": 60000}}).status == 200
    dashscope.fault({"task_polls": 100000}, path="/api/*")
    image(agent, {"Prefer": "respond-async"})
    wait_for(lambda: submitted(dashscope), what="the submit")
    id = image(agent, {"Prefer": "respond-async"}).body["id"]
    assert agent.request(GW, "DELETE", "/api/v1/tasks/" + id).status == 200
    assert [(e["status"], e.get("code")) for e in wait_told(agent, id, 2)] == [
        (202, None), (409, "canceled")]
