# SPDX-License-Identifier: MIT
"""With more to do than it can the agent says so at once, keeps what it has taken, keeps its
platform APIs within reach, and recovers by itself. Figures are measured by make bench."""
import contextlib
import http.client
import json
import os
import re
import resource
import signal
import socket
import subprocess

import pytest

import http_call
from waiting import wait_for

GATEWAY = "api-gateway"
CHAT = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}


def with_key(agent, vendord):
    agent.add_key(vendord.base_url, service="gpt-4")
    return agent


def assert_shed(answer):
    assert (answer.status, answer.error) == (503, "overloaded"), answer
    assert answer.headers["Retry-After"] == "1"
    assert answer.headers["x-should-retry"] == "true"
    assert set(answer.body["error"]) >= {"message", "type", "param", "code"}


def shed_count(agent, why):
    text = agent.get(GATEWAY, "/metrics").body.decode()
    line = [l for l in text.splitlines()
            if l.startswith(f'yijian_http_shed_total{{service="api-gateway",why="{why}"}}')]
    return float(line[0].split()[-1]) if line else 0


def platform_answers(agent):
    assert agent.get(GATEWAY, "/healthz").status == 200
    assert agent.get(GATEWAY, "/api/v1/status").status == 200
    assert agent.get("key-manager", "/api/v1/keys").status == 200


def test_requests_under_way(make_agent, vendord):
    agent = with_key(make_agent(env={"YIJIAN_INFLIGHT_MAX": "2"}), vendord)
    vendord.faults([{"match": {}, "fault": {"pace_ms": 500, "tokens": 10000}}])
    held = [agent.stream("/v1/chat/completions", {**CHAT, "stream": True}) for _ in range(2)]
    assert [s.status for s in held] == [200, 200]
    vendord.faults([])
    for _ in range(5):
        assert_shed(agent.chat())
    assert shed_count(agent, "inflight") == 5
    platform_answers(agent)
    # The connection of one that was shed goes on.
    connection = agent.connect()
    for stream in held:
        stream.close()
    wait_for(lambda: agent.chat().status == 200, what="a place for one more")
    connection.close()
    assert vendord.stats()["requests"] == 3


def test_memory(make_agent, vendord):
    agent = with_key(make_agent(env={"YIJIAN_MEMORY_MAX_MB": "1"}), vendord)
    assert_shed(agent.chat())
    assert shed_count(agent, "memory") == 1
    platform_answers(agent)
    assert any(r["event"] == "memory_high" for r in agent.log_records())
    assert vendord.stats()["requests"] == 0


def test_the_last_connections_are_kept_for_the_platform(make_agent, vendord):
    agent = with_key(make_agent(env={"YIJIAN_CONNECTIONS_MAX": "16", "YIJIAN_TRAFFIC_LOOPS": "1"}),
                     vendord)
    idle = []
    try:
        for _ in range(14):
            idle.append(agent.connect())
        wait_for(lambda: agent.chat().status == 503, what="the soft limit")
        assert_shed(agent.chat())
        assert agent.get(GATEWAY, "/healthz").status == 200
        assert agent.get(GATEWAY, "/api/v1/status").status == 200
        idle += [agent.connect() for _ in range(10)]  # eight of them for who may administer the agent
        # Beyond the last one callers are told as well, and never left waiting.
        answer = wait_for(lambda: next((a for a in [agent.get(GATEWAY, "/healthz")]
                                        if a.status == 503), None), what="the hard limit")
        assert answer.error == "overloaded" and answer.headers["Retry-After"] == "1"
        assert agent.get("key-manager", "/healthz").status == 200
    finally:
        for connection in idle:
            connection.close()
    wait_for(lambda: agent.chat().status == 200, what="recovery")


def test_a_shed_request_keeps_its_connection(make_agent, vendord):
    agent = with_key(make_agent(env={"YIJIAN_MEMORY_MAX_MB": "1"}), vendord)
    connection = http.client.HTTPConnection(*agent.address(), timeout=60)
    for _ in range(3):
        http_call.send_request(connection, "POST", "/v1/chat/completions", CHAT)
        response = connection.getresponse()
        assert response.status == 503 and response.getheader("Connection") != "close"
        response.read()
    connection.close()


