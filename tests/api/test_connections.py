# SPDX-License-Identifier: MIT
"""Connections on both HTTP engines: how long they live, how many there may be, what they cost, what
becomes of them and of their requests at a stop and when their callers leave."""
import contextlib
import json
import os
import re
import resource
import select
import signal
import socket

import pytest

from held_upstream import HeldUpstream
from http_engines import CONFIG, GATEWAY, KEYS, PORTS, REGISTRY, TLS, Engines, engine, expected
from proc import anonymous_kib, cpu_seconds, descriptors
from raw import head
from waiting import wait_for

LIST = "/api/v1/services"
HEALTH = head("GET", "/healthz")


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    with Engines(tmp_path_factory.mktemp("connections")) as engines:
        yield engines


@pytest.fixture
def shared(engines, request):
    """One for what leaves nothing behind."""
    return engines.of(request)


def connections(agent, service):
    text = agent.get(service, "/metrics").body.decode()
    found = re.search(rf'^yijian_http_connections{{service="{service}"}} (\d+)', text, re.M)
    return int(found[1])


# ---- kept, closed, pipelined ----

@pytest.mark.parametrize("service", PORTS)
def test_http_1_0_closes_unless_asked(shared, service):
    with shared.connect(service) as raw:
        raw.send(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\nHost: localhost\r\n\r\n")
        assert raw.answer().header("connection").lower() == "keep-alive"
        raw.send(b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert raw.answer().header("connection") == "close"
        assert raw.closed(5)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("fields", [["Connection: close"], ["Connection: x, Close"],
                                    ["Connection: x", "Connection: close"],
                                    ["Connection: close, keep-alive"]])
def test_connection_close_is_obeyed(shared, service, fields):
    with shared.connect(service) as raw:
        raw.send(head("GET", "/healthz", *fields) + HEALTH)
        answer = raw.answer()
        assert (answer.status, answer.header("connection")) == (200, "close")
        assert raw.closed(5)


@pytest.mark.parametrize("service", PORTS)
def test_who_has_said_all_is_answered(shared, service):
    with shared.connect(service) as raw:
        raw.send(HEALTH + head("GET", "/api/v1/nothing"))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().status == 200
        assert raw.answer().status == 404
        assert raw.closed(5)


@pytest.mark.parametrize("service", PORTS)
def test_who_has_said_all_with_a_body_is_answered(shared, service):
    with shared.connect(service) as raw:
        raw.send(head("POST", LIST, "Content-Length: 2", body=b"{}"))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().code == "field_required"
        assert raw.closed(5)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("sent", [b"GET /heal", head("POST", LIST, "Content-Length: 9", body=b"{")],
                         ids=["head", "body"])
def test_who_ends_amid_a_request_is_left(shared, service, sent):
    with shared.connect(service) as raw:
        raw.send(sent)
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.closed(5)


@pytest.mark.parametrize("service", PORTS)
def test_a_request_may_come_byte_by_byte(shared, service):
    data = b"\r\n" + head("POST", LIST, "Transfer-Encoding: chunked",
                          body=b"1\r\n{\r\n1\r\n}\r\n0\r\nX-Trailer: 1\r\n\r\n")
    with shared.connect(service) as raw:
        byte_by_byte(raw, data)
        assert raw.answer().code == "field_required"
        raw.send(HEALTH)
        assert raw.answer().status == 200


@pytest.mark.parametrize("service", PORTS)
def test_an_extension_may_come_byte_by_byte(shared, service):
    data = head("POST", LIST, "Transfer-Encoding: chunked", body=b"2;x=y\r\n{}\r\n0\r\n\r\n")
    with shared.connect(service) as raw:
        byte_by_byte(raw, data)
        assert raw.answer().code == expected(service, "an extension in pieces", "field_required")


def byte_by_byte(raw, data):
    raw.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for i in range(len(data)):
        raw.send(data[i:i + 1])


@pytest.mark.parametrize("service", PORTS)
def test_pipelined_in_order(shared, service):
    with shared.connect(service) as raw:
        raw.send((HEALTH + head("GET", "/api/v1/nothing")) * 500)
        for _ in range(500):
            assert raw.answer().status == 200
            assert raw.answer().status == 404


@pytest.mark.parametrize("service", PORTS)
def test_pipelined_with_bodies_of_every_framing(shared, service):
    posts = [head("POST", LIST, "Content-Length: 2", body=b"{}"),
             head("POST", LIST, "Transfer-Encoding: chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
             head("HEAD", "/healthz"), head("POST", LIST, "Content-Length: 4", body=b"GET "),
             head("PUT", "/healthz", "Content-Length: 3", body=b"abc"), HEALTH]
    says = [422, 422, 200, 400, 405, 200]
    with shared.connect(service) as raw:
        raw.send(b"".join(posts) * 20)
        for _ in range(20):
            assert [raw.answer("HEAD" if n == 2 else "GET").status for n in range(6)] == says


@pytest.mark.parametrize("service", PORTS)
def test_an_answer_does_not_wait_for_the_next_request(shared, service):
    """A kept connection and a half request behind a whole one."""
    with shared.connect(service) as raw:
        raw.send(HEALTH + HEALTH[:10])
        assert raw.answer().status == 200
        raw.send(HEALTH[10:])
        assert raw.answer().status == 200


@pytest.mark.parametrize("service", PORTS)
def test_large_answers_come_whole(shared, service):
    """Beyond what a socket takes at once, to a caller that reads late."""
    path = "/openapi.json"
    whole = shared.get(service, path).body
    with shared.connect(service, receive_buffer=4096) as raw:
        raw.send(head("GET", path) * 50)
        select.select([raw.socket], [], [], 30)
        for _ in range(50):
            assert json.loads(raw.answer().body) == whole


@pytest.mark.parametrize("service", [GATEWAY, TLS, CONFIG])
def test_what_was_done_is_answered_however_large_its_head(shared, service):
    """Heads that leave less and less room for the answer's: one that is too large does nothing."""
    path, says = "/api/v1/features/large", set()
    for size in range(4000, 8000, 40):
        shared.request(service, "PUT", path, {"description": "d"})
        fields = ["X-Large: " + "a" * 90] * (size // 100) + ["X-Rest: " + "a" * (size % 100)]
        with shared.connect(service) as raw:
            raw.send(head("DELETE", path, *fields))
            status = raw.answer().status
        there = shared.get(service, path).status == 200
        assert (status, there) in {(204, False), (431, True)}, f"{size}: {status}, {there}"
        says.add(status)
    assert 204 in says


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("fields", [(), ("Authorization: Bearer ya-nobodys",)], ids=["told", "told early"])
def test_a_chunk_line_that_never_ends_costs_nothing(agent, service, fields):
    """Its caller stays, and nobody is busy with what cannot get on."""
    begun = cpu_seconds(agent.pid)
    for _ in range(4):
        with agent.connect(service) as raw:
            raw.send(head("POST", LIST, "Transfer-Encoding: chunked", *fields, body=b"5;" + b"a" * 40000))
            assert raw.answer().status == (401 if fields else 400)
            wait_for(lambda: connections(agent, service) == 1, what="it let go")
    assert cpu_seconds(agent.pid) - begun < 1


# ---- slow ones ----

def seconds_until_something(agent, clock, raw, each_second=b"", most=100):
    """Of the agent's clock, until it says or ends something; sends those bytes every second."""
    raw.socket.settimeout(0.01)
    for passed in range(most):
        for service in PORTS:
            assert agent.get(service, "/healthz").status == 200  # what was sent was seen
        try:
            if raw.got or not raw.more() or raw.got:
                return passed
        except TimeoutError:
            pass
        if each_second and not raw.send(each_second):
            return passed
        clock.advance(1)
    raise AssertionError(f"open after {most} s: {raw.got!r}")


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("what, sent, each, least, most", [
    ("nothing", b"", b"", 8, 13), ("a slow head", b"GET /healthz HTTP/1.1\r\n", b"X", 8, 13),
    ("a request line that ends nowhere", b"GET /", b"a", 8, 13),
    ("kept", HEALTH, b"", 58, 63), ("a slow second head", HEALTH, b"G", 8, 13)])
def test_who_says_nothing_whole_is_cut(make_agent, clock, service, what, sent, each, least, most):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with agent.connect(service) as slow:
        slow.send(sent)
        if sent == HEALTH:
            assert slow.answer().status == 200
        took = seconds_until_something(agent, clock, slow, each)
        assert least < took < most, took
        assert slow.got == b"", "cut without a word"
    assert agent.get(service, "/healthz").status == 200


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("fields", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_body_that_never_comes_is_408(make_agent, clock, service, fields):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with agent.connect(service) as slow:
        slow.send(head("POST", LIST, fields))
        assert 28 < seconds_until_something(agent, clock, slow) < 33
        slow.socket.settimeout(30)
        answer = slow.answer()
        assert (answer.status, answer.code) == (408, "client_timeout")
        assert answer.header("connection") == "close"
        assert slow.closed(5)


@pytest.mark.parametrize("service, path", [(GATEWAY, "/v1/chat/completions"),
                                           (KEYS, "/api/v1/prices"), (GATEWAY, "/api/v1/prices")])
def test_an_upload_that_drips_is_408(make_agent, clock, service, path):
    """Bytes that trickle in do not keep it alive."""
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with agent.connect(service) as slow:
        slow.send(head("POST", path, "Content-Type: application/json", "Content-Length: 100000"))
        assert 28 <= seconds_until_something(agent, clock, slow, b" ") <= 100
        slow.socket.settimeout(30)
        assert slow.answer().code == "client_timeout"
        assert slow.closed(5)


@pytest.mark.parametrize("service", [GATEWAY, TLS, KEYS])
def test_who_does_not_read_is_cut(make_agent, clock, service):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with agent.connect(service, receive_buffer=4096) as raw:
        raw.send(head("GET", "/openapi.json") * 2000)  # far more than sockets hold
        wait_for(lambda: connections(agent, service) == 2, what="it, and who asks")
        before = clock.mono_us
        clock.pass_until(lambda: connections(agent, service) == 1, step_s=1, what="it cut")
        assert 28 <= (clock.mono_us - before) / 10**6 <= 95
    assert agent.get(service, "/healthz").status == 200


@pytest.mark.parametrize("service", [GATEWAY, TLS, KEYS])
def test_who_reads_slowly_is_not_cut(make_agent, clock, service):
    agent = make_agent(env=clock.env)
    path, count = "/openapi.json", 60
    with agent.connect(service, receive_buffer=65536) as raw:
        raw.send(head("GET", path) * count)
        for _ in range(count):
            assert raw.answer().status == 200
            clock.advance(2)


# ---- how many ----

@pytest.mark.parametrize("service", [GATEWAY, "router-engine"])
def test_connections_above_the_limit_are_told(make_agent, service):
    agent = make_agent(env={"YIJIAN_CONNECTIONS_MAX": "16", "YIJIAN_TRAFFIC_LOOPS": "1"})
    with contextlib.ExitStack() as stack:
        for _ in range(24):  # eight are kept for who may administer
            raw = stack.enter_context(agent.connect(service))
            raw.send(HEALTH)
            assert raw.answer().status == 200
        for _ in range(3):
            answer, raw = agent.raw(service, HEALTH, timeout=5)
            stack.enter_context(raw)
            assert (answer.status, answer.code) == (503, "overloaded")
            assert answer.header("retry-after")
            assert raw.closed(5)
    wait_for(lambda: agent.get(service, "/healthz").status == 200, what="recovery")


@pytest.mark.parametrize("service", PORTS)
def test_resets_leave_nothing(shared, service):
    shared.get(service, "/healthz")
    before = descriptors(shared.pid)
    for n in range(1000):
        raw = shared.connect(service)
        raw.send((b"GET /heal", b"", HEALTH, HEALTH + b"GET", head("POST", LIST, "Content-Length: 9"))[n % 5])
        raw.reset()
    assert shared.get(service, "/healthz").status == 200
    wait_for(lambda: descriptors(shared.pid) <= before + 2, what="descriptors given back")
    wait_for(lambda: connections(shared, service) == 1, what="none counted")


def test_ipv6_and_ipv4_on_one_port(shared):
    if not socket.has_ipv6 or len(shared.ports[GATEWAY]) < 2:
        pytest.skip("no IPv6 here")
    for service in PORTS:
        ports = {text.rpartition(":")[2] for text in shared.ports[service]}
        assert len(ports) == 1
        for family in (4, 6):
            host, port = shared.address(service, family)
            with socket.create_connection((host, port), timeout=30) as one:
                one.sendall(HEALTH)
                assert one.recv(100).startswith(b"HTTP/1.1 200")


MANY = 1024
KIB_EACH = 16


@pytest.fixture
def room():
    """Descriptors for many connections in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < MANY * 2:
        pytest.skip(f"only {hard} descriptors here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, MANY * 2), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def as_stranger():
    os.seteuid(61004)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_a_port_of_the_platform_keeps_so_many(make_agent, room):
    """And a few more for who may administer; the gateway's port is not bound by it."""
    if engine(REGISTRY) == "own":
        pytest.skip("libmicrohttpd does not serve the platform's ports in this build")
    agent = make_agent()
    with contextlib.ExitStack() as stack:
        with as_stranger():
            for _ in range(MANY):
                raw = stack.enter_context(agent.connect(REGISTRY))
                raw.send(HEALTH)
                assert raw.answer().status == 200
            raw = stack.enter_context(agent.connect(REGISTRY))
        raw.send(HEALTH)
        answer = raw.answer()
        assert (answer.status, answer.code) == (503, "overloaded")
        for _ in range(8):
            raw = stack.enter_context(agent.connect(REGISTRY))
            raw.send(head("GET", LIST))
            assert raw.answer().status == 200
        for service in (GATEWAY, KEYS):
            assert agent.get(service, "/api/v1/keys").status == 200
        for _ in range(100):
            raw = stack.enter_context(agent.connect(GATEWAY))
            raw.send(HEALTH)
            assert raw.answer().status == 200


@pytest.mark.parametrize("service", PORTS)
def test_what_a_kept_connection_costs(make_agent, room, service):
    """Idle after a request with a usual head, and a large one."""
    if os.environ.get("YIJIAN_BUILD", "").endswith(("asan", "tsan")):
        pytest.skip("sanitizers have memory of their own")
    agent = make_agent(env={"YIJIAN_TRAFFIC_LOOPS": "1"})
    large = head("GET", "/healthz?" + "a" * 4000, "X-Large: " + "b" * 4000)
    for _ in range(20):
        agent.get(service, "/healthz")
    before = anonymous_kib(agent.pid)
    with contextlib.ExitStack() as stack:
        for _ in range(MANY - 24):
            raw = stack.enter_context(agent.connect(service))
            raw.send(HEALTH + large)
            assert [raw.answer().status, raw.answer().status] == [200, 400]
        each = (anonymous_kib(agent.pid) - before) / (MANY - 24)
        assert each <= KIB_EACH, f"{each:.1f} KiB a connection"


# ---- a stop ----

def stopping(agent):
    agent.signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in agent.log(), what="stopping")


def ended(agent):
    """The agent's end, without a second signal."""
    wait_for(lambda: not agent.alive(), what="its end")
    agent.stop()


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("fields, rest", [("Content-Length: 2", b"}"),
                                          ("Transfer-Encoding: chunked", b"1\r\n}\r\n0\r\n\r\n")])
def test_a_stop_waits_for_a_body(agent, service, fields, rest):
    begun = b"{" if "Length" in fields else b"1\r\n{\r\n"
    with agent.connect(service) as raw:
        raw.send(head("POST", LIST, fields, body=begun))
        wait_for(lambda: connections(agent, service) == 2, what="it taken in")
        stopping(agent)
        raw.send(rest)
        answer = raw.answer()
        assert answer.status == 422 and answer.header("connection") == "close"
        assert raw.closed(10)
    ended(agent)


@pytest.mark.parametrize("service", PORTS)
def test_a_stop_lets_half_a_head_come(agent, service):
    data = head("GET", LIST)
    with agent.connect(service) as raw:
        raw.send(data[:20])
        wait_for(lambda: connections(agent, service) == 2, what="it taken in")
        stopping(agent)
        raw.send(data[20:])
        try:
            answer = raw.answer()
            said = f"{answer.status}, {answer.header('connection')}"
        except EOFError:
            said = "nothing, close"
        assert said == expected(service, "half a head at a stop", "200, close")
        assert raw.closed(10)
    ended(agent)


@pytest.mark.parametrize("service", PORTS)
def test_a_stop_lets_what_was_pipelined_end(agent, service):
    with agent.connect(service) as raw:
        raw.send(head("POST", LIST, "Content-Length: 2", body=b"{"))
        wait_for(lambda: connections(agent, service) == 2, what="it taken in")
        stopping(agent)
        raw.send(b"}" + HEALTH)
        assert raw.answer().status == 422
        assert raw.closed(10), "the second one is told by the first one's Connection: close"
    ended(agent)


@pytest.mark.parametrize("service", PORTS)
def test_a_stop_closes_idle_connections_at_once(agent, service):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(agent.connect(service)) for _ in range(20)]
        for raw in idle[:10]:
            raw.send(HEALTH)
            assert raw.answer().status == 200
        wait_for(lambda: connections(agent, service) == 21, what="all taken in")
        stopping(agent)
        for raw in idle:
            assert raw.closed(30)
    ended(agent)


@pytest.fixture
def held():
    """An upstream that answers when it is told to."""
    with HeldUpstream() as upstream:
        upstream.probes = None
        yield upstream


def key_test(agent, held):
    """Bytes of a request that is under way as long as `held` does not answer."""
    key = agent.add_key(f"{held.url}/v1")
    return head("POST", f"/api/v1/keys/{key['id']}/test", "Content-Length: 0")


@pytest.mark.parametrize("service", [GATEWAY, TLS, KEYS])
@pytest.mark.parametrize("kept", [True, False], ids=["kept", "new"])
def test_a_stop_answers_what_has_come(agent, service, kept):
    """Writes that stand in the sockets when the stop is told are done and answered."""
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(agent.connect(service)) for _ in range(10)]
        for raw in callers if kept else []:
            raw.send(HEALTH)
            assert raw.answer().status == 200
        if kept:
            wait_for(lambda: connections(agent, service) == 11, what="all taken in")
        agent.signal(signal.SIGSTOP)
        for n, raw in enumerate(callers):
            body = json.dumps({"name": f"client-{n}"}).encode()
            raw.send(head("POST", "/api/v1/clients", f"Content-Length: {len(body)}", body=body))
        agent.signal(signal.SIGTERM)
        agent.signal(signal.SIGCONT)
        for raw in callers:
            answer = raw.answer()
            assert answer.status == 201, answer
    ended(agent)
    agent.start()
    assert len(agent.get(KEYS, "/api/v1/clients").body["items"]) == 10


@pytest.mark.parametrize("service", [GATEWAY, TLS, KEYS])
def test_a_stop_does_not_wait_for_what_may_last(agent, held, service):
    """Who waits for news, or for an upstream that is tried, is closed at once."""
    with agent.connect(service) as raw:
        raw.send(key_test(agent, held))
        held.call(0)
        stopping(agent)
        assert raw.closed(30)
        held.call(0).answer(200)
    ended(agent)


@pytest.mark.parametrize("service", [GATEWAY, TLS, CONFIG])
def test_a_stop_ends_who_waits_for_a_change(agent, service):
    revision = agent.get(service, "/api/v1/watch?wait=0ms").body["revision"]
    with agent.connect(service) as raw:
        raw.send(head("GET", f"/api/v1/watch?since={revision}&wait=60s"))
        wait_for(lambda: connections(agent, service) == 2, what="it taken in")
        stopping(agent)
        assert raw.closed(30)
    ended(agent)


@pytest.mark.parametrize("service", PORTS)
def test_what_outlasts_the_drain_is_cut(make_agent, service):
    agent = make_agent(env={"YIJIAN_DRAIN_S": "1"})
    with agent.connect(service) as raw:
        raw.send(head("POST", LIST, "Content-Length: 9", body=b"{"))
        wait_for(lambda: connections(agent, service) == 2, what="it taken in")
        stopping(agent)
        ended(agent)
        assert raw.closed(10)


# ---- callers that leave ----

@pytest.mark.parametrize("service", [GATEWAY, TLS, CONFIG])
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_who_waits_for_a_change_may_leave(shared, service, reset):
    revision = shared.get(service, "/api/v1/watch?wait=0ms").body["revision"]
    before = descriptors(shared.pid)
    for _ in range(50):
        with contextlib.ExitStack() as stack:
            waits = [stack.enter_context(shared.connect(service)) for _ in range(4)]
            for raw in waits:
                raw.send(head("GET", f"/api/v1/watch?since={revision}&wait=60s"))
            wait_for(lambda: connections(shared, service) == 5, what="they wait")
            for raw in waits:
                if reset:
                    raw.reset()
        wait_for(lambda: connections(shared, service) == 1, what="they are gone")
    wait_for(lambda: descriptors(shared.pid) <= before + 2, what="descriptors given back")


@pytest.mark.parametrize("service", [GATEWAY, TLS, KEYS])
@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_who_waits_for_an_answer_may_leave(agent, held, service, reset):
    raw = agent.connect(service)
    raw.send(key_test(agent, held))
    call = held.call(0)
    raw.reset() if reset else raw.close()
    wait_for(lambda: connections(agent, service) == 1, what="it is gone before the answer comes")
    call.answer(200, {"object": "list", "data": []})
    for _ in range(3):
        assert agent.get(service, "/healthz").status == 200


@pytest.mark.parametrize("service", [GATEWAY, TLS, CONFIG])
def test_who_leaves_amid_a_body_leaves_nothing(shared, service):
    before = descriptors(shared.pid)
    for n in range(200):
        raw = shared.connect(service)
        raw.send(head("POST", "/api/v1/features", "Content-Length: 60000", body=b"x" * 300 * (n % 100)))
        raw.reset() if n % 2 else raw.close()
    wait_for(lambda: connections(shared, service) == 1, what="they are gone")
    wait_for(lambda: descriptors(shared.pid) <= before + 2, what="descriptors given back")
    text = shared.get(GATEWAY, "/metrics").body.decode()
    assert 'yijian_http_buffered_bytes{what="requests"} 0\n' in text
