# SPDX-License-Identifier: MIT
"""What the simulated vendor does wrong, byte by byte."""
import gzip
import json
import time

import pytest

import raw
from waiting import wait_for

CHAT = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello there"}]}
BODY = json.dumps(CHAT).encode()
STREAM = json.dumps({**CHAT, "stream": True}).encode()


def ask(vendord, fault="", body=BODY):
    """A raw connection on which the request was sent."""
    connection = raw.Raw(vendord.address)
    lines = ["Authorization: Bearer sk-sim-0001", "Content-Type: application/json",
             f"Content-Length: {len(body)}"]
    connection.send(raw.head("POST", "/v1/chat/completions", *lines,
                             *([f"X-Sim-Fault: {fault}"] if fault else []), body=body))
    return connection


def everything(connection):
    while connection.more():
        pass
    return connection.got


@pytest.mark.parametrize("status", [400, 401, 403, 429, 500, 502, 503, 504])
def test_status(vendord, status):
    with ask(vendord, f"status:{status};retry_after:Wed, 21 Oct 2037 07:28:00 GMT") as connection:
        answer = connection.answer()
    assert answer.status == status
    assert answer.header("retry-after") == "Wed, 21 Oct 2037 07:28:00 GMT"
    assert answer.json()["error"]["message"]


def test_code_and_raw_header(vendord):
    with ask(vendord, "status:429;code:slow_down;header:x-should-retry: false") as connection:
        answer = connection.answer()
    assert answer.code == "slow_down" and answer.header("x-should-retry") == "false"


@pytest.mark.parametrize("shape, start", [
    ("string", b'{"error":"'), ("flat", b'{"object":"error"'), ("detail", b'{"detail":"'),
    ("detail_list", b'{"detail":[{"loc"'), ("html", b"<html>"), ("empty", b"")])
def test_odd_error_shapes(vendord, shape, start):
    with ask(vendord, f"status:500;error_shape:{shape}") as connection:
        answer = connection.answer()
    assert answer.status == 500 and answer.body.startswith(start)
    assert bool(answer.body) == (shape != "empty")


def test_hang_and_headers_then_hang(vendord):
    with ask(vendord, "hang") as silent, ask(vendord, "headers_then_hang") as half:
        half.socket.settimeout(30)
        while b"\r\n\r\n" not in half.got:
            assert half.more()
        assert half.got.endswith(b"\r\n\r\n")
        assert vendord.wait_stats(lambda stats: stats["in_flight"] == 2)
        assert silent.got == b""
    stats = vendord.wait_stats(lambda stats: stats["in_flight"] == 0)
    assert stats["aborted"] == 2 and stats["connections"]["open"] == 0


def test_delay(vendord):
    begin = time.monotonic()
    with ask(vendord, "delay:120") as connection:
        assert connection.answer().status == 200
    assert time.monotonic() - begin >= 0.12


def test_drip(vendord):
    whole = len(ask(vendord).answer().body)
    begin = time.monotonic()
    with ask(vendord, f"drip:{whole * 4}") as connection:
        assert len(connection.answer().body) == whole
    assert time.monotonic() - begin >= 0.2


def test_reset_before_the_head(vendord):
    with ask(vendord, "reset") as connection, pytest.raises(ConnectionResetError):
        connection.socket.recv(1)


def test_close_before_the_head(vendord):
    with ask(vendord, "close") as connection:
        assert everything(connection) == b""


@pytest.mark.parametrize("body", [BODY, STREAM])
def test_reset_and_close_in_the_body(vendord, body):
    with ask(vendord, "reset_mid:25", body) as connection:
        assert len(everything(connection).split(b"\r\n\r\n", 1)[1]) == 25
    with ask(vendord, "close_mid:25", body) as connection:
        assert len(everything(connection).split(b"\r\n\r\n", 1)[1]) == 25


def test_truncated_length_and_chunk(vendord):
    with ask(vendord, "truncated:50") as connection:
        with pytest.raises(EOFError):
            connection.answer()
    with ask(vendord, "truncated_chunk") as connection:
        with pytest.raises(EOFError):
            connection.answer()
    with ask(vendord, "truncated_chunk", STREAM) as connection:
        with pytest.raises(EOFError):
            connection.answer()


def test_cut_stream(vendord):
    with ask(vendord, "cut_stream:3", STREAM) as connection:
        data = everything(connection)
    assert data.count(b"data: ") == 3 and not data.endswith(b"0\r\n\r\n")
    with ask(vendord, "cut_mid_event:3", STREAM) as connection:
        data = everything(connection)
    assert data.count(b"data: ") == 4 and not data.rstrip().endswith(b"}")
    with ask(vendord, "cut_mid_utf8:1", STREAM) as connection:
        data = everything(connection)
    body = data.rstrip(b"\r\n")
    assert body[-1] >= 0xc0  # the first byte of a character, and no more of it


