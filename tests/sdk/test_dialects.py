# SPDX-License-Identifier: MIT
"""The SDKs towards upstreams that speak another protocol, Anthropic's SDK towards all of them, and
the endpoints of media: a caller cannot tell from the answer's shape who answered."""
import base64
import json

import pytest

from agent import Agent
from openai_schema import complaints
from sdk import SDKS
from vendord import Vendord
from waiting import wait_for

MESSAGES = [{"role": "user", "content": "Say hello."}]
CREATE = "chat.completions.create"
UPSTREAMS = {
    "openai": ("openai", "", {"vendor": "openai", "service": "gpt-4"}),
    "anthropic": ("anthropic", "", {"vendor": "anthropic", "service": "messages"}),
    "aliyun": ("dashscope", "/compatible-mode", {"vendor": "aliyun", "service": "qwen"}),
    "native": ("dashscope", "", {"vendor": "aliyun", "service": "wanx",
                                 "protocol": "dashscope.chat.native"}),
    "ollama": ("ollama", "", {"service": "ollama", "protocol": "ollama.chat"}),
}
MEDIA = {
    "tts": ("audio.speech", {"vendor": "openai", "service": "audio", "upstream_model": "tts-1"}),
    "stt": ("audio.transcriptions", {"vendor": "openai", "service": "audio",
                                     "upstream_model": "whisper-1"}),
    "edits": ("images.edits", {"vendor": "openai", "service": "dalle",
                               "upstream_model": "gpt-image-1"}),
    "mods": ("moderations", {"vendor": "openai", "service": "moderations"}),
    "rank": ("rerank", {"service": "tei", "protocol": "tei.rerank"}),
    "vectors": ("embeddings", {"service": "tei", "protocol": "tei.embed", "upstream_model": "bge"}),
}
ANTHROPIC = sorted(name for name, row in SDKS.items() if "anthropic" in row[2])


def is_a(schema, document):
    assert complaints(schema, document) == [], document


@pytest.fixture(scope="module")
def gateway(platform):
    agent = platform.add(Agent, env={"YIJIAN_TASK_POLL_MS": "20"})

    def feature(name, endpoint, target):
        kind = "vendor" if "vendor" in target else "self_hosted"
        answer = agent.post("config-center", "/api/v1/features", {
            "name": name, "endpoint": endpoint,
            "targets": [{"kind": kind, "upstream_model": "some-model", **target}]})
        assert answer.status == 201, answer
    for name, (flavour, path, target) in UPSTREAMS.items():
        vendor = platform.add(Vendord, flavour=flavour)
        feature(f"chat-{name}", "chat.completions", target)
        if "vendor" in target:
            agent.add_key(vendor.url + path, vendor=target["vendor"], service=target["service"],
                          key_name=name, api_key=f"sk-ant-simulated-{name}-0001")
        else:
            agent.add_instance(vendor.url, service=name, id=name, engine=name, features=())
    vendor, tei = platform.add(Vendord), platform.add(Vendord, flavour="tei")
    for service in ("audio", "dalle", "moderations"):
        agent.add_key(vendor.url, service=service, key_name=service)
    agent.add_instance(tei.url, service="tei", id="tei", engine="tei", features=())
    for name, (endpoint, target) in MEDIA.items():
        feature(name, endpoint, target)
    return agent


@pytest.fixture
def url(gateway):
    return gateway.url() + "/v1"


@pytest.fixture(params=ANTHROPIC)
def claude(request, drivers):
    return drivers(request.param)


@pytest.fixture(scope="module")
def late(platform, tmp_path_factory):
    """Its image streams begin at once, and then the vendor refuses the picture."""
    agent = platform.add(Agent, state_dir=tmp_path_factory.mktemp("late"),
                         env={"YIJIAN_TASK_POLL_MS": "50", "YIJIAN_PING_MS": "20"})
    vendor = platform.add(Vendord, flavour="dashscope")
    agent.add_key(vendor.url, vendor="aliyun", service="wanx", key_name="late",
                  limits={"rpm": 60000})
    vendor.fault({"task_polls": 4, "task_fail": 1}, path="/api/*")
    return agent.url() + "/v1"


# ---- chat, whoever answers ----

@pytest.mark.parametrize("name", UPSTREAMS)
def test_chat(url, sdk, name):
    got = sdk.call(url, CREATE, {"model": f"chat-{name}", "messages": MESSAGES})
    assert got["ok"] and got["kind"] == "object", got
    is_a("CreateChatCompletionResponse", got["value"])
    choice = got["value"]["choices"][0]
    assert choice["message"]["content"] and choice["finish_reason"] == "stop"
    assert got["value"]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("name", UPSTREAMS)
