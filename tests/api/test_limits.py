# SPDX-License-Identifier: MIT
"""Limits of clients, features and vendor keys on live traffic: who is refused, how it is said, and
that nothing is taken from those who were refused. Exactness over a minute is a unit test on a
simulated clock; here the bounds are wide."""
import concurrent.futures
import contextlib
import pathlib
import re
import shutil
import sqlite3
import tempfile

import pytest

from waiting import wait_for

KEYS, GATEWAY, CONFIG = "key-manager", "api-gateway", "config-center"


def client(agent, name="app", **more):
    answer = agent.post(KEYS, "/api/v1/clients", {"name": name, **more})
    assert answer.status == 201, answer
    return answer.body


def as_client(body):
    return {"Authorization": f"Bearer {body['key']}"}


def feature_limits(agent, **limits):
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"limits": limits})
    assert answer.status == 200, answer


def key_patch(agent, **more):
    key = agent.get(KEYS, "/api/v1/keys?service=gpt-4").body["items"][0]["id"]
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key}", more)
    assert answer.status == 200, answer


def refused(answer, who, retry=True):
    """A 429 in OpenAI's shape that says whose limit it was."""
    assert (answer.status, answer.error) == (429, "rate_limited"), answer
    assert answer.body["error"]["type"] == "rate_limit_error"
    assert f"({who})" in answer.body["error"]["message"], answer.body
    assert answer.headers["x-should-retry"] == "true"
    if retry:
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    return answer


def last_event(agent):
    return agent.get(GATEWAY, "/api/v1/events?kinds=traffic").body["items"][-1]


def test_requests_per_minute_of_a_client(chat_agent, vendord):
    me = client(chat_agent, limits={"rpm": 30})  # burst 3
    other = client(chat_agent, "other")
    answers = [chat_agent.chat(headers=as_client(me)) for _ in range(12)]
    admitted = [a for a in answers if a.status == 200]
    assert 3 <= len(admitted) <= 6  # one more every two seconds
    refused(answers[-1], "client:rpm")
    assert vendord.stats()["requests"] == len(admitted)
    event = last_event(chat_agent)
    assert (event["client_name"], event["limited_by"], event["code"]) == (
        "app", "client:rpm", "rate_limited")
    assert "target" not in event and event["attempts"] == []
    assert chat_agent.chat(headers=as_client(other)).status == 200
    shown = chat_agent.get(KEYS, f"/api/v1/clients/{me['id']}").body
    assert (shown["requests"], shown["limited"]) == (len(admitted), 12 - len(admitted))
    text = chat_agent.get(GATEWAY, "/metrics").body.decode()
    assert f'yijian_gateway_limited_total{{whose="client",limit="rpm"}} {12 - len(admitted)}' in text


def test_a_burst_that_was_asked_for(chat_agent):
    me = client(chat_agent, limits={"rpm": 6, "burst": 6})
    answers = [chat_agent.chat(headers=as_client(me)).status for _ in range(8)]
    assert answers[:6] == [200] * 6 and answers[7] == 429


def test_the_headers_of_success_and_refusal(chat_agent):
    me = client(chat_agent, limits={"rpm": 60, "tpm": 60000, "burst": 2})
    first = chat_agent.chat(headers=as_client(me))
    assert first.headers["x-ratelimit-limit-requests"] == "60"
    assert first.headers["x-ratelimit-remaining-requests"] in ("1", "2")
    assert first.headers["x-ratelimit-limit-tokens"] == "60000"
    assert 0 < int(first.headers["x-ratelimit-remaining-tokens"]) <= 2000
    for name in ("requests", "tokens"):
        assert re.fullmatch(r"(\d+h)?(\d+m)?[\d.]+m?s", first.headers[f"x-ratelimit-reset-{name}"])
    answers = [chat_agent.chat(headers=as_client(me)) for _ in range(6)]
    last = [a for a in answers if a.status == 429][-1]
    assert last.headers["x-ratelimit-remaining-requests"] == "0"
    # Nobody who is not limited is told of limits.
    free = client(chat_agent, "free")
    answer = chat_agent.chat(headers=as_client(free))
    assert not [h for h in answer.headers if h.startswith("x-ratelimit")]


