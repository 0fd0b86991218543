# SPDX-License-Identifier: MIT
"""Embeddings, rerank, moderations and audio: what is asked, what comes back, how it breaks."""
import base64
import http.client
import json
import socket
import struct

import pytest

from bytes_upstream import BytesUpstream, answer as bytes_answer, cut_chunked
from waiting import wait_for

GW = "api-gateway"
WAV_BYTES = 844
BOUNDARY = "form-boundary-1"


def feature(agent, name, endpoint, *targets, **more):
    answer = agent.post("config-center", "/api/v1/features", {
        "name": name, "endpoint": endpoint, "targets": list(targets), **more})
    assert answer.status == 201, answer


def vendor_target(service, vendor="openai", **more):
    return {"kind": "vendor", "vendor": vendor, "service": service, **more}


def form(*fields):
    """fields: (name, value) or (name, value, filename, type); values are bytes."""
    out = b""
    for name, value, *file in fields:
        out += f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'.encode()
        if file:
            out += f'; filename="{file[0]}"\r\nContent-Type: {file[1]}'.encode()
        out += b"\r\n\r\n" + value + b"\r\n"
    return out + f"--{BOUNDARY}--\r\n".encode()


def send_form(agent, path, *fields, **more):
    return agent.request(GW, "POST", path, body=form(*fields), headers={
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}, **more)


AUDIO = ("file", b"RIFF\r\n--form-boundary\r\n\x00\xff", "a.wav", "audio/wav")


@pytest.fixture
def agent(make_agent):
    return make_agent()


@pytest.fixture
def vendor(make_vendord):
    return make_vendord()


@pytest.fixture
def tei(make_vendord):
    return make_vendord(flavour="tei")


# ---- speech ----

@pytest.fixture
def speaking(agent, vendor):
    feature(agent, "tts", "audio.speech", vendor_target("audio", upstream_model="tts-1"))
    agent.add_key(vendor.url, service="audio")
    return agent


def speak(agent, **more):
    return agent.post(GW, "/v1/audio/speech", {"model": "tts", "input": "héllo", "voice": "alloy",
                                              **more})


def test_speech_passes_bytes(speaking, vendor):
    answer = speak(speaking, response_format="wav")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.body[:4] == b"RIFF" and len(answer.body) == WAV_BYTES
    assert answer.headers["X-Yijian-Target"].startswith("openai/audio#")
    assert json.loads(vendor.asked()["body"])["model"] == "tts-1"
    usage = speaking.get(GW, "/api/v1/usage?by=feature&window=1h").body["items"]
    assert [row["chars"] for row in usage if row["feature"] == "tts"] == [5]
    assert speaking.post(GW, "/audio/speech", {"model": "tts", "input": "x",
                                               "voice": "alloy"}).status == 200


@pytest.mark.parametrize("body, status, code", [
    ({"model": "tts", "voice": "alloy"}, 422, "field_required"),
    ({"model": "tts", "input": 7, "voice": "alloy"}, 422, "field_type"),
    ({"model": "nobody", "input": "x", "voice": "alloy"}, 404, "model_not_found"),
    ({"model": "tts", "input": "x"}, 400, "missing_required_parameter"),
])
def test_bad_speech(speaking, body, status, code):
    answer = speaking.post(GW, "/v1/audio/speech", body)
    assert (answer.status, answer.error) == (status, code)


def test_speech_falls_back_before_the_first_byte(agent, make_vendord):
    bad, good = make_vendord(), make_vendord()
    feature(agent, "tts", "audio.speech", vendor_target("audio", upstream_model="tts-1"))
    agent.add_key(bad.url, service="audio", key_name="bad")
    agent.add_key(good.url, service="audio", key_name="good", tier="backup",
                  api_key="sk-simulated-0000000000000002")
    bad.fault({"status": 500}, path="/v1/audio/speech")
    answer = speak(agent)
    assert answer.status == 200 and len(answer.body) == WAV_BYTES
    assert answer.headers["X-Yijian-Attempts"] == "2"


