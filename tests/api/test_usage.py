# SPDX-License-Identifier: MIT
"""Usage and cost: one entry per attempt, what is known of it, and that it is kept."""
import json

import pytest

from bytes_upstream import BytesUpstream, answer
from waiting import wait_for

GW, KEYS = "api-gateway", "key-manager"
PATH = "/api/v1/usage"
CHAT = "/v1/chat/completions"
STREAM = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hello"}]}
MINI = {"in": 750_000, "out": 4_500_000}  # pico a token of the chat feature's model


def patch(agent, feature, **members):
    answer = agent.request("config-center", "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


def usage(agent, query="by=feature"):
    answer = agent.get(GW, f"{PATH}?{query}")
    assert answer.status == 200, answer
    return answer.body


def only(agent, query="by=feature"):
    items = usage(agent, query)["items"]
    assert len(items) == 1, items
    return items[0]


def cost(item, currency="USD"):
    found = [c for c in item["cost"] if c["currency"] == currency]
    return found[0] if found else None


def import_price(agent, **doc):
    answer = agent.post(KEYS, "/api/v1/prices", doc)
    assert answer.status == 200, answer


def metric(agent, name, **labels):
    text = agent.get(GW, "/metrics").body
    text = text.decode() if isinstance(text, bytes) else text
    for line in text.splitlines():
        if line.startswith(name + "{") and all(f'{k}="{v}"' in line for k, v in labels.items()):
            return float(line.rsplit(" ", 1)[1])
    return None


def last_event(agent):
    return agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]


def says(agent, document, content="hello"):
    """The answer to a chat whose upstream says exactly this."""
    upstream = BytesUpstream({"a": answer("200 OK", "application/json",
                                          json.dumps(document).encode())})
    agent.add_key(upstream.url("a"))
    try:
        return agent.chat(content)
    finally:
        upstream.close()


@pytest.fixture
def agent(make_agent, vendord):
    agent = make_agent()
    agent.add_key(vendord.url)
    return agent


def test_reported_tokens_are_priced(agent):
    tokens = {"in": 0, "out": 0}
    for _ in range(3):
        told = agent.chat("hello").body["usage"]
        tokens["in"] += told["prompt_tokens"]
        tokens["out"] += told["completion_tokens"]
    item = only(agent, "by=feature,target,client,key,model")
    assert (item["feature"], item["target"], item["client"], item["model"]) == \
        ("chat", "openai/gpt-4", "local", "gpt-5.4-mini")
    assert item["key"].startswith("key_")
    assert (item["requests"], item["attempts"], item["failures"]) == (3, 3, 0)
    assert (item["tokens_in"], item["tokens_out"]) == (tokens["in"], tokens["out"])
    want = tokens["in"] * MINI["in"] + tokens["out"] * MINI["out"]
    assert cost(item)["pico"] == want and cost(item)["source"] == "reported"
    assert cost(item)["reported"] == {"attempts": 3, "pico": want}
    assert cost(item)["estimated"] == {"attempts": 0, "pico": 0}
    assert (item["usage_unknown"], item["cost_unknown"], item["cost_zero"]) == (0, 0, 0)
    assert usage(agent)["totals"]["cost"] == item["cost"]
    event = last_event(agent)
    assert event["cost"]["currency"] == "USD" and event["cost"]["source"] == "reported"
    assert event["cost"]["pico"] == event["tokens_in"] * MINI["in"] + \
        event["tokens_out"] * MINI["out"]
    labels = {"feature": "chat", "target": "openai/gpt-4"}
    assert metric(agent, "yijian_usage_tokens_total", kind="in", **labels) == tokens["in"]
    assert metric(agent, "yijian_cost_total", currency="USD", **labels) == \
        pytest.approx(want / 1e12)


def test_streams_are_priced_too(agent):
    with agent.stream(CHAT, STREAM) as stream:
        list(stream.events())
    item = only(agent)
    assert item["streamed"] == 1 and item["interrupted"] == 0 and item["tokens_out"] > 0
    assert cost(item)["source"] == "reported" and cost(item)["pico"] > 0