def test_streams_carry_the_headers_too(chat_agent):
    me = client(chat_agent, limits={"rpm": 600})
    with chat_agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]},
            headers=as_client(me)) as stream:
        assert stream.status == 200
        assert stream.headers["x-ratelimit-limit-requests"] == "600"
        list(stream.events())


def test_tokens_are_estimated_then_settled(chat_agent, vendord):
    me = client(chat_agent, limits={"tpm": 6000})  # burst 600
    # Too long an answer is more than the burst: admitted alone, into an empty bucket.
    assert chat_agent.chat(headers=as_client(me), max_tokens=400).status == 200
    # It used but a few of them, so the same is asked again at once …
    assert chat_agent.chat(headers=as_client(me), max_tokens=400).status == 200
    # … until an answer was really long.
    vendord.faults([{"match": {}, "fault": {"tokens": 900}}])
    assert chat_agent.chat(headers=as_client(me)).status == 200
    refused(chat_agent.chat(headers=as_client(me)), "client:tpm")


def test_failed_requests_cost_no_tokens(chat_agent, vendord):
    me = client(chat_agent, limits={"tpm": 600})  # burst 60
    vendord.faults([{"match": {}, "fault": {"status": 400}}])
    for _ in range(4):
        assert chat_agent.chat(headers=as_client(me), max_tokens=40).status == 400
    vendord.faults([])
    assert chat_agent.chat(headers=as_client(me)).status == 200


