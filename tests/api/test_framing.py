# SPDX-License-Identifier: MIT
"""Heads of requests on both HTTP engines: what two servers could read differently is refused on
every port, and the connection is closed where a second request could be smuggled behind it."""
import pytest

from agent import SERVICES
from http_engines import PORTS, REGISTRY, Engines, dialogue, expected
from raw import head
from waiting import wait_for

BAD = "400 bad_framing, closed"
LARGE = "431 headers_too_large, closed"
LONG = "414 uri_too_long, closed"
FINE = "200, open"
LIST = "/api/v1/services"


def lines(*fields, first=b"GET /healthz HTTP/1.1"):
    return b"\r\n".join([first, *fields]) + b"\r\n\r\n"


HOST = b"Host: localhost"
# What is sent, and what is said to it and to the request behind it.
LINES = {
    "well formed": (lines(HOST), FINE),
    "bare LF behind the request line": (b"GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n", BAD),
    "bare LF behind a field": (b"GET /healthz HTTP/1.1\r\nHost: localhost\n\r\n", BAD),
    "bare LF for the empty line": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\n", BAD),
    "bare LF everywhere": (b"GET /healthz HTTP/1.1\nHost: localhost\n\n", BAD),
    "bare LF between fields": (lines(b"X: a\nY: b", HOST), BAD),
    "bare LF hides a length": (lines(HOST, b"X: a\nContent-Length: 5"), BAD),
    "bare CR between fields": (lines(b"X: a\rY: b", HOST), BAD),
    "bare CR behind the request line": (b"GET /healthz HTTP/1.1\rHost: localhost\r\n\r\n", BAD),
    "CR CR LF": (b"GET /healthz HTTP/1.1\r\r\nHost: localhost\r\n\r\n", BAD),
    "CR CR LF behind a field": (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\r\n\r\n", BAD),
    "folded by a blank": (lines(HOST, b"X: a\r\n folded"), BAD),
    "folded by a tab": (lines(HOST, b"X: a\r\n\tfolded"), BAD),
    "folded to nothing": (lines(HOST, b"X: a\r\n "), BAD),
    "folded before any field": (lines(b" folded: 1", HOST), BAD),
    "folded host": (lines(b"Host:\r\n localhost"), BAD),
    "folded coding": (lines(HOST, b"Transfer-Encoding:\r\n chunked") + b"0\r\n\r\n", BAD),
    "folded length": (lines(HOST, b"Content-Length: 1\r\n 2") + b"a" * 12, BAD),
    "folded credential": (lines(HOST, b"Authorization: Bearer\r\n x"), BAD),
    "no colon": (lines(HOST, b"no colon"), BAD),
    "no name": (lines(b": empty", HOST), BAD),
    "blank before the colon": (lines(HOST, b"X : 1"), BAD),
    "tab before the colon": (lines(HOST, b"X\t: 1"), BAD),
    "blank in a name": (lines(HOST, b"X Odd: 1"), BAD),
    "delimiter in a name": (lines(HOST, b"X(Odd): 1"), BAD),
    "at sign in a name": (lines(HOST, b"X@Odd: 1"), BAD),
    "other letter in a name": (lines(HOST, b"X\xc3: 1"), BAD),
    "NUL in a name": (lines(HOST, b"X\0: 1"), BAD),
    "NUL in a value": (lines(HOST, b"X: a\0b"), BAD),
    "NUL at the end of a value": (lines(HOST, b"X: a\0"), BAD),
    "NUL in the host": (lines(b"Host: localhost\0.evil.example"), BAD),
    "NUL in a length": (lines(HOST, b"Content-Length: 0\0" b"5"), BAD),
    "01 in a value": (lines(HOST, b"X: a\1"), BAD),
    "ESC in a value": (lines(HOST, b"X: a\x1b[31mb"), BAD),
    "DEL in a value": (lines(HOST, b"X: a\x7f"), BAD),
    "tab in a value": (lines(HOST, b"X: a\tb"), FINE),
    "other letters in a value": (lines(HOST, b"X: \xc3\xa9\xff"), FINE),
    "empty value": (lines(HOST, b"X:"), FINE),
    "blanks around a value": (lines(b"Host: \t localhost \t ", b"X:\t"), FINE),
    "two blanks in the request line": (lines(HOST, first=b"GET  /healthz HTTP/1.1"), BAD),
    "blank behind the version": (lines(HOST, first=b"GET /healthz HTTP/1.1 "), BAD),
    "blank before the method": (lines(HOST, first=b" GET /healthz HTTP/1.1"), BAD),
    "tabs in the request line": (lines(HOST, first=b"GET\t/healthz\tHTTP/1.1"), BAD),
    "blank in the target": (lines(HOST, first=b"GET /healthz ?a HTTP/1.1"), BAD),
    "NUL in the target": (lines(HOST, first=b"GET /\0 HTTP/1.1"), "400 bad_path, closed"),
    "NUL in the method": (lines(HOST, first=b"GE\0T /healthz HTTP/1.1"), "501 method_unknown, open"),
    "NUL in the version": (lines(HOST, first=b"GET /healthz HTTP/1.1\0"), BAD),
    "control byte in the target": (lines(HOST, first=b"GET /a\1 HTTP/1.1"), "400 bad_path, closed"),
    "other letter in the target": (lines(HOST, first=b"GET /\xc3\xa9 HTTP/1.1"),
                                   "400 bad_path, closed"),
    "method alone": (b"GET\r\n\r\n", BAD),
    "no version": (b"GET /\r\n\r\n", BAD),
    "version of lower case": (lines(HOST, first=b"GET /healthz http/1.1"), BAD),
    "version 1.2": (lines(HOST, first=b"GET /healthz HTTP/1.2"), BAD),
    "version 1.10": (lines(HOST, first=b"GET /healthz HTTP/1.10"), BAD),
    "version 01.1": (lines(HOST, first=b"GET /healthz HTTP/01.1"), BAD),
    "version 0.9": (lines(HOST, first=b"GET /healthz HTTP/0.9"), BAD),
    "version 3.0": (lines(HOST, first=b"GET /healthz HTTP/3.0"), BAD),
    "preface of HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
    "upgrade to HTTP/2": (lines(HOST, b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__",
                                b"Connection: Upgrade, HTTP2-Settings"), FINE),
    "hello of TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n", BAD),
    "hello of SSH": (b"SSH-2.0-OpenSSH_9.2\r\n", BAD),
    "nothing but noise": (bytes(range(128, 256)) + b"\r\n\r\n", BAD),
    "one empty line before it": (b"\r\n" + lines(HOST), FINE),
    "two empty lines before it": (b"\r\n\r\n" + lines(HOST), BAD),
    "bare LF before it": (b"\n" + lines(HOST), BAD),
    "noise behind it": (lines(HOST) + b"\0\0", "200, " + BAD),
    "target without a slash": (lines(HOST, first=b"GET healthz HTTP/1.1"), BAD),
    "absolute target": (lines(HOST, first=b"GET http://localhost/healthz HTTP/1.1"), BAD),
    "absolute target of elsewhere": (lines(HOST, first=b"GET http://evil/ HTTP/1.1"), BAD),
    "absolute target over TLS": (lines(HOST, first=b"GET https://localhost/ HTTP/1.1"), BAD),
    "target of CONNECT": (lines(HOST, first=b"CONNECT localhost:80 HTTP/1.1"), BAD),
    "target of OPTIONS": (lines(HOST, first=b"OPTIONS * HTTP/1.1"), BAD),
    "fragment in the target": (lines(HOST, first=b"GET /healthz#a HTTP/1.1"), "400 bad_path, closed"),
    "no host": (lines(), BAD),
    "no host on HTTP/1.0": (lines(first=b"GET /healthz HTTP/1.0"), "403 bad_host, closed"),
    "two hosts": (lines(HOST, HOST), BAD),
    "two hosts on HTTP/1.0": (lines(HOST, HOST, first=b"GET /healthz HTTP/1.0"), BAD),
    "two credentials": (lines(HOST, b"Authorization: Bearer a", b"Authorization: Bearer b"), BAD),
    "two origins": (lines(HOST, b"Origin: null", b"Origin: null"), BAD),
    "100 fields": (lines(HOST, *[b"X-%d: 1" % i for i in range(99)]), FINE),
    "101 fields": (lines(HOST, *[b"X-%d: 1" % i for i in range(100)]), LARGE),
    "1000 short fields": (lines(HOST, *[b"X: 1"] * 1000), LARGE),
    "a value of 8000": (lines(HOST, b"X: " + b"a" * 8000), FINE),
    "a value of 9000": (lines(HOST, b"X: " + b"a" * 9000), LARGE),
    "a value of 100000": (lines(HOST, b"X: " + b"a" * 100000), LARGE),
    "a name of 9000": (lines(HOST, b"X" * 9000 + b": 1"), LARGE),
    "values of 54000 in all": (lines(HOST, *[b"X-%d: " % i + b"a" * 900 for i in range(60)]), LARGE),
    "a head that never ends": (b"GET /healthz HTTP/1.1\r\n" + b"X: 1\r\n" * 10000, LARGE),
    "a line that never ends": (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * 40000, LARGE),
    "a target of 8000": (lines(HOST, first=b"GET /healthz?" + b"a" * 8000 + b" HTTP/1.1"),
                         "400 field_unknown, open"),
    "a target of 8300": (lines(HOST, first=b"GET /" + b"a" * 8300 + b" HTTP/1.1"), LONG),
    "a target of 8300 and large fields": (lines(
        HOST, b"X: " + b"a" * 7000, first=b"GET /" + b"a" * 8300 + b" HTTP/1.1"), LONG),
    "a target that never ends": (b"GET /" + b"a" * 20000, LONG),
    "target and fields at their limits": (lines(
        HOST, b"X: " + b"a" * 8000, first=b"GET /healthz?" + b"a" * 8000 + b" HTTP/1.1"),
        "400 field_unknown, open"),
    "a method that never ends": (b"G" * 20000, LONG),
    "300 cookies": (lines(HOST, b"Cookie: " + b"; ".join(b"c%d=v" % i for i in range(300))), FINE),
    "300 arguments": (lines(HOST, first=b"GET /healthz?%s HTTP/1.1" % b"&".join(
        b"a%d=v" % i for i in range(300))), "400 field_unknown, open"),
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with Engines(tmp_path_factory.mktemp("framing")) as engines:
        yield engines


@pytest.fixture
def agent(engines, request):
    """One for all: each test looks at it afterwards, and nothing sent here changes its state."""
    return engines.of(request)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("what", LINES)
def test_lines(agent, service, what):
    data, says = LINES[what]
    assert dialogue(agent, service, data) == expected(service, what, says)


@pytest.mark.parametrize("service", SERVICES)
def test_every_port_is_guarded(agent, service):
    for what in ("well formed", "two hosts", "NUL in a value", "a value of 9000", "no version"):
        data, says = LINES[what]
        assert dialogue(agent, service, data) == expected(service, what, says), what


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("host", ["evil.example", "0.0.0.0:8002", "rebind.example:80", "", "[::2]",
                                  "localhost.evil.example", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", LIST])
def test_foreign_host(agent, service, host, path):
    data = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
    assert dialogue(agent, service, data) == "403 bad_host, open"


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]",
                                  "[::1]:8003", "LOCALHOST"])