def test_unreported_usage_is_estimated_and_said_so(make_agent):
    agent = make_agent()
    no_usage = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "y" * 400},
         "finish_reason": "stop"}]}
    assert says(agent, no_usage, "x" * 400).status == 200
    item = only(agent)
    assert cost(item)["source"] == "estimated"
    assert item["tokens_in"] >= 100 and item["tokens_out"] >= 100, "a token for four bytes"
    assert item["usage_unknown"] == item["cost_unknown"] == 0
    assert last_event(agent)["tokens_source"] == "estimated"


def test_a_stream_that_breaks_is_marked_and_estimated(agent, vendord):
    vendord.fault({"cut_stream": 3}, path=CHAT)
    with agent.stream(CHAT, STREAM) as stream:
        list(stream.events())
    item = only(agent)
    assert (item["interrupted"], item["failures"]) == (1, 1)
    assert cost(item)["source"] == "estimated" and item["tokens_out"] > 0


def test_a_caller_that_leaves_has_used_something(agent, vendord):
    vendord.fault({"tokens": 5000, "pace_ms": 20}, path=CHAT)
    with agent.stream(CHAT, STREAM) as stream:
        events = stream.events()
        for _ in range(4):
            next(events)
    vendord.wait_stats(lambda s: s["streams"]["aborted"] == 1, what="the stream given up")
    item = wait_for(lambda: (usage(agent)["items"] or [None])[0], what="its entry")
    assert (item["attempts"], item["streamed"], item["interrupted"]) == (1, 1, 1)
    assert item["tokens_out"] >= 3 and item["usage_unknown"] == item["cost_unknown"] == 0
    assert cost(item)["source"] == "estimated" and cost(item)["pico"] > 0


def test_what_is_refused_costs_nothing(agent, vendord):
    vendord.fault({"status": 400}, count=1, path=CHAT)
    agent.chat()
    item = only(agent)
    assert (item["attempts"], item["failures"]) in ((1, 0), (1, 1))
    assert item["cost"] == [] and item["cost_unknown"] == 0


def test_every_attempt_has_its_entry(agent, make_vendord):
    broken = make_vendord(no_auth=True)
    broken.fault({"status": 500})
    agent.add_instance(broken.url)
    assert agent.chat().status == 200
    items = {i["target"]: i for i in usage(agent, "by=target")["items"]}
    assert set(items) == {"self/simulated-vllm", "openai/gpt-4"}
    assert items["self/simulated-vllm"]["failures"] == 1
    assert items["self/simulated-vllm"]["requests"] == 1
    assert items["openai/gpt-4"]["requests"] == 0 and items["openai/gpt-4"]["attempts"] == 1
    assert usage(agent)["totals"]["requests"] == 1 and usage(agent)["totals"]["attempts"] == 2


def test_a_timeout_may_have_cost_something(agent, vendord):
    patch(agent, "chat", timeouts={"first_byte_ms": 50}, retry={"max_attempts": 1})
    vendord.fault({"hang": True}, path=CHAT)
    assert agent.chat().status == 504
    item = only(agent)
    assert item["usage_unknown"] == item["cost_unknown"] == 1 and item["cost"] == []
    assert last_event(agent)["cost"] == {"pico": None, "currency": None, "source": "unknown"}
    assert metric(agent, "yijian_cost_unknown_total", feature="chat") == 1


def test_a_model_without_a_price_is_unknown_not_free(agent):
    agent.post(KEYS, "/api/v1/prices", {"remove": ["openai/gpt-5.4-mini"]})
    agent.chat()
    item = only(agent)
    assert item["cost"] == [] and item["cost_unknown"] == 1 and item["tokens_in"] > 0


def test_nothing_paid_for_a_paid_model_is_noticed(make_agent):
    agent = make_agent()
    free = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "y"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}
    assert says(agent, free).status == 200
    assert only(agent)["cost_zero"] == 1
    assert metric(agent, "yijian_cost_zero_total", target="openai/gpt-4") == 1


def test_the_narrowest_price_counts(agent):
    key = agent.get(KEYS, "/api/v1/keys").body["items"][0]
    steps = [({"feature": "chat"}, 3), ({"target": "openai/gpt-4"}, 5),
             ({"key": f"openai/gpt-4/{key['slug']}"}, 7)]
    for scope, pico in steps:
        import_price(agent, vendor="openai", model="*", request_pico=pico, **scope)
        agent.chat()
        assert last_event(agent)["cost"]["pico"] == pico


