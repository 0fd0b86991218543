# SPDX-License-Identifier: MIT
"""Model traffic: what is passed on, who is asked, what callers are told when it fails."""
import base64
import json
import resource
import struct

import pytest

from raw import Raw
from vendord import header_of
from waiting import wait_for

GW = "api-gateway"
MESSAGES = [{"role": "user", "content": "hello"}]


def patch(agent, feature, **members):
    answer = agent.request("config-center", "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


def last_event(agent):
    items = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"]
    return items[-1]


@pytest.fixture
def agent(make_agent):
    return make_agent()


@pytest.fixture
def vendor(make_vendord):
    return make_vendord()


@pytest.fixture
def local(make_vendord):
    return make_vendord(no_auth=True)


def test_chat_is_passed_on(agent, vendor):
    key = agent.add_key(vendor.url)
    answer = agent.chat("hello", temperature=0.5, unknown_field={"kept": [1]})
    assert answer.status == 200
    assert answer.body["choices"][0]["message"]["role"] == "assistant"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Yijian-Target"] == f"openai/gpt-4#{key['slug']}"
    assert answer.headers["X-Yijian-Attempts"] == "1"
    assert answer.headers["X-Yijian-Decision"].startswith("d-")
    assert answer.headers["X-Yijian-Reason"]
    sent = vendor.asked()
    body = json.loads(sent["body"])
    assert body["unknown_field"] == {"kept": [1]} and body["temperature"] == 0.5
    assert header_of(sent, "Accept-Encoding") == "identity", "no field would mean any coding"
    assert header_of(sent, "X-Yijian-Hop") is None, "vendors are told nothing"


def test_event_of_a_request(agent, vendor):
    agent.add_key(vendor.url)
    answer = agent.chat("a secret prompt")
    event = last_event(agent)
    assert event["id"] == answer.headers["X-Request-Id"]
    assert event["decision"] == answer.headers["X-Yijian-Decision"]
    assert (event["feature"], event["client"], event["status"]) == ("chat", "local", 200)
    assert event["tokens_in"] == answer.body["usage"]["prompt_tokens"]
    assert event["tokens_out"] == answer.body["usage"]["completion_tokens"]
    assert event["tokens_source"] == "reported"
    assert [attempt["end"] for attempt in event["attempts"]] == ["ok"]
    assert "secret prompt" not in json.dumps(event)


@pytest.mark.parametrize("body, status, code, param", [
    ({"messages": MESSAGES}, 422, "field_required", "model"),
    ({"model": 7, "messages": MESSAGES}, 422, "field_type", "model"),
    ({"model": "nobody", "messages": MESSAGES}, 404, "model_not_found", "model"),
    ({"model": "x" * 5000, "messages": MESSAGES}, 404, "model_not_found", "model"),
    ({"model": "chat"}, 422, "field_required", "messages"),
    ({"model": "chat", "messages": MESSAGES, "stream": 1}, 422, "field_type", "stream"),
    ({"model": "chat", "messages": MESSAGES, "api_base": "http://x"}, 400, "field_forbidden",
     "api_base"),
    ({"model": "chat", "messages": MESSAGES, "base_url": "http://x"}, 400, "field_forbidden",
     "base_url"),
    ({"model": "chat", "messages": MESSAGES, "api_key": "sk-x"}, 400, "field_forbidden",
     "api_key"),
    ({"model": "chat", "messages": MESSAGES, "custom_host": "x"}, 400, "field_forbidden",
     "custom_host"),
])
def test_bad_requests(agent, vendor, body, status, code, param):
    agent.add_key(vendor.url)
    answer = agent.post(GW, "/v1/chat/completions", body)
    assert (answer.status, answer.error) == (status, code)
    assert answer.body["error"]["param"] == param
    assert answer.body["error"]["type"] == "invalid_request_error"
    assert vendor.stats()["requests"] == 0


@pytest.mark.parametrize("text, code", [
    ("", "json_invalid"), ("[]", "json_invalid"), ("{", "json_invalid"),
    ('{"model":"chat","model":"chat"}', "json_duplicate_key"),
    ('{"model":"chat","mod\\u0065l":"x","messages":[]}', "json_invalid"),
    ('{"model":"chat","api\\u005fbase":"x","messages":[]}', "json_invalid"),
    ("[" * 1000, "json_too_complex"),
])
def test_bad_json(agent, text, code):
    answer = agent.request(GW, "POST", "/v1/chat/completions", body=text,
                           headers={"Content-Type": "application/json"})
    assert (answer.status, answer.error) == (400, code)


def test_embeddings_in_the_form_asked_for(agent, local):
    agent.add_instance(local.url, features=["embeddings"])

    def vector(**more):
        answer = agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": "x", **more})
        assert answer.status == 200, answer
        return answer.body["data"][0]["embedding"]
    floats = vector()
    packed = base64.b64decode(vector(encoding_format="base64"))
    unpacked = struct.unpack(f"<{len(packed) // 4}f", packed)
    assert unpacked == pytest.approx(floats, rel=1e-6)


def test_images_and_invoke(agent, vendor):
    agent.add_key(vendor.url, service="dalle")
    answer = agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "cat"})
    assert answer.status == 200 and len(answer.body["data"]) == 1
    answer = agent.post(GW, "/api/v1/invoke/text_to_image", {"prompt": "a cat"})
    assert answer.status == 200 and answer.body["data"]
    assert agent.post(GW, "/api/v1/invoke/nothing", {"prompt": "x"}).status == 404
    for bad in ({"n": 0}, {"n": "two"}, {"n": 1000}):
        assert agent.post(GW, "/v1/images/generations",
                          {"model": "text_to_image", "prompt": "x", **bad}).status == 422


