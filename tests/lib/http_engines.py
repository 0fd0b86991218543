# SPDX-License-Identifier: MIT
"""The agent's two HTTP engines: its own on the gateway's port, plain or over TLS, and the unix socket,
libmicrohttpd on the platform's four ports. Callers see one behaviour but for the rows of DIFFERENCES."""
import ctypes
import functools
import re
import subprocess
import typing

from agent import Agent
from process import BUILD
from raw import Raw, head

GATEWAY, REGISTRY, KEYS, CONFIG = "api-gateway", "service-registry", "key-manager", "config-center"


class OverTls(str):
    """A service by name, of an agent whose gateway's port speaks TLS: see conftest.py."""


TLS = OverTls(GATEWAY)
PORTS = (GATEWAY, TLS, REGISTRY)  # one of each engine, and what lies beneath


class Engines:
    """Agents that leave nothing behind, one plain and one over TLS, each from its first use on."""

    def __init__(self, scratch):
        self.scratch, self.agents = scratch, {}

    def of(self, request):
        """The agent for a test, by what it is parametrized with."""
        over_tls = is_over_tls(request)
        if over_tls not in self.agents:
            scratch = self.scratch / ("tls" if over_tls else "plain")
            scratch.mkdir()
            self.agents[over_tls] = Agent(scratch=scratch, over_tls=over_tls).start()
        return self.agents[over_tls]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for agent in self.agents.values():
            agent.stop()


def is_over_tls(request):
    spec = getattr(request.node, "callspec", None)
    return spec is not None and any(isinstance(value, OverTls) for value in spec.params.values())


class Row(typing.NamedTuple):
    engines: tuple  # of MHD_0_9, MHD_1_0
    what: str  # the case's name in its test
    says: str
    why: str


MHD_0_9, MHD_1_0 = "mhd 0.9", "mhd 1.0"
OLD, NEW, BOTH = (MHD_0_9,), (MHD_1_0,), (MHD_0_9, MHD_1_0)
BAD, READ, TAKEN = "400 bad_framing, closed", "422 field_required, open", "400 json_invalid, open"
LINE_END = "a recipient may take a lone LF for a line's end (RFC 9112, 2.2)"
PASSED_OVER = "what it does not use of a chunked body it does not judge either (RFC 9112, 7.1)"
NO_EXTENSIONS = "1.0 takes none, and nobody who calls here sends any"
POOL = "head and answer share a pool of 12 KiB, so that a connection stays below 16"
APIECE = "it keeps a record of each in that pool, whoever reads it"
DIFFERENCES = (
    # heads
    Row(OLD, "two empty lines before it", "200, open", "at least one is passed over (RFC 9112, 2.2)"),
    Row(OLD, "bare LF before it", "200, open", LINE_END),
    Row(BOTH, "NUL in the method", BAD, "told apart from a method nobody knows"),
    Row(NEW, "NUL in the target", BAD, "seen before it is a path"),
    Row(NEW, "a method that never ends", BAD, "it may be no longer than the library's own limit"),
    Row(OLD, "a target of 8300 and large fields", "431 headers_too_large, closed", POOL),
    Row(OLD, "target and fields at their limits", "431 headers_too_large, closed", POOL),
    Row(NEW, "target and fields at their limits", "414 uri_too_long, closed", POOL),
    Row(BOTH, "300 cookies", "431 headers_too_large, closed", APIECE),
    Row(BOTH, "300 arguments", "431 headers_too_large, closed", APIECE),
    # answers
    Row(OLD, "the length of a 304", "0", "before 1.0 it leaves none out; it is not the document's"
        " (RFC 9110, 8.6)"),
    # bodies
    Row(OLD, "blanks behind a length", BAD, "it does not trim them (RFC 9112, 5.1)"),
    Row(OLD, "blanks around an extension", BAD, "it does not take bad white space (RFC 9112, 7.1.1)"),
    Row(NEW, "blanks around an extension", BAD, NO_EXTENSIONS),
    Row(NEW, "extensions and trailers", BAD, NO_EXTENSIONS),
    Row(NEW, "an extension in pieces", "bad_framing", NO_EXTENSIONS),
    Row(BOTH, "a chunk of 15 digits", "413 body_too_large, closed", "a size, and too large a one"),
    Row(BOTH, "a chunk of 16 digits", "413 body_too_large, closed", "a size, and too large a one"),
    *(Row(OLD, what, TAKEN, PASSED_OVER) for what in (
        "NUL for an extension's value", "NUL in an extension", "01 in an extension",
        "DEL in an extension", "ESC in an extension's quotes", "CR in an extension",
        "NUL in a trailer", "folded trailer")),
    *(Row(OLD, what, TAKEN, LINE_END) for what in (
        "LF behind a size", "LF behind a chunk", "LF behind the last size", "LF for the end",
        "LF behind a trailer", "a chunk shorter than its size")),
)


@functools.cache
def library():
    """Version of the libmicrohttpd that yijiand runs with, "1.0.1"; None: it is linked with none."""
    linked = subprocess.run(["ldd", BUILD / "yijiand"], capture_output=True, text=True, check=True)
    found = re.search(r"libmicrohttpd\.so\S* => (\S+)", linked.stdout)
    if not found:
        return None
    version = ctypes.CDLL(found[1]).MHD_get_version
    version.restype = ctypes.c_char_p
    return version().decode()


def engine(service):
    """"own", "mhd 0.9" or "mhd 1.0"."""
    if service == GATEWAY or library() is None:
        return "own"
    return "mhd " + ".".join(library().split(".")[:2])


def expected(service, what, says):
    """What this port's engine says to a case to which the own one says `says`."""
    mine = engine(service)
    rows = [row for row in DIFFERENCES if row.what == what and mine in row.engines]
    assert len(rows) < 2, f"{what}: two rows for {mine}"
    return rows[0].says if rows else says


SMUGGLED = head("PUT", "/healthz")  # its answer is like no other here


def dialogue(agent, service, data):
    """What is said to the bytes and to a request right behind them: "400 bad_framing, closed", or
    "200, open" when the second one is read as the request it is."""
    said = []
    with Raw(agent.address(service)) as raw:
        raw.send(data + SMUGGLED)
        while True:
            try:
                answer = raw.answer()
            except EOFError as end:
                assert not raw.got, f"{end} after {said}"
                said.append("closed")
                break
            if answer.status == 405 and answer.header("allow") == "GET, HEAD":
                said.append("open")
                break
            said.append(heard(answer))
    assert agent.get(service, "/healthz").status == 200
    return ", ".join(said)


def heard(answer):
    """The status, with the code of a refusal: its document and headers are the platform's, whoever
    noticed what is wrong."""
    names = [name for name, _ in answer.headers]
    twice = {name for name in names if names.count(name) > 1}
    if answer.status < 400 and not twice:
        return str(answer.status)
    ours = (answer.header("content-type") == "application/json; charset=utf-8"
            and answer.header("x-content-type-options") == "nosniff"
            and answer.header("cache-control") == "no-store" and answer.header("x-request-id")
            and answer.code and answer.json()["error"]["message"] and not twice)
    return f"{answer.status} {answer.code}" if ours else f"{answer.status} in no shape of ours"
