# SPDX-License-Identifier: MIT
"""Every endpoint of the gateway through the official SDKs: what they hand out is whole, and it is
what OpenAI's published description says it is."""
import base64
import json

import pytest

from agent import Agent
from openai_schema import complaints
from vendord import Vendord

MESSAGES = [{"role": "user", "content": "Say hello."}]
KEYS = ("gpt-4", "embeddings", "dalle")  # services that a simulated OpenAI offers


class Gateway:
    def __init__(self, agent, vendor):
        self.agent, self.vendor = agent, vendor
        self.url = agent.url() + "/v1"


@pytest.fixture(scope="module")
def gateway(platform):
    vendor = platform.add(Vendord)
    agent = platform.add(Agent)
    for service in KEYS:
        agent.add_key(vendor.base_url, service=service, key_name=service)
    # A vendor that fails on request stays in the game.
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"cooldown": {"fails": 1000}})
    assert answer.status == 200, answer
    return Gateway(agent, vendor)


def is_a(schema, document):
    assert complaints(schema, document) == [], document


# ---- what comes back ----

def chat(value):
    is_a("CreateChatCompletionResponse", value)
    assert value["choices"][0]["message"]["content"]
    assert value["usage"]["total_tokens"] == (value["usage"]["prompt_tokens"] +
                                              value["usage"]["completion_tokens"])


def completion(value):
    is_a("CreateCompletionResponse", value)
    assert value["choices"][0]["text"]


def embeddings(count):
    def check(value):
        is_a("CreateEmbeddingResponse", value)
        assert [row["index"] for row in value["data"]] == list(range(count))
        sizes = {len(row["embedding"]) for row in value["data"]}
        assert len(sizes) == 1 and sizes.pop() > 1
    return check


def images(count):
    def check(value):
        is_a("ImagesResponse", value)
        assert len(value["data"]) == count
        assert all(row.get("url") or row.get("b64_json") for row in value["data"])
    return check


def models(value):
    is_a("ListModelsResponse", {"object": "list", "data": value})
    ids = [row["id"] for row in value]
    assert {"chat", "embeddings", "text_to_image"} <= set(ids) and len(ids) == len(set(ids))


def model(value):
    is_a("Model", value)
    assert value["id"] == "chat"


def chat_stream(usage):
    def check(chunks):
        for chunk in chunks:
            is_a("CreateChatCompletionStreamResponse", chunk)
        plain = [chunk for chunk in chunks if chunk["choices"]]
        assert len(chunks) - len(plain) == usage
        assert "".join(c["choices"][0]["delta"].get("content") or "" for c in plain)
        assert plain[-1]["choices"][0]["finish_reason"] == "stop"
        assert plain[0]["choices"][0]["delta"].get("role") == "assistant"
        assert len({chunk["id"] for chunk in chunks}) == 1
        if usage:
            assert chunks[-1]["usage"]["total_tokens"] > 0
    return check


def completion_stream(chunks):
    for chunk in chunks:
        if chunk.get("usage") is None:  # as OpenAI writes it until the last one
            chunk.pop("usage", None)
        is_a("CreateCompletionResponse", {**chunk, "choices": [
            {"logprobs": None, **choice, "finish_reason": choice["finish_reason"] or "stop"}
            for choice in chunk["choices"]]})
    assert "".join(choice["text"] for chunk in chunks for choice in chunk["choices"])


def image_stream(count, partials=0):
    def check(events):
        assert len(events) == count + partials
        for event in events[:partials]:
            is_a("ImageGenPartialImageEvent", event)
        events = events[partials:]
        for event in events:
            is_a("ImageGenCompletedEvent", event)
            assert base64.b64decode(event["b64_json"]).startswith(b"\x89PNG")
        assert events[-1]["usage"]["total_tokens"] > 0
    return check


