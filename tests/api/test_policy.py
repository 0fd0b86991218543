# SPDX-License-Identifier: MIT
"""Hybrid policy: every candidate out, data that stays at home, sessions, embedding spaces."""
import pytest

from waiting import wait_for

GW, CONFIG, ROUTER = "api-gateway", "config-center", "router-engine"
CHAT = "/v1/chat/completions"


@pytest.fixture
def local(make_vendord):
    """A self-hosted server: it asks for no key."""
    return make_vendord(flavour="vllm", no_auth=True)


def patch(agent, feature, **members):
    answer = agent.request(CONFIG, "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


def explain(agent, feature="chat", headers=(), **body):
    answer = agent.post(ROUTER, f"/api/v1/route/{feature}", body, headers=headers)
    assert answer.status == 200, answer
    return answer.body


def skips(doc):
    """Why each candidate is out; vendors nobody stored a key for are left out."""
    return {c["target"]: c["skips"][0]["code"] for c in doc["candidates"]
            if not c["eligible"] and c["skips"][0]["code"] != "no_key"}


def decision(agent, answer):
    found = agent.get(ROUTER, "/api/v1/decisions/" + answer.headers["X-Yijian-Decision"])
    assert found.status == 200, found
    return found.body


def open_it(agent, local, **policy):
    """One self-hosted candidate whose breaker is open for a while."""
    agent.add_instance(local.url)
    patch(agent, "chat", cooldown={"fails": 1, "for_s": 3600, "window_s": 60}, **policy)
    local.fault({"status": 500}, count=1, path="/v1/chat/*")
    assert agent.chat().status == 502


def test_fail_fast(agent, local):
    open_it(agent, local)
    answer = agent.chat()
    assert (answer.status, answer.error) == (503, "no_healthy_target")
    assert decision(agent, answer)["policy"]["all_down"] == "fail_fast"


def test_least_bad_is_tried_once(agent, local):
    open_it(agent, local)
    patch(agent, "chat", all_down="least_bad")
    local.fault({"status": 500}, count=1, path="/v1/chat/*")
    answer = agent.chat()
    assert answer.status == 502, "it was tried, and failed again"
    assert len(decision(agent, answer)["attempts"]) == 1
    seen = explain(agent)
    assert seen["policy"]["all_down"] == "least_bad"
    assert seen["chosen"]["reason"] == "least_bad"
    assert skips(seen) == {"self/simulated-vllm#gpu1": "breaker_open"}
    answer = agent.chat()
    assert (answer.status, answer.headers["X-Yijian-Reason"]) == (200, "least_bad")
    assert agent.chat().headers["X-Yijian-Reason"] == "only_one", "its success closed the breaker"


def test_waits_for_the_first_to_return(agent, vendord):
    agent.add_key(vendord.base_url)
    patch(agent, "chat", all_down="wait", wait_ms=20000)
    vendord.fault({"status": 429, "retry_after": "1"}, count=1, path="/v1/chat/*")
    assert agent.chat().status == 429
    answer = agent.chat()
    assert (answer.status, answer.headers["X-Yijian-Reason"]) == (200, "waited")
    policy = decision(agent, answer)["policy"] if agent.get(
        ROUTER, "/api/v1/decisions/" + answer.headers["X-Yijian-Decision"]).status == 200 else None
    if policy:  # one of many, perhaps not sampled
        assert policy["all_down"] == "wait" and policy["wait_ms"] == 20000
        assert 0 < policy["waited_ms"] <= 20000


def test_a_wait_ends(agent, local):
    open_it(agent, local, all_down="wait", wait_ms=50)
    answer = agent.chat()
    assert (answer.status, answer.error) == (503, "no_healthy_target")
    policy = decision(agent, answer)["policy"]
    assert policy["wait_ms"] == 50 and policy["waited_ms"] >= 50


def test_what_never_returns_is_not_waited_for(agent, vendord):
    agent.add_key(vendord.base_url)
    patch(agent, "chat", all_down="wait", wait_ms=60000)
    vendord.fault({"status": 401}, path="/v1/*")
    assert agent.chat(timeout=50).status == 502
    answer = agent.chat()
    assert (answer.status, answer.error) == (503, "no_healthy_target")
    assert decision(agent, answer)["policy"]["waited_ms"] == 0


def test_a_caller_who_leaves_while_waiting(agent, local):
    open_it(agent, local, all_down="wait", wait_ms=60000)
    with agent.connect() as raw:
        body = b'{"model":"chat","messages":[{"role":"user","content":"x"}]}'
        raw.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                 b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                 % (len(body), body))
        wait_for(lambda: b"yijian_gateway_inflight_requests 1"
                 in agent.get(GW, "/metrics").body, what="the held call")
    wait_for(lambda: b"yijian_gateway_inflight_requests 0"
             in agent.get(GW, "/metrics").body, what="its end")