def test_speech_that_breaks_is_cut(agent):
    with BytesUpstream({"cut": cut_chunked("audio/mpeg", b"ID3" * 100),
                        "json": bytes_answer("200 OK", "application/json",
                                             b'{"error":{"message":"no","code":400}}')},
                       cuts=["cut"]) as upstream:
        feature(agent, "tts", "audio.speech", vendor_target("audio", upstream_model="m"))
        feature(agent, "json", "audio.speech", vendor_target("moderations", upstream_model="m"))
        agent.add_key(upstream.url("cut"), service="audio")
        agent.add_key(upstream.url("json"), service="moderations", key_name="json",
                      api_key="sk-simulated-0000000000000002")
        with pytest.raises(http.client.IncompleteRead):
            speak(agent)
        event = agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
        assert event["code"] == "stream_interrupted"
        answer = speak(agent, model="json")
        assert answer.status == 400 and answer.body["error"]["message"] == "no"


def test_a_caller_that_leaves_ends_the_speech(agent):
    begun = (b"HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\ntransfer-encoding: chunked\r\n\r\n"
             b"3\r\nID3\r\n")
    with BytesUpstream({"begun": begun}) as upstream:
        feature(agent, "tts", "audio.speech", vendor_target("audio", upstream_model="m"))
        agent.add_key(upstream.url("begun"), service="audio")
        body = json.dumps({"model": "tts", "input": "x", "voice": "v"}).encode()
        caller = socket.create_connection(agent.address(GW))
        caller.sendall(b"POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
                       b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
                       % (len(body), body))
        got = b""
        while b"ID3" not in got:
            got += caller.recv(65536)
        caller.close()
        event = wait_for(lambda: agent.get(
            GW, "/api/v1/events?kinds=traffic&limit=1").body["items"])[-1]
        assert event["code"] == "client_gone"


# ---- transcriptions ----

@pytest.fixture
def hearing(agent, vendor):
    feature(agent, "stt", "audio.transcriptions",
            vendor_target("audio", upstream_model="whisper-1", drop_params=["user"]),
            defaults={"language": "de", "temperature": 0})
    agent.add_key(vendor.url, service="audio")
    return agent


def test_transcription_rewrites_the_model_alone(hearing, vendor):
    answer = send_form(hearing, "/v1/audio/transcriptions", ("model", b"stt"), AUDIO,
                       ("timestamp_granularities[]", b"word"), ("user", b"me"),
                       ("temperature", b"0.5"))
    assert answer.status == 200
    assert answer.body["text"] and answer.body["usage"]["input_tokens"] == 14
    sent = vendor.asked()
    body = base64.b64decode(sent["body_base64"]) if "body_base64" in sent else sent["body"].encode()
    assert body == form(("model", b"whisper-1"), AUDIO, ("timestamp_granularities[]", b"word"),
                        ("temperature", b"0.5"), ("language", b"de"))


def test_transcription_as_text(hearing):
    answer = send_form(hearing, "/v1/audio/transcriptions", ("model", b"stt"), AUDIO,
                       ("response_format", b"text"))
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert b"simulated" in answer.body


def test_transcription_by_events(agent):
    events = b"".join(b"data: %s\n\n" % event for event in (
        b'{"type":"transcript.text.delta","delta":"I"}',
        b'{"type":"transcript.text.done","text":"I","usage":{"type":"duration","seconds":3}}'))
    with BytesUpstream({"whole": bytes_answer("200 OK", "text/event-stream", events),
                        "cut": bytes_answer("200 OK", "text/event-stream", events[:60])}
                       ) as upstream:
        feature(agent, "stt", "audio.transcriptions", vendor_target("audio", upstream_model="m"))
        feature(agent, "cut", "audio.transcriptions",
                vendor_target("moderations", upstream_model="m"))
        agent.add_key(upstream.url("whole"), service="audio")
        agent.add_key(upstream.url("cut"), service="moderations", key_name="cut",
                      api_key="sk-simulated-0000000000000002")
        answer = send_form(agent, "/v1/audio/transcriptions", ("model", b"stt"), AUDIO,
                           ("stream", b"true"))
        assert (answer.status, answer.body) == (200, events), "no [DONE] where OpenAI has none"
        answer = send_form(agent, "/v1/audio/transcriptions", ("model", b"cut"), AUDIO,
                           ("stream", b"true"))
        assert b"stream_interrupted" in answer.body


