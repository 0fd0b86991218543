# SPDX-License-Identifier: MIT
"""Upstreams that are bad before a byte of HTTP: nobody there, nobody answering, names that do not
resolve or resolve to where no call may go, certificates nobody should trust. Every one with four
kinds of call, alone and with one healthy fallback (see tests/lib/matrix.py)."""
import concurrent.futures
import os
import time

import pytest

from matrix import KINDS, Matrix
from waiting import wait_for
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


# ---- names whose address says another thing than they do ----

REGISTRY = "service-registry"


def register(agent, name, url, headers=()):
    answer = agent.request(REGISTRY, "PUT", f"/api/v1/services/near/instances/{name}", {
        "url": url, "engine": "vllm", "features": ["chat"], "check": {"timeout_ms": 500, "interval_s": 1}},
        headers=headers)
    assert answer.status in (200, 201), answer
    return answer.body


def probed(agent, name):
    answer = agent.post(REGISTRY, f"/api/v1/services/near/instances/{name}/check", {})
    return answer.error or answer.body.get("code") or str(answer.body)


def test_a_local_name_with_a_public_address(agent, make_vendord):
    """Who may not register a public address does not reach one by a name either."""
    made = agent.post("key-manager", "/api/v1/tokens", {"name": "gpu", "role": "service"}).body
    token = {"Authorization": f"Bearer {made['token']}"}
    url = "http://public.fault.test:9"
    assert register(agent, "gpu1", url, token)["reach"] == "site"
    assert "upstream_url_forbidden" in probed(agent, "gpu1"), probed(agent, "gpu1")
    assert agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "all_down": "least_bad"}).status == 200
    answer = agent.chat()
    assert answer.status == 502, answer
    record = agent.get("router-engine", "/api/v1/decisions/"
                       + answer.headers["X-Yijian-Decision"]).body
    assert record["attempts"][0]["code"] == "upstream_url_forbidden", record
    # Nor does an admin's token that is narrowed to services: neither by name nor by number.
    made = agent.post("key-manager", "/api/v1/tokens", {
        "name": "narrow", "role": "admin", "scopes": ["services:write"]}).body
    narrow = {"Authorization": f"Bearer {made['token']}"}
    assert register(agent, "gpu1", url, narrow)["reach"] == "site"
    answer = agent.request(REGISTRY, "PUT", "/api/v1/services/near/instances/gpu3",
                           {"url": "http://203.0.113.9"}, headers=narrow)
    assert (answer.status, answer.error) == (403, "role_forbidden"), answer
    # An admin may say so, and what an admin said holds for the same address alone.
    assert register(agent, "gpu1", url)["reach"] == "anywhere"
    assert "forbidden" not in probed(agent, "gpu1")
    assert register(agent, "gpu1", url, token)["reach"] == "anywhere"
    assert register(agent, "gpu1", url + "0", token)["reach"] == "site"
    # It outlives a restart, and what is near is reached.
    local = make_vendord(flavour="vllm", no_auth=True)
    register(agent, "gpu2", f"http://loopback.fault.test:{local.port}", token)
    agent.restart()
    assert "upstream_url_forbidden" in probed(agent, "gpu1")
    assert agent.get(REGISTRY, "/api/v1/services/near/instances/gpu2").body["reach"] == "site"
    assert agent.post(REGISTRY, "/api/v1/services/near/instances/gpu2/check", {}).status == 200
    wait_for(lambda: agent.chat().status == 200, what="the near one answers")


def threads(agent):
    return len(os.listdir(f"/proc/{agent.pid}/task"))


def test_names_that_do_not_resolve_take_few_threads(make_agent, make_vendord, tmp_path):
    """However many are looked up: a bounded number at once, and traffic is not behind them."""
    names = tmp_path / "names"
    agent = make_agent(env=resolver(tmp_path) | {"YIJIAN_TEST_NAMES": str(names)})
    local = make_vendord(flavour="vllm", no_auth=True)
    agent.add_key(f"http://localhost:{local.port}")
    before = threads(agent)
    try:
        for i in range(60):
            register(agent, f"gpu{i}", f"http://held{i}.fault.test:{local.port}")
        assert agent.request("config-center", "PATCH", "/api/v1/features/chat", {
            "auto_join": False}).status == 200
        wait_for(lambda: threads(agent) > before, what="names looked up")
        most = 0
        for _ in range(8):
            local.close_idle()  # so that each call connects anew
            answer = agent.chat()
            assert answer.status == 200, answer
            most = max(most, threads(agent) - before)
            agent.post(REGISTRY, "/api/v1/services/near/instances/gpu1/check", {})
        assert 0 < most <= 24
    finally:
        names.touch()
    wait_for(lambda: threads(agent) <= before, what="threads that end")
    wait_for(lambda: agent.get(REGISTRY, "/api/v1/services/near/instances/gpu59").body["health"]
             == "passing", what="the last one probed")


def test_a_token_registers_so_many(agent):
    made = agent.post("key-manager", "/api/v1/tokens", {"name": "fleet", "role": "service"}).body
    token = {"Authorization": f"Bearer {made['token']}"}

    def put(i, headers=token):
        return agent.request(REGISTRY, "PUT", f"/api/v1/services/many/instances/i{i}", {
            "url": "http://127.0.0.1:9", "engine": "vllm", "ttl_s": 600}, headers=headers)
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert {a.status for a in pool.map(put, range(256))} == {201}
    answer = put(256)
    assert (answer.status, answer.error) == (409, "conflict_state"), answer
    assert "256" in answer.body["error"]["message"] and answer.body["error"]["hint"]
    assert put(3).status == 200, "what is there may be registered again"
    assert put(256, headers=()).status == 201, "an operator's are not counted"
    assert agent.request(REGISTRY, "DELETE", "/api/v1/services/many/instances/i3",
                         headers=token).status in (200, 204)
    assert put(257).status == 201


def test_those_who_answer_are_looked_at_beside_those_who_do_not(agent, make_vendord):
    good = make_vendord(flavour="vllm", no_auth=True)
    hole = Listener(silent)
    try:
        register(agent, "good", good.url)
        wait_for(lambda: agent.get(REGISTRY, "/api/v1/services/near/instances/good").body["health"]
                 == "passing", what="the good one")
        for i in range(80):
            answer = agent.request(REGISTRY, "PUT", f"/api/v1/services/dark/instances/i{i}", {
                "url": f"http://127.0.0.1:{hole.port}", "engine": "vllm",
                "check": {"timeout_ms": 30000, "interval_s": 1}})
            assert answer.status == 201, answer
        looks = good.stats()["by_path"]["/health"]
        good.wait_stats(lambda s: s["by_path"]["/health"] >= looks + 8, what="looked at as before")
    finally:
        hole.close()
