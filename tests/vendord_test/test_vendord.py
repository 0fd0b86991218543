# SPDX-License-Identifier: MIT
"""The simulated OpenAI: shapes, keys, streams, what it remembers."""
import base64
import contextlib
import errno
import http.client
import json
import pathlib
import socket
import struct
import zlib

import pytest

import http_call
from shapes import lacking
from vendord import header_of

EXAMPLES = pathlib.Path(__file__).parents[1] / "data/openai"
CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}


def example(name):
    return json.loads((EXAMPLES / f"{name}.response.json").read_text())


@pytest.mark.parametrize("name, method, path, body", [
    ("post_chat_completions_default", "POST", "/v1/chat/completions", CHAT),
    ("post_completions_no-streaming", "POST", "/v1/completions",
     {"model": "text", "prompt": "say"}),
    ("get_models_model_default", "GET", "/v1/models/gpt-4", None),
    ("post_images_variations_default", "POST", "/v1/images/generations",
     {"model": "dall-e-2", "prompt": "a cat", "n": 2}),
    ("post_images_generations_generate-image", "POST", "/v1/images/generations",
     {"model": "gpt-image-2", "prompt": "a cat"}),
    ("post_moderations_image-and-text", "POST", "/v1/moderations", {"input": "I kill time"}),
])
def test_answers_have_every_member_of_the_published_example(vendord, name, method, path, body):
    answer = vendord.request(method, path, body)
    assert answer.status == 200, answer
    assert lacking(example(name), answer.body) == []
    assert answer.headers["x-simulated"] == "yijian-vendord"
    assert answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("path", ["/chat/completions", "/v1/chat/completions",
                                  "/openai/v1/chat/completions"])
def test_paths_with_and_without_prefixes(vendord, path):
    answer = vendord.request("POST", path, CHAT)
    assert answer.status == 200
    assert answer.body["model"] == "gpt-4o"
    assert "simulated" in answer.body["choices"][0]["message"]["content"]
    assert "hello there" in answer.body["choices"][0]["message"]["content"]


def test_vendor_headers(vendord):
    headers = vendord.request("POST", "/v1/chat/completions", CHAT).headers
    for name in ("x-request-id", "openai-processing-ms", "x-ratelimit-limit-requests",
                 "x-ratelimit-remaining-tokens", "x-ratelimit-reset-requests"):
        assert headers[name], name


def test_the_same_question_has_the_same_answer(make_vendord):
    def texts(**options):
        vendor = make_vendord(**options)
        return vendor.request("POST", "/v1/chat/completions", CHAT).body["choices"][0]["message"]
    assert texts() == texts()
    assert texts(seed=7) != texts(seed=8)


def test_choices_and_the_token_limit(vendord):
    body = vendord.request("POST", "/v1/chat/completions",
                           {**CHAT, "n": 2, "max_tokens": 3}).body
    assert [c["index"] for c in body["choices"]] == [0, 1]
    assert {c["finish_reason"] for c in body["choices"]} == {"length"}
    assert body["usage"]["completion_tokens"] == 6
    assert body["usage"]["total_tokens"] == body["usage"]["prompt_tokens"] + 6