def test_local_host(agent, service, host):
    assert dialogue(agent, service, head("GET", LIST, host=host)) == FINE


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("path", [
    "/api/v1/features/a%00b", "/api/v1/%2e%2e/healthz", "/api/../healthz", "/api//v1",
    "/api/v1/services/a%2fb", "/api/v1/services/a%5cb", "/%zz", "/api/%2", "/api/v1/services/%ff",
    "/api/v1/services/%0d%0aX:1", "/./healthz", "//healthz", "/api/v1/services/%c0%af"])
def test_bad_paths(agent, service, path):
    assert dialogue(agent, service, head("GET", path)) == "400 bad_path, closed"


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("target", ["/api/v1/services?a=%0d%0a{}", "/api/v1/services/%0d%0a{}"])
def test_line_breaks_stay_in_one_log_line(make_agent, service, target):
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug"})
    answer, raw = agent.raw(service, head("GET", target))
    raw.close()
    assert (answer.status, answer.code) == (400, "bad_path")
    found = wait_for(lambda: [r for r in agent.log_records() if r["event"] == "request"],
                     what="its line in the log")
    assert [r["status"] for r in found] == [str(answer.status)]
    assert all(line.startswith('{"') for line in agent.log().splitlines())


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("method, says", [
    ("FOO", "501 method_unknown, open"), ("get", "501 method_unknown, open"),
    ("G" * 200, "501 method_unknown, open"), ("TRACE", "405 method_not_allowed, open"),
    ("CONNECT", "405 method_not_allowed, open"), ("OPTIONS", "405 method_not_allowed, open"),
    ("DELETE", "405 method_not_allowed, open")])
