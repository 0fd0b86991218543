# SPDX-License-Identifier: MIT
"""Engine profiles: what registering sets by itself, what quirks change, and what a queue does."""
import json

import pytest

from bytes_upstream import BytesUpstream, answer as bytes_answer
from waiting import wait_for

GW, REG = "api-gateway", "service-registry"
STREAM = b"".join(b"data: %s\n\n" % event for event in (
    b'{"id":"1","choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}',
    b'{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'))


def see(agent, service, instance):
    return agent.get(REG, f"/api/v1/services/{service}/instances/{instance}").body


@pytest.mark.parametrize("engine, path, concurrency, quirks", [
    ("vllm", "/health", None, {"embeddings_base64": True, "max_batch": 0, "error_shape": "any"}),
    ("tei", "/health", None, {"embeddings_base64": False, "max_batch": 32}),
    ("ollama", "/api/version", None, {"embeddings_base64": True}),
    ("sdwebui", "/sdapi/v1/memory", 1, {"error_shape": "fastapi"}),
    ("comfyui", "/system_stats", 1, {"sends_done": True}),
    ("xinference", "/status", None, {"error_shape": "fastapi"}),
    ("localai", "/readyz", None, {"embeddings_base64": False}),
    ("openai-compatible", "/v1/models", None, {"stream_options": True}),
])
def test_profiles(agent, vendord, engine, path, concurrency, quirks):
    doc = agent.add_instance(vendord.url, service="own", engine=engine, features=[])
    assert doc["check"]["path"] == path
    assert doc["capacity"]["max_concurrency"] == concurrency
    assert quirks.items() <= doc["quirks"].items()


def test_an_engine_is_not_asked_for_what_it_has_not(agent, make_vendord):
    tei = make_vendord(flavour="tei")
    agent.add_instance(tei.url, service="tei", engine="tei", features=["chat"])
    answer = agent.chat("x")
    assert (answer.status, answer.error) == (422, "field_range")
    assert answer.headers["x-should-retry"] == "false"
    route = agent.post("router-engine", "/api/v1/route/chat", {"messages": []}).body
    skips = [candidate["skips"][0]["code"] for candidate in route["candidates"]
             if candidate["target"] == "self/tei#gpu1"]
    assert skips == ["capability_missing"]


def test_the_catalogue_tells_offers_and_protocols(agent):
    rows = {(row["vendor"], row["service"]): dict(zip(row["offers"], row["protocols"]))
            for row in agent.get("key-manager", "/api/v1/vendors").body["items"]}
    assert rows["aliyun", "qwen"] == {
        "chat.completions": "dashscope.chat", "completions": "openai.completions",
        "embeddings": "openai.embeddings", "responses": "openai.responses"}
    assert rows["self", "tei"] == {"embeddings": "openai.embeddings", "rerank": "tei.rerank"}
    assert rows["openai", "audio"] == {"audio.speech": "openai.speech",
                                       "audio.transcriptions": "openai.transcriptions"}


def test_one_key_serves_several_offers(agent, make_vendord):
    aliyun = make_vendord(flavour="dashscope")
    agent.add_key(aliyun.url + "/compatible-mode", vendor="aliyun", service="qwen")
    answer = agent.post("config-center", "/api/v1/features", {
        "name": "vectors", "endpoint": "embeddings", "targets": [
            {"kind": "vendor", "vendor": "aliyun", "service": "qwen",
             "upstream_model": "text-embedding-v4"}]})
    assert answer.status == 201
    assert agent.chat("x").headers["X-Yijian-Target"].startswith("aliyun/qwen#")
    answer = agent.post(GW, "/v1/embeddings", {"model": "vectors", "input": ["a"] * 11})
    assert len(answer.body["data"]) == 11, "10 and then 1"
    assert sum(record["target"].endswith("/compatible-mode/v1/embeddings")
               for record in aliyun.requests()) == 2


def test_what_the_caller_says_stands(agent, vendord):
    said = {"check": {"path": "/mine"}, "capacity": {"max_concurrency": 3},
            "quirks": {"max_batch": 8, "embeddings_base64": True, "error_shape": "flat"}}
    doc = agent.add_instance(vendord.url, service="own", engine="tei", features=[], **said)
    assert doc["check"]["path"] == "/mine" and doc["capacity"]["max_concurrency"] == 3
    assert doc["quirks"] == {"embeddings_base64": True, "sends_done": True,
                             "stream_options": True, "error_shape": "flat", "max_batch": 8}
    assert see(agent, "own", "gpu1")["quirks"]["max_batch"] == 8