def test_a_model_that_does_not_stream_answers_whole(hearing):
    answer = send_form(hearing, "/v1/audio/transcriptions", ("model", b"stt"), AUDIO,
                       ("stream", b"true"))
    assert answer.status == 200 and answer.body["usage"]["input_tokens"] == 14
    event = hearing.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
    assert (event["tokens_in"], event["tokens_out"]) == (14, 6)


@pytest.mark.parametrize("fields, status, code", [
    ([AUDIO], 422, "field_required"),
    ([("model", b"stt")], 422, "field_required"),
    ([("model", b"nobody"), AUDIO], 404, "model_not_found"),
    ([("model", b"stt"), AUDIO, ("api_key", b"sk-x")], 400, "field_forbidden"),
    ([("model", b"stt"), AUDIO] + [(f"x{i}", b"") for i in range(40)], 413, "body_too_large"),
    ([("model", b"stt"), ("x" * 9000, b""), AUDIO], 400, "multipart_invalid"),
])
def test_bad_forms(hearing, fields, status, code):
    answer = send_form(hearing, "/v1/audio/transcriptions", *fields)
    assert (answer.status, answer.error) == (status, code)


def test_no_form(hearing):
    answer = hearing.post(GW, "/v1/audio/transcriptions", {"model": "stt", "file": "x"})
    assert (answer.status, answer.error) == (415, "unsupported_media_type")


# ---- moderations ----

def test_moderations(agent, vendor):
    feature(agent, "guard", "moderations", vendor_target("moderations"))
    agent.add_key(vendor.url, service="moderations")
    answer = agent.post(GW, "/v1/moderations", {"model": "guard", "input": "I will kill"})
    assert answer.status == 200 and answer.body["results"][0]["flagged"] is True
    answer = agent.post(GW, "/v1/moderations", {"model": "guard"})
    assert (answer.status, answer.error) == (422, "field_required")


# ---- rerank ----

def rerank(agent, n=5, **more):
    return agent.post(GW, "/v1/rerank", {"model": "rank", "query": "q",
                                        "documents": [f"text {i}" for i in range(n)], **more})


def test_rerank_at_tei(agent, tei):
    feature(agent, "rank", "rerank")
    agent.add_instance(tei.url, service="tei", engine="tei", features=["rank"])
    whole = rerank(agent, return_documents=True)
    assert whole.status == 200
    results = whole.body["results"]
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True) and len(results) == 5
    assert all(result["document"] == {"text": f"text {result['index']}"} for result in results)
    best = rerank(agent, top_n=2).body["results"]
    assert [result["index"] for result in best] == [result["index"] for result in results[:2]]
    assert "document" not in best[0]
    answer = agent.post(GW, "/v1/rerank", {"model": "rank", "query": "q", "documents": "x"})
    assert (answer.status, answer.error) == (422, "field_type")


def test_rerank_longer_than_a_batch(agent, tei):
    feature(agent, "rank", "rerank")
    agent.add_instance(tei.url, service="tei", engine="tei", features=["rank"])
    results = rerank(agent, n=70).body["results"]
    assert sorted(result["index"] for result in results) == list(range(70))
    scores = [result["relevance_score"] for result in results]
    assert scores == sorted(scores, reverse=True)
    assert len(tei.requests()) >= 3
    assert len(rerank(agent, n=70, top_n=3).body["results"]) == 3


def test_rerank_at_vllm(agent, make_vendord):
    vllm = make_vendord(flavour="vllm")
    feature(agent, "rank", "rerank")
    agent.add_instance(vllm.url, service="ranker", features=["rank"])
    answer = rerank(agent, top_n=2)
    assert answer.status == 200 and len(answer.body["results"]) == 2


# ---- embeddings ----

def embed(agent, value, **more):
    return agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": value, **more})


def vectors(answer):
    assert answer.status == 200, answer
    data = answer.body["data"]
    assert [item["index"] for item in data] == list(range(len(data)))
    return [item["embedding"] for item in data]


NATIVE = [("tei", "tei", "tei.embed"), ("tei", "tei", None), ("ollama", "ollama", "ollama.embed"),
          ("ollama", "ollama", None)]


