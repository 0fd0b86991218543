# SPDX-License-Identifier: MIT
"""What holds for requests holds for image tasks: who is asked in turn, who is the least bad, how
many agents were passed, what is counted."""
import concurrent.futures
import contextlib
import http.client
import json
import select
import socket

import pytest

from bytes_upstream import BytesUpstream, answer as whole
from vendord import header_of
from waiting import wait_for

GW = "api-gateway"
CONFIG = "config-center"
IMAGES = "/v1/images/generations"
ASYNC = {"Prefer": "respond-async"}
OPEN_MAX = 4096  # image tasks under way
FEATURE = "/api/v1/features/text_to_image"


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


def image(agent, **headers):
    return agent.post(GW, IMAGES, headers=headers, json={"model": "text_to_image", "prompt": "a cat"})


def patch(agent, **members):
    assert agent.request(CONFIG, "PATCH", FEATURE, members).status == 200


def submits(vendor, path="/txt2img"):
    return [r for r in vendor.requests(1000) if r["method"] == "POST" and r["path"].endswith(path)]


def drawers(agent, make_vendord, n):
    found = []
    for i in range(n):
        found.append(make_vendord(flavour="sdwebui"))
        agent.add_instance(found[-1].url, service="sd", id=f"gpu{i}", engine="sdwebui", features=["text_to_image"])
    return found