@pytest.mark.parametrize("quirks, status, code", [
    ({"typo": 1}, 400, "field_unknown"), ({"max_batch": -1}, 422, "field_range"),
    ({"sends_done": "yes"}, 422, "field_type"), ({"error_shape": "odd"}, 422, "field_range"),
    ("none", 422, "field_type"),
])
def test_bad_quirks(agent, vendord, quirks, status, code):
    answer = agent.request(REG, "PUT", "/api/v1/services/own/instances/a",
                           {"url": vendord.url, "engine": "vllm", "quirks": quirks})
    assert (answer.status, answer.error) == (status, code)


def test_stream_options_are_not_sent_where_they_are_refused(agent, make_vendord):
    local = make_vendord(no_auth=True)
    agent.add_instance(local.url, quirks={"stream_options": False})
    with agent.stream("/v1/chat/completions", {
            "model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}],
            "stream_options": {"include_usage": True}}) as stream:
        assert list(stream.events())
    sent = [json.loads(record["body"]) for record in local.requests() if record["body"]]
    assert sent and all("stream_options" not in body for body in sent)


def test_encoding_format_is_not_sent_where_it_is_unknown(agent, make_vendord):
    local = make_vendord(no_auth=True)
    agent.add_instance(local.url, features=["embeddings"], quirks={"embeddings_base64": False})
    answer = agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": "x",
                                              "encoding_format": "base64"})
    assert isinstance(answer.body["data"][0]["embedding"], str)
    sent = [json.loads(record["body"]) for record in local.requests() if record["body"]]
    assert sent and all("encoding_format" not in body for body in sent)


def test_a_stream_without_done_ends_with_its_last_event(agent):
    # The connection stays open behind the last event: only the quirk knows that this is the end.
    open_end = (b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(STREAM), STREAM))
    with BytesUpstream({"open": open_end}) as upstream:
        agent.add_instance(upstream.url("open"), engine="openai-compatible",
                           quirks={"sends_done": False, "stream_options": False},
                           check={"path": "/health"})
        answer = agent.post(GW, "/v1/chat/completions", {
            "model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]})
        assert answer.status == 200 and answer.body.endswith(b"data: [DONE]\n\n")
        assert b"stream_interrupted" not in answer.body


def test_error_shapes(agent):
    both = bytes_answer("422 Unprocessable Entity", "application/json",
                        b'{"error":"HTTPException","detail":"too wide","message":"flat"}')
    with BytesUpstream({"both": both}) as upstream:
        for shape, message in (("fastapi", "too wide"), ("flat", "flat")):
            agent.add_instance(upstream.url("both"), engine="openai-compatible",
                               quirks={"error_shape": shape}, check={"path": "/health"})
            answer = agent.chat("x")
            assert (answer.status, answer.body["error"]["message"]) == (422, message)


@pytest.mark.parametrize("flavour", ["vllm", "tei"])
def test_the_queue_is_told_by_the_metrics(agent, make_vendord, flavour):
    upstream = make_vendord(flavour=flavour)
    agent.add_instance(upstream.url, service="own", engine=flavour, features=[],
                       check={"interval_s": 1})
    wait_for(lambda: see(agent, "own", "gpu1")["told_queue"] == 0)
    upstream.fault({"queue": 7}, path="/metrics")
    wait_for(lambda: see(agent, "own", "gpu1")["told_queue"] == 7)
    upstream.faults([])
    upstream.fault({"status": 500}, path="/metrics")
    wait_for(lambda: see(agent, "own", "gpu1")["told_queue"] is None)
    assert see(agent, "own", "gpu1")["health"] == "passing", "metrics are no health"


def test_least_inflight_heeds_the_queue(agent, make_vendord):
    full, idle = make_vendord(flavour="vllm"), make_vendord(flavour="vllm")
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"strategy": "least_inflight"})
    assert answer.status == 200
    full.fault({"queue": 50}, path="/metrics")
    for name, upstream in (("full", full), ("idle", idle)):
        agent.add_instance(upstream.url, service="llm", id=name, check={"interval_s": 1})
    wait_for(lambda: see(agent, "llm", "full")["told_queue"] == 50 and
             see(agent, "llm", "idle")["told_queue"] == 0)
    targets = {agent.chat("x").headers["X-Yijian-Target"] for _ in range(8)}
    assert targets == {"self/llm#idle"}
    routes = agent.get("router-engine", "/api/v1/routes/chat").body["items"]
    assert {row["target"]: row["queue"] for row in routes
            if row["target"].startswith("self/")} == {"self/llm#full": 50, "self/llm#idle": 0}
