# SPDX-License-Identifier: MIT
"""Upstreams that are bad before a byte of HTTP: nobody there, nobody answering, names that do not
resolve or resolve to where no call may go, certificates nobody should trust. Every one with four
kinds of call, alone and with one healthy fallback (see tests/lib/matrix.py)."""
import time

import pytest

from matrix import KINDS, Matrix
from network import (Authority, BlackHole, ClosedPort, Listener, half_closing, resolver, silent,
                     tls_front)

GW = "api-gateway"
REFUSED, LATE = "all_upstreams_failed", "upstream_timeout"
# name: how the port behaves, the code a caller sees when nobody else can answer
PORTS = {
    "closed": (ClosedPort, REFUSED),
    "black_hole": (BlackHole, LATE),
    "silent": (lambda: Listener(silent), LATE),
    "half_closing": (lambda: Listener(half_closing), REFUSED),
}
CERTIFICATES = {
    "expired": {"dates": "expired"},
    "not_yet_valid": {"dates": "future"},
    "wrong_name": {"of": "DNS:other.example,IP:192.0.2.7"},
    "self_signed": {"own": True},
}
NAMES = {"nxdomain": REFUSED, "servfail": REFUSED, "slow": LATE, "metadata": REFUSED}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def agent(make_agent, authority, tmp_path):
    env = resolver(tmp_path) | {"YIJIAN_UPSTREAM_CA_FILE": authority.file}
    return make_agent(env=env)


@pytest.fixture
def matrix(agent, vendord):
    return Matrix(agent, vendord)


def alone(seen):
    """What callers without a fallback were told."""
    return {seen[kind, False][1] for kind in KINDS}


@pytest.mark.parametrize("name", PORTS)
def test_port(matrix, name):
    make, code = PORTS[name]
    port = make()
    try:
        assert alone(matrix.run(f"http://127.0.0.1:{port.port}")) == {code}
    finally:
        port.close()


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificate(matrix, make_vendord, authority, name):
    bad = make_vendord(no_auth=True)
    front = tls_front(authority.certificate(name, **CERTIFICATES[name]), bad.address)
    try:
        assert alone(matrix.run(f"https://127.0.0.1:{front.port}")) == {REFUSED}
        assert bad.stats()["requests"] == 0, "nothing is said to who cannot prove its name"
    finally:
        front.close()


def test_certificate_that_is_good(matrix, make_vendord, authority):
    """The same road with a good certificate answers: the faults above are what they seem."""
    good = make_vendord(no_auth=True)
    front = tls_front(authority.certificate("good"), good.address)
    try:
        seen = matrix.run(f"https://127.0.0.1:{front.port}")
        assert all(result[2] for result in seen.values()), seen
        assert good.stats()["requests"] >= len(seen)
    finally:
        front.close()


def test_tls_towards_who_speaks_none(matrix, make_vendord):
    plain = make_vendord(no_auth=True)  # waits for the end of a head
    assert alone(matrix.run(f"https://127.0.0.1:{plain.port}")) == {LATE}
    assert plain.stats()["requests"] == 0


def test_tls_that_never_answers(matrix):
    port = Listener(silent)
    try:
        assert alone(matrix.run(f"https://127.0.0.1:{port.port}")) == {LATE}
    finally:
        port.close()


@pytest.mark.parametrize("name", NAMES)
def test_name(matrix, make_vendord, name):
    bad = make_vendord(no_auth=True)
    assert alone(matrix.run(f"http://{name}.fault.test:{bad.port}")) == {NAMES[name]}
    assert bad.stats()["requests"] == 0


def test_a_slow_name_holds_up_nobody(agent, vendord, make_vendord):
    """A call that is given up while its name is still looked up must not wait for the look-up."""
    matrix = Matrix(agent, vendord)
    local = make_vendord(no_auth=True)
    for _ in range(3):
        begin = time.monotonic()
        matrix.trial("chat", True, f"http://slow.fault.test:{local.port}")
        assert agent.get(GW, "/healthz").status == 200
        assert time.monotonic() - begin < 15


def test_a_name_that_turns_to_loopback(make_agent, make_vendord, tmp_path):
    """What an address is, is judged when it is dialled and not when it was written down."""
    agent = make_agent(env=resolver(tmp_path) | {"YIJIAN_ALLOW_LOOPBACK_UPSTREAMS": "0"})
    victim = make_vendord(no_auth=True)
    for name in ("loopback", "flips"):
        agent.add_instance(f"http://{name}.fault.test:{victim.port}", service="turned", id=name)
    for _ in range(4):
        answer = agent.chat()
        assert answer.status in (502, 503, 504), answer
    assert victim.stats()["connections"]["accepted"] == 1, "the one that asks this"


def test_a_redirect_to_the_agent_itself(matrix, make_vendord):
    bad = make_vendord(no_auth=True)
    bad.faults([{"match": {"path": "/v1/*"},
                 "fault": {"redirect": matrix.agent.url("key-manager") + "/api/v1/keys"}}])
    assert alone(matrix.run(bad.url)) == {"upstream_bad_response"}
