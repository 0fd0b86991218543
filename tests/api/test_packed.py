# SPDX-License-Identifier: MIT
"""Request bodies that come packed: read on the model traffic within the bounds of what they unpack
to, refused by name elsewhere."""
import gzip
import json
import random
import zlib

import pytest

import zstd
from raw import head

MIB = 1024 * 1024
CHAT, IMPORT = "/v1/chat/completions", "/api/v1/prices"
SUPPORTED = "gzip, zstd"
CODINGS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress,
           "zstd": zstd.compress, "Zstd": zstd.compress, "identity": bytes, "": bytes}
BOTH = {"gzip": gzip.compress, "zstd": zstd.compress}


def text(n, seed=1):
    """That many letters which packing does not make much of."""
    return random.Random(seed).randbytes(n // 2 + 1).hex()[:n]


def question(content="你好", **more):
    return json.dumps({"model": "chat", "messages": [{"role": "user", "content": content}], **more}).encode()


def send(agent, body, coding, path=CHAT, **headers):
    return agent.post("api-gateway", path, body=body,
                      headers={"Content-Encoding": coding, "Content-Type": "application/json", **headers})


@pytest.mark.parametrize("coding", CODINGS)
def test_a_packed_body_is_read_and_reaches_the_upstream_unpacked(chat_agent, vendord, coding):
    body = question("你好 " * 20 + text(1000))
    assert send(chat_agent, CODINGS[coding](body), coding).status == 200
    seen = json.loads(vendord.asked()["body"])
    assert seen["messages"] == json.loads(body)["messages"]
    assert "content-encoding" not in {h[0].lower() for h in vendord.asked()["headers"]}


def chunks(data, size):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part)
                    for part in (data[i:i + size] for i in range(0, len(data), size))) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 7, 5000])
@pytest.mark.parametrize("coding", BOTH)
def test_chunks_of_any_length(chat_agent, coding, size):
    packed = BOTH[coding](question(text(3000) + " " * 20_000))
    answer, _ = chat_agent.raw("api-gateway", head(
        "POST", CHAT, "Transfer-Encoding: chunked", f"Content-Encoding: {coding}", body=chunks(packed, size)))
    assert answer.status == 200, answer


@pytest.mark.parametrize("coding", ["br", "deflate", "gzip, gzip", "gzip, identity", "compress", "aws-chunked"])
def test_another_coding_is_refused_with_those_that_are_read(chat_agent, coding):
    answer = send(chat_agent, question(), coding)
    assert (answer.status, answer.error) == (415, "unsupported_media_type")
    assert answer.headers["Accept-Encoding"] == SUPPORTED
    assert SUPPORTED in answer.body["error"]["message"]


@pytest.mark.parametrize("coding", BOTH)
@pytest.mark.parametrize("service, path", [("key-manager", "/api/v1/keys"), ("api-gateway", "/api/v1/keys"),
                                           ("api-gateway", "/api/v1/invoke/chat")])
def test_platform_apis_read_their_bodies_as_they_are(agent, coding, service, path):
    answer = agent.post(service, path, body=BOTH[coding](b"{}"), headers={"Content-Encoding": coding})
    assert (answer.status, answer.error) == (415, "unsupported_media_type")