@pytest.mark.parametrize("usage", [False, True])
def test_chat_stream(url, sdk, name, usage):
    got = sdk.call(url, CREATE, {"model": f"chat-{name}", "messages": MESSAGES, "stream": True,
                                 **({"stream_options": {"include_usage": True}} if usage else {})})
    assert got["ok"] and got["kind"] == "stream", got
    for chunk in got["chunks"]:
        is_a("CreateChatCompletionStreamResponse", chunk)
    plain = [chunk for chunk in got["chunks"] if chunk["choices"]]
    assert len(got["chunks"]) - len(plain) == usage
    assert "".join(c["choices"][0]["delta"].get("content") or "" for c in plain)
    assert [c["choices"][0]["finish_reason"] for c in plain].count("stop") == 1
    assert len({chunk["id"] for chunk in got["chunks"]}) == 1
    if usage:
        assert got["chunks"][-1]["usage"]["total_tokens"] > 0


# ---- Anthropic's SDK, whoever answers ----

@pytest.mark.parametrize("name", UPSTREAMS)
def test_messages(gateway, claude, name):
    got = claude.call(gateway.url(), "messages.create", sdk="anthropic", args={
        "model": f"chat-{name}", "max_tokens": 50, "messages": MESSAGES})
    assert got["ok"] and got["kind"] == "object", got
    value = got["value"]
    assert (value["type"], value["role"]) == ("message", "assistant"), value
    assert value["content"][0]["type"] == "text" and value["content"][0]["text"]
    assert value["stop_reason"] in ("end_turn", "max_tokens")
    assert value["usage"]["input_tokens"] > 0 and value["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("name", UPSTREAMS)
def test_messages_stream(gateway, claude, name):
    got = claude.call(gateway.url(), "messages.create", sdk="anthropic", args={
        "model": f"chat-{name}", "max_tokens": 50, "messages": MESSAGES, "stream": True})
    assert got["ok"] and got["kind"] == "stream", got
    kinds = [chunk["type"] for chunk in got["chunks"] if chunk["type"] != "ping"]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"], kinds
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") >= 1
    assert any(chunk.get("delta", {}).get("text") for chunk in got["chunks"])


def test_messages_error(gateway, claude):
    got = claude.call(gateway.url(), "messages.create", sdk="anthropic", args={
        "model": "nobody", "max_tokens": 50, "messages": MESSAGES})
    assert not got["ok"] and got["error"]["of_sdk"], got
    assert (got["error"]["class"], got["error"]["status"]) == ("NotFoundError", 404), got
    assert got["error"]["body"]["type"] == "error", got
    assert got["error"]["body"]["error"]["type"] == "not_found_error", got


def test_messages_stream_that_breaks(gateway, claude):
    got = claude.call(gateway.url(), "messages.create", sdk="anthropic", args={
        "model": "chat-openai", "max_tokens": 50, "messages": MESSAGES, "stream": True,
        "metadata": {"user_id": "vendord:cut_stream:3"}})
    assert not got["ok"] and got["error"]["of_sdk"] and got["chunks"], got
    assert "message_stop" not in [chunk["type"] for chunk in got["chunks"]], got


# ---- responses ----

def test_responses(url, sdk):
    got = sdk.call(url, "responses.create", {"model": "chat-openai", "input": "Say hello."})
    assert got["ok"] and got["kind"] == "object", got
    value = got["value"]
    assert (value["object"], value["status"]) == ("response", "completed"), value
    texts = [part["text"] for item in value["output"] if item["type"] == "message"
             for part in item["content"] if part["type"] == "output_text"]
    assert "".join(texts) and value["usage"]["total_tokens"] > 0, value


def test_responses_stream(url, sdk):
    got = sdk.call(url, "responses.create", {"model": "chat-openai", "input": "Say hello.",
                                             "stream": True})
    assert got["ok"] and got["kind"] == "stream", got
    kinds = [chunk["type"] for chunk in got["chunks"]]
    assert kinds[0] == "response.created" and kinds[-1] == "response.completed", kinds
    assert "response.output_text.delta" in kinds
    numbers = [chunk["sequence_number"] for chunk in got["chunks"]]
    assert numbers == sorted(set(numbers))


# ---- media ----

def test_speech(url, sdk):
    got = sdk.call(url, "audio.speech.create", {"model": "tts", "voice": "alloy", "input": "hello",
                                                "response_format": "wav"})
    assert got["ok"] and got["kind"] == "bytes", got
    assert base64.b64decode(got["base64"]).startswith(b"RIFF")


def test_speech_error(url, sdk):
    got = sdk.call(url, "audio.speech.create", {"model": "nobody", "voice": "alloy", "input": "x"})
    assert not got["ok"] and got["error"]["status"] == 404, got
    assert got["error"]["class"] == "NotFoundError" and got["error"]["code"] == "model_not_found"


def test_transcription(url, sdk):
    sound = base64.b64encode(b"RIFF" + bytes(range(256)) * 40).decode()
    got = sdk.call(url, "audio.transcriptions.create", {
        "model": "stt", "file": {"$file": sound, "name": "a.wav"}})
    assert got["ok"] and got["kind"] == "object", got
    is_a("CreateTranscriptionResponseJson", got["value"])
    assert got["value"]["text"]


def test_moderation(url, sdk):
    got = sdk.call(url, "moderations.create", {"model": "mods", "input": "fine"})
    assert got["ok"], got
    is_a("CreateModerationResponse", got["value"])
    assert len(got["value"]["results"]) == 1


def test_rerank(url, sdk):
    got = sdk.call(url, "post", {"model": "rank", "query": "q", "documents": ["a", "b", "c"],
                                 "top_n": 2}, path="/rerank")
    assert got["ok"], got
    value = got["value"] if isinstance(got["value"], dict) else json.loads(got["value"])
    scores = [row["relevance_score"] for row in value["results"]]
    assert len(scores) == 2 and scores == sorted(scores, reverse=True), value
    assert all(row["index"] in range(3) for row in value["results"])


def test_embeddings_of_another_engine(url, sdk):
    """The SDKs ask for base64 unless told otherwise, and the engine knows floats alone."""
    got = sdk.call(url, "embeddings.create", {"model": "vectors", "input": ["one", "two"]})
    assert got["ok"], got
    is_a("CreateEmbeddingResponse", got["value"])
    assert [row["index"] for row in got["value"]["data"]] == [0, 1]
    assert all(isinstance(row["embedding"], list) for row in got["value"]["data"])


# ---- images that take long ----

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(range(64))).decode()


