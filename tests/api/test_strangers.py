# SPDX-License-Identifier: MIT
"""Other users of this host: whatever they send, hold or leave unread, those who may call are served
and nothing grows. A connection is a stranger's when it is made while this process has another uid."""
import contextlib
import json
import os
import re
import select
import socket
import tempfile

import pytest

import unix_call
from raw import Raw, head
from waiting import wait_for

KEYS, GATEWAY = "key-manager", "api-gateway"
NOBODY = 61004
IMPORT = "/api/v1/prices"  # takes the largest documents
MIB = 1024 * 1024


@contextlib.contextmanager
def as_stranger():
    if os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def stranger(agent, service=KEYS, **more):
    with as_stranger():
        return agent.connect(service, **more)


@pytest.fixture
def socket_path():
    """Where anybody gets."""
    with tempfile.TemporaryDirectory(prefix="yijian-socket-") as scratch:
        os.chmod(scratch, 0o755)
        yield os.path.join(scratch, "agent.sock")


def unix_raw(path):
    raw = Raw.__new__(Raw)
    raw.socket, raw.got = socket.socket(socket.AF_UNIX), b""
    raw.socket.settimeout(30)
    raw.socket.connect(path)
    return raw


def metric(agent, name):
    """Sum over the series whose text begins so."""
    text = agent.get(GATEWAY, "/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))


def held(agent, what="requests"):
    return metric(agent, f'yijian_http_buffered_bytes{{what="{what}"}}')


# ---- who calls is judged before a byte of the body is kept ----

@pytest.mark.parametrize("lines, said", [
    (["Expect: 100-continue", f"Content-Length: {MIB}"], "403"),
    (["Expect: 100-continue", "Content-Length: 100"], "403"),
    ([f"Content-Length: {8 * MIB}"], "403"), (["Transfer-Encoding: chunked"], "403")])
def test_a_stranger_is_refused_by_the_head_alone(agent, lines, said):
    with stranger(agent) as raw:
        raw.send(head("POST", IMPORT, "Content-Type: application/json", *lines))
        assert raw.take_line().split()[1].decode() == said, "not even told to go on"
    with agent.connect(KEYS) as raw:  # who may is told to go on
        raw.send(head("POST", IMPORT, "Content-Type: application/json",
                      "Expect: 100-continue", f"Content-Length: {MIB}"))
        assert raw.take_line() == b"HTTP/1.1 100 Continue"


@pytest.mark.parametrize("path, lines, said", [
    ("/v1/audio/transcriptions", ["Content-Type: application/json", "Content-Length: 1000"], "415"),
    ("/v1/chat/completions", [f"Content-Length: {21 * MIB}"], "413"),
    ("/v1/chat/completions", ["Authorization: Bearer yj_c_nobody", f"Content-Length: {MIB}"], "401"),
    ("/v1/nothing", [f"Content-Length: {MIB}"], "404"), ("/v1/models", [f"Content-Length: {MIB}"], "405")])
def test_what_the_head_tells_is_not_waited_for(agent, path, lines, said):
    """Length, type, key, route and method."""
    with agent.connect() as raw:
        raw.send(head("POST", path, "Expect: 100-continue", *lines))
        assert raw.take_line().split()[1].decode() == said


def test_a_stranger_on_the_socket_likewise(make_agent, socket_path):
    agent = make_agent(env={"YIJIAN_SOCKET": socket_path})
    with as_stranger():
        raw = unix_raw(socket_path)
    with raw:
        raw.send(head("POST", IMPORT, "Expect: 100-continue", f"Content-Length: {MIB}"))
        assert raw.take_line().split()[1] == b"403"


def test_what_a_stranger_sends_is_not_kept(agent):
    with stranger(agent) as raw:
        raw.send(head("POST", IMPORT, "Content-Type: application/json", "Content-Length: 60000"))
        raw.send(b"x" * 59999)
        with agent.connect(KEYS) as other:
            other.send(head("POST", IMPORT, "Content-Type: application/json",
                            "Content-Length: 60000"))
            other.send(b"y" * 50000)
            # While it is looked up who calls, what came along with the head waits beside it.
            wait_for(lambda: held(agent) == 50000, what="one's own body counted, and no other")
        raw.send(b"x")  # small enough that the connection lives on
        assert raw.answer().status == 403
        raw.send(head("GET", "/healthz"))
        assert raw.answer().status == 200
    wait_for(lambda: held(agent) == 0, what="nothing left behind")


def test_a_body_that_came_before_its_caller_was_known(make_agent, socket_path):
    """The groups of a uid are looked up elsewhere; head and body may all be here by then."""
    agent = make_agent(env={"YIJIAN_SOCKET": socket_path})
    body = json.dumps({"name": "x", "endpoint": "chat.completions"}).encode()
    with as_stranger():
        raw = unix_raw(socket_path)
    with raw:
        for _ in range(2):
            raw.send(head("POST", "/api/v1/features", f"Content-Length: {len(body)}", body=body)
                     + head("GET", "/healthz"))
            assert [raw.answer().status for _ in range(2)] == [403, 200]


# ---- one bound on what is held ----

def test_the_sum_of_bodies_is_bounded(make_agent, vendord):
    agent = make_agent(env={"YIJIAN_BUFFERS_MAX_MB": "4"})
    agent.add_key(vendord.base_url)
    with contextlib.ExitStack() as stack:
        def begin(announced, sent):
            raw = stack.enter_context(agent.connect(KEYS))
            raw.send(head("POST", IMPORT, "Content-Type: application/json",
                          f"Content-Length: {announced}"))
            raw.send(b"x" * sent)
            return raw
        for i in range(3):
            begin(MIB + MIB // 8, MIB)
            wait_for(lambda n=i: held(agent) >= (n + 1) * MIB, what="a body held")
        # What announces more than there is room for is told before it comes …
        answer = begin(2 * MIB, 0).answer()
        assert (answer.status, answer.code) == (503, "overloaded")
        assert answer.header("Retry-After") == "1"
        # … and so is what grows beyond it.
        chunks = stack.enter_context(agent.connect(KEYS))
        chunks.send(head("POST", IMPORT, "Transfer-Encoding: chunked"))
        chunks.send(b"100000\r\n" + b"x" * MIB + b"\r\n")
        assert chunks.answer().status == 503
        assert held(agent) <= 4 * MIB
        assert metric(agent, 'yijian_http_shed_total{service="key-manager",why="buffers"}') == 0
        text = agent.get(KEYS, "/metrics").body.decode()
        assert re.search(r'shed_total\{service="key-manager",why="buffers"\} 2\b', text)
        # There is room for small ones.
        assert agent.chat().status == 200
        assert agent.post("config-center", "/api/v1/features", {
            "name": "small", "endpoint": "chat.completions"}).status == 201
    wait_for(lambda: held(agent) == 0, what="all given back")
    assert agent.post(KEYS, IMPORT, {"x": "y" * 3 * MIB}).status != 503


def test_heads_and_pipelines_count_as_well(make_agent):
    agent = make_agent(env={"YIJIAN_BUFFERS_MAX_MB": "1"})
    with contextlib.ExitStack() as stack:
        for _ in range(150):
            raw = stack.enter_context(stranger(agent, GATEWAY))
            raw.send(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 8000)
        wait_for(lambda: metric(agent, "yijian_http_shed_total") > 0, what="some were cut")
        assert held(agent) <= MIB
        assert agent.get(GATEWAY, "/api/v1/status").status == 200
    wait_for(lambda: held(agent) == 0, what="all given back")


def test_answers_nobody_takes_are_bounded(make_agent, make_vendord):
    agent, local = make_agent(env={"YIJIAN_BUFFERS_MAX_MB": "8"}), make_vendord(no_auth=True)
    agent.add_instance(local.url)
    local.fault({"tokens": 2000000}, count=4, path="/v1/*")
    body = b'{"model":"chat","messages":[{"role":"user","content":"x"}]}'
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            raw = stack.enter_context(agent.connect(receive_buffer=4096))
            raw.send(head("POST", "/v1/chat/completions", "Content-Type: application/json",
                          f"Content-Length: {len(body)}", body=body))
        wait_for(lambda: metric(agent, "yijian_http_shed_total") > 0, what="one was cut")
        assert held(agent, "answers") <= 8 * MIB
        assert agent.chat().status == 200
    wait_for(lambda: held(agent, "answers") == 0, what="all given back")


# ---- who does nothing does not stay, on the socket as on a port ----

@pytest.mark.parametrize("sent, least_s, most_s", [
    (b"", 9, 60), (b"GET /healthz HT", 9, 60), (head("GET", "/healthz"), 55, 200),
    (head("POST", "/v1/chat/completions", "Content-Length: 100000", body=b"{"), 25, 300)],
    ids=["nothing", "head", "idle", "body"])
def test_who_says_nothing_more_on_the_socket(make_agent, clock, socket_path, sent, least_s, most_s):
    agent = make_agent(env={**clock.env, "YIJIAN_SOCKET": socket_path})
    begin = clock.mono_us
    with unix_raw(socket_path) as raw:
        raw.send(sent)
        raw.socket.setblocking(False)

        def closed():
            with contextlib.suppress(BlockingIOError):
                return not raw.more()
        agent.get(GATEWAY, "/healthz")
        clock.pass_until(closed, step_s=1, what="the connection closed")
        assert least_s <= (clock.mono_us - begin) / 10**6 <= most_s


def test_who_does_not_read_on_the_socket_is_cut(make_agent, make_vendord, clock, socket_path):
    agent = make_agent(env={**clock.env, "YIJIAN_SOCKET": socket_path})
    local = make_vendord(no_auth=True)
    agent.add_instance(local.url)
    local.fault({"tokens": 200000}, path="/v1/*")
    body = b'{"model":"chat","stream":true,"messages":[{"role":"user","content":"x"}]}'
    begin = clock.mono_us
    with unix_raw(socket_path) as raw:
        raw.send(head("POST", "/v1/chat/completions", "Content-Type: application/json",
                      f"Content-Length: {len(body)}", body=body))
        local.wait_stats(lambda s: s["streams"]["started"] == 1, what="the stream to begin")
        clock.pass_until(lambda: local.stats()["streams"]["aborted"] == 1, step_s=1,
                         what="the stream given up")
        assert 30 <= (clock.mono_us - begin) / 10**6 <= 95
        while raw.more():
            raw.got = raw.got[-64:]
        assert b"[DONE]" not in raw.got


# ---- a few places are kept ----

def refused(raw):
    raw.send(head("GET", "/healthz"))
    answer = raw.answer()
    return (answer.status, answer.code) == (503, "overloaded")


@pytest.mark.parametrize("service", [KEYS, GATEWAY])
def test_strangers_hold_every_place(make_agent, service):
    agent = make_agent(env={"YIJIAN_CONNECTIONS_MAX": "16", "YIJIAN_TRAFFIC_LOOPS": "1"})
    with contextlib.ExitStack() as stack:
        for _ in range(16):
            raw = stack.enter_context(stranger(agent, service))
            raw.send(head("GET", "/healthz"))  # between requests they may stay for a minute
            assert raw.answer().status == 200
        assert refused(stack.enter_context(stranger(agent, service)))
        for _ in range(12):  # each on a connection of its own
            assert agent.get(service, "/healthz").status == 200
            assert agent.get(service, "/api").status == 200
        if service == GATEWAY:
            assert unix_call.request(agent, "GET", "/api/v1/status").status == 200
        # Those that are kept have an end as well.
        ours = [stack.enter_context(agent.connect(service)) for _ in range(9)]
        wait_for(lambda: select.select([raw.socket for raw in ours], [], [], 0)[0],
                 what="one too many told")
        assert refused(stack.enter_context(stranger(agent, service)))