@pytest.mark.parametrize("room", [0, 1, 2])
def test_no_descriptor_for_a_caller(agent, room):
    """One is kept to say so, whatever a connection needs besides its own; who is in stays in, and
    room is used as soon as it is there."""
    with contextlib.ExitStack() as stack:
        def caller():
            raw = stack.enter_context(agent.connect("key-manager"))
            raw.send(request_bytes("GET", "/healthz"))
            return raw, raw.answer()
        first, answer = caller()
        assert answer.status == 200
        silent = stack.enter_context(agent.connect("key-manager"))
        caller()  # after it: it has been taken in
        highest = max(int(name) for name in os.listdir(f"/proc/{agent.pid}/fd"))
        soft, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (highest + 1 + room, hard))
        try:
            told = next((a for a in (caller()[1] for _ in range(100)) if a.status != 200), None)
            assert told is not None and (told.status, told.code) == (503, "overloaded"), told
            assert told.header("Retry-After") == "1"
            assert {caller()[1].status for _ in range(20)} <= {200, 503}
            first.send(request_bytes("GET", "/healthz"))
            assert first.answer().status == 200
            silent.send(request_bytes("GET", "/api/v1/keys"))
            assert silent.answer().status == 200, "it is known who calls"
        finally:
            resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert caller()[1].status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_the_last_descriptors_are_kept(make_agent, vendord):
    """Callers on every loop at once take all others, upstream calls included; who may administer the
    agent is answered, and what is there again is used."""
    limit = 256
    agent = make_agent(before=["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh"])
    agent.add_key(vendord.base_url)
    crowd = subprocess.Popen(
        ["/usr/bin/python3", "-c", STRANGERS, *map(str, agent.address()), str(2 * limit)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=65534, group=65534)
    try:
        assert crowd.stdout.readline() == b"in\n"
        for service in (GATEWAY, "key-manager") * 4:
            assert agent.get(service, "/healthz").status == 200
        highest = [int(name) for name in os.listdir(f"/proc/{agent.pid}/fd")]
        assert max(highest) < limit - 1, "the last are free again"
        answer = agent.chat()
        assert (answer.status, answer.error) == (503, "overloaded"), answer
    finally:
        crowd.stdin.close()
        crowd.wait()
    wait_for(lambda: agent.chat().status == 200, what="room again")


STRANGERS = """
import socket, sys, threading
kept = []
def come(n):
    for _ in range(n):
        s = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=60)
        s.sendall(b"GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
        try:
            s.recv(100)  # answered or refused, by whatever loop it came to
        except OSError:
            pass
        kept.append(s)
crowd = [threading.Thread(target=come, args=(int(sys.argv[3]) // 8,)) for _ in range(8)]
for one in crowd: one.start()
for one in crowd: one.join()
print("in", flush=True)
sys.stdin.read()
"""
CROWD = 300  # more than a turn begins, and more than epoll hands out at once


def request_bytes(method, path, document=None):
    body = json.dumps(document).encode() if document else b""
    return (f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
            "\r\n").encode() + body


def connections(agent):
    text = agent.get(GATEWAY, "/metrics").body.decode()
    return int(re.search(r'^yijian_http_connections\{service="api-gateway"\} (\d+)', text,
                         re.M)[1])


@contextlib.contextmanager
def all_at_once(agent, requests):
    """Connections whose requests are all there when the agent gets to look at them."""
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(socket.create_connection(agent.address(), timeout=60))
                   for _ in requests]
        wait_for(lambda: connections(agent) >= len(requests), what="the agent to know them")
        agent.signal(signal.SIGSTOP)
        for caller, request in zip(callers, requests):
            caller.sendall(request)
        yield callers
        agent.signal(signal.SIGCONT)


def answer_of(caller):
    response = http.client.HTTPResponse(caller)
    response.begin()
    response.read()
    return response


def test_who_would_wait_too_long_is_told(make_agent, vendord):
    agent = with_key(make_agent(env={"YIJIAN_QUEUE_MAX_MS": "1", "YIJIAN_TRAFFIC_LOOPS": "1"}),
                     vendord)
    chat, health = request_bytes("POST", "/v1/chat/completions", CHAT), request_bytes("GET", "/healthz")
    with contextlib.ExitStack() as stack:
        with all_at_once(agent, [chat] * CROWD + [health] * 20) as callers:
            callers = [stack.enter_context(c.dup()) for c in callers]
        answers = [answer_of(caller) for caller in callers]
        assert [a.status for a in answers[CROWD:]] == [200] * 20  # a page is never shed
        shed = [a for a in answers[:CROWD] if a.status == 503]
        assert shed and len(shed) < CROWD
        assert {a.status for a in answers[:CROWD]} == {200, 503}
        assert {a.getheader("Retry-After") for a in shed} == {"1"}
        assert shed_count(agent, "queue") == len(shed)
        # A connection that was told goes on, and is not told again.
        again = [c for c, a in zip(callers, answers) if a.status == 503][0]
        again.sendall(chat)
        assert answer_of(again).status == 200
    assert vendord.stats()["requests"] == CROWD - len(shed) + 1


def test_who_waits_loses_nothing(make_agent, vendord):
    """Without the limit all have their turn; those who left while they waited cost no call."""
    agent = with_key(make_agent(env={"YIJIAN_TRAFFIC_LOOPS": "1"}), vendord)
    chat = request_bytes("POST", "/v1/chat/completions", CHAT)
    with contextlib.ExitStack() as stack:
        with all_at_once(agent, [chat] * (CROWD + 50)) as callers:
            callers = [stack.enter_context(c.dup()) for c in callers]
            for caller in callers[CROWD:]:
                caller.shutdown(socket.SHUT_RDWR)
        assert {answer_of(caller).status for caller in callers[:CROWD]} == {200}
    assert vendord.stats()["requests"] == CROWD
    assert shed_count(agent, "queue") == 0