def hold(agent, vendord, headers=()):
    """A stream that stays open until its context ends."""
    vendord.faults([{"match": {}, "fault": {"pace_ms": 500, "tokens": 10000}}])
    stream = agent.stream("/v1/chat/completions", {
        "model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]},
        headers=headers)
    assert stream.status == 200
    vendord.faults([])
    return stream


def test_requests_at_once_of_a_client(chat_agent, vendord):
    me = client(chat_agent, limits={"concurrency": 1})
    with hold(chat_agent, vendord, as_client(me)):
        assert spent(chat_agent)["inflight"] == 1
        refused(chat_agent.chat(headers=as_client(me)), "client:concurrency")
    # The caller that left is noticed, and its place is free.
    wait_for(lambda: chat_agent.chat(headers=as_client(me)).status == 200, what="a free place")
    wait_for(lambda: spent(chat_agent)["inflight"] == 0,
             what="nothing in flight")


@pytest.mark.parametrize("limits, who", [({"rpm": 10}, "feature:rpm"), ({"tpm": 100}, "feature:tpm")])
def test_limits_of_a_feature(chat_agent, limits, who):
    feature_limits(chat_agent, **limits)
    answers = [chat_agent.chat() for _ in range(6)]
    assert answers[0].status == 200
    refused(answers[-1], who)
    assert last_event(chat_agent)["limited_by"] == who
    # Only this feature.
    answer = chat_agent.post(GATEWAY, "/v1/embeddings", {"model": "embeddings", "input": "x"})
    assert answer.status == 200


def test_requests_at_once_of_a_feature(chat_agent, vendord):
    feature_limits(chat_agent, concurrency=1)
    with hold(chat_agent, vendord):
        refused(chat_agent.chat(), "feature:concurrency")
    wait_for(lambda: chat_agent.chat().status == 200, what="a free place")


def test_a_feature_that_refuses_takes_nothing_from_the_client(chat_agent):
    me = client(chat_agent, limits={"rpm": 60, "burst": 4})
    feature_limits(chat_agent, rpm=1)
    assert chat_agent.chat(headers=as_client(me)).status == 200
    for _ in range(8):
        refused(chat_agent.chat(headers=as_client(me)), "feature:rpm")
    feature_limits(chat_agent, rpm=None)
    assert chat_agent.chat(headers=as_client(me)).status == 200


def skips_of(agent):
    answer = agent.post("router-engine", "/api/v1/route/chat", {})
    return {s["code"] for c in answer.body["candidates"] for s in c.get("skips") or []}


@pytest.mark.parametrize("limits, code", [({"rpm": 10}, "rate_limited_rpm"),
                                          ({"tpm": 100}, "rate_limited_tpm")])
def test_a_key_at_its_limit_is_skipped(chat_agent, vendord, limits, code):
    key_patch(chat_agent, limits=limits)
    answers = [chat_agent.chat() for _ in range(6)]
    assert answers[0].status == 200
    assert (answers[-1].status, answers[-1].error) == (429, "upstream_rate_limited")
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    record = chat_agent.get(GATEWAY, f"/api/v1/decisions/{answers[-1].headers['X-Yijian-Decision']}")
    assert code in str(record.body["candidates"])
    # With another key the request goes there.
    chat_agent.add_key(vendord.base_url, key_name="second", tier="secondary",
                       api_key="sk-simulated-0000000000second")
    answer = chat_agent.chat()
    assert answer.status == 200 and answer.headers["X-Yijian-Target"].endswith("#second")


def test_a_key_full_of_requests_is_skipped(chat_agent, vendord):
    key_patch(chat_agent, limits={"concurrency": 1})
    with hold(chat_agent, vendord):
        assert "concurrency_full" in skips_of(chat_agent)
        assert chat_agent.chat().error == "upstream_rate_limited"
    wait_for(lambda: chat_agent.chat().status == 200, what="a free place")


def test_the_upstreams_own_count_is_heeded(chat_agent, vendord):
    vendord.fault({"header": "x-ratelimit-remaining-requests: 0\r\nx-ratelimit-reset-requests: 40s"},
                  count=1)
    assert chat_agent.chat().status == 200
    assert "cooldown" in skips_of(chat_agent)
    answer = chat_agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    assert 30 <= int(answer.headers["retry-after"]) <= 40
    assert vendord.stats()["requests"] == 1


def test_features_a_client_may_call(chat_agent):
    me = client(chat_agent, features=["embeddings"])
    answer = chat_agent.chat(headers=as_client(me))
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    answer = chat_agent.post(GATEWAY, "/v1/embeddings", {"model": "embeddings", "input": "x"},
                             headers=as_client(me))
    assert answer.status == 200
    names = {m["id"] for m in chat_agent.get(GATEWAY, "/v1/models", headers=as_client(me))
             .body["data"]}
    assert "embeddings" in names and "chat" not in names
    assert chat_agent.get(GATEWAY, "/v1/models/chat", headers=as_client(me)).status == 404
    answer = chat_agent.post(GATEWAY, "/api/v1/invoke/chat",
                             {"messages": [{"role": "user", "content": "x"}]}, headers=as_client(me))
    assert (answer.status, answer.error) == (403, "scope_exceeded")


def test_many_callers_at_once_stay_within_the_bound(chat_agent, vendord):
    me = client(chat_agent, limits={"rpm": 600, "burst": 20})
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: chat_agent.chat(headers=as_client(me)).status, range(200)))
    assert set(answers) == {200, 429}
    # 20 at once and ten a second for as long as it took, which is no minute.
    assert 20 <= answers.count(200) <= 620
    assert vendord.stats()["requests"] == answers.count(200)
    assert spent(chat_agent)["inflight"] == 0