@pytest.mark.parametrize("flavour, engine, protocol", NATIVE)
def test_embeddings_of_an_engine(agent, make_vendord, flavour, engine, protocol):
    upstream = make_vendord(flavour=flavour)
    target = {"kind": "self_hosted", "service": "emb", "upstream_model": "e"}
    if protocol:
        target["protocol"] = protocol
    feature(agent, "own", "embeddings", target)
    agent.add_instance(upstream.url, service="emb", engine=engine, features=["own"])
    floats = vectors(embed(agent, ["a", "b"], model="own"))
    assert len(floats) == 2 and isinstance(floats[0][0], float)
    packed = vectors(embed(agent, ["a", "b"], model="own", encoding_format="base64"))
    for text, vector in zip(packed, floats):
        raw = base64.b64decode(text)
        assert struct.unpack(f"<{len(raw) // 4}f", raw) == pytest.approx(vector, rel=1e-6)
    assert vectors(embed(agent, "a", model="own")) == floats[:1]


def test_embeddings_of_dashscope_itself(agent, make_vendord):
    aliyun = make_vendord(flavour="dashscope")
    feature(agent, "own", "embeddings", vendor_target(
        "qwen", "aliyun", upstream_model="text-embedding-v4",
        protocol="dashscope.embeddings.native"))
    agent.add_key(aliyun.url + "/compatible-mode", vendor="aliyun", service="qwen")
    answer = embed(agent, [f"text {i}" for i in range(23)], model="own", dimensions=64)
    assert len(vectors(answer)) == 23 and len(vectors(answer)[0]) == 64
    assert answer.body["usage"]["total_tokens"] > 0
    sent = [json.loads(record["body"]) for record in aliyun.requests()
            if record["path"].endswith("/text-embedding")]
    assert sorted(len(body["input"]["texts"]) for body in sent) == [3, 10, 10]
    answer = embed(agent, [[1, 2], [3]], model="own")
    assert answer.status == 422, "token numbers cannot be asked of it"
    assert "check_embedding_ctx_length=False" in answer.body["error"]["message"]
    for value, code in (([[1, 2]], "capability_missing"), ([1, 2], "capability_missing"),
                        (["a"], None)):
        route = agent.post("router-engine", "/api/v1/route/own", {"input": value}).body
        skips = route["candidates"][0].get("skips") or [{"code": None}]
        assert skips[0]["code"] == code


@pytest.mark.parametrize("flavour, protocol, lost", [
    ("ollama", "ollama.embed", "user,text_type"), ("tei", "tei.embed", "user,text_type"),
    ("ollama", None, None)])
def test_what_embeddings_lose_is_named(agent, make_vendord, flavour, protocol, lost):
    upstream = make_vendord(flavour=flavour)
    target = {"kind": "self_hosted", "service": "emb", "upstream_model": "e"}
    if protocol:
        target["protocol"] = protocol
    feature(agent, "own", "embeddings", target)
    agent.add_instance(upstream.url, service="emb", engine=flavour, features=["own"])
    answer = embed(agent, ["a"], model="own", user="u1", text_type="query", dimensions=64)
    assert len(vectors(answer)) == 1
    assert answer.headers.get("X-Yijian-Dropped") == lost
    sent = json.loads(upstream.asked()["body"])
    assert sent["dimensions"] == 64 and ("user" in sent) == (lost is None)


@pytest.mark.parametrize("engine, wish", [
    ("vllm", {"suffix": "the end"}), ("ollama", {"n": 2}), ("ollama", {"echo": True}),
    ("ollama", {"prompt": ["a", "b"]})])
def test_completions_go_where_their_wish_is_known(agent, make_vendord, engine, wish):
    """The first target would answer another question: foreseen, skipped by name, refused alone."""
    first, second = make_vendord(flavour=engine), make_vendord(flavour="vllm")
    feature(agent, "own", "completions",
            {"kind": "self_hosted", "service": "near", "upstream_model": "m"},
            {"kind": "self_hosted", "service": "far", "upstream_model": "m", "order": 5})
    agent.add_instance(first.url, service="near", id="n1", engine=engine, features=())
    agent.add_instance(second.url, service="far", id="f1", engine="openai-compatible", features=())
    ask = {"model": "own", "prompt": "once", **wish}
    member = next(iter(wish))
    route = agent.post("router-engine", "/api/v1/route/own", ask).body
    assert route["chosen"]["target"] == "self/far#f1"
    skip = route["candidates"][0]["skips"][0]
    assert skip["code"] == "capability_missing" and member in skip["detail"]
    answer = agent.post(GW, "/v1/completions", ask)
    assert answer.status == 200 and answer.headers["X-Yijian-Target"] == "self/far#f1", answer
    assert not [r for r in first.requests() if r["path"] == "/v1/completions"]
    drained = agent.post("service-registry", "/api/v1/services/far/instances/f1/drain")
    assert drained.status == 200, drained
    answer = agent.post(GW, "/v1/completions", ask)
    assert answer.status in (400, 422) and answer.headers["x-should-retry"] == "false", answer
    assert member in json.dumps(answer.body["error"])