def test_models(agent, vendor):
    agent.add_key(vendor.url)
    ids = [model["id"] for model in agent.get(GW, "/v1/models").body["data"]]
    assert {"chat", "text_to_image", "embeddings", "openai/gpt-4"} <= set(ids)
    assert len(ids) == len(set(ids))
    assert agent.get(GW, "/models").body["object"] == "list"
    assert agent.get(GW, "/v1/models/openai/gpt-4").body["id"] == "openai/gpt-4"
    assert agent.get(GW, "/v1/models/nobody").error == "model_not_found"


def test_nothing_usable(agent):
    answer = agent.chat()
    assert (answer.status, answer.error) == (503, "no_healthy_target")
    assert answer.headers["X-Yijian-Decision"] and answer.headers["Retry-After"]
    assert answer.headers["x-should-retry"] == "true"
    record = agent.get(GW, "/api/v1/decisions/" + answer.headers["X-Yijian-Decision"])
    assert record.status == 200 and record.body["chosen"] is None


def test_fallback_is_recorded(agent, vendor, local):
    agent.add_instance(local.url)
    agent.add_key(vendor.url)
    local.fault({"status": 500}, path="/v1/*")
    answer = agent.chat()
    assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "2"
    assert answer.headers["X-Yijian-Target"].startswith("openai/gpt-4#")
    assert [a["end"] for a in last_event(agent)["attempts"]] == ["http_500", "ok"]
    record = agent.get(GW, "/api/v1/decisions/" + answer.headers["X-Yijian-Decision"]).body
    assert record["chosen"]["target"].startswith("self/"), "the first choice is what is shown"
    assert [a["status"] for a in record["attempts"]] == [500, 200]


@pytest.mark.parametrize("value, least, most", [
    ("20", 15, 20), ("-5", 1, 1), ("0", 1, 1), ("soon", 2, 5), (None, 2, 5)])
def test_cooldown_and_next_key(agent, vendor, value, least, most):
    agent.add_key(vendor.url, key_name="one", api_key="sk-simulated-0000000000000one")
    agent.add_key(vendor.url, key_name="two", api_key="sk-simulated-0000000000000two",
                  tier="secondary")
    fault = {"status": 429} | ({"retry_after": value} if value else {})
    vendor.fault(fault, key="one")
    answer = agent.chat()
    assert answer.status == 200 and answer.headers["X-Yijian-Target"].endswith("#two")
    vendor.fault(fault, key="two")
    answer = agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    assert least <= int(answer.headers["Retry-After"]) <= most
    assert answer.headers["x-should-retry"] == "true"


