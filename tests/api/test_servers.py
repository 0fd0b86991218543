# SPDX-License-Identifier: MIT
"""What servers of all kinds really send: packed, under other types, whole where a stream was asked for,
errors under a good status; how they say that they are busy or that it is too long; what they serve."""
import concurrent.futures
import gzip
import http.server
import json
import re
import subprocess
import threading
import zlib

import pytest

from bytes_upstream import BytesUpstream, answer as whole
from held_upstream import HeldUpstream
from waiting import wait_for

GW, CONFIG, REG, ROUTER = "api-gateway", "config-center", "service-registry", "router-engine"
CHAT = "/v1/chat/completions"
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COMPLETION = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
    "usage": USAGE}
JSON, SSE = "application/json", "text/event-stream"


def chunk(delta, finish=None):
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def events(*docs, done=True):
    return "".join("data: %s\n\n" % json.dumps(d) for d in docs).encode() + b"data: [DONE]\n\n" * done


STREAM = events(chunk({"role": "assistant", "content": "fi"}), chunk({"content": "ne"}), chunk({}, "stop"))


def zstd(body):
    """One frame of one raw block (RFC 8878), for what is shorter than 256 bytes."""
    return (b"\x28\xb5\x2f\xfd\x20" + bytes([len(body)])
            + (1 | len(body) << 3).to_bytes(3, "little") + body)


def bare(body):
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKINGS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "GZIP": gzip.compress,
            "deflate": zlib.compress, "Deflate": bare, "zstd": zstd, "identity": lambda body: body}


@pytest.fixture
def serve(agent):
    """Registers servers that answer so, in this order, as the targets of a feature."""
    opened = []

    def register(*answers, cuts=(), feature="chat", engine="openai-compatible", **more):
        up = BytesUpstream({str(i): a for i, a in enumerate(answers)}, cuts)
        opened.append(up)
        for i, _ in enumerate(answers):
            agent.add_instance(up.url(str(i)), service=f"s{i}", id="i", engine=engine, features=[feature],
                               models=["m"], **more)
        return up
    yield register
    for up in opened:
        up.close()


def text_of(answer):
    assert answer.status == 200, answer
    return answer.body["choices"][0]["message"]["content"]


def stream(agent, **more):
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}], **more}
    with agent.stream(CHAT, {**body, "stream": True}) as got:
        if got.status != 200:
            return got.status, None
        return got.status, list(got.events())


def said(found):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in found
                   if c != "[DONE]" and c.get("choices"))


def breaker(agent, target):
    """Whether the next call may go there."""
    route = agent.post(ROUTER, "/api/v1/route/chat", {"messages": []}).body
    return next(c for c in route["candidates"] if c["target"] == target)


# ---- packed ----

@pytest.mark.parametrize("coding", PACKINGS)
def test_packed_answers_are_read(agent, serve, coding):
    small = json.dumps({k: v for k, v in COMPLETION.items() if k != "usage"}).encode()
    serve(whole("200 OK", JSON, PACKINGS[coding](small), f"Content-Encoding: {coding}"))
    assert text_of(agent.chat()) == "fine"


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd"])
def test_packed_streams_are_read(agent, serve, coding):
    small = b'data: {"choices":[{"index":0,"delta":{"content":"fine"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    serve(whole("200 OK", SSE, PACKINGS[coding](small), f"content-encoding: {coding}"))
    status, found = stream(agent)
    assert status == 200 and said(found) == "fine" and found[-1] == "[DONE]"


@pytest.mark.parametrize("what, code", [
    ("cut", "upstream_bad_response"), ("broken", "upstream_bad_response"),
    ("longer", "upstream_bad_response"), ("bomb", "upstream_too_large"),
    ("br", "upstream_bad_response"), ("two", "upstream_bad_response")])
def test_packed_answers_have_limits(agent, serve, what, code):
    packed = gzip.compress(json.dumps(COMPLETION).encode())
    body = {"cut": packed[:-9], "broken": packed[:20] + b"\0\1\2" + packed[23:], "longer": packed + packed,
            "bomb": gzip.compress(b" " * (32 << 20)), "br": packed, "two": packed}[what]
    coding = {"br": "br", "two": "gzip, gzip"}.get(what, "gzip")
    serve(whole("200 OK", JSON, body, f"content-encoding: {coding}"))
    answer = agent.chat()
    assert (answer.status, answer.error) == (502, code)


