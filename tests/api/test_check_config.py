# SPDX-License-Identifier: MIT
"""What --check-config calls valid starts, and what a start refuses it refuses, in the same words."""
import json
import os
import socket
import subprocess

import pytest

from agent import SERVICES
from process import BUILD
from waiting import wait_for

SETTINGS = 78


def run(place, *args, **env):
    listen = {f"YIJIAN_LISTEN_{s.upper().replace('-', '_')}": "127.0.0.1:0" for s in SERVICES}
    return subprocess.run([BUILD / "yijiand", *args], capture_output=True, text=True, timeout=60,
                          env={"LC_ALL": "C.UTF-8", "YIJIAN_STATE_DIR": str(place / "state"),
                               **listen, **env})


def said_by_start(done):
    """The reason in the log's last line, or what was printed before there was a log."""
    lines = done.stderr.splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return records[-1]["detail"] if records else lines[0].removeprefix("yijiand: ")


def refused_by_both(place, says, *args, **env):
    checked = run(place, *args, "--check-config", **env)
    started = run(place, *args, **env)
    assert checked.returncode == started.returncode == SETTINGS, checked.stderr + started.stderr
    assert checked.stdout == ""
    reason = said_by_start(started)
    assert says in reason and reason in checked.stderr, (reason, checked.stderr)


@pytest.fixture
def taken():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "127.0.0.1:%d" % server.getsockname()[1]


@pytest.mark.parametrize("name, value, says", [
    ("TRUSTED_PEERS", "10.0.0.0/33", "YIJIAN_TRUSTED_PEERS"),
    ("TRUSTED_PEERS", "172.17.0.0/16,nonsense", "YIJIAN_TRUSTED_PEERS"),
    ("TRUSTED_PEERS", "0.0.0.0/0", "YIJIAN_TRUSTED_PEERS"),
    ("LISTEN_KEY_MANAGER", "nohost:0", "nohost"),
    ("LISTEN_KEY_MANAGER", "127.0.0.1:0,127.0.0.1", "YIJIAN_LISTEN_KEY_MANAGER"),
    ("LISTEN_KEY_MANAGER", "127.0.0.1:70000", "YIJIAN_LISTEN_KEY_MANAGER"),
    ("TRAFFIC_LOOPS", "many", "YIJIAN_TRAFFIC_LOOPS"),
    ("STATE_DIR", "relative", "YIJIAN_STATE_DIR"),
    ("UPSTREAM_CA_FILE", "/no/such/file", "YIJIAN_UPSTREAM_CA_FILE"),
    *[("CORS_ORIGINS", value, "YIJIAN_CORS_ORIGINS") for value in (
        "*", "https://*.example", "https://app.example/", "app.example", "null", "https://App.example",
        "https://app.example:443", "http://a.example:80", "https://", "://a", "https://a.example,*",
        "https://a b")],
    ("VENDOR_REGIONS", "aliyun", "YIJIAN_VENDOR_REGIONS"),
    ("LISTEN_ROUTER_ENGINE", "192.0.2.1:0", "192.0.2.1")])
def test_what_a_start_refuses(tmp_path, name, value, says):
    more = {"YIJIAN_INSECURE_BIND": "1"} if "192.0.2" in value or "nohost" in value else {}
    refused_by_both(tmp_path, says, **{"YIJIAN_" + name: value, **more})
    assert not (tmp_path / "state" / "yijian.db").exists()


def test_a_port_somebody_has(tmp_path, taken):
    refused_by_both(tmp_path, f"pid {os.getpid()}", YIJIAN_LISTEN_KEY_MANAGER=taken)


def test_one_port_for_two_services(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    one = f"127.0.0.1:{port}"
    refused_by_both(tmp_path, "two services", YIJIAN_LISTEN_KEY_MANAGER=one, YIJIAN_LISTEN_ROUTER_ENGINE=one)


def test_a_setting_there_is_not(tmp_path):
    file = tmp_path / "agent.env"
    file.write_text("YIJIAN_LISTEN_KEYMANAGER=127.0.0.1:0\n")
    refused_by_both(tmp_path, "unknown setting", "--config", str(file))


def test_valid_is_what_starts_and_nothing_is_left_behind(tmp_path, make_agent):
    done = run(tmp_path, "--check-config")
    assert done.returncode == 0 and done.stdout.startswith("the settings are valid\n")
    assert "only a start" in done.stdout and done.stderr == ""
    assert os.listdir(tmp_path) == []
    make_agent(state_dir=tmp_path / "state")


def test_beside_the_agent_that_runs_its_own_ports_are_not_judged(tmp_path, agent, taken):
    mine = {f"YIJIAN_LISTEN_{s.upper().replace('-', '_')}": agent.ports[s][0] for s in SERVICES}
    done = run(tmp_path, "--check-config", **{**mine, "YIJIAN_STATE_DIR": str(agent.state_dir)})
    assert done.returncode == 0, done.stderr
    assert "not judged" in done.stdout
    assert agent.get("api-gateway", "/healthz").status == 200
    other = run(tmp_path, "--check-config", **mine)
    assert other.returncode == SETTINGS and "in use" in other.stderr
    moved = run(tmp_path, "--check-config", **{
        **mine, "YIJIAN_STATE_DIR": str(agent.state_dir), "YIJIAN_LISTEN_KEY_MANAGER": taken})
    assert moved.returncode == SETTINGS and taken in moved.stderr


def test_a_socket_that_cannot_be_is_said(tmp_path, make_agent):
    path = "/tmp/" + "x" * 120
    done = run(tmp_path, "--check-config", YIJIAN_SOCKET=path)
    assert done.returncode == 0 and "too long" in done.stdout
    agent = make_agent(env={"YIJIAN_SOCKET": path})
    assert wait_for(lambda: [r for r in agent.log_records() if r["event"] == "no_socket"])