def test_streams_with_a_clean_but_early_end(vendord):
    with ask(vendord, "no_done", STREAM) as connection:
        body = connection.answer().body
    assert b"[DONE]" not in body and b'"finish_reason":"stop"' in body
    with ask(vendord, "no_finish:2", STREAM) as connection:
        body = connection.answer().body
    assert body.count(b"data: ") == 2 and b'"finish_reason":"' not in body
    with ask(vendord, "empty", STREAM) as connection:
        assert connection.answer().body == b""


def test_errors_in_the_stream(vendord):
    with ask(vendord, "sse_error:2", STREAM) as connection:
        events = connection.answer().body.decode().strip().split("\n\n")
    assert len(events) == 3 and "error" in json.loads(events[-1][6:])
    with ask(vendord, "sse_error_flat:1", STREAM) as connection:
        assert connection.answer().body.decode().split("\n\n")[1].startswith("event: error\n")


def test_bodies_that_are_no_answer(vendord):
    with ask(vendord, "garbage:300") as connection:
        assert len(connection.answer().body) == 300
    with ask(vendord, "html") as connection:
        answer = connection.answer()
    assert answer.status == 200 and answer.header("content-type").startswith("text/html")
    with ask(vendord, "bad_json") as connection:
        with pytest.raises(ValueError):
            connection.answer().json()
    with ask(vendord, "duplicate_keys") as connection:
        pairs = json.loads(connection.answer().body, object_pairs_hook=list)
    assert [key for key, _ in pairs].count("model") == 2
    with ask(vendord, "json_instead_of_sse", STREAM) as connection:
        answer = connection.answer()
    assert answer.header("content-type") == "application/json" and answer.json()["choices"]
    with ask(vendord, "error_in_200") as connection:
        answer = connection.answer()
    assert answer.status == 200 and answer.json()["error"]


def test_endless_comments(vendord):
    with ask(vendord, "endless_comments:1", STREAM) as connection:
        while connection.got.count(b": still simulating") < 20:
            assert connection.more()
        assert connection.got.count(b"data: ") == 1
    assert vendord.wait_stats(lambda stats: stats["streams"]["aborted"] == 1)


def test_huge(vendord):
    with ask(vendord, "huge:1000001") as connection:
        assert len(connection.answer().body) == 1000001
    with ask(vendord, "huge_event:1000000", STREAM) as connection:
        body = connection.answer().body
    assert max(len(event) for event in body.split(b"\n\n")) > 1000000
    with ask(vendord, "header_huge:100000") as connection:
        assert len(connection.answer().header("x-sim-huge")) == 100000


def test_gzip_bomb_is_valid_gzip(vendord):
    with ask(vendord, "gzip_bomb:20000000") as connection:
        answer = connection.answer()
    assert answer.header("content-encoding") == "gzip" and len(answer.body) < 21000
    data = gzip.decompress(answer.body)
    assert abs(len(data) - 20000000) < 1100 and not data.strip(b"\0")


def test_framing_faults(vendord):
    with ask(vendord, "wrong_content_encoding") as connection:
        answer = connection.answer()
    assert answer.header("content-encoding") == "gzip" and answer.json()["choices"]
    with ask(vendord, "two_content_length") as connection:
        lengths = [value for name, value in connection.answer().headers
                   if name == "content-length"]
    assert len(set(lengths)) == 2
    with ask(vendord, "continue_flood:500") as connection:
        while b'"choices"' not in connection.got:
            assert connection.more()
    assert connection.got.count(b"HTTP/1.1 100 Continue") == 500
    with ask(vendord, "http09") as connection:
        assert everything(connection).startswith(b'{"id"')
    with ask(vendord, "no_length") as connection:
        data = everything(connection)
    assert b"content-length" not in data and b"chunked" not in data


def test_redirect(vendord):
    with ask(vendord, "redirect:http://169.254.169.254/x;y=1") as connection:
        answer = connection.answer()
    assert answer.status == 302 and answer.header("location") == "http://169.254.169.254/x;y=1"


def test_refuse(vendord):
    with raw.Raw(vendord.address) as kept:
        vendord.refuse(1500)
        with pytest.raises(ConnectionRefusedError):
            raw.Raw(vendord.address)
        kept.send(raw.head("GET", "/_sim/stats"))
        assert kept.answer().status == 200
    wait_for(lambda: listens(vendord))
    assert vendord.request("GET", "/v1/models").status == 200


def listens(vendord):
    try:
        raw.Raw(vendord.address).close()
        return True
    except ConnectionRefusedError:
        return False


def test_pace_and_line_ends(vendord):
    begin = time.monotonic()
    with ask(vendord, "pace_ms:10;tokens:8;crlf", STREAM) as connection:
        body = connection.answer().body
    assert time.monotonic() - begin >= 0.1
    assert body.count(b"\r\n\r\n") == 8 + 3 and b"\n\n" not in body


