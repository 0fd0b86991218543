# SPDX-License-Identifier: MIT
"""HTTP framing and paths: what must be refused is refused on every port, and the connection is
closed where a second request could be smuggled behind the first."""
import socket
import time

import pytest

from agent import SERVICES
from proc import descriptors
from raw import head
from waiting import wait_for

LIST = {"api-gateway": "/api/v1/services", "config-center": "/api", "key-manager": "/api",
        "service-registry": "/api/v1/services", "router-engine": "/api/v1/routes"}
SMUGGLED = head("GET", "/smuggled")


def refused(agent, data, status, code=None, service="service-registry", closed=True):
    """The answer's status and code; after it the connection is closed and nothing more said."""
    answer, raw = agent.raw(service, data)
    with raw:
        assert answer is not None, "closed without an answer"
        assert answer.status in (status if isinstance(status, tuple) else (status,)), answer
        if code:
            assert answer.code == code, answer
            assert answer.header("content-type") == "application/json; charset=utf-8"
            assert answer.header("x-content-type-options") == "nosniff"
        if closed:
            assert raw.closed(5), f"{raw.got!r} after {answer}"
    assert agent.get(service, "/healthz").status == 200
    return answer


def test_no_host(agent):
    refused(agent, b"GET / HTTP/1.1\r\n\r\n", 400, "bad_framing")


@pytest.mark.parametrize("service", SERVICES)
def test_two_hosts(agent, service):
    refused(agent, head("GET", "/", "Host: localhost"), 400, "bad_framing", service)


@pytest.mark.parametrize("host", ["evil.example", "0.0.0.0:8002", "rebind.example:80", "", "[::2]",
                                  "localhost.evil.example", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", "/api/v1/services"])
def test_foreign_host(agent, host, path):
    data = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    refused(agent, data, 403, "bad_host", closed=False)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]",
                                  "[::1]:8003", "LOCALHOST"])
def test_local_host(agent, host):
    answer, raw = agent.raw("service-registry", head("GET", "/api/v1/services", host=host))
    raw.close()
    assert answer.status == 200


def test_absolute_form(agent):
    refused(agent, head("GET", "http://evil/"), 400, "bad_framing")


@pytest.mark.parametrize("service", SERVICES)
def test_length_and_chunked(agent, service):
    data = head("POST", LIST[service], "Content-Length: 4", "Transfer-Encoding: chunked",
                body=b"0\r\n\r\n" + SMUGGLED)
    refused(agent, data, 400, "bad_framing", service)


@pytest.mark.parametrize("second", ["3", "4"])
def test_two_lengths(agent, second):
    data = head("POST", "/api/v1/services", "Content-Length: 4", f"Content-Length: {second}",
                body=b"abcd" + SMUGGLED)
    refused(agent, data, 400, "bad_framing")


@pytest.mark.parametrize("length", ["+5", "-1", "0x5", "5a", "5,5", "5 5", ""])
def test_bad_length(agent, length):
    refused(agent, head("POST", "/api/v1/services", f"Content-Length: {length}",
                        body=b"abcde" + SMUGGLED), 400, "bad_framing")


def test_length_of_two_to_the_64(agent):
    refused(agent, head("POST", "/api/v1/services", "Content-Length: 18446744073709551616"),
            413, "body_too_large")


@pytest.mark.parametrize("coding", ["gzip, chunked", "xchunked", "identity", "chunked, chunked"])
def test_odd_codings_do_not_hang(agent, coding):
    begin = time.monotonic()
    data = head("POST", "/api/v1/services", f"Transfer-Encoding: {coding}", body=SMUGGLED)
    refused(agent, data, 400, "bad_framing")
    assert time.monotonic() - begin < 5


def test_blank_before_colon(agent):
    data = head("POST", "/api/v1/services", "Transfer-Encoding : chunked", "Content-Length: 4",
                body=b"0\r\n\r\n" + SMUGGLED)
    refused(agent, data, 400, "bad_framing")