# ---- forms ----

@pytest.mark.parametrize("kind", ["Text/Event-Stream; Charset=UTF-8", "text/plain", "application/json",
                                  "application/octet-stream", None])
def test_a_stream_is_one_whatever_it_calls_itself(agent, serve, kind):
    serve(whole("200 OK", kind, b"\r\n: hello\n\n" + STREAM))
    status, found = stream(agent)
    assert status == 200 and said(found) == "fine" and found[-1] == "[DONE]"


@pytest.mark.parametrize("cut", range(1, 8))
def test_however_its_beginning_is_cut(agent, serve, cut):
    parts = STREAM[:cut], STREAM[cut:]
    body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
    serve(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + body)
    status, found = stream(agent)
    assert status == 200 and said(found) == "fine"


def test_ollama_lines_under_another_type(agent, serve):
    lines = b"".join(json.dumps(line).encode() + b"\n" for line in (
        {"model": "m", "message": {"role": "assistant", "content": "fine"}, "done": False},
        {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True,
         "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 1}))
    serve(whole("200 OK", "application/json; charset=utf-8", lines), engine="ollama")
    status, found = stream(agent)
    assert status == 200 and said(found) == "fine" and found[-1] == "[DONE]"


TOOLS = {**COMPLETION, "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
    "role": "assistant", "content": None, "tool_calls": [
        {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"x\": 1}"}}]}}]}


def test_a_whole_answer_becomes_the_stream_that_was_asked_for(agent, serve):
    serve(whole("200 OK", JSON, json.dumps(COMPLETION, indent=1).encode()))
    status, found = stream(agent, stream_options={"include_usage": True})
    assert status == 200 and said(found) == "fine" and found[-1] == "[DONE]"
    assert [c["object"] for c in found[:-1]] == ["chat.completion.chunk"] * 3
    assert [c["choices"][0]["finish_reason"] for c in found[:2]] == [None, "stop"]
    assert found[2]["choices"] == [] and found[2]["usage"] == USAGE


def test_a_whole_answer_with_tools_too(agent, serve):
    serve(whole("200 OK", JSON, json.dumps(TOOLS).encode()))
    status, found = stream(agent)
    calls = found[0]["choices"][0]["delta"]["tool_calls"]
    assert [(c["index"], c["id"], c["function"]["name"]) for c in calls] == [(0, "a", "f"), (1, "b", "g")]
    assert found[1]["choices"][0]["finish_reason"] == "tool_calls" and found[-1] == "[DONE]"


def test_a_whole_answer_for_another_dialect(agent, serve):
    serve(whole("200 OK", JSON, json.dumps(TOOLS).encode()))
    with agent.stream("/v1/messages", {"model": "chat", "max_tokens": 9, "stream": True, "messages": [
            {"role": "user", "content": "x"}]}) as got:
        text = "".join(json.dumps(e) for e in got.events())
    assert '"tool_use"' in text and "message_stop" in text and '"g"' in text


def test_a_stream_where_none_was_asked_for_is_folded(agent, serve):
    serve(whole("200 OK", SSE, STREAM))
    answer = agent.chat()
    assert text_of(answer) == "fine" and answer.headers["Content-Type"] == "application/json"


# ---- errors under a good status ----

def error(code=None, kind=None, message="the words of it"):
    return {"error": {"message": message, "type": kind, "param": "messages", "code": code}}


CALLERS = [error("context_length_exceeded", "invalid_request_error"), error(400), error("422"),
           error(None, "invalid_request_error"), error("content_policy_violation"),
           {"object": "error", "message": "the words of it", "type": "BadRequestError", "code": 400},
           {"code": "InvalidParameter", "message": "the words of it", "request_id": "r"},
           {"code": 422, "msg": "the words of it"}]