def test_cooling_key_is_not_asked(agent, vendor):
    agent.add_key(vendor.url)
    vendor.fault({"status": 429, "retry_after": "1000000000"})
    assert agent.chat().error == "upstream_rate_limited"
    asked = vendor.stats()["requests"]
    answer = agent.chat()
    assert (answer.status, answer.error) == (429, "upstream_rate_limited")
    assert int(answer.headers["Retry-After"]) <= 60
    assert vendor.stats()["requests"] == asked


def test_refused_key(agent, vendor):
    agent.add_key(vendor.url, api_key="sk-simulated-000000000000bad1")
    vendor.fault({"status": 401})
    answer = agent.chat()
    assert (answer.status, answer.error) == (502, "upstream_auth_failed")
    assert answer.headers["x-should-retry"] == "false"
    assert "sk-simulated" not in json.dumps(answer.body)
    assert agent.chat().error == "no_healthy_target"


def test_out_of_money_is_not_a_limit(agent, vendor):
    agent.add_key(vendor.url)
    vendor.fault({"status": 429, "code": "insufficient_quota"})
    answer = agent.chat()
    assert (answer.status, answer.error) == (502, "upstream_billing")


@pytest.mark.parametrize("fault, status, code", [
    ({"status": 400}, 400, None), ({"status": 422}, 422, None),
    ({"status": 400, "code": "context_length_exceeded"}, 400, "context_length_exceeded"),
    ({"status": 400, "code": "content_policy_violation"}, 400, "content_policy_violation"),
    ({"status": 422, "error_shape": "detail_list"}, 422, None),
    ({"status": 422, "error_shape": "detail"}, 422, None),
    ({"status": 400, "error_shape": "flat"}, 400, None),
    ({"status": 400, "error_shape": "string"}, 400, None),
    ({"status": 400, "error_shape": "empty"}, 400, None),
])
def test_the_requests_own_fault(agent, vendor, local, fault, status, code):
    agent.add_instance(local.url)
    agent.add_key(vendor.url)
    local.fault(fault, path="/v1/*")
    answer = agent.chat()
    assert answer.status == status
    error = answer.body["error"]
    assert isinstance(error["message"], str) and error["message"]
    assert isinstance(error["code"], str) and isinstance(error["type"], str)
    if code:
        assert error["code"] == code
    assert vendor.stats()["requests"] == 0, "another would say the same"


def test_breaker_opens_and_heals(agent, local):
    agent.add_instance(local.url)
    patch(agent, "chat", cooldown={"fails": 2, "for_s": 1, "window_s": 60})
    local.fault({"status": 500}, path="/v1/*")
    for _ in range(2):
        assert agent.chat().error == "all_upstreams_failed"
    asked = local.stats()["requests"]
    answer = agent.chat()
    assert (answer.status, answer.error) == (503, "no_healthy_target")
    assert local.stats()["by_path"] and local.stats()["requests"] - asked <= 1, "a probe at most"
    local.faults([])
    wait_for(lambda: agent.chat().status == 200, what="the half-open trial")


@pytest.mark.parametrize("stream", [False, True])
def test_no_room_is_nobodys_fault(agent, local, stream):
    """Without a descriptor for the upstream it is the agent that is full, not the candidate."""
    agent.add_instance(local.url)
    patch(agent, "chat", cooldown={"fails": 1, "for_s": 600, "window_s": 600})
    caller = Raw(agent.address(GW))
    body = json.dumps({"model": "chat", "messages": MESSAGES, "stream": stream}).encode()
    get = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    post = (b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n"
        b"Content-Type: application/json\r\n\r\n" % len(body)) + body
    caller.send(get)
    assert caller.answer().status == 200, "the caller's own connection stands"
    soft, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (3, hard))
    try:
        caller.send(post)
        full = caller.answer()
    finally:
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert (full.status, full.code) == (503, "overloaded"), full
    assert int(full.header("Retry-After")) >= 1
    assert [a["end"] for a in last_event(agent)["attempts"]] == ["no_room"]
    assert agent.chat().status == 200, "its breaker was left alone"


