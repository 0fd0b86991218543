# SPDX-License-Identifier: MIT
"""One of the two default addresses may be missing on a host; ids say what they may be made of."""
import subprocess

import network
import pytest
from process import BUILD, Process

SERVICES = {"api-gateway": 8000, "config-center": 8001, "key-manager": 8002,
            "service-registry": 8003, "router-engine": 8004}
DEFAULTS = {f"YIJIAN_LISTEN_{name.upper().replace('-', '_')}": f"127.0.0.1:{port},[::1]:{port}"
            for name, port in SERVICES.items()}  # a network of its own: these ports are free in it


def network_of(address):
    before, why_not = network.alone(address)
    if why_not:
        pytest.skip(f"no network namespace here: {why_not}")
    return before


def console(agent, *args):
    """The console beside the agent, with its own default address."""
    return subprocess.run(network.beside(agent.pid, BUILD / "yijian", *args), capture_output=True,
                          text=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})


@pytest.mark.parametrize("there, missing, bound", [
    ("::1", "127.0.0.1", "[::1]"), ("127.0.0.1", "[::1]", "127.0.0.1")], ids=["ipv6", "ipv4"])
def test_one_default_address_is_enough(make_agent, there, missing, bound):
    agent = make_agent(before=network_of(there), env=DEFAULTS)
    assert agent.ports == {name: [f"{bound}:{port}"] for name, port in SERVICES.items()}
    told = [r for r in agent.log_records() if r.get("event") == "address_missing"]
    assert {(r["service"], r["address"]) for r in told} == {
        (name, f"{missing}:{port}") for name, port in SERVICES.items()}
    seen = console(agent, "service", "list", "-o", "json")
    assert seen.returncode == 0, seen
    assert f"http://{bound}:8001" in seen.stdout


def test_with_neither_it_says_what_is_missing(tmp_path):
    (tmp_path / "state").mkdir(mode=0o700)
    agent = Process([*network_of("none"), BUILD / "yijiand"], tmp_path, "yijiand", {
        "YIJIAN_STATE_DIR": str(tmp_path / "state"), **DEFAULTS})
    agent.spawn()
    assert agent.child.wait(60) == 78
    assert "127.0.0.1:8000, [::1]:8000" in agent.log() and "ip link set lo up" in agent.log()


ID_LETTERS = "must be a-z 0-9 . _ - and begin with a letter or digit"


@pytest.mark.parametrize("method, service, path, body, field", [
    ("POST", "config-center", "/api/v1/features", {"name": "Text To Image"}, "name"),
    ("PUT", "service-registry", "/api/v1/services/sd/instances/GPU7",
     {"url": "http://127.0.0.1:7860"}, "id"),
    ("PUT", "service-registry", "/api/v1/services/SD/instances/gpu7",
     {"url": "http://127.0.0.1:7860"}, "service"),
    ("POST", "service-registry", "/api/v1/services",
     {"service": "sd", "id": "gpu 7", "url": "http://127.0.0.1:7860"}, "id"),
    ("POST", "key-manager", "/api/v1/keys",
     {"vendor": "OpenAI", "service": "gpt-4", "key_name": "k", "api_key": "sk-0123456789"}, "vendor"),
    ("POST", "api-gateway", "/api/v1/alerts/rules", {"name": "My rule"}, "name"),
])
def test_a_refused_id_says_what_it_may_be(agent, method, service, path, body, field):
    answer = agent.request(service, method, path, body)
    assert answer.status == 422, answer
    error = answer.body["error"]
    assert (error["code"], error["field"]) == ("field_charset", field)
    assert ID_LETTERS in error["message"], error
    assert not any(str(v) in error["message"] for v in body.values()), "never the offending value"


@pytest.mark.parametrize("body, field, said", [
    ({"key_name": "a\u202eb"}, "key_name", "bidirectional"),
    ({"base_url": "http://a b"}, "base_url", "without blanks"),
    ({"note": "a\x01b"}, "note", "without control"),
])
def test_other_text_says_so_too(agent, body, field, said):
    answer = agent.post("key-manager", "/api/v1/keys", {
        "vendor": "openai", "service": "gpt-4", "key_name": "k", "api_key": "sk-0123456789", **body})
    assert answer.status == 422, answer
    error = answer.body["error"]
    assert (error["code"], error["field"]) == ("field_charset", field) and said in error["message"]
