# SPDX-License-Identifier: MIT
"""Currencies are real ones, and no upstream can count a limit away."""
import json

import pytest

from bytes_upstream import BytesUpstream, answer
from waiting import wait_for

GW, KEYS, CFG = "api-gateway", "key-manager", "config-center"
NO_CURRENCY = ["AAA", 3 * "X", "XTS", "XAU", "XDR", "usd", "Usd", "US", "USDT", "BTC", "ZZZ", "EU\u20ac",
               "U\u0405D", "   "]


@pytest.mark.parametrize("code", NO_CURRENCY)
def test_what_is_no_currency(agent, code):
    key = agent.add_key("http://127.0.0.1:1")
    budget = {"amount_pico": 5, "currency": code, "window": "day"}
    for service, method, path, body in (
            (KEYS, "POST", "/api/v1/clients", {"name": "c", "budget": budget}),
            (KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"currency": code}),
            (KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"budget": budget}),
            (CFG, "PATCH", "/api/v1/features/chat", {"limits": {"budget": budget}}),
            (KEYS, "POST", "/api/v1/prices", {"items": [
                {"vendor": "openai", "model": "m", "currency": code, "input_pico": 1}]})):
        answer = agent.request(service, method, path, body)
        assert answer.status == 422, (path, answer)
        assert answer.error in ("field_charset", "field_range")
        assert answer.body["error"]["field"].endswith("currency"), answer
    assert agent.get(KEYS, "/api/v1/clients").body["total"] == 0


@pytest.mark.parametrize("code", ["USD", "EUR", "CNY", "JPY", "KWD", "XOF", "ZWG", "AED"])
def test_what_is_one(agent, code):
    answer = agent.post(KEYS, "/api/v1/clients", {"name": "c", "budget": {
        "amount_pico": 5, "currency": code, "window": "day"}})
    assert answer.status == 201 and answer.body["budget"]["currency"] == code


# ---- usage that nobody can believe ----

ABSURD = [2 ** 62, 2 ** 63 - 1, 2 ** 63, 10 ** 30, 1_000_000_001, -1, -2 ** 62, 1.5, 1e300, "12",
          True, [], {}]


def chat_answer(usage):
    return {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
            "choices": [{"index": 0, "finish_reason": "stop",
                         "message": {"role": "assistant", "content": "hello"}}]}


def metric(agent):
    text = agent.get(GW, "/metrics").body.decode()
    return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
               if line.startswith("yijian_usage_absurd_total{"))


def told(agent):
    return agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]


@pytest.fixture
def says(agent):
    """An agent whose chat is answered by exactly this document."""
    documents = {}
    upstream = BytesUpstream(documents)
    agent.add_key(upstream.url("a"))

    def say(document, **more):
        documents["a"] = answer("200 OK", "application/json", json.dumps(document).encode())
        return agent.chat("hello", **more)
    yield say
    upstream.close()


def test_absurd_usage_is_estimated_and_told(agent, says):
    seen = 0
    for figure in ABSURD:
        for usage in ({"prompt_tokens": figure, "completion_tokens": 5},
                      {"prompt_tokens": 5, "completion_tokens": figure},
                      {"prompt_tokens": 5, "completion_tokens": 5,
                       "completion_tokens_details": {"reasoning_tokens": figure}}):
            assert says(chat_answer(usage)).status == 200
            seen += 1
            event = told(agent)
            assert event["usage_absurd"] is True, usage
            assert event["tokens_source"] == "estimated", usage
            assert 0 <= event["tokens_in"] < 1000 and 0 <= event["tokens_out"] < 1000
            assert metric(agent) == seen, usage
    item = agent.get(GW, "/api/v1/usage").body["items"][0]
    assert item["requests"] == seen and 0 < item["tokens_in"] < 1000 * seen
    assert "usage_absurd" in agent.log()
    says(chat_answer({"prompt_tokens": 7, "completion_tokens": None}))
    says(chat_answer({"prompt_tokens": 7, "completion_tokens": 1_000_000_000}))
    assert "usage_absurd" not in told(agent) and told(agent)["tokens_out"] == 1_000_000_000
    assert metric(agent) == seen