def test_local_only_never_leaves(agent, local, make_vendord):
    vendor = make_vendord()
    agent.add_instance(local.url)
    agent.add_key(vendor.base_url)
    patch(agent, "chat", data_policy="local_only")
    local.fault({"status": 500}, path="/v1/*")
    answer = agent.chat()
    assert answer.status == 502
    found = decision(agent, answer)
    assert found["policy"]["data_policy"] == "local_only"
    assert skips(found)["openai/gpt-4#simulated"] == "policy_denied"
    denied = next(c for c in found["candidates"] if not c["eligible"])
    assert denied["skips"][0]["detail"] == "local_only"
    assert vendor.stats()["requests"] == 0


def test_a_caller_keeps_its_data_at_home(agent, local, make_vendord):
    vendor = make_vendord()
    agent.add_instance(local.url)
    agent.add_key(vendor.base_url)
    local.fault({"status": 500}, path="/v1/*")
    answer = agent.chat(headers={"X-Yijian-Data": "local_only"})
    assert answer.status == 502 and vendor.stats()["requests"] == 0
    assert agent.chat(headers={"X-Yijian-Data": "any"}).status == 200
    assert vendor.stats()["requests"] == 1
    answer = agent.chat(headers={"X-Yijian-Data": "localonly"})
    assert (answer.status, answer.error) == (422, "field_range")
    seen = explain(agent, headers={"X-Yijian-Data": "local_only"})
    assert skips(seen)["openai/gpt-4#simulated"] == "policy_denied"
    bad = agent.post(ROUTER, "/api/v1/route/chat", {}, headers={"X-Yijian-Data": "x"})
    assert (bad.status, bad.error) == (422, "field_range")


def test_a_header_does_not_loosen_a_feature(agent, vendord):
    agent.add_key(vendord.base_url)
    patch(agent, "chat", data_policy="local_only")
    answer = agent.chat(headers={"X-Yijian-Data": "any"})
    assert answer.status == 503 and vendord.stats()["requests"] == 0


def test_sessions_stay(agent, local):
    for i in range(4):
        agent.add_instance(local.url, id=f"gpu{i}")
    patch(agent, "chat", strategy="weighted", affinity="session")
    homes = {}
    for name in ("ann", "bob", "cho", "dan", "eve", "fay", "gus", "hal"):
        for _ in range(3):
            answer = agent.chat(headers={"X-Yijian-Session": name})
            assert answer.headers["X-Yijian-Reason"] == "affinity"
            assert homes.setdefault(name, answer.headers["X-Yijian-Target"]) \
                == answer.headers["X-Yijian-Target"]
        assert agent.chat(user=name).headers["X-Yijian-Target"] == homes[name]
        assert explain(agent, user=name)["chosen"]["target"] == homes[name]
    assert len(set(homes.values())) > 1
    gone = homes["ann"].split("#")[1]
    answer = agent.request("service-registry", "POST",
                           f"/api/v1/services/simulated-vllm/instances/{gone}/drain")
    assert answer.status == 200
    assert agent.chat(user="ann").headers["X-Yijian-Target"] != homes["ann"]
    for name, home in homes.items():
        if home != homes["ann"]:
            assert agent.chat(user=name).headers["X-Yijian-Target"] == home


def embedding_targets(**second):
    return [{"id": "first", "vendor": "openai", "service": "embeddings",
             "upstream_model": "text-embedding-3-small", "kind": "vendor"},
            {"id": "second", "kind": "self_hosted", "service": "tei", "order": 5, **second}]


def test_embeddings_never_change_their_space(agent, local, make_vendord):
    vendor = make_vendord()
    agent.add_key(vendor.base_url, service="embeddings")
    agent.add_instance(local.url, service="tei", engine="openai-compatible", features=[])
    patch(agent, "embeddings", targets=embedding_targets(upstream_model="bge-m3"))
    seen = explain(agent, "embeddings")
    assert seen["policy"]["space"] == "text-embedding-3-small"
    assert skips(seen) == {"self/tei#gpu1": "policy_denied"}
    assert "bge-m3" in seen["candidates"][1]["skips"][0]["detail"]
    vendor.fault({"status": 500}, path="/v1/*")
    answer = agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": "x"})
    assert answer.status == 502
    assert local.stats()["by_path"].get("/v1/embeddings", 0) == 0
    patch(agent, "embeddings", targets=embedding_targets(
        upstream_model="local-name", space="text-embedding-3-small"))
    answer = agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": "x"})
    assert answer.status == 200 and answer.headers["X-Yijian-Target"] == "self/tei#gpu1"


def test_any_feature_may_pin_its_model(agent, vendord):
    agent.add_key(vendord.base_url)
    agent.add_key(vendord.base_url, vendor="aliyun", service="qwen")
    assert skips(explain(agent)) == {}
    patch(agent, "chat", pin_model=True)
    assert skips(explain(agent)) == {"aliyun/qwen#simulated": "policy_denied"}