def test_chunked_on_http_1_0(agent):
    data = (b"POST /api/v1/services HTTP/1.0\r\nHost: localhost\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    refused(agent, data, 400, "bad_framing")


@pytest.mark.parametrize("size", [
    "0x3", "-1", "fffffffffffffffff", "zz", "2 3", "3 ", "3\t", " 3", "3 x", "3;a=\0", "3;\x01", "3;a\x7f",
    "3;a=\"\x1b\"", "3;a\rb", "+3", "3,3", "3;a\0", "3\0"])
def test_bad_chunk_size(agent, size):
    data = head("POST", "/api/v1/services", "Transfer-Encoding: chunked",
                body=f"{size}\r\nabc\r\n0\r\n\r\n".encode())
    refused(agent, data, 400, "bad_framing")


def test_chunks_end_with_crlf_alone(agent):
    for body in (b"3\nabc\r\n0\r\n\r\n", b"3\r\nabc\n0\r\n\r\n", b"3\r\nabcd\r\n0\r\n\r\n",
                 b"0\r\nX: 1\n\r\n", b"0\r\nX: \0\r\n\r\n", b"0\r\nX\0: 1\r\n\r\n",
                 b"0\r\nX: a\x01b\r\n\r\n", b"0\r\nnothing\r\n\r\n", b"0\r\nX : 1\r\n\r\n",
                 b"0\r\n: 1\r\n\r\n", b"0\r\nX: 1\r\n folded\r\n\r\n",
                 b"0\r\nGET / HTTP/1.1\r\n\r\n"):
        data = head("POST", "/api/v1/services", "Transfer-Encoding: chunked", body=body)
        refused(agent, data, 400, "bad_framing")


def test_chunks_with_extensions_and_trailers(agent):
    body = b"4;name=\"a b\"\r\n{\"se\r\n5 ; x\r\nrvic\"\r\n0;last\r\nX-Sum: 1\tb\r\nY:\r\n\r\n"
    answer, raw = agent.raw("service-registry", head(
        "POST", "/api/v1/services", "Transfer-Encoding: chunked", body=body))
    raw.close()
    assert (answer.status, answer.code) == (400, "json_invalid")


@pytest.mark.parametrize("value", ["200-ok", "other", "100-continue, other", "other, 100-continue",
                                   "100-continue=1", "100-continu"])
def test_another_expectation(agent, value):
    for service, path in (("service-registry", "/api/v1/services"),
                          ("api-gateway", "/v1/chat/completions")):
        data = head("POST", path, "Content-Length: 2", f"Expect: {value}", body=b"{}")
        answer, raw = agent.raw(service, data)
        with raw:
            assert (answer.status, answer.code) == (417, "expectation_failed")
            assert raw.closed(5)
    refused(agent, head("GET", "/", "Expect: 100-continue", f"Expect: {value}"), 417,
            "expectation_failed")


def test_expectations_that_are_none(agent):
    for lines in (["Expect: "], ["Expect: ,"], ["expect: 100-CONTINUE"]):
        with agent.connect("service-registry") as raw:
            raw.send(head("POST", "/api/v1/services", "Content-Length: 2", *lines, body=b"{}"))
            assert raw.answer().status == 422


@pytest.mark.parametrize("value", ["a\rb", "a\x1b[31mb", "a\x01", "a\x7f", "a\0b"])
def test_control_bytes_in_a_value(agent, value):
    refused(agent, head("GET", "/", f"X-Odd: {value}"), 400, "bad_framing")


@pytest.mark.parametrize("data", [
    b"GET / HTTP/1.1\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\n\n", b"GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\n folded: 1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\n: empty\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HTTP/1.1 \r\nHost: localhost\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize("service", ["api-gateway", "service-registry"])
def test_lines_two_servers_could_read_differently(agent, service, data):
    refused(agent, data + SMUGGLED, 400, service=service)


@pytest.mark.parametrize("name", ["X Odd", "X(Odd)", "X@Odd", "X\xc3"])
def test_header_name_is_no_token(agent, name):
    refused(agent, head("GET", "/", f"{name}: 1"), 400, "bad_framing")


def test_too_many_headers(agent):
    refused(agent, head("GET", "/", *[f"X-{i}: 1" for i in range(101)]), 431,
            "headers_too_large")


def test_headers_too_large(agent):
    refused(agent, head("GET", "/", "X-Large: " + "a" * 9000), 431, "headers_too_large")


def test_headers_beyond_memory(agent):
    refused(agent, head("GET", "/", *[f"X-{i}: " + "a" * 900 for i in range(60)]), 431,
            "headers_too_large")


def test_uri_too_long(agent):
    refused(agent, head("GET", "/" + "a" * 8300), 414, "uri_too_long")
    refused(agent, b"GET /" + b"a" * 20000, 414, "uri_too_long")


@pytest.mark.parametrize("path", [
    "/api/v1/features/a%00b", "/api/v1/%2e%2e/healthz", "/api/../healthz", "/api//v1",
    "/api/v1/services/a%2fb", "/api/v1/services/a%5cb", "/%zz", "/api/%2", "/api/v1/services/%ff",
    "/api/v1/services/%0d%0aX:1", "/./healthz", "//healthz", "/api/v1/services/%c0%af"])
def test_bad_paths(agent, path):
    refused(agent, head("GET", path), 400, "bad_path")


@pytest.mark.parametrize("target", ["/api/v1/services?a=%0d%0a{}", "/api/v1/services/%0d%0a{}"])
def test_line_breaks_stay_in_one_log_line(make_agent, target):
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug"})
    answer, raw = agent.raw("service-registry", head("GET", target))
    raw.close()
    assert (answer.status, answer.code) == (400, "bad_path")
    found = wait_for(lambda: [r for r in agent.log_records() if r["event"] == "request"],
                     what="its line in the log")
    assert [r["status"] for r in found] == [str(answer.status)]
    assert all(line.startswith('{"') for line in agent.log().splitlines())


@pytest.mark.parametrize("method, status, code", [
    ("FOO", 501, "method_unknown"), ("get", 501, "method_unknown"),
    ("TRACE", 405, "method_not_allowed"), ("CONNECT", 405, "method_not_allowed"),
    ("OPTIONS", 405, "method_not_allowed"), ("DELETE", 405, "method_not_allowed")])
def test_methods(agent, method, status, code):
    answer = refused(agent, head(method, "/api/v1/services"), status, code, closed=False)
    if status == 405:
        assert answer.header("allow") == "GET, HEAD, POST"


def test_head_is_get_without_body(agent):
    with agent.connect("service-registry") as raw:
        raw.send(head("HEAD", "/healthz") + head("GET", "/healthz"))
        assert raw.answer("HEAD").status == 200
        assert raw.answer().json()["status"] == "ok"


@pytest.mark.parametrize("data", [
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/1.2\r\nHost: localhost\r\n\r\n",
    b"GET /\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n"])
def test_other_protocols(agent, data):
    refused(agent, data, 400, "bad_framing")


def test_http_1_0_closes_unless_asked(agent):
    with agent.connect("service-registry") as raw:
        raw.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nHost: localhost\r\n\r\n")
        assert raw.answer().header("connection") == "keep-alive"
        raw.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert raw.answer().header("connection") == "close"
        assert raw.closed(5)


def test_connection_close_is_obeyed(agent):
    with agent.connect("service-registry") as raw:
        raw.send(head("GET", "/healthz", "Connection: x, Close"))
        assert raw.answer().status == 200
        assert raw.closed(5)


def test_a_caller_that_has_said_all_is_answered(agent):
    with agent.connect("service-registry") as raw:
        raw.send(head("GET", "/healthz") + head("GET", "/nothing"))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().status == 200
        assert raw.answer().status == 404
        assert raw.closed(5)


def test_expect_100_continue(agent):
    with agent.connect("service-registry") as raw:
        raw.send(head("POST", "/api/v1/services", "Content-Length: 2", "Expect: 100-continue"))
        assert raw.take(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.send(b"{}")
        assert raw.answer().code == "field_required"
        raw.send(head("POST", "/api/v1/nothing", "Content-Length: 2", "Expect: 100-continue"))
        assert raw.answer().status == 404  # at once: the body is not asked for
        assert raw.closed(5)


def test_a_head_may_come_in_pieces(agent):
    data = b"\r\n" + head("POST", "/api/v1/services", "Transfer-Encoding: chunked",
                          body=b"1\r\n{\r\n1;x=y\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n")
    with agent.connect("service-registry") as raw:
        for i in range(len(data)):
            raw.send(data[i:i + 1])
        assert raw.answer().code == "field_required"
        raw.send(head("GET", "/healthz"))
        assert raw.answer().status == 200


def test_get_with_body(agent):
    with agent.connect("service-registry") as raw:
        raw.send(head("GET", "/healthz", "Content-Length: 1000", body=b"x" * 1000) * 2)
        assert raw.answer().status == 200
        assert raw.answer().status == 200


def test_get_with_large_body(agent):
    refused(agent, head("GET", "/healthz", "Content-Length: 70000"), 413, "body_too_large")


@pytest.mark.parametrize("service, path, limit", [
    ("service-registry", "/api/v1/services", 64 << 10), ("router-engine", "/api/v1/route/chat",
                                                         64 << 10),
    ("api-gateway", "/v1/chat/completions", 20 << 20), ("api-gateway", "/v1/images/edits", 50 << 20)])
def test_body_limit_by_length_at_once(agent, service, path, limit):
    refused(agent, head("POST", path, f"Content-Length: {limit + 1}"), 413, "body_too_large",
            service)


def test_body_limit_chunked(agent):
    data = head("POST", "/api/v1/services", "Transfer-Encoding: chunked") + (
        b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 6
    refused(agent, data, 413, "body_too_large")


def test_body_of_exactly_the_limit(agent):
    body = b'{"x":"' + b"y" * ((64 << 10) - 8) + b'"}'
    answer = agent.request("service-registry", "POST", "/api/v1/services", body=body)
    assert (answer.status, answer.error) == (400, "field_unknown")


def test_pipelined_in_order(agent):
    with agent.connect("service-registry") as raw:
        raw.send((head("GET", "/healthz") + head("GET", "/nothing")) * 500)
        for _ in range(500):
            assert raw.answer().status == 200
            assert raw.answer().status == 404


def test_content_encoding(agent):
    answer = agent.request("service-registry", "POST", "/api/v1/services", body=b"\x1f\x8b",
                           headers={"Content-Encoding": "gzip"})
    assert (answer.status, answer.error) == (415, "unsupported_media_type")


def test_token_in_url(agent):
    answer = agent.get("service-registry", "/api/v1/services?token=secret")
    assert (answer.status, answer.error) == (400, "token_in_url")
    assert "secret" not in agent.log()


def test_unknown_paths(agent):
    for service in SERVICES:
        answer = agent.get(service, "/api/v1/nothing")
        assert (answer.status, answer.error) == (404, "not_found")
    answer = agent.get("api-gateway", "/v1/nothing")
    assert (answer.status, answer.error) == (404, "unknown_url")
    assert set(answer.body["error"]) >= {"message", "type", "param", "code"}


def test_other_services_paths_are_not_here(agent):
    assert agent.get("key-manager", "/api/v1/services").status == 404
    assert agent.get("api-gateway", "/api/v1/services").status == 200


def test_hop_limit(agent):
    answer = agent.request("api-gateway", "GET", "/v1/models", headers={"X-Yijian-Hop": "4"})
    assert (answer.status, answer.error) == (508, "upstream_loop")


def seconds_until_something(agent, clock, raw, each_second=b""):
    """Of the agent's clock, until it says or ends something; sends those bytes every second."""
    raw.socket.settimeout(0.01)
    for passed in range(60):
        assert agent.get("service-registry", "/healthz").status == 200  # what was sent was seen
        try:
            if raw.got or not raw.more() or raw.got:
                return passed
        except TimeoutError:
            pass
        if each_second and not raw.send(each_second):
            return passed
        clock.advance(1)
    raise AssertionError(f"open after a minute: {raw.got!r}")


def test_slow_head_is_cut(make_agent, clock):
    agent = make_agent(env=clock.env)
    with agent.connect("service-registry") as slow:
        slow.send(b"GET /healthz HTTP/1.1\r\n")
        assert 8 < seconds_until_something(agent, clock, slow, b"X") < 13
    assert agent.get("service-registry", "/healthz").status == 200


def test_body_that_never_comes_is_408(make_agent, clock):
    agent = make_agent(env=clock.env)
    with agent.connect("service-registry") as slow:
        slow.send(head("POST", "/api/v1/services", "Content-Length: 10"))
        assert 28 < seconds_until_something(agent, clock, slow) < 33
        slow.socket.settimeout(30)
        answer = slow.answer()
        assert (answer.status, answer.code) == (408, "client_timeout")
        assert slow.closed(5)


def test_connections_above_the_limit_are_told(make_agent):
    agent = make_agent(env={"YIJIAN_CONNECTIONS_MAX": "16"})
    held = [agent.connect("router-engine") for _ in range(24)]  # eight are kept for who may administer
    for raw in held:
        raw.send(head("GET", "/healthz"))
        assert raw.answer().status == 200
    answer, raw = agent.raw("router-engine", head("GET", "/healthz"), timeout=5)
    raw.close()
    assert (answer.status, answer.code) == (503, "overloaded")
    assert answer.header("retry-after")
    for raw in held:
        raw.close()
    for _ in range(100):
        if agent.get("router-engine", "/healthz").status == 200:
            return
    raise AssertionError("does not recover")


def test_resets_leave_nothing(agent):
    agent.get("service-registry", "/healthz")
    before = descriptors(agent.pid)
    for _ in range(1000):
        raw = agent.connect("service-registry")
        raw.send(b"GET /heal")
        raw.reset()
    assert agent.get("service-registry", "/healthz").status == 200
    wait_for(lambda: descriptors(agent.pid) <= before + 2, what="descriptors given back")


def test_ipv6_and_ipv4_on_one_port(agent):
    if not socket.has_ipv6 or len(agent.ports["api-gateway"]) < 2:
        pytest.skip("no IPv6 here")
    ports = {text.rpartition(":")[2] for text in agent.ports["api-gateway"]}
    assert len(ports) == 1
