# SPDX-License-Identifier: MIT
"""Silence, slowness and length are three things: what has begun comes at 100 bytes a second over
half a minute, white space and comments keep a line open, and nobody is cut for time between events."""
import concurrent.futures
import json
import re
import socket

import pytest

from raw import head

GATEWAY, CONFIG = "api-gateway", "config-center"
CHAT = "/v1/chat/completions"
BODY = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}
DOCUMENT = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "x" * 200}, "finish_reason": "stop"}]}


def chunk(**delta):
    finish = "stop" if not delta else None
    return b"data: " + json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1,
                                   "model": "m", "choices": [{"index": 0, "delta": delta,
                                                              "finish_reason": finish}]}).encode()


class Upstream:
    """One exchange, whose bytes the test sends itself; after each the agent has read it."""

    def __init__(self, agent, clock):
        self.agent, self.clock = agent, clock
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(30)
        self.connection = None

    @property
    def url(self):
        return "http://127.0.0.1:%d/v1" % self.listener.getsockname()[1]

    def accept(self):
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(30)
        got = b""
        while not got.rstrip().endswith(b"}"):
            got += self.connection.recv(65536)

    def begin(self, content_type):
        self.accept()
        self.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: %s\r\n\r\n"
                  % content_type.encode())

    def send(self, data, then_s=0):
        self.connection.sendall(data)
        self.agent.get(GATEWAY, "/healthz")  # a turn of its loop
        self.clock.advance(then_s)
        self.agent.get(GATEWAY, "/healthz")

    def until(self, future, step_s):
        """Lets time pass until it is done; the seconds that were passed."""
        begin = self.clock.mono_us

        def done():
            self.agent.get(GATEWAY, "/healthz")
            return future.done()
        self.clock.pass_until(done, step_s=step_s, what="given up")
        return (self.clock.mono_us - begin) / 10**6

    def gone(self):
        """Whether the agent has hung up."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1) == b""
        except BlockingIOError:
            return False
        except ConnectionResetError:
            return True

    def close(self):
        if self.connection:
            self.connection.close()
        self.listener.close()


@pytest.fixture
def paced(make_agent, clock):
    """(agent, upstream, ask): ask() begins a call and returns its future."""
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    upstream = Upstream(agent, clock)
    agent.add_key(upstream.url)
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"retry": {"max_attempts": 1}})
    assert answer.status == 200, answer
    pool = concurrent.futures.ThreadPoolExecutor(1)

    def events():
        with agent.stream(CHAT, {**BODY, "stream": True}) as stream:
            return list(stream.events())
    yield agent, upstream, lambda stream=False: pool.submit(
        events if stream else lambda: agent.post(GATEWAY, CHAT, BODY))
    upstream.close()
    pool.shutdown()


def test_a_document_that_drips_is_given_up(paced, clock):
    _, upstream, ask = paced
    answer = ask()
    upstream.begin("application/json")
    begin = clock.mono_us
    for byte in json.dumps(DOCUMENT).encode():
        upstream.send(bytes([byte]), 5)
        if upstream.gone():
            break
    assert 30 <= (clock.mono_us - begin) / 10**6 <= 90
    assert (answer.result().status, answer.result().error) == (504, "upstream_timeout")


def test_white_space_keeps_a_line_open(paced):
    _, upstream, ask = paced
    answer = ask()
    upstream.begin("application/json")
    for _ in range(12):
        upstream.send(b"\n", 20)
    text = json.dumps(DOCUMENT).encode()
    upstream.send(text[:100], 10)  # no hurry within the half minute
    upstream.send(text[100:])
    upstream.connection.close()
    assert answer.result().status == 200, answer.result()


@pytest.mark.parametrize("early", [True, False])
def test_a_document_may_take_ten_minutes(paced, clock, early):
    """With the defaults, and whether its head came early or not."""
    _, upstream, ask = paced
    answer = ask()
    text = json.dumps(DOCUMENT).encode()
    if early:
        upstream.begin("application/json")
        upstream.send(b"", 590)
    else:
        upstream.accept()
        clock.advance(590)
        upstream.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n")
    upstream.send(text[:50], 20)
    upstream.send(text[50:])
    upstream.connection.close()
    assert answer.result().status == 200, answer.result()


@pytest.mark.parametrize("early", [True, False])
def test_a_document_that_never_comes_is_given_up(paced, early):
    _, upstream, ask = paced
    answer = ask()
    if early:
        upstream.begin("application/json")
        upstream.send(b"\n")
    else:
        upstream.accept()
    assert 590 <= upstream.until(answer, 20) <= 700
    assert answer.result().error == "upstream_timeout"


@pytest.mark.parametrize("said", ["nothing", "head", "comment", "event"])
def test_a_stream_that_is_silent_is_given_up(paced, said):
    """From its request on, not from its head or its first event."""
    _, upstream, ask = paced
    answer = ask(stream=True)
    if said == "nothing":
        upstream.accept()
    else:
        upstream.begin("text/event-stream")
    if said == "comment":
        upstream.send(b": queued\n\n", 50)
        upstream.send(b": queued\n\n")
    if said == "event":
        upstream.send(chunk(content="a") + b"\n\n")
    assert 55 <= upstream.until(answer, 5) <= 90
    if said == "event":
        assert answer.result()[-1]["error"]["code"] == "stream_interrupted"
    else:
        assert answer.result() == [], "an error, not a stream"


def test_a_stream_may_wait_in_a_queue(paced):
    """Comments before its first event renew the wait."""
    _, upstream, ask = paced
    answer = ask(stream=True)
    upstream.begin("text/event-stream")
    for _ in range(12):
        upstream.send(b": queued\n\n", 40)
    upstream.send(chunk(content="b") + b"\n\n" + chunk() + b"\n\ndata: [DONE]\n\n")
    assert answer.result()[-1] == "[DONE]"


@pytest.mark.parametrize("ping", [b": ping\n\n", b": ping\n", b"\n"])
def test_comments_keep_a_stream_open(paced, ping):
    _, upstream, ask = paced
    answer = ask(stream=True)
    upstream.begin("text/event-stream")
    upstream.send(chunk(content="a") + b"\n\n", 20)
    for _ in range(10):
        upstream.send(ping, 20)
    upstream.send(chunk(content="b") + b"\n\n" + chunk() + b"\n\ndata: [DONE]\n\n")
    assert answer.result()[-1] == "[DONE]"


def test_an_event_that_drips_breaks_the_stream(paced, clock):
    agent, upstream, ask = paced
    answer = ask(stream=True)
    upstream.begin("text/event-stream")
    upstream.send(chunk(content="a") + b"\n\n", 50)  # time between events is nobody's
    begin = clock.mono_us
    for byte in chunk(content="b" * 100):
        upstream.send(bytes([byte]), 5)
        if upstream.gone():
            break
    assert 30 <= (clock.mono_us - begin) / 10**6 <= 90
    assert answer.result()[-1]["error"]["code"] == "stream_interrupted"
    text = agent.get(GATEWAY, "/metrics").body.decode()
    assert re.search(r'streams_broken_total\{feature="chat",cause="too_slow"\} 1\b', text)


def test_slow_words_are_not_a_slow_event(paced):
    """Each event's empty line comes with the next one: always something stands unfinished."""
    _, upstream, ask = paced
    answer = ask(stream=True)
    upstream.begin("text/event-stream")
    for _ in range(8):
        upstream.send(chunk(content="w"), 20)
        upstream.send(b"\n\n" + chunk(content="w") + b"\n", 0)
        upstream.send(b"\n")
    upstream.send(chunk() + b"\n\ndata: [DONE]\n\n")
    assert answer.result()[-1] == "[DONE]"


def test_an_upload_that_drips_is_given_up(make_agent, clock):
    agent = make_agent(env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    with agent.connect() as raw:
        raw.send(head("POST", CHAT, "Content-Type: application/json", "Content-Length: 100000"))
        agent.get(GATEWAY, "/healthz")
        begin = clock.mono_us
        raw.socket.setblocking(False)

        def drip():
            raw.send(b" ")
            agent.get(GATEWAY, "/healthz")
            try:
                raw.more()
            except BlockingIOError:
                pass
            return raw.got
        clock.pass_until(drip, step_s=2, what="given up")
        assert 30 <= (clock.mono_us - begin) / 10**6 <= 100
        raw.socket.settimeout(30)
        assert raw.answer().code == "client_timeout"