def document(got):
    assert got["ok"], got
    return got["value"] if isinstance(got["value"], dict) else json.loads(got["value"])


def test_image_edit(url, sdk):
    got = sdk.call(url, "images.edit", {"model": "edits", "prompt": "a hat on it", "n": 1,
                                        "image": {"$file": PNG, "name": "a.png"}})
    assert got["ok"] and got["kind"] == "object", got
    is_a("ImagesResponse", got["value"])
    assert len(got["value"]["data"]) == 1


def test_image_edit_as_a_stream(url, sdk):
    got = sdk.call(url, "images.edit", {"model": "edits", "prompt": "a hat on it", "stream": True,
                                        "partial_images": 1,
                                        "image": {"$file": PNG, "name": "a.png"}})
    assert got["ok"] and got["kind"] == "stream", got
    partial, event = got["chunks"]
    is_a("ImageEditPartialImageEvent", partial)
    is_a("ImageEditCompletedEvent", event)
    assert event["usage"]["total_tokens"] > 0


def test_a_stream_that_fails_late(late, sdk):
    """The SDK raises its own error for the last event."""
    got = sdk.call(late, "images.generate", {"model": "text_to_image", "prompt": "a cat",
                                             "stream": True})
    assert not got["ok"] and got["chunks"] == [], got
    assert got["error"]["of_sdk"] and got["error"]["class"] == "APIError", got
    assert got["error"]["code"] and got["error"]["message"], got


def test_image_task(url, sdk):
    """Begun, awaited and asked again by the SDK's own client; the same key is the same task."""
    ask = lambda prompt: document(sdk.call(
        url, "post", {"model": "text_to_image", "prompt": prompt, "size": "1024x1024"},
        path="/images/generations",
        headers={"Prefer": "respond-async", "Idempotency-Key": f"{sdk.name}-one"}))
    task = ask("a lake")
    assert ask("a lake")["id"] == task["id"]
    done = wait_for(lambda: next((t for t in [document(sdk.call(
        url, "get", path=f"/images/tasks/{task['id']}"))] if t["status"] == "succeeded"), None),
        what="the image")
    is_a("ImagesResponse", done["result"])
    assert set(done["result"]["data"][0]) & {"url", "b64_json"}  # by which target made it


def test_image_task_of_nobody(url, sdk):
    got = sdk.call(url, "get", path="/images/tasks/task_nobody")
    assert not got["ok"] and got["error"]["of_sdk"] and got["error"]["status"] == 404, got