@pytest.mark.parametrize("doc", CALLERS, ids=lambda d: str(d.get("error", d)["code"]))
@pytest.mark.parametrize("form", ["whole", "document", "event"])
def test_a_callers_fault_under_200_is_the_callers(agent, serve, doc, form):
    """Told once, with its words; the next target is not paid; whoever comes next is served."""
    bad = whole("200 OK", JSON, json.dumps(doc).encode())
    if form == "event":
        bad = whole("200 OK", SSE, events(doc, done=False))
    up = serve(bad, whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    for _ in range(5):
        answer = agent.chat(stream=form != "whole")
        assert 400 <= answer.status < 500 and answer.body["error"]["message"] == "the words of it", answer
        assert answer.headers["X-Yijian-Attempts"] == "1"
    assert up.asked == {"0": 5}
    assert breaker(agent, "self/s0#i")["eligible"] is True


@pytest.mark.parametrize("path, endpoint, engine, body", [
    ("/v1/embeddings", "embeddings", "openai-compatible", {"input": "x"}),
    ("/v1/embeddings", "embeddings", "tei", {"input": "x"}),
    ("/v1/rerank", "rerank", "openai-compatible", {"query": "x", "documents": ["a", "b"]}),
    ("/v1/completions", "completions", "vllm", {"prompt": "x"}),
    ("/v1/responses", "responses", "openai-compatible", {"input": "x"}),
    ("/v1/messages", "chat.completions", "openai-compatible", {"max_tokens": 9, "messages": [
        {"role": "user", "content": "x"}]}),
    ("/v1/moderations", "moderations", "openai-compatible", {"input": "x"}),
    ("/v1/audio/speech", "audio.speech", "openai-compatible", {"input": "x", "voice": "alloy"})])
def test_wherever_it_is_asked_for(agent, serve, path, endpoint, engine, body):
    created = agent.post(CONFIG, "/api/v1/features", {"name": "f", "endpoint": endpoint})
    assert created.status == 201, created
    doc = json.dumps(error(400)).encode()
    up = serve(whole("200 OK", JSON, doc), whole("200 OK", JSON, doc), feature="f", engine=engine)
    answer = agent.post(GW, path, {"model": "f", **body})
    assert answer.status == 400 and "the words of it" in json.dumps(answer.body), answer
    assert up.asked == {"0": 1}


def test_a_rate_limit_under_200_cools(agent, serve):
    up = serve(whole("200 OK", JSON, json.dumps(error("rate_limit_exceeded", "requests")).encode()),
               whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    for _ in range(3):
        assert text_of(agent.chat()) == "fine"
    assert up.asked == {"0": 1, "1": 3}
    assert breaker(agent, "self/s0#i")["skips"][0]["code"] == "cooldown"


def test_a_failure_under_200_goes_on(agent, serve):
    up = serve(whole("200 OK", JSON, json.dumps(error("server_error")).encode()),
               whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    assert text_of(agent.chat()) == "fine" and up.asked == {"0": 1, "1": 1}


def test_a_later_error_event_is_told_and_says_what_it_says(agent, serve):
    up = serve(whole("200 OK", SSE, events(chunk({"content": "a"}), error(400), done=False)))
    for i in range(5):
        status, found = stream(agent, n=i + 1)
        assert found[-1]["error"]["code"] == "stream_interrupted"
        assert found[-1]["error"]["message"] == "the words of it"
    assert up.asked == {"0": 5} and breaker(agent, "self/s0#i")["eligible"] is True


# ---- how long to wait ----

@pytest.mark.parametrize("lines, s", [
    (("retry-after-ms: 1200", "Retry-After: 60"), 2), (("Retry-After: 1.5",), 2), (("x-ms-retry-after-ms: 2000.7",), 2),
    (("retry-after-ms: soon", "Retry-After: 7"), 7)])
def test_the_finer_field_says_how_long(make_agent, clock, lines, s):
    agent = make_agent(env=clock.env)
    doc = json.dumps(error("rate_limit_exceeded")).encode()
    with BytesUpstream({"0": whole("429 Too Many Requests", JSON, doc, *lines)}) as up:
        agent.add_key(up.url("0"))
        answer = agent.chat()
        assert (answer.status, answer.headers["Retry-After"]) == (429, str(s))
        agent.chat()
        assert up.asked == {"0": 1}
        clock.advance(s)
        agent.chat()
        assert up.asked == {"0": 2}


# ---- kept connections ----

class Closing:
    """Answers the first request of a connection; closes it with the second, when it is let."""

    def __init__(self):
        self.posts, self.second, self.close, outer = 0, threading.Event(), threading.Event(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            here = 0

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.reply({"object": "list", "data": []})

            def do_POST(self):
                self.rfile.read(int(self.headers["content-length"]))
                outer.posts += 1
                self.here += 1
                if self.here == 1:
                    self.reply(COMPLETION)
                    return
                outer.second.set()
                outer.close.wait(60)
                self.close_connection = True

            def reply(self, doc):
                text = json.dumps(doc).encode()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def test_what_a_server_may_have_worked_for_is_not_sent_again(make_agent, clock):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with Closing() as up, concurrent.futures.ThreadPoolExecutor(1) as pool:
        agent.add_key(up.url)
        assert agent.chat().status == 200
        answer = pool.submit(agent.chat)
        assert up.second.wait(30)
        clock.advance(1)
        agent.get(GW, "/healthz")
        up.close.set()
        assert answer.result(60).status == 502 and answer.result().headers["X-Yijian-Attempts"] == "1"
        assert up.posts == 2


def test_a_close_that_crosses_the_request_is_no_failure(make_agent, clock):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with Closing() as up:
        agent.add_key(up.url)
        up.close.set()
        for _ in range(3):
            answer = agent.chat()
            assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "1"


# ---- busy, too long ----

BUSY = [("503 Service Unavailable", {"error": "server busy, please try again.  maximum pending requests exceeded"}),
        ("503 Service Unavailable", {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}),
        ("429 Too Many Requests", {"error": "Model is overloaded", "error_type": "overloaded"}),
        ("529 Overloaded", {"error": {"type": "overloaded_error", "message": "Overloaded"}})]


@pytest.mark.parametrize("status, doc", BUSY)
def test_busy_is_no_failure(agent, serve, status, doc):
    up = serve(whole(status, JSON, json.dumps(doc).encode()))
    for _ in range(8):
        answer = agent.chat()
        assert (answer.status, answer.error) == (503, "upstream_busy")
        assert 1 <= int(answer.headers["Retry-After"]) <= 2
    assert up.asked == {"0": 8}, "each was asked: it is neither cooled nor out"


def test_the_next_one_may_have_room(agent, serve):
    up = serve(whole("503 Busy", JSON, json.dumps(BUSY[0][1]).encode()),
               whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    for _ in range(5):
        assert text_of(agent.chat()) == "fine"
    assert up.asked == {"0": 5, "1": 5}


def test_limited_and_busy_ones_are_worth_another_call_soon(agent, serve):
    serve(whole("429 Too Many Requests", JSON, json.dumps(error("rate_limit_exceeded")).encode(), "Retry-After: 30"),
          whole("503 Busy", JSON, json.dumps(BUSY[0][1]).encode()))
    answer = agent.chat()
    assert (answer.status, answer.error, answer.headers["Retry-After"]) == (503, "upstream_busy", "1")


TOO_LONG = [
    ("400 Bad Request", {"error": {"code": 400, "message": "the request exceeds the available context size",
                                   "type": "exceed_context_size_error", "n_ctx": 4096}}),
    ("400 Bad Request", {"object": "error", "code": 400, "type": "BadRequestError",
                         "message": "This model's maximum context length is 4096 tokens."}),
    ("500 Internal Server Error", {"error": "the input length exceeds the context length"}),
    ("413 Payload Too Large", {"error": "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
                               "error_type": "Validation"})]


def windows(agent, *sizes):
    """The feature's own targets, each with its window."""
    targets = [{"kind": "self_hosted", "service": f"s{i}", "order": i, **({"context_window": w} if w else {})}
               for i, w in enumerate(sizes)]
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"targets": targets})
    assert answer.status == 200, answer


@pytest.mark.parametrize("status, doc", TOO_LONG)
def test_too_long_is_the_callers(agent, serve, status, doc):
    up = serve(whole(status, JSON, json.dumps(doc).encode()), whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    windows(agent, 4096, None)
    for _ in range(5):
        answer = agent.chat()
        assert (answer.status, answer.error) == (400, "context_length_exceeded"), answer
    assert up.asked == {"0": 5} and breaker(agent, "self/s0#i")["eligible"] is True


@pytest.mark.parametrize("status, doc", TOO_LONG)
def test_a_larger_window_may_take_it(agent, serve, status, doc):
    bad = whole(status, JSON, json.dumps(doc).encode())
    up = serve(bad, bad, whole("200 OK", JSON, json.dumps(COMPLETION).encode()))
    windows(agent, 4096, 4096, 32768)
    assert text_of(agent.chat()) == "fine"
    assert up.asked == {"0": 1, "2": 1}, "who takes no more is not asked"


def test_too_long_for_all(agent, serve):
    bad = whole(TOO_LONG[1][0], JSON, json.dumps(TOO_LONG[1][1]).encode())
    up = serve(bad, bad)
    windows(agent, 4096, 8192)
    answer = agent.chat()
    assert (answer.status, answer.error) == (400, "context_length_exceeded") and up.asked == {"0": 1, "1": 1}
    assert "maximum context length" in answer.body["error"]["message"]


# ---- whose failure it is ----

def test_repeats_of_one_request_open_nothing(agent, serve):
    up = serve(whole("500 Internal Server Error", JSON, b'{"error":"boom"}'))
    for _ in range(6):
        assert agent.chat("the same words").error == "all_upstreams_failed"
    assert breaker(agent, "self/s0#i")["eligible"] is True
    for i in range(2):
        agent.chat(f"other words {i}")
    assert breaker(agent, "self/s0#i")["skips"][0]["code"] == "breaker_open"
    assert up.asked == {"0": 8}


def test_what_fails_for_one_feature_is_not_the_others(agent):
    good, bad = whole("200 OK", JSON, json.dumps(COMPLETION).encode()), whole("500 Error", JSON, b'{"error":"boom"}')

    class Both(BytesUpstream):
        def serve_one(self, connection):
            connection.settimeout(30)
            return super().serve_one(connection)
    with Both({"e": bad, "c": good}) as up:
        # One server, told apart by its paths alone.
        agent.add_instance(up.url("e"), service="s", id="i", features=["embeddings"], models=["m"],
                           engine="openai-compatible")
        for i in range(5):
            agent.post(GW, "/v1/embeddings", {"model": "embeddings", "input": f"text {i}"})
        row = agent.get(REG, "/api/v1/services/s/instances/i").body
        assert row["state"] != "OPEN" and up.asked["e"] >= 3
        answer = agent.request(REG, "PUT", "/api/v1/services/s/instances/i", {
            "url": up.url("e"), "engine": "openai-compatible", "features": ["embeddings", "chat"], "models": ["m"]})
        assert answer.status == 200, answer
        agent.chat()
        assert up.asked["e"] > 3, "chat is asked there all the same"


@pytest.mark.parametrize("status, body, eligible", [
    (403, b"<html>blocked</html>", True),
    (401, b"<html>log in</html>", True),
    (401, json.dumps(error("invalid_api_key")).encode(), False)])
def test_only_the_vendors_own_words_speak_of_a_key(agent, status, body, eligible):
    with BytesUpstream({"0": whole(f"{status} No", JSON if body[:1] == b"{" else "text/html", body)}) as up:
        agent.add_key(up.url("0"))
        answer = agent.chat()
        assert answer.status == (status if eligible else 502), answer
        route = agent.post(ROUTER, "/api/v1/route/chat", {"messages": []}).body
        found = next(c for c in route["candidates"] if c["target"].startswith("openai/gpt-4#"))
        assert found["eligible"] is eligible


def test_a_request_that_is_too_large_cools_nobody(agent):
    doc = error("rate_limit_exceeded", "tokens", "Request too large for gpt-x on tokens per min: Limit 1, Requested 2")
    with BytesUpstream({"0": whole("429 Too Many Requests", JSON, json.dumps(doc).encode())}) as up:
        agent.add_key(up.url("0"))
        for _ in range(2):
            answer = agent.chat()
            assert (answer.status, answer.error) == (429, "rate_limit_exceeded"), answer
        assert up.asked == {"0": 2}


# ---- what they serve ----

def models(*names, **more):
    return {"object": "list", "data": [{"id": n, "object": "model", **more} for n in names]}


class Serving:
    """A server that says it has these models, and answers with the one it was asked for."""

    def __init__(self, listed):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, doc):
                text = doc if isinstance(doc, bytes) else json.dumps(doc).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                self.reply(200, listed.get(self.path, {"ok": True}))

            def do_POST(self):
                doc = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append(doc["model"])
                names = listed["/v1/models"] if isinstance(listed["/v1/models"], dict) else {}
                names = [m["id"] for m in names.get("data", [])]
                if doc["model"] in names:
                    self.reply(200, COMPLETION)
                else:
                    self.reply(404, {"error": {"message": f"no {doc['model']}", "type": "NotFoundError", "code": 404}})

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def serves(agent, *names):
    wait_for(lambda: agent.get(REG, "/api/v1/services/s/instances/i").body["serves"] == list(names),
             what="what it serves")


def test_the_one_model_is_taken(agent):
    with Serving({"/v1/models": models("org/only", max_model_len=4096)}) as up:
        agent.add_instance(up.url, service="s", id="i")
        serves(agent, "org/only")
        assert text_of(agent.chat()) == "fine" and up.asked == ["org/only"]
        assert agent.get(REG, "/api/v1/services/s/instances/i").body["models"] == [], "as it was registered"


def test_of_several_none_is_chosen(agent):
    with Serving({"/v1/models": models("a/one", "b/two")}) as up:
        agent.add_instance(up.url, service="s", id="i")
        serves(agent, "a/one", "b/two")
        answer = agent.chat()
        assert (answer.status, answer.error) == (404, "model_not_found") and up.asked == []
        text = answer.body["error"]["message"]
        assert "upstream_model" in text and "models" in text and "a/one" in text and "self/s#i" in text
        assert answer.headers["x-should-retry"] == "false"
        found = breaker(agent, "self/s#i")
        assert found["skips"][0]["code"] == "model_unknown" and "upstream_model" in found["skips"][0]["detail"]
        answer = agent.request(REG, "PUT", "/api/v1/services/s/instances/i", {
            "url": up.url, "engine": "vllm", "features": ["chat"], "models": ["b/two"]})
        assert answer.status == 200 and text_of(agent.chat()) == "fine" and up.asked == ["b/two"]


def test_one_of_several_may_be_the_callers(agent):
    with Serving({"/v1/models": models("chat", "other")}) as up:
        agent.add_instance(up.url, service="s", id="i")
        serves(agent, "chat", "other")
        assert text_of(agent.chat()) == "fine" and up.asked == ["chat"]


def test_a_server_that_tells_nothing_says_so_itself(agent):
    with Serving({"/v1/models": b"<html>"}) as up:
        agent.add_instance(up.url, service="s", id="i")
        answer = agent.chat()
        assert (answer.status, answer.error) == (404, "model_not_found") and up.asked == ["chat"]
        assert "upstream_model" in answer.body["error"]["message"]


def test_a_window_that_was_read_counts(agent, serve):
    bad = whole(TOO_LONG[1][0], JSON, json.dumps(TOO_LONG[1][1]).encode())
    with BytesUpstream({"0": bad}) as small, Serving({"/v1/models": models("big", max_model_len=99999)}) as big:
        agent.add_instance(small.url("0"), service="s0", id="i", engine="openai-compatible", models=["m"])
        agent.add_instance(big.url, service="s", id="i", features=[])
        serves(agent, "big")
        answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"targets": [
            {"kind": "self_hosted", "service": "s0", "context_window": 4096},
            {"kind": "self_hosted", "service": "s", "order": 1}]})
        assert answer.status == 200 and text_of(agent.chat()) == "fine"


# ---- credentials, dead ones ----

def test_who_asks_for_a_credential_is_named(agent, make_vendord):
    locked = make_vendord(flavour="vllm")
    locked.lock(bearer="sk-of-the-server")
    agent.add_instance(locked.url, service="s", id="i", check={"interval_s": 1})
    answer = agent.chat()
    assert answer.status == 502 and answer.error == "upstream_auth_failed", answer
    text = json.dumps(answer.body["error"])
    assert "self/s#i" in text and "--auth" in text and "--auth-key" in text


def test_why_it_is_out_is_told_before_anybody_asks(agent):
    with HeldUpstream() as locked:
        locked.probes = 401
        agent.add_instance(locked.url, service="s", id="i", check={"interval_s": 1, "fall": 1})
        wait_for(lambda: breaker(agent, "self/s#i").get("skips"), what="out")
        skip = breaker(agent, "self/s#i")["skips"][0]
        assert skip["code"] == "unhealthy" and "--auth" in skip["detail"] and "--auth-key" in skip["detail"]


@pytest.mark.parametrize("gone", ["dead", "deleted"])
def test_a_dead_one_frees_who_waits_for_it(agent, gone):
    with HeldUpstream() as hung, BytesUpstream({"0": whole("200 OK", JSON, json.dumps(COMPLETION).encode())}) as good, \
            concurrent.futures.ThreadPoolExecutor(1) as pool:
        agent.add_instance(hung.url, service="s0", id="i", engine="openai-compatible", models=["m"],
                           check={"interval_s": 1, "fall": 1})
        agent.add_instance(good.url("0"), service="s1", id="i", engine="openai-compatible", models=["m"])
        answer = pool.submit(agent.chat)
        hung.call(0)
        if gone == "dead":
            hung.probes = 503
        else:
            assert agent.request(REG, "DELETE", "/api/v1/services/s0/instances/i").status in (200, 204)
        assert text_of(answer.result(60)) == "fine"
        assert answer.result().headers["X-Yijian-Attempts"] == "2"


def test_the_only_one_is_waited_for(agent):
    with HeldUpstream() as slow, concurrent.futures.ThreadPoolExecutor(1) as pool:
        agent.add_instance(slow.url, service="s0", id="i", engine="openai-compatible", models=["m"],
                           check={"interval_s": 1, "fall": 1})
        answer = pool.submit(agent.chat)
        call = slow.call(0)
        slow.probes = 503  # it has no time for them
        wait_for(lambda: agent.get(REG, "/api/v1/services/s0/instances/i").body["health"] == "critical",
                 what="found dead")
        call.answer(200)
        assert answer.result(60).status == 200


def test_dead_peers_are_looked_for(agent):
    """A silent upstream's connection is probed by the system."""
    with HeldUpstream() as held, concurrent.futures.ThreadPoolExecutor(1) as pool:
        agent.add_key(held.url)
        answer = pool.submit(agent.chat)
        call = held.call(0)
        port = held.server.server_address[1]
        seen = subprocess.run(["ss", "-tnoH", "state", "established", "dst", f"127.0.0.1:{port}"],
                              capture_output=True, text=True, check=True).stdout
        call.answer(200)
        assert answer.result(60).status == 200
        found = re.search(r"timer:\(keepalive,(\d+)", seen)
        assert found and int(found[1]) <= 15, seen


def test_half_of_the_time_is_left_for_the_next(agent):
    with HeldUpstream() as hung, BytesUpstream({"0": whole("200 OK", JSON, json.dumps(COMPLETION).encode())}) as good:
        agent.add_instance(hung.url, service="s0", id="i", engine="openai-compatible", models=["m"])
        agent.add_instance(good.url("0"), service="s1", id="i", engine="openai-compatible", models=["m"])
        answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"timeouts": {"total_ms": 1000}})
        assert answer.status == 200
        answer = agent.chat()
        assert text_of(answer) == "fine" and answer.headers["X-Yijian-Attempts"] == "2"
        status, found = stream(agent)
        assert status == 200 and said(found) == "fine"