def test_an_account_is_billed_in_its_currency(agent):
    key = agent.get(KEYS, "/api/v1/keys").body["items"][0]
    answer = agent.request(KEYS, "PATCH", f"/api/v1/keys/{key['id']}", {"currency": "CNY"})
    assert answer.status == 200 and answer.body["currency"] == "CNY"
    agent.chat()
    assert last_event(agent)["cost"]["source"] == "unknown", "no price in that currency"
    import_price(agent, vendor="openai", model="gpt-5.4-mini", currency="CNY", input_pico=1000,
                 output_pico=0)
    agent.chat()
    assert last_event(agent)["cost"]["currency"] == "CNY"
    totals = usage(agent)["totals"]
    assert [c["currency"] for c in totals["cost"]] == ["CNY"] and totals["cost_unknown"] == 1


def test_a_future_price_waits(agent):
    import_price(agent, vendor="openai", model="*", feature="chat", request_pico=1,
                 valid_from="2999-01-01T00:00:00Z")
    agent.chat()
    assert last_event(agent)["cost"]["pico"] > 1


def test_it_survives_stop_and_start(agent):
    agent.chat()
    before = only(agent, "by=feature,key")
    today = agent.get(GW, "/api/v1/status").body["usage"]["today"]
    agent.chat()  # in memory alone when the stop comes
    agent.restart()
    after = only(agent, "by=feature,key")
    assert after["requests"] == 2 and cost(after)["pico"] > cost(before)["pico"]
    again = agent.get(GW, "/api/v1/status").body["usage"]["today"]
    assert (today["requests"], again["requests"]) in ((1, 2), (1, 1), (1, 0))  # midnight
    assert again["requests"] == 2 or again["requests"] < 2


def test_a_crash_loses_what_was_not_written(agent):
    agent.chat()
    assert only(agent)["requests"] == 1  # asking writes what there is
    agent.kill9()
    agent.start()
    assert only(agent)["requests"] == 1


def test_it_is_written_by_itself(agent):
    agent.chat()
    waiting = lambda: metric_plain(agent, "yijian_ledger_waiting_rows")  # noqa: E731
    wait_for(lambda: waiting() == 0 or None, what="the ledger to be written")
    agent.kill9()
    agent.start()
    assert only(agent)["requests"] == 1


def metric_plain(agent, name):
    text = agent.get(GW, "/metrics").body
    text = text.decode() if isinstance(text, bytes) else text
    return next(float(line.split()[1]) for line in text.splitlines()
                if line.startswith(name + " "))


def test_steps_filters_and_pages(agent):
    agent.chat()
    agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": "x"})
    body = usage(agent, "by=feature&window=2h&step=1m")
    assert body["resolution_s"] == 60
    assert all(item["at"].endswith(":00.000Z") for item in body["items"])
    assert usage(agent, "by=feature&window=24h")["resolution_s"] == 3600
    assert usage(agent, "by=feature&window=365d")["resolution_s"] == 86400
    assert usage(agent, "by=feature&feature=none")["items"] == []
    assert only(agent, "by=client&feature=chat")["requests"] == 1
    agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "x"})
    first = usage(agent, "by=feature&limit=1")
    rest = usage(agent, f"by=feature&limit=1&cursor={first['next']}") if "next" in first else None
    assert first["total"] == 1 + (rest is not None)


@pytest.mark.parametrize("query, error", [
    ("by=colour", "param_invalid"), ("window=0s", "field_range"), ("window=500d", "field_range"),
    ("window=x", "param_invalid"), ("window=30d&step=1m", "field_range"),
    ("window=3d&step=1m", "field_range"), ("step=90s", "field_range"), ("limit=0", "field_range"),
    ("cursor=x", "cursor_invalid")])
def test_what_is_refused(agent, query, error):
    assert agent.get(GW, f"{PATH}?{query}").error == error