def test_chat_stream(vendord):
    whole = vendord.request("POST", "/v1/chat/completions", CHAT).body
    with vendord.stream("/v1/chat/completions", {
            **CHAT, "stream": True, "stream_options": {"include_usage": True}}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = list(stream.events())
    assert events[-1] == "[DONE]"
    assert events[-2]["choices"] == [] and events[-2]["usage"] == whole["usage"]
    assert events[-3]["choices"][0]["finish_reason"] == "stop"
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert all(event["usage"] is None for event in events[:-2])
    text = "".join(event["choices"][0]["delta"].get("content", "") for event in events[:-2])
    assert text == whole["choices"][0]["message"]["content"]


def test_stream_without_usage(vendord):
    with vendord.stream("/v1/completions",
                        {"model": "t", "prompt": "x", "stream": True}) as stream:
        events = list(stream.events())
    assert not any("usage" in event for event in events[:-1])
    assert events[-2]["choices"][0]["finish_reason"] == "stop"


def test_shape_directives_in_the_user_field(vendord):
    for shape, size in (("bytes=5000", 5000), ("tokens:2;bytes:500", 500)):
        answer = vendord.request("POST", "/v1/chat/completions",
                                 {**CHAT, "user": f"vendord:{shape}"})
        assert int(answer.headers["content-length"]) == size
    with vendord.stream("/v1/chat/completions",
                        {**CHAT, "stream": True, "user": "vendord:tokens=40"}) as stream:
        assert len(list(stream.events())) == 1 + 40 + 1 + 1


def test_embeddings_float_and_base64_agree(vendord):
    ask = {"model": "text-embedding-3-small", "input": ["one", "two"], "dimensions": 8}
    floats = vendord.request("POST", "/v1/embeddings", ask).body
    packed = vendord.request("POST", "/v1/embeddings", {**ask, "encoding_format": "base64"}).body
    assert [item["index"] for item in floats["data"]] == [0, 1]
    for plain, coded in zip(floats["data"], packed["data"]):
        values = struct.unpack("<8f", base64.b64decode(coded["embedding"]))
        assert plain["embedding"] == pytest.approx(values)
    assert floats["data"][0]["embedding"] != floats["data"][1]["embedding"]


@pytest.mark.parametrize("given, count", [("text", 1), (["a", "b", "c"], 3), ([1, 2, 3], 1),
                                          ([[1, 2], [3]], 2)])
def test_embedding_inputs(vendord, given, count):
    body = vendord.request("POST", "/v1/embeddings", {"model": "m", "input": given}).body
    assert len(body["data"]) == count
    assert len(body["data"][0]["embedding"]) == 1536


def check_png(data):
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, pixels = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size:at + 12 + size])[0] == \
            zlib.crc32(kind + chunk)
        if kind == b"IDAT":
            pixels = zlib.decompress(chunk)
        at += 12 + size
    assert len(pixels) == 32 * (1 + 32 * 3)


def test_images_as_url_and_inline_are_the_same_picture(vendord):
    ask = {"model": "dall-e-2", "prompt": "a cat", "n": 2}
    urls = vendord.request("POST", "/v1/images/generations", ask).body["data"]
    inline = vendord.request("POST", "/v1/images/generations",
                             {**ask, "response_format": "b64_json"}).body["data"]
    for by_url, by_text in zip(urls, inline):
        path = by_url["url"][len(vendord.url):]
        fetched = http_call.request(vendord.address, "GET", path)
        assert fetched.headers["content-type"] == "image/png"
        check_png(fetched.body)
        assert fetched.body == base64.b64decode(by_text["b64_json"])
    assert inline[0] != inline[1]
    assert vendord.stats()["images_submitted"] == 2


@pytest.mark.parametrize("more, code", [
    ({"model": "gpt-image-2", "response_format": "url"}, "unknown_parameter"),
    ({"model": "gpt-image-2", "style": "vivid"}, "unknown_parameter"),
    ({"model": "gpt-image-1.5", "quality": "hd"}, "invalid_value"),
    ({"model": "gpt-image-1.5", "size": "1792x1024"}, "invalid_value"),
    ({"model": "dall-e-3", "n": 2}, "invalid_value"),
    ({"model": "dall-e-2", "size": "1792x1024"}, "invalid_value"),
    ({"model": "dall-e-2", "prompt": ""}, "missing_required_parameter"),
])
def test_images_refused_as_the_vendor_does(vendord, more, code):
    answer = vendord.request("POST", "/v1/images/generations", {"prompt": "a cat", **more})
    assert (answer.status, answer.error) == (400, code)
    assert vendord.stats()["images_submitted"] == 0


def test_audio_and_forms(vendord):
    speech = vendord.request("POST", "/v1/audio/speech",
                             {"model": "tts", "input": "hi", "voice": "alloy"})
    assert speech.body[:4] == b"RIFF" and len(speech.body) == 844
    form = ('--B\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
            '--B\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n'
            '--B--\r\n')
    answer = vendord.request("POST", "/v1/audio/transcriptions", body=form, headers={
        "Authorization": "Bearer sk-sim-1", "Content-Type": "multipart/form-data; boundary=B"})
    assert "simulated" in answer.body["text"]
    assert vendord.stats()["by_model"]["whisper-1"] == 1


def test_responses(vendord):
    ask = {"model": "gpt-5.4", "input": "hello"}
    whole = vendord.request("POST", "/v1/responses", ask).body
    assert whole["status"] == "completed" and whole["output"][0]["content"][0]["text"]
    with vendord.stream("/v1/responses", {**ask, "stream": True}) as stream:
        events = list(stream.events())
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.completed"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