def test_a_client_that_leaves_a_stream_is_noticed(vendord):
    with ask(vendord, "pace_ms:20;tokens:1000", STREAM) as connection:
        connection.take(400)
        assert vendord.stats()["streams"] == {"started": 1, "finished": 0, "aborted": 0}
    stats = vendord.wait_stats(lambda stats: stats["streams"]["aborted"] == 1)
    assert stats["in_flight"] == 0 and stats["connections"]["open"] == 0
    with ask(vendord, "", STREAM) as connection:
        connection.answer()
    assert vendord.wait_stats(lambda stats: stats["streams"]["finished"] == 1)


def test_rules(vendord):
    def status(path="/v1/models", **more):
        return vendord.request("GET", path, **more).status
    vendord.fault({"status": 500}, count=2, skip=1, path="/v1/models")
    assert [status() for _ in range(5)] == [200, 500, 500, 200, 200]
    vendord.faults([{"match": {"key": "bbbb"}, "fault": "status:503"},
                    {"match": {"path": "/v1/mod*", "vendor": "vllm"}, "fault": {"status": 404}}])
    assert status() == 200
    assert status(headers={"Authorization": "Bearer sk-aaaabbbb"}) == 503
    assert status("/vllm/v1/models") == 200
    listed = vendord.control("GET", "faults")
    assert [rule["hits"] for rule in listed["items"]] == [1, 0]
    assert "gzip_bomb" in listed["known"]


def test_rules_by_model_stream_and_body(vendord):
    vendord.faults([{"match": {"model": "gpt-5*"}, "fault": {"status": 429}},
                    {"match": {"stream": True}, "fault": {"status": 500}},
                    {"match": {"body": "there"}, "fault": {"status": 400}}])

    def status(**more):
        return vendord.request("POST", "/v1/chat/completions", {**CHAT, **more}).status
    assert status(model="gpt-5.4") == 429
    assert status(stream=True) == 500
    assert status() == 400
    vendord.faults([])
    assert status() == 200


@pytest.mark.parametrize("rule", ["x", "{", '{"fault":{"odd":1}}', '{"match":{}}',
                                  '{"fault":{"status":"many"}}', '{"fault":{},"odd":1}'])
def test_rules_not_understood_are_refused(vendord, rule):
    answer = vendord.request("POST", "/_sim/faults", body=rule)
    assert answer.status == 400
    assert vendord.control("GET", "faults")["items"] == []


def test_kept_connections_can_be_closed(vendord):
    with raw.Raw(vendord.address) as kept:
        kept.send(raw.head("GET", "/v1/models", "Authorization: Bearer sk-sim-1"))
        assert kept.answer().status == 200
        vendord.close_idle()
        assert kept.closed()


def test_pipelined_chunked_and_expecting_requests(vendord):
    lines = ["Authorization: Bearer sk-sim-1"]
    with raw.Raw(vendord.address) as connection:
        connection.send(raw.head("GET", "/v1/models", *lines) * 3)
        assert [connection.answer().status for _ in range(3)] == [200] * 3
        chunks = b"%x\r\n%s\r\n" % (10, BODY[:10]) + b"%x\r\n%s\r\n" % (len(BODY) - 10, BODY[10:])
        start = raw.head("POST", "/v1/chat/completions", *lines, "Transfer-Encoding: chunked")
        for piece in (start, chunks[:7], chunks[7:], b"0\r\n\r\n"):
            connection.send(piece)
        assert connection.answer().json()["model"] == "gpt-4o"
        connection.send(raw.head("POST", "/v1/chat/completions", *lines, "Expect: 100-continue",
                                 f"Content-Length: {len(BODY)}"))
        assert connection.take_line() == b"HTTP/1.1 100 Continue"
        connection.take_line()
        connection.send(BODY)
        assert connection.answer().status == 200


@pytest.mark.parametrize("data", [b"\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nnocolon\r\n\r\n",
                                  b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n"])
def test_what_is_not_http(vendord, data):
    answer, connection = raw.exchange(vendord.address, data)
    with connection:
        assert answer.status == 400 and connection.closed()
    assert vendord.request("GET", "/v1/models").status == 200


@pytest.mark.parametrize("cut", ["split:90", "piece:5"])
def test_an_answer_in_pieces(vendord, cut):
    """The same bytes, in writes of their own."""
    with ask(vendord, "form:calls-take-turns", STREAM) as whole, \
            ask(vendord, f"form:calls-take-turns;{cut}", STREAM) as pieces:
        whole, pieces = whole.answer(), pieces.answer()
    assert pieces.status == 200 and pieces.body == whole.body
    assert b'"index":1,"id":"call_b"' in whole.body


def test_every_form_is_listed_with_what_it_says(vendord):
    forms = vendord.control("GET", "forms")["items"]
    assert len({form["name"] for form in forms}) == len(forms) > 50
    engines = ("openai", "vllm", "dashscope", "anthropic", "ollama", "sdwebui", "comfyui", "tei")
    assert all(form["says"] and form["engine"] in engines for form in forms)