BROKEN = {
    "cut": lambda data, pack: pack(data)[:-5],
    "cut in its head": lambda data, pack: pack(data)[:3],
    "a wrong checksum": lambda data, pack: pack(data)[:-8] + bytes(b ^ 255 for b in pack(data)[-8:]),
    "two members": lambda data, pack: pack(data[:50]) + pack(data[50:]),
    "something behind it": lambda data, pack: pack(data) + b"\n",
    "not packed at all": lambda data, pack: data,
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("coding", BOTH)
def test_a_broken_body_is_the_callers_mistake(chat_agent, vendord, coding, what):
    answer = send(chat_agent, BROKEN[what](question(text(5000)), BOTH[coding]), coding)
    assert (answer.status, answer.error) == (400, "bad_framing"), answer
    assert answer.body["error"]["param"] == "Content-Encoding" or "packed" in answer.body["error"]["message"]
    assert not vendord.calls()


@pytest.mark.parametrize("magic", [b"\x26\xb5\x2f\xfd", b"\x27\xb5\x2f\xfd", b"\x1e\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"])
def test_older_and_skippable_frames_of_zstd_are_no_body(chat_agent, magic):
    answer = send(chat_agent, magic + b"\x04\0\0\0abcd" + zstd.compress(question()), "zstd")
    assert (answer.status, answer.error) == (400, "bad_framing")


@pytest.mark.parametrize("framing", ["at once", "in pieces"])
def test_a_frame_that_is_not_as_long_as_it_says_is_broken(chat_agent, framing):
    body = question()
    block = (len(body) << 3 | 1).to_bytes(3, "little") + body  # the last one, as it is
    for says, status in ((len(body), 200), (len(body) + 1, 400), (len(body) - 1, 400)):
        frame = b"\x28\xb5\x2f\xfd\x20" + bytes([says]) + block
        lines = [f"Content-Length: {len(frame)}"] if framing == "at once" else ["Transfer-Encoding: chunked"]
        sent = frame if framing == "at once" else chunks(frame, 5)
        answer, _ = chat_agent.raw("api-gateway", head("POST", CHAT, "Content-Encoding: zstd", *lines, body=sent))
        assert answer.status == status, (says - len(body), answer)


def test_a_frame_of_an_unknown_form_is_no_supported_coding(chat_agent):
    answer = send(chat_agent, b"\x28\xb5\x2f\xfd" + question(), "zstd")
    assert (answer.status, answer.headers["Accept-Encoding"]) == (415, SUPPORTED)


@pytest.mark.parametrize("coding", BOTH)
def test_the_limit_is_one_of_unpacked_bytes(chat_agent, coding):
    fits = question(text(200_000) * 90)
    answer = send(chat_agent, BOTH[coding](fits), coding)
    assert (len(fits) > 17 * MIB, answer.status) == (True, 200), answer
    beyond = question(text(200_000) * 110)
    answer = send(chat_agent, BOTH[coding](beyond), coding)
    assert (answer.status, answer.error) == (413, "body_too_large")
    assert "unpacks" in answer.body["error"]["message"]


def grown(times):
    """A body of 300,000 letters that gzip makes about that many times smaller."""
    n = 300_000 // times
    return question(text(n) + "a" * (300_000 - n))


@pytest.mark.parametrize("coding", BOTH)
@pytest.mark.parametrize("framing", ["length", "chunks"])
def test_growth_is_bounded(chat_agent, coding, framing):
    pack = BOTH[coding]

    def post(packed):
        lines = [f"Content-Length: {len(packed)}"] if framing == "length" else ["Transfer-Encoding: chunked"]
        body = packed if framing == "length" else chunks(packed, 100)
        return chat_agent.raw("api-gateway", head("POST", CHAT, f"Content-Encoding: {coding}", *lines, body=body))[0]
    for body in (grown(50), grown(100), question("a" * 300_000), question("a" * 9 * MIB)):
        packed = pack(body)
        answer = post(packed)
        beyond = len(body) > 200 * len(packed)
        assert answer.status == (413 if beyond else 200), (len(body) / len(packed), answer)
    assert beyond


def test_empty_beginnings_are_judged_by_the_whole(chat_agent):
    body = question("a" * 900_000 + text(9000))
    assert send(chat_agent, gzip.compress(body), "gzip").status == 200


@pytest.mark.parametrize("window_log, status", [(23, 200), (24, 413), (27, 413)])
def test_windows_beyond_8_mib_are_too_large(chat_agent, window_log, status):
    answer = send(chat_agent, zstd.compress(question(text(1000)), window_log), "zstd")
    assert answer.status == status, answer
    assert status == 200 or answer.error == "body_too_large"


def test_an_idempotency_key_covers_what_was_unpacked(chat_agent):
    body = json.dumps({"model": "text_to_image", "prompt": "a cat"}).encode()
    path, key = "/v1/images/generations", {"Idempotency-Key": "once", "Prefer": "respond-async"}
    first = send(chat_agent, gzip.compress(body, mtime=1), "gzip", path, **key)
    assert first.status == 202, first
    for again, coding in ((zstd.compress(body), "zstd"), (gzip.compress(body, mtime=2), "gzip"), (body, "identity")):
        answer = send(chat_agent, again, coding, path, **key)
        assert (answer.status, answer.body["id"]) == (202, first.body["id"])
    other = send(chat_agent, gzip.compress(body.replace(b"cat", b"dog")), "gzip", path, **key)
    assert (other.status, other.error) == (409, "idempotency_mismatch")


def test_who_packs_a_lot_does_not_keep_others_waiting(chat_agent):
    """A body's bytes are unpacked over several turns: another request is answered between them."""
    packed = zlib.compressobj(9, zlib.DEFLATED, 31)
    whole = packed.compress(question(text(100_000) * 180)) + packed.flush()
    with chat_agent.connect() as one:
        one.send(head("POST", CHAT, f"Content-Length: {len(whole)}", "Content-Encoding: gzip", body=whole))
        assert chat_agent.get("api-gateway", "/healthz").status == 200
        assert one.answer().status == 200