@pytest.mark.parametrize("key, status, code", [
    (None, 401, "invalid_api_key"),
    ("sk-bad-1", 401, "invalid_api_key"),
    ("sk-forbid", 403, "unsupported_country_region_territory"),
    ("sk-poor-1", 429, "insufficient_quota"),
    ("sk-limited", 429, "rate_limit_exceeded"),
    ("sk-down", 503, "server_is_overloaded"),
    ("sk-fine", 200, None),
])
def test_keys_behave_by_their_name(vendord, key, status, code):
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = vendord.request("GET", "/v1/models", headers=headers)
    assert (answer.status, answer.error) == (status, code)
    if key == "sk-poor-1":
        assert answer.body["error"]["type"] == "insufficient_quota"
    assert answer.headers.get("retry-after") == ("1" if key == "sk-limited" else None)


@pytest.mark.parametrize("method, path, body, status", [
    ("POST", "/v1/chat/completions", "{", 400),
    ("POST", "/v1/chat/completions", "{}", 400),
    ("POST", "/v1/chat/completions", '{"model":"m","messages":"x"}', 400),
    ("GET", "/v1/chat/completions", None, 405),
    ("GET", "/v1/nothing", None, 404),
    ("GET", "/v1/models/unknown", None, 404),
])
def test_bad_requests(vendord, method, path, body, status):
    answer = vendord.request(method, path, body=body)
    assert answer.status == status
    assert set(answer.body["error"]) == {"message", "type", "param", "code"}


def test_vllm_flavour(make_vendord):
    vllm = make_vendord(flavour="vllm")
    assert vllm.request("GET", "/health", headers={}).body == b""
    model = vllm.request("GET", "/v1/models", headers={}).body["data"][0]
    assert model["max_model_len"] == 32768 and model["owned_by"] == "vllm"
    missing = vllm.request("POST", "/v1/chat/completions", {"model": "m"}, headers={})
    assert missing.status == 400 and missing.body["error"]["code"] == 400
    assert vllm.request("POST", "/v1/chat/completions", CHAT, headers={}).status == 200
    assert b"vllm:num_requests_waiting" in vllm.request("GET", "/metrics").body


def test_requests_are_remembered_without_their_key(vendord):
    vendord.request("POST", "/v1/chat/completions?x=1", CHAT, headers={
        "Authorization": "Bearer sk-secret-abcd", "X-Odd": "é".encode("utf-8").decode("latin-1")})
    vendord.request("POST", "/v1/audio/transcriptions", body=b"\xff\xfe")
    first, second = vendord.requests()
    assert first["method"] == "POST" and first["target"] == "/v1/chat/completions?x=1"
    assert first["path"] == "/v1/chat/completions" and first["status"] == 200
    assert header_of(first, "authorization") == "abcd" and first["key"] == "abcd"
    assert header_of(first, "x-odd") == "é"
    assert json.loads(first["body"]) == CHAT
    assert base64.b64decode(second["body_base64"]) == b"\xff\xfe"
    assert "sk-secret" not in json.dumps([first, second])
    assert len(vendord.requests(1)) == 1


def test_stats(vendord):
    for _ in range(3):
        vendord.request("POST", "/v1/chat/completions", CHAT)
    vendord.request("GET", "/v1/models", headers={"Authorization": "Bearer sk-bad-wxyz"})
    stats = vendord.stats()
    assert stats["requests"] == 4 and stats["in_flight"] == 0
    assert stats["by_path"] == {"/v1/chat/completions": 3, "/v1/models": 1}
    assert stats["by_key"] == {"0001": 3, "wxyz": 1}
    assert stats["by_status"] == {"200": 3, "401": 1}
    assert stats["by_model"] == {"gpt-4o": 3}
    vendord.clear_stats()
    assert vendord.stats()["requests"] == 0 and vendord.requests() == []


def test_names_counted_stay_bounded(vendord):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", vendord.port)) as connection:
        for i in range(4200):
            connection.request("GET", f"/v1/odd{i}")
            connection.getresponse().read()
    by_path = vendord.stats()["by_path"]
    assert len(by_path) == 4096 and by_path["other"] == 4200 - 4095


def test_it_ends_cleanly_and_takes_its_port_again(vendord):
    port = vendord.port
    vendord.stop()
    vendord.start()
    assert vendord.port == port
    assert vendord.request("GET", "/v1/models").status == 200


def test_its_port_is_nobody_elses_while_it_does_not_listen(vendord):
    """What a test calls then must be refused, not answered by another test's server."""
    vendord.stop()
    with socket.socket() as other:
        assert other.connect_ex(vendord.address) == errno.ECONNREFUSED
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(vendord.address)