def test_deadlines(agent, local):
    agent.add_instance(local.url)
    patch(agent, "chat", timeouts={"first_byte_ms": 200})
    local.fault({"hang": True}, path="/v1/*")
    answer = agent.chat()
    assert (answer.status, answer.error) == (504, "upstream_timeout")
    assert answer.headers["x-should-retry"] == "true"
    assert last_event(agent)["attempts"][0]["end"] == "first_byte_timeout"


def test_images_that_timed_out_are_not_repeated(agent, local):
    agent.add_instance(local.url, features=["text_to_image"])
    patch(agent, "text_to_image", timeouts={"first_byte_ms": 200})
    local.fault({"hang": True}, path="/v1/*")
    answer = agent.post(GW, "/v1/images/generations", {"model": "text_to_image", "prompt": "x"})
    assert (answer.status, answer.headers["x-should-retry"]) == (504, "false")


def test_kept_connection_that_was_closed(agent, local):
    agent.add_instance(local.url)
    for _ in range(20):
        local.close_idle()
        answer = agent.chat()
        assert (answer.status, answer.headers["X-Yijian-Attempts"]) == (200, "1")


def test_connections_are_kept(make_agent, local):
    agent = make_agent(env={"YIJIAN_TRAFFIC_LOOPS": "1"})
    agent.add_instance(local.url)
    agent.chat()
    accepted = local.stats()["connections"]["accepted"]
    for _ in range(30):
        assert agent.chat().status == 200
    assert local.stats()["connections"]["accepted"] - accepted <= 35, "only the test's own and probes"
    assert local.stats()["connections"]["open_peak"] < 10


def test_own_ports_are_not_dialled(agent):
    agent.post("key-manager", "/api/v1/keys", {
        "vendor": "openai", "service": "gpt-4", "key_name": "loop", "api_key": "sk-" + "x" * 30,
        "base_url": agent.url()})
    answer = agent.chat()
    assert answer.status in (502, 503) and answer.error in ("all_upstreams_failed",
                                                            "no_healthy_target")


def test_hop_limit(agent, local):
    agent.add_instance(local.url)
    assert agent.chat(headers={"X-Yijian-Hop": "2"}).status == 200
    assert header_of(local.asked(), "X-Yijian-Hop") == "3"
    assert agent.chat(headers={"X-Yijian-Hop": "3"}).status == 200
    answer = agent.chat(headers={"X-Yijian-Hop": "4"})
    assert (answer.status, answer.error) == (508, "upstream_loop")


def test_metrics_count(agent, vendor):
    agent.add_key(vendor.url)
    agent.chat()
    agent.chat(model="nobody")
    def metrics():
        text = agent.get(GW, "/metrics").body.decode()
        return text if "yijian_gateway_inflight_requests 0" in text else None
    # A caller has its answer a moment before the request is over for the agent.
    text = wait_for(metrics, what="no request under way")
    assert 'yijian_gateway_requests_total{feature="chat",class="2xx"} 1' in text
    assert 'yijian_gateway_attempts_total{feature="chat",target="openai/gpt-4",outcome="ok"} 1' in text
    assert "nobody" not in text


def test_models_say_when_they_end(agent, vendor):
    """A vendor's announcement, as far as it is known; a feature ends with its last target."""
    def ends(id):
        assert agent.get(GW, f"/v1/models/{id}").status == 200
        return next(m.get("shutdown_date") for m in agent.get(GW, "/v1/models").body["data"]
                    if m["id"] == id)

    def targets(*models):
        answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
            {"id": f"t{n}", "kind": "vendor", "vendor": "openai", "service": "gpt-4",
             "upstream_model": model} for n, model in enumerate(models)]})
        assert answer.status == 200, answer
    agent.add_key(vendor.url)
    targets("gpt-3.5-turbo-0125")
    assert len(ends("chat")) == 10 and ends("openai/gpt-4") == ends("chat")
    assert agent.get(GW, "/v1/models/chat").body["shutdown_date"] == ends("chat")
    assert agent.get(GW, "/v1/models/chat").body["replacement"]
    targets("gpt-3.5-turbo-0125", "gpt-unannounced")
    assert ends("chat") is None
