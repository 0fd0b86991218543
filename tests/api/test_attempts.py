# SPDX-License-Identifier: MIT
"""One attempt, whoever makes it: a request that is answered while its caller waits, and an image
task, treat a candidate alike and tell the caller alike."""
import contextlib
import json
import sqlite3

import pytest
from bytes_upstream import BytesUpstream, answer

CONFIG, KEYS, REGISTRY, ROUTER = "config-center", "key-manager", "service-registry", "router-engine"
CHAT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}
PICTURE = {"created": 1, "data": [{"b64_json": "aGk="}]}


class Way:
    """One of the two: how it is asked, and what a good answer is."""

    def __init__(self, feature, service, good):
        self.feature, self.service, self.good = feature, service, good

    def ask(self, agent, **more):
        if self.feature == "chat":
            return agent.chat(**more)
        return agent.post("api-gateway", "/v1/images/generations",
                          {"model": self.feature, "prompt": "a cat", **more})

    def key(self, agent, url, **more):
        return agent.add_key(url, service=self.service, **more)

    def instance(self, agent, url, **more):
        return agent.add_instance(url, service="own", engine="openai-compatible",
                                  features=[self.feature], models=["m"], **more)

    def patch(self, agent, **members):
        got = agent.request(CONFIG, "PATCH", f"/api/v1/features/{self.feature}", members)
        assert got.status == 200, got


WAYS = {"gateway": Way("chat", "gpt-4", CHAT), "tasks": Way("text_to_image", "dalle", PICTURE)}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture
def upstream():
    """Serves what a test sets in `answers`."""
    return BytesUpstream({})


def says(upstream, name, status, body, *lines):
    upstream.answers[name] = answer(status, "application/json", json.dumps(body).encode(), *lines)
    return upstream.url(name)


def fine(upstream, way):
    return says(upstream, "fine", "200 OK", way.good)


def decision(agent, got):
    return agent.get(ROUTER, f"/api/v1/decisions/{got.headers['x-yijian-decision']}").body


def state(agent, key):
    return agent.get(KEYS, f"/api/v1/keys/{key['id']}").body["state"]


def test_an_instance_whose_errors_are_flat_is_read_so(agent, upstream, way):
    url = says(upstream, "flat", "400 Bad Request",
               {"error": {"message": "not this"}, "message": "but this", "code": "no_such_thing"})
    way.instance(agent, url, quirks={"error_shape": "flat"})
    got = way.ask(agent)
    assert (got.status, got.body["error"]["message"]) == (400, "but this"), got


def test_a_model_that_the_caller_named_is_not_gone_for_all(agent, upstream, way):
    url = says(upstream, "gone", "404 Not Found",
               {"error": {"message": "no such model", "code": "model_not_found"}})
    key = way.key(agent, url)
    feature = agent.get(CONFIG, f"/api/v1/features/{way.feature}").body
    targets = [{k: v for k, v in t.items() if k != "upstream_model"} for t in feature["targets"]]
    way.patch(agent, targets=targets)
    way.ask(agent)
    assert state(agent, key) in ("ok", "unknown")
    n = upstream.asked["gone"]
    way.ask(agent)
    assert upstream.asked["gone"] == n + 1, "it is asked again"


def foreign_page(upstream):
    upstream.answers["waf"] = answer("403 Forbidden", "text/html", b"<html>Request blocked</html>")
    return upstream.url("waf")


def large_request(upstream):
    return says(upstream, "large", "429 Too Many Requests", {"error": {
        "message": "Request too large for this model: limit 100, requested 5000.",
        "type": "tokens", "code": "rate_limit_exceeded"}})


@pytest.mark.parametrize("place", [foreign_page, large_request])
def test_what_speaks_of_this_request_alone_leaves_the_key_to_others(agent, upstream, way, place):
    key = way.key(agent, place(upstream))
    first = way.ask(agent)
    assert first.status != 200
    assert state(agent, key) in ("ok", "unknown")
    n = sum(upstream.asked.values())
    way.ask(agent)
    assert sum(upstream.asked.values()) == n + 1, "it is asked again"


def test_spent_budgets_are_told_as_such(agent, upstream, way):
    key = way.key(agent, fine(upstream, way))
    agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"budget": {"amount_pico": 0}})
    got = way.ask(agent)
    assert (got.status, got.error) == (429, "budget_exceeded"), got
    assert "(key:budget)" in got.body["error"]["message"]


def test_an_open_breaker_says_when_to_come_back(agent, upstream, way):
    way.instance(agent, says(upstream, "down", "500 Internal Server Error", {}))
    way.patch(agent, cooldown={"fails": 1, "window_s": 60, "for_s": 40},
              retry={"max_attempts": 1, "per_target": 1})
    way.ask(agent)
    got = way.ask(agent)
    assert got.error == "no_healthy_target", got
    assert 20 <= int(got.headers["retry-after"]) <= 40, got.headers