def test_regions(agent, vendord):
    agent.add_key(vendord.base_url, key_name="here", region="eu-central-1")
    agent.add_key(vendord.base_url, key_name="there", region="us-east-1",
                  api_key="sk-simulated-00000000there")
    agent.add_key(vendord.base_url, key_name="unsaid", api_key="sk-simulated-0000000unsaid")
    patch(agent, "chat", regions=["eu-central-1"])
    found = explain(agent)
    assert found["chosen"]["target"] == "openai/gpt-4#here"
    details = {c["target"]: c["skips"][0] for c in found["candidates"] if not c["eligible"]}
    assert details["openai/gpt-4#there"]["code"] == "region_denied"
    assert details["openai/gpt-4#there"]["detail"] == "region us-east-1"
    assert details["openai/gpt-4#unsaid"]["detail"] == "region unknown"


def test_what_a_target_lacks(agent, local):
    agent.add_instance(local.url, lacks=["tools", "stream"])
    assert skips(explain(agent)) == {}
    missing = {"self/simulated-vllm#gpu1": "capability_missing"}
    assert skips(explain(agent, stream=True)) == missing
    found = explain(agent, tools=[{"type": "function", "function": {"name": "f"}}])
    assert skips(found) == missing and found["request"]["needs"] == ["tools"]
    answer = agent.chat(tools=[{"type": "function", "function": {"name": "f"}}])
    assert (answer.status, answer.error) == (422, "field_range")
    assert agent.chat().status == 200


def test_sizes(agent, local):
    agent.add_instance(local.url, features=["text_to_image"], engine="openai-compatible",
                       sizes=["512x512"])
    target = "self/simulated-vllm#gpu1"
    assert target not in skips(explain(agent, "text_to_image", width=512, height=512))
    found = skips(explain(agent, "text_to_image", size="1024x1024"))
    assert found[target] == "size_unsupported"


@pytest.mark.parametrize("members,code", [
    ({"all_down": "panic"}, "field_range"), ({"wait_ms": 0}, "field_range"),
    ({"data_policy": "local"}, "field_range"), ({"affinity": "client"}, "field_range"),
    ({"targets": [{"kind": "self_hosted", "service": "x", "sizes": ["big"]}]}, "field_range"),
    ({"targets": [{"kind": "self_hosted", "service": "x", "lacks": ["legs"]}]}, "field_range")])
def test_documents_are_checked(agent, members, code):
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", members)
    assert (answer.status, answer.error) == (422, code)


def test_one_bad_model_does_not_close_its_key(agent, vendord):
    """Two features with two models on one key: one fails, the other goes on."""
    agent.add_key(vendord.base_url)
    patch(agent, "chat", cooldown={"fails": 1, "for_s": 3600, "window_s": 60})
    answer = agent.post(CONFIG, "/api/v1/features", {
        "name": "other", "endpoint": "chat.completions", "targets": [
            {"kind": "vendor", "vendor": "openai", "service": "gpt-4",
             "upstream_model": "gpt-other"}]})
    assert answer.status == 201, answer
    vendord.fault({"status": 500}, count=1, path=CHAT)
    assert agent.chat().status == 502
    assert skips(explain(agent))["openai/gpt-4#simulated"] == "breaker_open"
    assert agent.chat(model="other").status == 200
    vendord.fault({"status": 404, "code": "model_not_found"}, count=1, path=CHAT)
    agent.chat(model="other")
    assert skips(explain(agent, "other")) == {"openai/gpt-4#simulated": "model_gone"}
    rows = agent.get(ROUTER, "/api/v1/routes/other").body["items"]
    assert rows[0]["state"] == "GONE"
    assert agent.get("key-manager", "/api/v1/keys").body["items"][0]["state"] == "ok"


def test_what_one_caller_waited_for_is_not_the_next_ones(make_agent, vendord):
    """On one loop calls are used again: who was held back leaves nothing behind."""
    agent = make_agent(env={"YIJIAN_TRAFFIC_LOOPS": "1"})
    agent.add_key(vendord.base_url)
    patch(agent, "chat", all_down="wait", wait_ms=20000)
    seen = set()
    for _ in range(2):
        vendord.fault({"status": 429, "retry_after": "1"}, count=1, path="/v1/chat/*")
        assert agent.chat().status == 429
        answer = agent.chat()
        assert (answer.status, answer.headers["X-Yijian-Reason"]) == (200, "waited")
        seen.add(answer.headers["X-Yijian-Decision"])
        for _ in range(3):
            answer = agent.chat()
            assert (answer.status, answer.headers["X-Yijian-Reason"]) == (200, "only_one")
            assert answer.headers["X-Yijian-Attempts"] == "1"
            seen.add(answer.headers["X-Yijian-Decision"])
    assert len(seen) == 8 and all(name.startswith("d-") for name in seen)