CREATE = "chat.completions.create"
# name: (SDK method, arguments, check of what it returns)
CALLS = {
    "chat": (CREATE, {"model": "chat", "messages": MESSAGES}, chat),
    "chat_alias": (CREATE, {"model": "gpt-4", "messages": MESSAGES}, chat),
    "chat_service": (CREATE, {"model": "openai/gpt-4", "messages": MESSAGES}, chat),
    "chat_options": (CREATE, {"model": "chat", "messages": MESSAGES, "temperature": 0.2, "n": 2,
                              "max_tokens": 5, "stop": ["x"], "seed": 7, "user": "u"}, chat),
    "chat_parts": (CREATE, {"model": "chat", "messages": [{"role": "user", "content": [
        {"type": "text", "text": "你好, \U0001f600"}]}]}, chat),
    "completion": ("completions.create", {"model": "text_generation", "prompt": "Once"},
                   completion),
    "embedding": ("embeddings.create", {"model": "embeddings", "input": "one"}, embeddings(1)),
    "embedding_floats": ("embeddings.create", {"model": "embeddings", "input": ["one", "two"],
                                               "encoding_format": "float"}, embeddings(2)),
    "image": ("images.generate", {"model": "text_to_image", "prompt": "a cat", "n": 1,
                                  "size": "1024x1024"}, images(1)),
    "image_default": ("images.generate", {"model": "text_to_image", "prompt": "a cat"}, images(1)),
    "models": ("models.list", {}, models),
    "model": ("models.retrieve", {}, model),
}
STREAMS = {
    "chat": (CREATE, {"model": "chat", "messages": MESSAGES}, chat_stream(0)),
    "chat_usage": (CREATE, {"model": "chat", "messages": MESSAGES,
                            "stream_options": {"include_usage": True}}, chat_stream(1)),
    "completion": ("completions.create", {"model": "text_generation", "prompt": "Once"},
                   completion_stream),
    "image": ("images.generate", {"model": "text_to_image", "prompt": "a cat", "n": 1,
                                  "size": "1024x1024", "partial_images": 0}, image_stream(1)),
    "images": ("images.generate", {"model": "text_to_image", "prompt": "a cat", "n": 2},
               image_stream(2)),
    "image_partial": ("images.generate", {"model": "text_to_image", "prompt": "a cat",
                                          "partial_images": 2}, image_stream(1, 2)),
}
POSITIONAL = {"model": ["chat"]}


@pytest.mark.parametrize("name", CALLS)
def test_call(gateway, sdk, name):
    method, args, check = CALLS[name]
    got = sdk.call(gateway.url, method, args, positional=POSITIONAL.get(name, []))
    assert got["ok"], got
    assert got["kind"] in ("object", "list"), got
    check(got["value"])
    if got["kind"] == "object":
        assert got["request_id"], got


@pytest.mark.parametrize("name", STREAMS)
def test_stream(gateway, sdk, name):
    method, args, check = STREAMS[name]
    got = sdk.call(gateway.url, method, {**args, "stream": True})
    assert got["ok"] and got["kind"] == "stream", got
    check(got["chunks"])


def test_base_url_without_version(gateway, sdk):
    got = sdk.call(gateway.agent.url(), CREATE, CALLS["chat"][1])
    assert got["ok"], got
    chat(got["value"])


# ---- errors: the SDK's own class, status, code ----

# name: (method, arguments, class of the error, status, code)
ERRORS = {
    "unknown_model": (CREATE, {"model": "nobody", "messages": MESSAGES}, "NotFoundError", 404,
                      "model_not_found"),
    "unknown_model_stream": (CREATE, {"model": "nobody", "messages": MESSAGES, "stream": True},
                             "NotFoundError", 404, "model_not_found"),
    "no_messages": ("post", {"model": "chat"}, "UnprocessableEntityError", 422, "field_required"),
    "bad_n": ("images.generate", {"model": "text_to_image", "prompt": "x", "n": 1000},
              "UnprocessableEntityError", 422, "field_range"),
    "routing_field": ("post", {"model": "chat", "messages": MESSAGES, "api_base": "http://x"},
                      "BadRequestError", 400, "field_forbidden"),
    "unknown_path": ("post", {"model": "chat"}, "NotFoundError", 404, None),
    "refused": (CREATE, {"model": "chat", "messages": MESSAGES, "user": "vendord:status:400"},
                "BadRequestError", 400, None),
    "image_stream": ("images.generate", {"model": "nobody", "prompt": "x", "stream": True},
                     "NotFoundError", 404, "model_not_found"),
    "all_failed": (CREATE, {"model": "chat", "messages": MESSAGES, "user": "vendord:status:500"},
                   "InternalServerError", 502, "all_upstreams_failed"),
}
PATHS = {"no_messages": "/chat/completions", "routing_field": "/chat/completions", "unknown_path": "/no/such/thing"}


@pytest.mark.parametrize("name", ERRORS)
def test_error(gateway, sdk, name):
    method, args, kind, status, code = ERRORS[name]
    got = sdk.call(gateway.url, method, args, path=PATHS.get(name))
    assert not got["ok"], got
    error = got["error"]
    assert (error["class"], error["status"]) == (kind, status), got
    assert error["code"] == code or code is None and isinstance(error["code"], str), got
    assert error["type"] and error["message"] and error["request_id"], got


def test_error_document(gateway):
    answer = gateway.agent.chat(model="nobody")
    is_a("ErrorResponse", {"error": {"param": None, **answer.body["error"]}})
    assert set(answer.body["error"]) >= {"message", "type", "param", "code"}