def counted(agent, service, name, **labels):
    """The sum of the samples of a metric that have these labels."""
    want = [f'{k}="{v}"' for k, v in labels.items()]
    lines = [line for line in agent.get(service, "/metrics").body.decode().splitlines() if line.startswith(name + "{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in want))


def test_an_agent_behind_an_agent_is_told_how_many_were_passed(agent, make_vendord):
    server, = drawers(agent, make_vendord, 1)
    for headers, sent in (({}, "1"), ({"X-Yijian-Hop": "2"}, "3")):
        assert image(agent, **headers).status == 200
        assert header_of(submits(server)[-1], "X-Yijian-Hop") == sent
    answer = image(agent, **{"X-Yijian-Hop": "4"})
    assert (answer.status, answer.error) == (508, "upstream_loop")


def test_round_robin_takes_turns(agent, make_vendord):
    servers = drawers(agent, make_vendord, 3)
    patch(agent, strategy="round_robin")
    for _ in range(6):
        assert image(agent).status == 200
    assert [len(submits(s)) for s in servers] == [2, 2, 2]


def test_one_of_those_that_are_out_is_the_least_bad(agent, make_vendord):
    servers = drawers(agent, make_vendord, 2)
    patch(agent, all_down="least_bad", cooldown={"fails": 1, "window_s": 60, "for_s": 600})
    for server in servers:
        server.fault({"status": 500}, path="/sdapi/*")
    assert image(agent).status >= 500
    before = [len(submits(s)) for s in servers]
    assert before == [1, 1]
    assert image(agent).status >= 500
    assert sum(len(submits(s)) for s in servers) == 3, "one attempt, whose end is told"


def test_what_is_skipped_and_who_falls_back_is_counted(agent, make_vendord):
    first, second = drawers(agent, make_vendord, 2)
    patch(agent, strategy="priority", cooldown={"fails": 1, "window_s": 60, "for_s": 600})
    first.fault({"status": 500}, path="/sdapi/*")
    answers = [image(agent) for _ in range(2)]
    assert [a.status for a in answers] == [200, 200], answers
    assert counted(agent, GW, "yijian_gateway_fallbacks_total", feature="text_to_image") == 1
    assert counted(agent, "router-engine", "yijian_candidate_skips_total", code="breaker_open") >= 1


# ---- which model of several ----

class Way:
    def __init__(self, feature, path, member):
        self.feature, self.path, self.member = feature, path, member

    def body(self, **more):
        words = "a cat" if self.member == "prompt" else [{"role": "user", "content": "hi"}]
        return {self.member: words, **more}


WAYS = {"gateway": Way("chat", "/v1/chat/completions", "messages"), "tasks": Way("text_to_image", IMAGES, "prompt")}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def several(agent, make_vendord, way):
    """An instance with three models, of which one is called as callers may call the feature."""
    vendor = make_vendord(no_auth=True)
    agent.add_instance(vendor.url, service="own", id="i", engine="openai-compatible", features=[way.feature],
                       models=["org/first", "org/second", "third"])
    done = agent.request(CONFIG, "PATCH", f"/api/v1/features/{way.feature}", {"aliases": ["third", "thing"]})
    assert done.status == 200, done
    return vendor


def models_of(vendor):
    return [json.loads(r["body"])["model"] for r in vendor.requests(100) if r["method"] == "POST"]


def test_of_a_list_the_one_that_was_named_is_asked_for(agent, several, way):
    for named, asked in (("org/second", "org/second"), ("third", "third"), ("org/first", "org/first"),
                         (None, "org/first"), (way.feature, "org/first"), ("thing", "org/first")):
        before = len(models_of(several))
        more = {} if named is None else {"model": named}
        answer = agent.post(GW, f"/api/v1/invoke/{way.feature}", way.body(**more))
        assert (models_of(several)[before:], answer.status) == ([asked], 200), (named, answer)
    answer = agent.post(GW, f"/api/v1/invoke/{way.feature}", way.body(model="org/fourth"))
    assert (answer.status, answer.error) == (404, "model_not_found"), answer
    assert "org/second" in answer.body["error"]["message"]


def test_a_name_of_the_feature_that_is_one_of_the_list_names_it(agent, several, way):
    for named, asked in (("third", "third"), ("thing", "org/first"), (way.feature, "org/first")):
        assert agent.post(GW, way.path, way.body(model=named)).status == 200
        assert models_of(several)[-1] == asked
    assert agent.post(GW, way.path, way.body(model="org/second")).status == 404, "nobody offers it"


def test_the_targets_model_stands_above_the_callers(agent, several, way):
    targets = [{"id": "self/own", "kind": "self_hosted", "service": "own", "upstream_model": "org/second"}]
    assert agent.request(CONFIG, "PATCH", f"/api/v1/features/{way.feature}", {"targets": targets}).status == 200
    assert agent.post(GW, way.path, way.body(model="third")).status == 200
    assert models_of(several)[-1] == "org/second"


def test_a_vendors_service_is_asked_for_its_own_model(agent, make_vendord):
    vendor = make_vendord()
    agent.add_key(vendor.url, service="dalle", key_name="dalle")
    answer = agent.post(GW, IMAGES, {"model": "openai/dalle", "prompt": "a cat"})
    assert answer.status == 200 and answer.headers["X-Yijian-Target"] == "openai/dalle#dalle", answer
    feature = agent.get(CONFIG, FEATURE).body
    assert models_of(vendor) == [next(t["upstream_model"] for t in feature["targets"] if t["service"] == "dalle")]


# ---- what waits for its turn is what was asked, in the agent's next life, too ----

def full(agent, make_vendord):
    """An instance that has room for one, and a picture that it is at work on."""
    vendor = make_vendord(no_auth=True)
    vendor.fault({"hang": True}, path="/v1/images/*")
    agent.add_instance(vendor.url, service="own", id="i", engine="openai-compatible", features=["text_to_image"],
                       models=["org/first", "org/second"], capacity={"max_concurrency": 1})
    agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": "first"}, headers=ASYNC)
    wait_for(lambda: models_of(vendor) == ["org/first"], what="the first of them")
    return vendor


def ended(agent, id):
    doc = agent.get(GW, f"/api/v1/tasks/{id}").body
    return doc if doc["finished_at"] else None


def test_what_must_stay_here_stays_here_after_a_restart(agent, make_vendord):
    here, vendor = full(agent, make_vendord), make_vendord()
    agent.add_key(vendor.url, service="dalle", key_name="dalle")
    waits = agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": "private"},
                       headers={**ASYNC, "X-Yijian-Data": "local_only"})
    assert waits.status == 202, waits
    agent.kill9()
    here.faults([{"match": {}, "count": -1, "skip": 0, "fault": {"status": 500}}])
    agent.start()
    doc = wait_for(lambda: ended(agent, waits.body["id"]), what="its end")
    assert doc["state"] == "failed" and doc["local_only"] is True, doc
    assert models_of(vendor) == []


def test_the_model_that_was_named_is_asked_for_after_a_restart(agent, make_vendord):
    vendor = full(agent, make_vendord)
    waits = agent.post(GW, "/api/v1/invoke/text_to_image", {"model": "org/second", "prompt": "a hat"}, headers=ASYNC)
    assert waits.status == 202, waits
    agent.kill9()
    vendor.faults([])
    agent.start()
    doc = wait_for(lambda: ended(agent, waits.body["id"]), what="its end")
    assert (doc["state"], doc["model"]) == ("succeeded", "org/second"), doc
    assert models_of(vendor)[-1] == "org/second"


def test_the_model_that_was_named_is_asked_for_when_its_turn_comes(agent, make_vendord):
    """Its caller left long ago, and others came in between."""
    vendor = full(agent, make_vendord)
    waits = [agent.post(GW, "/api/v1/invoke/text_to_image", {"model": f"org/{name}", "prompt": "a hat"}, headers=ASYNC)
             for name in ("second", "first", "second")]
    assert [a.status for a in waits] == [202] * 3, waits
    vendor.faults([])
    agent.request("service-registry", "PUT", "/api/v1/services/own/instances/i", {
        "url": vendor.url, "engine": "openai-compatible", "features": ["text_to_image"],
        "models": ["org/first", "org/second"], "capacity": {"max_concurrency": 2}})
    docs = [wait_for(lambda id=a.body["id"]: ended(agent, id), what="its end") for a in waits]
    assert [d["model"] for d in docs] == ["org/second", "org/first", "org/second"]


# ---- what it cost ----

PRICE = {"input_pico": 1000, "cached_input_pico": 100, "cache_write_pico": 3000, "output_pico": 7000}


def priced(agent, vendor, way, document, service):
    """The cost that is told of one answer of this document."""
    with BytesUpstream({"a": whole("200 OK", "application/json", json.dumps(document).encode())}) as up:
        agent.add_key(up.url("a"), vendor=vendor, service=service, key_name="priced")
        done = agent.post("key-manager", "/api/v1/prices", {"items": [
            {"vendor": vendor, "model": "*", "target": f"{vendor}/{service}", **PRICE}]})
        assert done.status == 200, done
        answer = agent.post(GW, way.path, way.body(model=f"{vendor}/{service}"))
        assert answer.status == 200, answer
        event = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
        assert event["cost"]["source"] == "reported", event
        return event["cost"]["pico"]


def test_what_a_cache_held_costs_less(agent, way):
    usage = {"gateway": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110,
                         "prompt_tokens_details": {"cached_tokens": 40}},
             "tasks": {"input_tokens": 100, "output_tokens": 10, "total_tokens": 110,
                       "input_tokens_details": {"text_tokens": 100, "cached_tokens": 40}}}
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
    document = {"object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    name, service = "gateway", "gpt-4"
    if way.member == "prompt":
        document, name, service = {"created": 1, "data": [{"b64_json": "aGk="}]}, "tasks", "dalle"
    assert priced(agent, "openai", way, {**document, "usage": usage[name]}, service) == 60 * 1000 + 40 * 100 + 10 * 7000


def test_what_a_cache_was_given_costs_what_that_costs(agent):
    document = {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "hi"}],
                "usage": {"input_tokens": 50, "output_tokens": 10, "cache_creation_input_tokens": 30,
                          "cache_read_input_tokens": 20}}
    assert priced(agent, "anthropic", WAYS["gateway"], document, "messages") == \
        50 * 1000 + 30 * 3000 + 20 * 100 + 10 * 7000


