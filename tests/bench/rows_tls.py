# SPDX-License-Identifier: MIT
"""Rows of TLS on the gateway's port, beside nginx with the same certificate in the same run."""
import contextlib
import socket
import statistics

import measure
from peers import ROOT, Agent, Nginx  # noqa: F401  (finds tests/lib)
from rows_gateway import JSON_REQUESTS, chat_body, cpu_beside, events_reader
from table import Row

import tls

HANDSHAKES = 500
KEPT = 1000


@contextlib.contextmanager
def both(bench, name):
    """The agent as the other rows have it, and nginx, over TLS."""
    pair = tls.agents_pair()
    with Agent(bench.scratch, name, over_tls=True) as agent, \
            Nginx(bench.scratch, bench.vendor.port, pair=pair) as nginx:
        agent.add_key(bench.vendor.base_url)
        agent.add_client()
        yield agent, nginx


def tls_json(bench):
    body = chat_body(bench, "tls", 250, "tokens:2;bytes:500")
    with both(bench, "tls-json") as (agent, nginx), events_reader(agent):
        every = cpu_beside(bench, {"nginx": nginx}, body, JSON_REQUESTS, 32,
                           lambda r: r["requests"], agent=agent, over_tls=True)
    ratios = [ours / theirs for ours, theirs in zip(every["ours"], every["nginx"])]
    yield Row("TLS, JSON chat 250 B -> 500 B, CPU per request", statistics.median(every["ours"]), 1.4,
              "us", statistics.median(every["nginx"]), "nginx",
              note=f"rounds {min(ratios):.2f}-{max(ratios):.2f}")


def greet(port):
    """A whole handshake, with what the port sends behind it."""
    plain = socket.create_connection(("127.0.0.1", port), 30)
    return tls.Socket(plain, tls.caller_context()).handshake()


def tls_handshake(bench):
    def shake(peer):
        def run():
            for _ in range(HANDSHAKES):
                side = greet(peer.port)
                side.say_end()
                side.close()
        return lambda: measure.cpu_per(peer.pid, lambda _: HANDSHAKES, run)
    with both(bench, "tls-handshake") as (agent, nginx):
        for peer in (agent, nginx):
            shake(peer)()
        every = measure.rounds(bench.rounds, {"nginx": shake(nginx), "ours": shake(agent)})
    ratios = [ours / theirs for ours, theirs in zip(every["ours"], every["nginx"])]
    yield Row("TLS, CPU per handshake (1.3, ECDSA P-256)", statistics.median(every["ours"]), 1, "us",
              statistics.median(every["nginx"]), "nginx",
              note=f"rounds {min(ratios):.2f}-{max(ratios):.2f}")


def tls_memory(bench):
    def each(peer):
        before = measure.memory_kib(peer.pid, "RssAnon")
        with contextlib.ExitStack() as stack:
            for _ in range(KEPT):
                side = stack.enter_context(contextlib.closing(greet(peer.port)))
                side.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert side.recv(65536)
            return (measure.memory_kib(peer.pid, "RssAnon") - before) / KEPT
    with both(bench, "tls-memory") as (agent, nginx):
        theirs, ours = each(nginx), each(agent)
    yield Row(f"TLS, memory of a kept connection, {KEPT} of them", ours, 16, "KiB",
              note=f"nginx {theirs:.1f}")


ROWS = (tls_json, tls_handshake, tls_memory)
