# SPDX-License-Identifier: MIT
"""Bodies of requests on both HTTP engines: where they end, how long they may be, what is said to
who sends one."""
import gzip
import time

import pytest

from http_engines import GATEWAY, PORTS, Engines, dialogue, expected
from raw import head

BAD = "400 bad_framing, closed"
LARGE = "413 body_too_large, closed"
EXPECTS = "417 expectation_failed, closed"
READ = "422 field_required, open"  # the body was {}
LIST = "/api/v1/services"
DOCUMENT = 64 << 10


def post(*lines, body=b"", version="1.1"):
    return head("POST", LIST, *lines, body=body).replace(b"HTTP/1.1", f"HTTP/{version}".encode(), 1)


def length(value, body=b"{}"):
    return post(f"Content-Length: {value}", body=body)


def chunked(body, *lines):
    return post("Transfer-Encoding: chunked", *lines, body=body)


END = b"0\r\n\r\n"
OBJECT = b"2\r\n{}\r\n"
# What is sent, and what is said to it and to the request behind it.
BODIES = {
    "a length": (length(2), READ),
    "a length of zeros in front": (length("0002"), READ),
    "blanks before a length": (length(" \t2"), READ),
    "blanks behind a length": (length("2 \t"), READ),
    "no length": (post(), "400 json_invalid, open"),
    "a length of 0": (length(0, b""), "400 json_invalid, open"),
    "a length of +2": (length("+2"), BAD),
    "a length of -1": (length("-1"), BAD),
    "a length of 0x2": (length("0x2"), BAD),
    "a length of 2a": (length("2a"), BAD),
    "a length of 2,2": (length("2,2"), BAD),
    "a length of 2 2": (length("2 2"), BAD),
    "a length of 2.0": (length("2.0"), BAD),
    "an empty length": (length(""), BAD),
    "a length of 2^63": (length(1 << 63), LARGE),
    "a length of 2^64": (length(1 << 64), LARGE),
    "a length of 2^64+2": (length((1 << 64) + 2), LARGE),
    "a length of 40 digits": (length("9" * 40), LARGE),
    "two lengths alike": (post("Content-Length: 2", "Content-Length: 2", body=b"{}"), BAD),
    "two lengths": (post("Content-Length: 2", "Content-Length: 3", body=b"{} "), BAD),
    "length and chunks": (post("Content-Length: 5", "Transfer-Encoding: chunked", body=END), BAD),
    "chunks and length": (post("Transfer-Encoding: chunked", "Content-Length: 5", body=END), BAD),
    "length 0 and chunks": (post("Content-Length: 0", "Transfer-Encoding: chunked",
                                 body=OBJECT + END), BAD),
    "chunks": (chunked(OBJECT + END), READ),
    "CHUNKED": (post("Transfer-Encoding: CHUNKED", body=OBJECT + END), READ),
    "chunks of one byte": (chunked(b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), READ),
    "no chunk": (chunked(END), "400 json_invalid, open"),
    "chunked twice": (post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked",
                           body=OBJECT + END), BAD),
    "gzip, chunked": (post("Transfer-Encoding: gzip, chunked", body=OBJECT + END), BAD),
    "chunked, gzip": (post("Transfer-Encoding: chunked, gzip", body=OBJECT + END), BAD),
    "chunked, chunked": (post("Transfer-Encoding: chunked, chunked", body=OBJECT + END), BAD),
    "chunked and a comma": (post("Transfer-Encoding: chunked,", body=OBJECT + END), BAD),
    "chunked and a parameter": (post("Transfer-Encoding: chunked;a=b", body=OBJECT + END), BAD),
    "xchunked": (post("Transfer-Encoding: xchunked", body=OBJECT + END), BAD),
    "identity": (post("Transfer-Encoding: identity", body=OBJECT + END), BAD),
    "a coding that is empty": (post("Transfer-Encoding:", body=OBJECT + END), BAD),
    "a coding in quotes": (post('Transfer-Encoding: "chunked"', body=OBJECT + END), BAD),
    "VT before chunked": (post("Transfer-Encoding: \x0bchunked", body=OBJECT + END), BAD),
    "a blank before the colon of a coding": (post("Transfer-Encoding : chunked", body=OBJECT + END),
                                             BAD),
    "a coding on HTTP/1.0": (post("Transfer-Encoding: chunked", body=OBJECT + END, version="1.0"),
                             BAD),
    "a length on HTTP/1.0": (post("Content-Length: 2", body=b"{}", version="1.0"),
                             "422 field_required, closed"),
    "a coding in a connection's list": (chunked(OBJECT + END, "Connection: transfer-encoding"), READ),
    "extensions and trailers": (chunked(
        b"1;name=\"a b\"\r\n{\r\n1;x\r\n}\r\n0;last\r\nX-Sum: 1\tb\r\nY:\r\n\r\n"), READ),
    "blanks around an extension": (chunked(b"2 ; x\r\n{}\r\n0\r\n\r\n"), READ),
    "a trailer that is a length": (chunked(OBJECT + b"0\r\nContent-Length: 5\r\n\r\n"), READ),
    "trailers without end": (chunked(OBJECT + b"0\r\n" + b"X: 1\r\n" * 20000), BAD),
    "a trailer of 40000": (chunked(OBJECT + b"0\r\nX: " + b"a" * 40000 + b"\r\n\r\n"), BAD),
    "an extension of 40000": (chunked(b"2;" + b"a" * 40000 + b"\r\n{}\r\n0\r\n\r\n"), BAD),
    "a size of 40 zeros": (chunked(b"0" * 40 + b"2\r\n{}\r\n0\r\n\r\n"), READ),
    "a body of exactly the limit": (length(DOCUMENT, b"{" + b" " * (DOCUMENT - 2) + b"}"), READ),
    "a length beyond the limit": (length(DOCUMENT + 1, b""), LARGE),
    "chunks beyond the limit": (chunked((b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 6), LARGE),
    "one chunk beyond the limit": (chunked(b"10001\r\n" + b"x" * 0x10001 + b"\r\n" + END), LARGE),
    "a chunk of 15 digits": (chunked(b"fffffffffffffff\r\n" + b"x" * 70000), BAD),
    "a chunk of 16 digits": (chunked(b"ffffffffffffffff\r\n" + b"x" * 70000), BAD),
    "a chunk of 17 digits": (chunked(b"1fffffffffffffff0\r\n" + b"x" * 70000), BAD),
    "a coded body": (post("Content-Encoding: gzip", "Content-Length: 22", body=gzip.compress(b"{}")),
                     "415 unsupported_media_type, open"),
    "a small body nobody wants": (head("POST", "/api/v1/nothing", "Content-Length: 2", body=b"{}"),
                                  "404 not_found, open"),
    "chunks nobody wants": (head("POST", "/api/v1/nothing", "Transfer-Encoding: chunked",
                                 body=OBJECT + END), "404 not_found, closed"),
    "a GET with a body": (head("GET", "/healthz", "Content-Length: 1000", body=b"x" * 1000),
                          "200, open"),
    "a GET with a large body": (head("GET", "/healthz", "Content-Length: 70000"), LARGE),
    "a GET with chunks": (head("GET", "/healthz", "Transfer-Encoding: chunked", body=OBJECT + END),
                          "200, open"),
    "a DELETE with a body": (head("DELETE", "/api/v1/services/a/instances/b", "Content-Length: 2",
                                  body=b"{}"), "404 not_found, open"),
}
SIZES = {
    "a size of 0x3": b"0x3", "a size of -1": b"-1", "a size of zz": b"zz", "a size of +3": b"+3",
    "a size of 3,3": b"3,3", "two sizes": b"2 3", "a blank behind a size": b"3 ",
    "a tab behind a size": b"3\t", "a blank before a size": b" 3", "a word behind a size": b"3 x",
    "NUL behind a size": b"3\0", "no size": b"", "an extension alone": b";a=b",
    "NUL for an extension's value": b"3;a=\0", "NUL in an extension": b"3;a\0",
    "01 in an extension": b"3;\1", "DEL in an extension": b"3;a\x7f",
    "ESC in an extension's quotes": b'3;a="\x1b"', "CR in an extension": b"3;a\rb",
}
ENDS = {
    "LF behind a size": b"3\nabc\r\n0\r\n\r\n", "LF behind a chunk": b"3\r\nabc\n0\r\n\r\n",
    "a chunk longer than its size": b"3\r\nabcd\r\n0\r\n\r\n",
    "a chunk shorter than its size": b"4\r\nabc\r\n0\r\n\r\n",
    "CR alone behind a size": b"3\rabc\r\n0\r\n\r\n",
    "LF behind the last size": b"3\r\nabc\r\n0\n\r\n", "LF for the end": b"3\r\nabc\r\n0\r\n\n",
    "LF behind a trailer": b"0\r\nX: 1\n\r\n", "NUL in a trailer": b"0\r\nX: \0\r\n\r\n",
    "NUL in a trailer's name": b"0\r\nX\0: 1\r\n\r\n",
    "control byte in a trailer": b"0\r\nX: a\x01b\r\n\r\n",
    "trailer without colon": b"0\r\nnothing\r\n\r\n", "trailer with a blank": b"0\r\nX : 1\r\n\r\n",
    "trailer without name": b"0\r\n: 1\r\n\r\n",
    "folded trailer": b"0\r\nX: 1\r\n folded\r\n\r\n",
    "a request for a trailer": b"0\r\nGET / HTTP/1.1\r\n\r\n",
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with Engines(tmp_path_factory.mktemp("bodies")) as engines:
        yield engines


@pytest.fixture
def agent(engines, request):
    """One for all: each test looks at it afterwards, and nothing sent here changes its state."""
    return engines.of(request)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("what", BODIES)
def test_bodies(agent, service, what):
    data, says = BODIES[what]
    begin = time.monotonic()
    assert dialogue(agent, service, data) == expected(service, what, says)
    assert time.monotonic() - begin < 25, "only a deadline ended it"


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("what", SIZES)
def test_bad_chunk_size(agent, service, what):
    assert dialogue(agent, service, chunked(SIZES[what] + b"\r\nabc\r\n0\r\n\r\n")) == expected(
        service, what, BAD)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("what", ENDS)
def test_chunks_end_with_crlf_alone(agent, service, what):
    assert dialogue(agent, service, chunked(ENDS[what])) == expected(service, what, BAD)


@pytest.mark.parametrize("path, limit", [
    ("/api/v1/route/chat", DOCUMENT), ("/v1/chat/completions", 20 << 20),
    ("/v1/images/edits", 50 << 20)])
def test_body_limit_by_length_at_once(agent, path, limit):
    service = "router-engine" if path.startswith("/api") else GATEWAY
    data = head("POST", path, f"Content-Length: {limit + 1}")
    assert dialogue(agent, service, data) == LARGE


# ---- an answer while the body is still on its way ----

@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("begin, size, says", [
    (length(300000, b""), 300000, (413, "body_too_large")),
    (chunked(b"493e0\r\n"), 300000, (413, "body_too_large")),
    (post("Expect: other", "Content-Length: 60000"), 60000, (417, "expectation_failed")),
    (head("GET", "/healthz", "Content-Length: 300000"), 300000, (413, "body_too_large"))],
    ids=["length", "chunks", "expectation", "get"])
def test_who_is_still_sending_can_read_why(agent, service, begin, size, says):
    """The answer is not lost to a reset because the caller sends all of its body first."""
    with agent.connect(service) as raw:
        raw.send(begin)
        for _ in range(size // 10000):
            if not raw.send(b"x" * 10000):
                break
        answer = raw.answer()
        assert (answer.status, answer.code) == says
        assert answer.header("connection") == "close"
        assert raw.closed(5)
    assert agent.get(service, "/healthz").status == 200


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("begin, says", [
    (length(DOCUMENT + 1, b""), (413, "body_too_large")),
    (post("Content-Length: 2", "Content-Length: 2"), (400, "bad_framing")),
    (head("POST", "/api/v1/nothing", "Transfer-Encoding: chunked"), (404, "not_found")),
    (post("Authorization: Bearer x", "Transfer-Encoding: chunked"), (401, "token_invalid"))],
    ids=["length", "framing", "path", "credential"])
def test_what_the_head_tells_is_said_before_a_byte_of_the_body(agent, service, begin, says):
    answer, raw = agent.raw(service, begin)
    with raw:
        assert (answer.status, answer.code) == says
        assert raw.closed(5)


# ---- Expect ----

@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("value", ["200-ok", "other", "100-continue, other", "other, 100-continue",
                                   "100-continue=1", "100-continu", "100-continue;a"])
def test_another_expectation(agent, service, value):
    assert dialogue(agent, service, post("Content-Length: 2", f"Expect: {value}", body=b"{}")
                    ) == expected(service, f"Expect: {value}", EXPECTS)
    data = head("GET", "/", "Expect: 100-continue", f"Expect: {value}")
    assert dialogue(agent, service, data) == expected(service, f"two of them: {value}", EXPECTS)


@pytest.mark.parametrize("value", ["200-ok", "100-continue, other"])
def test_another_expectation_of_a_model_request(agent, value):
    data = head("POST", "/v1/chat/completions", "Content-Length: 2", f"Expect: {value}", body=b"{}")
    assert dialogue(agent, GATEWAY, data) == EXPECTS


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("line", ["Expect: ", "Expect: ,", "expect: 100-CONTINUE",
                                  "Expect: 100-continue"])
def test_expectations_that_are_none(agent, service, line):
    data = post("Content-Length: 2", line, body=b"{}")
    assert dialogue(agent, service, data) == expected(service, line, READ)


@pytest.mark.parametrize("service", PORTS)
def test_expect_100_continue(agent, service):
    with agent.connect(service) as raw:
        raw.send(post("Content-Length: 2", "Expect: 100-continue"))
        assert raw.take_line() == b"HTTP/1.1 100 Continue"
        while raw.take_line():
            pass  # it may say when
        raw.send(b"{}")
        assert raw.answer().code == "field_required"
        raw.send(head("POST", "/api/v1/nothing", "Content-Length: 2", "Expect: 100-continue"))
        assert raw.take_line().startswith(b"HTTP/1.1 404")  # at once: the body is not asked for


@pytest.mark.parametrize("service", PORTS)
def test_nobody_is_told_twice_to_go_on(agent, service):
    with agent.connect(service) as raw:
        raw.send(post("Content-Length: 2", "Expect: 100-continue", body=b"{}"))
        said = []
        while True:
            said.append(raw.take_line())
            if said[-1].startswith(b"HTTP/1.1 4"):
                break
        assert len([line for line in said if line.startswith(b"HTTP/1.1 100")]) <= 1, said


def test_one_document_in_any_framing(agent):
    """The same bytes mean the same, however they come."""
    for service in PORTS:
        for size in (1, 3, 7, 1000):
            text = b'{"name":"Bad Name","display":"x"}'
            parts = [text[at:at + size] for at in range(0, len(text), size)]
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + END
            answer, raw = agent.raw(service, chunked(body))
            raw.close()
            whole, raw = agent.raw(service, length(len(text), text))
            raw.close()
            assert (answer.status, answer.code) == (whole.status, whole.code)
            assert answer.status in (400, 422)


def test_what_a_body_says_is_no_request(agent):
    for service in PORTS:
        inner = head("GET", "/healthz")
        data = length(len(inner), inner)
        assert dialogue(agent, service, data) == "400 json_invalid, open"