def test_the_cheapest_target_is_chosen(agent, make_vendord):
    """Two vendors' models as equals: the price decides, and the decision shows both."""
    aliyun = make_vendord(flavour="dashscope")
    agent.add_key(aliyun.url + "/compatible-mode", vendor="aliyun", service="qwen", key_name="q")
    targets = [{"kind": "vendor", "vendor": v, "service": s, "upstream_model": m, "order": 1}
               for v, s, m in (("openai", "gpt-4", "gpt-5.4-mini"),
                               ("aliyun", "qwen", "qwen3.7-plus"))]
    patch(agent, "chat", strategy="cost", targets=targets)
    body = {"messages": [{"role": "user", "content": "hello"}]}
    record = agent.post("router-engine", "/api/v1/route/chat", body).body
    costs = {c["target"].split("#")[0]: c["evidence"]["cost"] for c in record["candidates"]}
    assert all(c["source"] == "estimated" and c["currency"] == "USD" for c in costs.values())
    assert 0 < costs["aliyun/qwen"]["pico"] < costs["openai/gpt-4"]["pico"]
    assert record["chosen"]["target"].startswith("aliyun/qwen#")
    assert record["chosen"]["reason"] == "cheapest"
    asked = agent.chat()
    assert asked.headers["X-Yijian-Target"].startswith("aliyun/qwen#"), last_event(agent)
    import_price(agent, vendor="aliyun", model="qwen3.7-plus", input_pico=90_000_000,
                 output_pico=90_000_000)
    assert agent.chat().headers["X-Yijian-Target"].startswith("openai/gpt-4#")
    agent.post(KEYS, "/api/v1/prices", {"remove": ["openai/gpt-5.4-mini"]})
    record = agent.post("router-engine", "/api/v1/route/chat", body).body
    assert record["chosen"]["target"].startswith("aliyun/qwen#"), "what is unknown comes last"
    assert [c["evidence"]["cost"] for c in record["candidates"]].count(None) == 1


def test_the_faster_of_two_is_chosen(make_agent, make_vendord):
    agent, slow, fast = make_agent(), make_vendord(no_auth=True), make_vendord(no_auth=True)
    slow.fault({"delay": 150}, path=CHAT)
    agent.add_instance(slow.url, id="slow")
    agent.add_instance(fast.url, id="fast")
    patch(agent, "chat", strategy="latency")
    first = {agent.chat().headers["X-Yijian-Target"] for _ in range(2)}
    assert len(first) == 2, "one without a latency is asked for one"
    for _ in range(5):
        answer = agent.chat()
        assert answer.headers["X-Yijian-Target"].endswith("#fast")
        assert answer.headers["X-Yijian-Reason"] == "fastest_of_two"


def test_a_store_that_is_away_loses_nothing(agent):
    """Traffic and its sums go on; they are written when the database is back."""
    agent.chat()
    assert only(agent)["requests"] == 1
    database = agent.state_dir / "yijian.db"
    database.rename(agent.state_dir / "away.db")
    for _ in range(4):
        assert agent.chat().status == 200
    refused = agent.get(GW, PATH)
    assert refused.status == 503 and refused.error.startswith("storage_")
    assert agent.get(GW, "/api/v1/status").body["usage"]["today"]["requests"] in (5, 4, 0)
    (agent.state_dir / "away.db").rename(database)
    back = wait_for(lambda: agent.get(GW, PATH).status == 200 or None, what="the database")
    assert back and only(agent)["requests"] == 5
    agent.kill9()
    agent.start()
    assert only(agent)["requests"] == 5, "and once only"


def test_pictures_are_counted_and_priced(agent, vendord):
    agent.add_key(vendord.url, service="dalle", key_name="pictures")
    answer = agent.post(GW, "/v1/images/generations",
                        {"model": "text_to_image", "prompt": "a cat", "n": 2})
    assert answer.status == 200
    item = only(agent, "by=feature,model&feature=text_to_image")
    assert item["images"] == len(answer.body["data"]) == 2
    told = answer.body["usage"]  # gpt-image-2: 5 a million in, 30 a million of made pictures
    assert cost(item)["pico"] == told["input_tokens"] * 5_000_000 + \
        told["output_tokens"] * 30_000_000
    agent.request("config-center", "PATCH", "/api/v1/features/text_to_image", {"targets": [
        {"kind": "vendor", "vendor": "openai", "service": "dalle",
         "upstream_model": "priced-by-picture"}]})
    import_price(agent, vendor="openai", model="priced-by-picture", images=[
        {"quality": "hd", "size": "1024x1024", "pico": 80}, {"size": "1024x1024", "pico": 40}])
    for quality, pico in (("hd", 80), ("standard", 40)):
        agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "a cat",
                                                  "size": "1024x1024", "quality": quality})
        event = last_event(agent)
        assert event["cost"]["pico"] == pico and event["cost"]["source"] in ("counted", "reported")