def test_long_lists_are_split_and_whole(agent, tei):
    agent.add_instance(tei.url, service="tei", engine="tei", features=["embeddings"])
    texts = [f"text {i}" for i in range(75)]
    answer = embed(agent, texts)
    whole = vectors(answer)
    assert len(whole) == 75
    assert whole[70] == vectors(embed(agent, texts[70]))[0]
    tei.fault({"status": 424}, skip=1, count=1, path="/v1/embeddings")
    failed = embed(agent, texts)
    assert failed.status == 502 and "data" not in failed.body


def asked(tei):
    return sum(record["path"] == "/v1/embeddings" for record in tei.requests())


def inflight(agent):
    items = agent.get("service-registry", "/api/v1/services/tei").body["instances"]
    return items[0]["inflight"]


PARTS = [f"text {i}" for i in range(32 * 7)]  # of a list for TEI, which takes 32


def test_parts_are_asked_for_four_at_once(agent, tei):
    agent.add_instance(tei.url, service="tei", engine="tei", features=["embeddings"])
    tei.fault({"hang": True}, skip=1, path="/v1/embeddings")
    caller = http.client.HTTPConnection(*agent.address())
    caller.request("POST", "/v1/embeddings", json.dumps({"model": "embeddings", "input": PARTS}),
                   {"Content-Type": "application/json"})
    wait_for(lambda: asked(tei) == 5, what="the first part, then four more")
    assert inflight(agent) == 4
    caller.close()
    wait_for(lambda: inflight(agent) == 0, what="all parts to be given up with their caller")
    assert asked(tei) == 5


def test_parts_keep_within_the_concurrency_limit(agent, tei):
    agent.add_instance(tei.url, service="tei", engine="tei", features=["embeddings"],
                       capacity={"max_concurrency": 2})
    answer = embed(agent, PARTS)
    assert len(vectors(answer)) == len(PARTS) and asked(tei) == 7
    assert inflight(agent) == 0
    agent.request("config-center", "PATCH", "/api/v1/features/embeddings", {
        "timeouts": {"first_byte_ms": 200}, "retry": {"max_attempts": 1}})
    tei.fault({"hang": True}, skip=1, path="/v1/embeddings")
    assert embed(agent, PARTS).status == 504
    assert asked(tei) == 7 + 1 + 2 and inflight(agent) == 0


def test_one_failed_part_ends_the_others(agent, tei):
    agent.add_instance(tei.url, service="tei", engine="tei", features=["embeddings"])
    agent.request("config-center", "PATCH", "/api/v1/features/embeddings",
                  {"retry": {"max_attempts": 1}, "cooldown": {"fails": 100}})
    tei.faults([{"match": {"path": "/v1/embeddings"}, "count": 3, "skip": 1, "fault": {"hang": True}},
                {"match": {"path": "/v1/embeddings"}, "count": 1, "skip": 1,
                 "fault": {"status": 424}}])
    assert embed(agent, PARTS).status == 502
    assert inflight(agent) == 0 and asked(tei) == 5
    tei.faults([])
    assert len(vectors(embed(agent, PARTS))) == len(PARTS)


@pytest.mark.parametrize("value, code", [
    ([], "field_range"), (7, "field_type"), (["a", 1], "field_type"),
    ([[1], "a"], "field_type"), (["x"] * 2049, "field_range"),
])
def test_bad_inputs(agent, tei, value, code):
    agent.add_instance(tei.url, service="tei", engine="tei", features=["embeddings"])
    answer = embed(agent, value)
    assert (answer.status, answer.error) == (422, code)