def test_a_secret_that_does_not_open_gives_back_what_was_taken(agent, upstream, way):
    """A request that never left has used none of its key's requests and tokens a minute."""
    key = way.key(agent, fine(upstream, way), limits={"rpm": 2, "tpm": 100})
    agent.stop()
    with contextlib.closing(sqlite3.connect(agent.state_dir / "yijian.db")) as db:
        assert db.execute("UPDATE vendor_key SET row_version = row_version + 1").rowcount > 0
        db.commit()
    agent.start()
    for _ in range(5):
        got = way.ask(agent)
        assert got.error == "secret_corrupt", got
    assert state(agent, key) in ("ok", "unknown")
    assert not upstream.asked["fine"]


def test_a_candidate_without_words_fails_itself_alone(agent, upstream, way):
    """The next one is asked; the decision says which candidate lacks what."""
    wordless(agent, upstream, way)
    way.key(agent, fine(upstream, way))
    got = way.ask(agent, **more_of(way))
    assert got.status == 200 and got.headers["x-yijian-attempts"] == "1", (got, got.headers)
    skips = [c["skips"] for c in decision(agent, got)["candidates"] if not c["eligible"]]
    assert skips and skips[0][0]["code"] == "capability_missing" and skips[0][0]["detail"], skips


def test_an_explanation_foresees_who_has_no_words(agent, upstream):
    way = WAYS["gateway"]
    wordless(agent, upstream, way)
    way.key(agent, fine(upstream, way))
    doc = agent.post(ROUTER, "/api/v1/route/chat", {"n": 2}).body
    assert doc["chosen"]["target"].startswith("openai/"), doc
    skips = next(c["skips"] for c in doc["candidates"] if c["target"].startswith("anthropic/"))
    assert (skips[0]["code"], skips[0]["detail"]) == ("capability_missing", "n")
    doc = agent.post(ROUTER, "/api/v1/route/chat", {"n": 1}).body
    assert doc["chosen"]["target"].startswith("anthropic/"), doc


def test_words_that_nobody_has_are_no_outage(agent, upstream):
    wordless(agent, upstream, WAYS["gateway"])
    got = WAYS["gateway"].ask(agent, n=2)
    assert 400 <= got.status < 500 and got.body["error"]["param"] == "n", got
    assert "retry-after" not in got.headers
    assert got.headers.get("x-should-retry") != "true"
    assert not upstream.asked["own"]


def test_an_endpoint_that_nobody_serves_is_no_outage(agent, upstream):
    agent.add_instance(says(upstream, "own", "200 OK", {}), service="own", engine="ollama")
    got = agent.post("api-gateway", "/v1/completions", {"model": "chat", "prompt": "x"})
    assert 400 <= got.status < 500 and got.body["error"]["param"] == "model", got
    assert "retry-after" not in got.headers


def wordless(agent, upstream, way):
    """A first candidate that cannot be asked for what more_of() wishes."""
    url = says(upstream, "own", "200 OK", way.good)
    if way.feature == "chat":
        agent.add_key(url, vendor="anthropic", service="messages")
        feature = agent.get(CONFIG, "/api/v1/features/chat").body
        way.patch(agent, targets=[
            {"vendor": "anthropic", "service": "messages", "kind": "vendor", "order": 0,
             "upstream_model": "claude"}, *feature["targets"]])
    else:
        agent.add_instance(url, service="own", engine="comfyui", features=[way.feature])


def more_of(way):
    return {"n": 2} if way.feature == "chat" else {}


def metric(agent, series):
    lines = agent.get(KEYS, "/metrics").body.decode().splitlines()
    lines += agent.get(REGISTRY, "/metrics").body.decode().splitlines()
    return next(line.split()[-1] for line in lines if line.startswith(series))


def test_what_is_drained_is_usable_nowhere(agent, upstream, way):
    """Decisions, documents, gauges and the dashboard's document say the same."""
    key = way.key(agent, fine(upstream, way))
    target = f"openai/{way.service}"
    assert metric(agent, 'yijian_key_usable{') == "1"
    got = agent.request(ROUTER, "PATCH", f"/api/v1/routes/{way.feature}/{target}?key={key['id']}",
                        {"drain": True})
    assert got.status == 200, got
    assert way.ask(agent).status == 503
    assert state(agent, key) == "drained"
    assert metric(agent, 'yijian_key_usable{') == "0"
    keys = agent.get("api-gateway", "/api/v1/status").body["keys"]
    assert keys["by_state"] == {"drained": 1} and not keys["problems"], keys