# ---- a 404 says nothing of what else is there ----

def test_a_404_of_one_endpoint_says_nothing_of_the_others(agent, way):
    """An engine that was only taken to make pictures, or to chat, is asked for what it has."""
    documents = {"v1": whole("404 Not Found", "application/json", json.dumps(
        {"error": {"message": "no such model", "type": "NotFoundError", "code": "model_not_found"}}).encode())}
    other = next(w for w in WAYS.values() if w is not way)
    with BytesUpstream(documents) as up:
        agent.add_instance(f"http://127.0.0.1:{up.port}", service="own", id="i", engine="openai-compatible",
                           features=["chat", "text_to_image"], models=["m"])
        for _ in range(6):
            assert agent.post(GW, way.path, way.body(model=way.feature)).status >= 400
        assert up.asked["v1"] == 6, "it is asked again: perhaps it was told of another model"
        route = agent.post("router-engine", f"/api/v1/route/{other.feature}", other.body()).body
        assert [c["eligible"] for c in route["candidates"] if c["target"] == "self/own#i"] == [True], route


# ---- too much at once ----

def test_too_many_wait_for_one_picture(agent, make_vendord):
    vendor = make_vendord()
    vendor.fault({"hang": True}, path="/v1/*")
    agent.add_key(vendor.url, service="dalle", key_name="dalle")
    body = json.dumps({"model": "text_to_image", "prompt": "a cat"})
    request = (f"POST {IMAGES} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
               f"Idempotency-Key: one\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
    with contextlib.ExitStack() as held:
        callers = [held.enter_context(socket.create_connection(agent.address(GW))) for _ in range(68)]
        for caller in callers:
            caller.sendall(request)
        answered = lambda: select.select(callers, [], [], 0)[0]
        refused = wait_for(lambda: answered() if len(answered()) == 4 else None, what="those who are too many")
        for caller in refused:
            head, _, text = caller.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 ") and b"\r\nretry-after:" in head.lower(), head
            assert json.loads(text)["error"]["code"] == "overloaded"
        assert vendor.stats()["requests"] == 1


def test_too_many_pictures_under_way(agent, make_vendord):
    """As many as there may be; one that ends makes room for one."""
    vendor = make_vendord(flavour="dashscope")
    agent.add_key(vendor.url, vendor="aliyun", service="wanx", key_name="wanx", limits={"concurrency": 1})
    vendor.fault({"task_polls": 10 ** 6}, path="/api/*")
    body = json.dumps({"model": "text_to_image", "prompt": "a cat"})
    headers = {"Content-Type": "application/json", **ASYNC}

    def one(connection):
        connection.request("POST", IMAGES, body=body, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()), answer.headers

    def until_refused(_):
        accepted, connection = [], http.client.HTTPConnection(*agent.address(GW), timeout=60)
        while True:
            status, document, said = one(connection)
            if status != 202:
                connection.close()
                return accepted, (status, document["error"]["code"], said["Retry-After"] is not None)
            accepted.append(document["id"])
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        done = list(pool.map(until_refused, range(16)))
    assert {r for _, r in done} == {(503, "overloaded", True)}
    ids = [id for accepted, _ in done for id in accepted]
    assert len(ids) == OPEN_MAX
    queued = next(id for id in ids if agent.get(GW, f"/api/v1/tasks/{id}").body["state"] == "queued")
    assert agent.request(GW, "DELETE", f"/api/v1/tasks/{queued}").status == 200
    assert image(agent, **ASYNC).status == 202 and image(agent, **ASYNC).status == 503