def test_a_budget_of_nothing(chat_agent, vendord):
    me = client(chat_agent, budget={"amount_pico": 0, "window": "day"})
    answer = chat_agent.chat(headers=as_client(me))
    assert (answer.status, answer.error) == (429, "budget_exceeded")
    assert answer.body["error"]["type"] == "insufficient_quota"
    assert "(client:budget)" in answer.body["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"
    assert spent(chat_agent)["state"] == "over_budget"
    feature_limits(chat_agent, budget={"amount_pico": 0})
    free = client(chat_agent, "free")
    answer = chat_agent.chat(headers=as_client(free))
    assert answer.error == "budget_exceeded" and "(feature:budget)" in answer.body["error"]["message"]
    feature_limits(chat_agent, budget=None)
    key_patch(chat_agent, budget={"amount_pico": 0})
    answer = chat_agent.chat(headers=as_client(free))
    assert answer.error == "budget_exceeded" and "(key:budget)" in answer.body["error"]["message"]
    assert "budget_exhausted" in skips_of(chat_agent)
    assert vendord.stats()["requests"] == 0


def spent(agent, name="app"):
    """The client of this name as it is now."""
    items = agent.get(KEYS, "/api/v1/clients").body["items"]
    return next(item for item in items if item["name"] == name)


def cost_of_one(agent):
    """Pico a chat costs at the seeded price, as the agent itself says."""
    probe = client(agent, "probe")
    assert agent.chat(headers=as_client(probe)).status == 200
    cost = spent(agent, "probe")["spent"]
    assert cost["currency"] == "USD" and cost["pico"] > 0, cost
    return cost["pico"]


def test_a_budget_is_spent_and_then_it_is_over(chat_agent, vendord):
    one = cost_of_one(chat_agent)
    me = client(chat_agent, budget={"amount_pico": 2 * one, "window": "day"})
    for _ in range(2):
        assert chat_agent.chat(headers=as_client(me)).status == 200
    before = vendord.stats()["requests"]
    answer = chat_agent.chat(headers=as_client(me))
    assert (answer.status, answer.error) == (429, "budget_exceeded")
    assert 1 <= int(answer.headers["retry-after"]) <= 86400
    assert vendord.stats()["requests"] == before
    shown = spent(chat_agent)
    assert (shown["spent"]["pico"], shown["unpriced"], shown["state"]) == (2 * one, 0, "over_budget")
    # An operator raises it, and it goes on.
    chat_agent.request(KEYS, "PATCH", f"/api/v1/clients/{me['id']}", {"budget": {"amount_pico": 3 * one}})
    assert chat_agent.chat(headers=as_client(me)).status == 200


def test_streams_are_paid_for_too(chat_agent):
    me = client(chat_agent, budget={"amount_pico": 1, "window": "total"})
    with chat_agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]},
            headers=as_client(me)) as stream:
        list(stream.events())
    answer = chat_agent.chat(headers=as_client(me))
    assert answer.error == "budget_exceeded" and "retry-after" not in answer.headers


def test_what_has_no_price_is_counted_apart(chat_agent):
    chat_agent.post(KEYS, "/api/v1/prices", {"remove": ["openai/gpt-5.4-mini"]})
    me = client(chat_agent, budget={"amount_pico": 10, "window": "day"})
    for _ in range(2):
        assert chat_agent.chat(headers=as_client(me)).status == 200
    shown = spent(chat_agent)
    assert (shown["spent"]["pico"], shown["unpriced"]) == (0, 2)
    assert shown["spent"]["source"] == "estimated"