@pytest.mark.parametrize("usage", [
    {"prompt_tokens": 2 ** 62, "completion_tokens": 2 ** 62}, {"completion_tokens": -1},
    {"prompt_tokens": 5, "completion_tokens": 10 ** 12}])
def test_absurd_usage_of_a_stream(agent, usage):
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    chunks = [{**chunk, "choices": [{"index": 0, "delta": {"content": "hello"}}]},
              {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
              {**chunk, "choices": [], "usage": usage}]
    body = "".join(f"data: {json.dumps(c)}\n\n" for c in chunks) + "data: [DONE]\n\n"
    upstream = BytesUpstream({"a": answer("200 OK", "text/event-stream", body.encode())})
    agent.add_key(upstream.url("a"))
    with agent.stream("/v1/chat/completions", {"model": "chat", "stream": True, "messages": [
            {"role": "user", "content": "hello"}]}) as events:
        assert list(events.events())[-1] == "[DONE]"
    upstream.close()
    event = wait_for(lambda: agent.get(GW, "/api/v1/events?kinds=traffic").body["items"])[-1]
    assert event["usage_absurd"] is True and event["tokens_source"] == "estimated", event
    assert event["tokens_in"] < 1000 and event["tokens_out"] < 1000
    assert metric(agent) == 1


def test_no_answer_lifts_a_limit(agent, says):
    """Two answers of 2^62 tokens, dear ones too: what is spent only grows, and tpm is still held."""
    made = agent.post(KEYS, "/api/v1/prices", {"items": [
        {"vendor": "openai", "model": "*", "target": "openai/gpt-4", "input_pico": 10 ** 15,
         "output_pico": 10 ** 15}]})
    assert made.status == 200, made
    client = agent.post(KEYS, "/api/v1/clients", {"name": "app", "budget": {
        "amount_pico": 10 ** 15, "window": "day"}}).body
    mine = {"Authorization": f"Bearer {client['key']}"}
    spent = 0
    for figure in (2 ** 62, 2 ** 62, 10 ** 9, 10 ** 9):
        agent.request(KEYS, "PATCH", f"/api/v1/clients/{client['id']}", {
            "budget": {"amount_pico": 2 ** 63 - 1, "window": "day"}})
        assert says(chat_answer({"prompt_tokens": figure, "completion_tokens": figure}),
                    headers=mine).status == 200
        agent.request(KEYS, "PATCH", f"/api/v1/clients/{client['id']}", {
            "budget": {"amount_pico": 10 ** 15, "window": "day"}})
        now = agent.get(KEYS, f"/api/v1/clients/{client['id']}").body["spent"]["pico"]
        assert now >= spent and now >= 10 ** 15
        spent = now
        refused = says(chat_answer({}), headers=mine)
        assert (refused.status, refused.error) == (429, "budget_exceeded")
    wait_for(lambda: agent.get(GW, "/api/v1/usage").body["items"])
    assert agent.get(GW, "/api/v1/status").status == 200


@pytest.mark.parametrize("figure", [2 ** 62, -2 ** 62, 10 ** 9])
def test_no_answer_lifts_the_tokens_a_minute(agent, says, figure):
    client = agent.post(KEYS, "/api/v1/clients", {"name": "app", "limits": {"tpm": 1}}).body
    mine = {"Authorization": f"Bearer {client['key']}"}
    assert says(chat_answer({"prompt_tokens": figure, "completion_tokens": figure}), headers=mine,
                max_tokens=2 ** 53).status == 200
    for _ in range(3):
        refused = says(chat_answer({}), headers=mine)
        assert (refused.status, refused.error) == (429, "rate_limited")