def test_methods(agent, service, method, says):
    assert dialogue(agent, service, head(method, LIST)) == expected(service, method, says)
    if says.startswith("405"):
        answer, raw = agent.raw(service, head(method, LIST))
        raw.close()
        assert answer.header("allow") == "GET, HEAD, POST"


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("path", ["/healthz", LIST, "/api/v1/nothing"])
def test_head_is_get_without_body(agent, service, path):
    with agent.connect(service) as raw:
        raw.send(head("GET", path))
        got = raw.answer()
    with agent.connect(service) as raw:
        raw.send(head("HEAD", path) + head("GET", "/healthz"))
        answer = raw.answer("HEAD")
        assert (answer.status, answer.header("content-length")) == (
            got.status, got.header("content-length"))
        assert answer.header("content-type") == got.header("content-type")
        assert raw.answer().json()["status"] == "ok"


@pytest.mark.parametrize("service", SERVICES)
def test_no_header_comes_twice(agent, service):
    for path in ("/", "/healthz", "/metrics", "/openapi.json", "/api/v1/nothing", "/%zz"):
        answer, raw = agent.raw(service, head("GET", path))
        raw.close()
        names = [name for name, _ in answer.headers]
        assert len(set(names)) == len(names), answer.headers
        assert {"date", "content-length", "content-type", "x-request-id"} <= set(names)
        assert "server" not in names and "transfer-encoding" not in names


@pytest.mark.parametrize("service", PORTS)
def test_token_in_url(agent, service):
    answer = agent.get(service, "/api/v1/services?token=secret")
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
    assert agent.get("key-manager", LIST).status == 404
    assert agent.get("api-gateway", LIST).status == 200


def test_hop_limit(agent):
    answer = agent.request("api-gateway", "GET", "/v1/models", headers={"X-Yijian-Hop": "4"})
    assert (answer.status, answer.error) == (508, "upstream_loop")


def test_bytes_behind_an_answer_are_a_request(agent):
    """The dialogue's own premise: what is behind a good request is read as one."""
    assert dialogue(agent, REGISTRY, b"") == "open"