def written(agent):
    """What stands in a copy of the database: the agent has its own locked."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("yijian.db", "yijian.db-wal"):
            if (agent.state_dir / name).exists():
                shutil.copy(agent.state_dir / name, scratch)
        db = sqlite3.connect(pathlib.Path(scratch) / "yijian.db")
        row = db.execute("SELECT pico FROM spend WHERE kind='client'").fetchone()
        db.close()
        return row[0] if row else None


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_budgets_survive(chat_agent, how):
    me = client(chat_agent, budget={"amount_pico": 10**15, "window": "month"})
    assert chat_agent.chat(headers=as_client(me)).status == 200
    paid = spent(chat_agent)["spent"]["pico"]
    if how == "kill":  # what was written down every few seconds is there
        wait_for(lambda: written(chat_agent) == paid, what="the spending is written down")
        chat_agent.kill9()
    else:
        chat_agent.stop()
    chat_agent.start()
    assert spent(chat_agent)["spent"]["pico"] == paid
    assert spent(chat_agent)["last_used_at"]


def test_a_key_and_a_feature_have_budgets_too(chat_agent, vendord):
    one = cost_of_one(chat_agent)
    me = client(chat_agent)
    key_patch(chat_agent, budget={"amount_pico": one, "window": "day"})
    assert chat_agent.chat(headers=as_client(me)).status == 200
    answer = chat_agent.chat(headers=as_client(me))
    assert answer.error == "budget_exceeded" and "(key:budget)" in answer.body["error"]["message"]
    chat_agent.add_key(vendord.base_url, key_name="second", tier="secondary",
                       api_key="sk-simulated-0000000000second")
    feature_limits(chat_agent, budget={"amount_pico": one, "window": "day"})
    assert chat_agent.chat(headers=as_client(me)).status == 200
    answer = chat_agent.chat(headers=as_client(me))
    assert answer.error == "budget_exceeded" and "(feature:budget)" in answer.body["error"]["message"]


def spoil(agent):
    """The stored secrets open no more, though their rows are whole."""
    agent.stop()
    with contextlib.closing(sqlite3.connect(agent.state_dir / "yijian.db")) as db:
        assert db.execute("UPDATE vendor_key SET row_version = row_version + 1").rowcount > 0
        db.commit()
    agent.start()


def of_key(agent):
    """How the key stands in a dry run: its skip or None, and what is under way."""
    one = next(c for c in agent.post("router-engine", "/api/v1/route/chat", {}).body["candidates"]
               if c["target"] == "openai/gpt-4#simulated")
    return (None if one["eligible"] else one["skips"][0]["code"],
            one.get("evidence", {}).get("inflight", 0))


FAILURES = {
    "the secret does not open": (lambda agent, _: spoil(agent), 503, "secret_corrupt"),
    "the upstream refuses the request": (lambda _, vendord: vendord.fault(
        {"status": 400, "code": "invalid_value"}, path="/v1/*"), 400, None),
    "the upstream fails": (lambda _, vendord: vendord.fault({"status": 500}, path="/v1/*"), 502,
                           None),
    "the connection is cut": (lambda _, vendord: vendord.fault({"reset": True}, path="/v1/*"),
                              502, None),
    "nobody listens": (lambda _, vendord: vendord.stop(), 502, None)}


@pytest.mark.parametrize("why", FAILURES)
def test_failures_leave_no_counter_behind(agent, vendord, why):
    """However often an attempt comes to nothing, its key has the room it had before."""
    break_it, status, code = FAILURES[why]
    agent.add_key(vendord.base_url, limits={"tpm": 3000, "concurrency": 1})  # burst 300
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {
        "cooldown": {"fails": 1000, "for_s": 1, "window_s": 1}, "retry": {"max_attempts": 1}})
    assert answer.status == 200, answer
    break_it(agent, vendord)
    for _ in range(6):
        answer = agent.chat(max_tokens=200)
        assert answer.status == status and code in (None, answer.error), answer
        assert of_key(agent) == (None, 0)
    # The last answer may be read before its call is put away.
    wait_for(lambda: agent.get(GATEWAY, "/metrics").body.decode().count(
        "yijian_gateway_inflight_requests 0") == 1, what="no request under way")


def test_what_was_never_sent_takes_no_turn(agent, vendord):
    """A request that could not be sent did not use one of its key's requests a minute."""
    agent.add_key(vendord.base_url, limits={"rpm": 1})
    spoil(agent)
    for _ in range(3):
        answer = agent.chat()
        assert (answer.status, answer.error) == (503, "secret_corrupt"), answer
    assert vendord.stats()["requests"] == 0
