# SPDX-License-Identifier: MIT
"""Whose the state is: one agent per directory and socket, nobody else's hands on it, and a root key
that cannot be used says why, everywhere."""
import json
import os
import socket
import stat
import subprocess

import pytest

import unix_call
from agent import Agent
from process import BUILD
from test_process import ports_env, run
from waiting import wait_for

SERVICES_LIST = "/api/v1/services"


def start_fails(state, *args, **env):
    """A start that must not come up: (exit status, its last record)."""
    done = run(*args, env=ports_env(YIJIAN_STATE_DIR=str(state), **env))
    return done.returncode, json.loads(done.stderr.splitlines()[-1])


def check_config(state, **env):
    return run("--check-config", env=ports_env(YIJIAN_STATE_DIR=str(state), **env))


def run_console(agent, *args):
    return subprocess.run([BUILD / "yijian", "--agent", agent.url(), *args], capture_output=True,
                          text=True, timeout=60, env={"LC_ALL": "C.UTF-8", "HOME": str(agent.state_dir),
                                                      "PATH": os.environ["PATH"], "COLUMNS": "400"})


# ---- one agent alone ----

def test_a_live_socket_is_not_taken(agent, tmp_path):
    path = agent.state_dir / "agent.sock"
    before = os.stat(path)
    status, said = start_fails(tmp_path / "other", YIJIAN_SOCKET=str(path))
    assert status == 75, said
    assert str(path) in said["detail"] and f"pid {agent.pid}" in said["detail"], said
    assert "YIJIAN_SOCKET" in said["hint"]
    after = os.stat(path)
    assert (before.st_ino, before.st_dev) == (after.st_ino, after.st_dev)
    assert unix_call.request(agent, "GET", SERVICES_LIST).status == 200


def test_a_dead_agents_socket_is_taken_over(make_agent, tmp_path):
    path = tmp_path / "shared.sock"
    first = make_agent(env={"YIJIAN_SOCKET": str(path)})
    dead = os.stat(path)
    first.kill9()
    first.child = None
    assert stat.S_ISSOCK(os.stat(path).st_mode), "kill -9 leaves the name"
    second = make_agent(env={"YIJIAN_SOCKET": str(path)})
    assert os.stat(path).st_ctime_ns != dead.st_ctime_ns
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
    second.stop()
    assert not path.exists()


def test_of_several_that_start_at_once_one_gets_the_socket(tmp_path):
    path = tmp_path / "wanted.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))  # nobody listens any more
    agents = [Agent(scratch=tmp_path, name=f"starter{i}", state_dir=tmp_path / f"s{i}",
                    env={"YIJIAN_SOCKET": str(path)}) for i in range(4)]
    for agent in agents:
        agent.spawn()
    try:
        wait_for(lambda: all(a.read_ports() or not a.alive() for a in agents), 60, "all to decide")
        alive = [a for a in agents if a.alive()]
        assert len(alive) == 1, [a.log()[-300:] for a in agents]
        assert all(a.child.returncode == 75 for a in agents if a is not alive[0])
        assert unix_call.Connection(path).connect() is None
    finally:
        for agent in agents:
            if agent.alive():
                agent.stop()
    assert not path.exists()


def test_only_ones_own_socket_goes(make_agent, tmp_path):
    path = tmp_path / "moved.sock"
    agent = make_agent(env={"YIJIAN_SOCKET": str(path)})
    os.rename(path, tmp_path / "ours.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        agent.stop()
        assert path.exists(), "what another made there stays"


def test_a_state_directory_in_use_names_its_holder(agent):
    ports = agent.ports_path.read_text()
    status, said = start_fails(agent.state_dir)
    assert status == 75, said
    assert str(agent.state_dir) in said["detail"] and f"pid {agent.pid}" in said["detail"], said
    assert agent.ports_path.read_text() == ports
    assert unix_call.request(agent, "GET", SERVICES_LIST).status == 200


def test_a_state_directory_without_its_database_is_held_as_well(agent):
    agent.stop()
    for name in os.listdir(agent.state_dir):
        if name.startswith("yijian.db"):
            os.unlink(agent.state_dir / name)
    agent.start()  # from the kept configuration
    assert start_fails(agent.state_dir)[0] == 75
    assert agent.get("config-center", "/healthz").body["status"] == "degraded"


# ---- nobody else's hands ----

@pytest.mark.parametrize("mode", [0o777, 0o770, 0o707, 0o1777, 0o720, 0o702])
def test_a_state_directory_others_may_write(tmp_path, mode):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    status, said = start_fails(state)
    assert status == 78 and str(state) in said["detail"]
    assert said["hint"] == f"chmod go-w {state}"
    assert os.listdir(state) == []
    done = check_config(state)
    assert done.returncode == 78 and f"chmod go-w {state}" in done.stderr and not done.stdout
    state.chmod(mode & ~0o22)
    assert check_config(state).returncode == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a directory away needs root")
def test_a_state_directory_of_another_user(tmp_path):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.chown(state, 65534, -1)
    status, said = start_fails(state)
    assert status == 78 and said["hint"].endswith(f"chown 0 {state}"), said
    done = check_config(state)  # root looks at what a service's user starts
    assert done.returncode == 0 and done.stdout.startswith("the settings are valid\n"), done
    assert "uid 65534" in done.stdout and "started by root, the agent refuses it" in done.stdout
    state.chmod(0o777)
    assert check_config(state).returncode == 78


def test_a_file_as_state_directory(tmp_path):
    state = tmp_path / "state"
    state.write_text("")
    assert start_fails(state)[0] == 78
    assert check_config(state).returncode == 78


@pytest.mark.parametrize("name", ["yijian.db", "snapshot.json", "ports.json"])
def test_a_fifo_in_the_state_directory(tmp_path, name):
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    os.mkfifo(state / name)
    status, said = start_fails(state)
    assert status == 78 and str(state / name) in said["detail"]
    assert check_config(state).returncode == 78


def test_files_others_may_read_are_closed(agent):
    agent.stop()
    for name in ("yijian.db", "snapshot.json"):
        os.chmod(agent.state_dir / name, 0o664)
    agent.start()
    for name in os.listdir(agent.state_dir):
        mode = stat.S_IMODE(os.stat(agent.state_dir / name).st_mode)
        assert mode == (0o666 if name == "agent.sock" else 0o600), name
    wait_for(lambda: agent.log().count("mode_tightened") == 2, what="what is said of both files")


# ---- root keys that cannot be used ----

def wrong_mode(path):
    path.write_text("0" * 64)
    path.chmod(0o640)


def world_readable(path):
    path.write_text("0" * 64)
    path.chmod(0o604)


def empty(path):
    path.touch(mode=0o600)


def short(path):
    path.write_text("0" * 63)
    path.chmod(0o600)


def link(path):
    real = path.parent / "real.key"
    real.write_text("0" * 64)
    real.chmod(0o600)
    path.symlink_to(real)


def fifo(path):
    os.mkfifo(path, 0o600)


ROOT_KEYS = [(wrong_mode, "chmod 600"), (world_readable, "chmod 600"), (empty, "is empty"),
             (short, "is not 32 bytes"), (lambda path: path.mkdir(mode=0o700), "is a directory"),
             (link, "symbolic link"), (fifo, "not a regular file")]
IDS = ["group", "world", "empty", "short", "directory", "link", "fifo"]


@pytest.mark.parametrize("make, says", ROOT_KEYS, ids=IDS)
def test_a_first_start_without_a_usable_root_key(tmp_path, make, says):
    key, state = tmp_path / "root.key", tmp_path / "state"
    make(key)
    status, said = start_fails(state, YIJIAN_ROOT_KEY_FILE=str(key))
    assert status == 78 and str(key) in said["detail"], said
    assert says in said["detail"] + said.get("hint", ""), said
    done = check_config(state, YIJIAN_ROOT_KEY_FILE=str(key))
    assert done.returncode == 78 and says in done.stderr and str(key) in done.stderr


@pytest.mark.parametrize("make, says", [*ROOT_KEYS, (lambda path: None, "is not there")],
                         ids=[*IDS, "missing"])
def test_known_state_without_a_usable_root_key(agent, tmp_path, make, says):
    key = tmp_path / "elsewhere.key"
    agent.stop()
    make(key)
    agent.env["YIJIAN_ROOT_KEY_FILE"] = str(key)
    agent.start()
    logged = agent.wait("a line about the root key",  # a thread of its own writes the log
                        lambda: [r for r in agent.log_records() if str(key) in r.get("detail", "")])
    assert says in logged[0]["detail"], agent.log()
    health = agent.get("key-manager", "/healthz")
    assert health.status == 200 and health.body["status"] == "degraded"
    reason = [r for r in health.body["reasons"] if r.startswith("sealed")]
    assert len(reason) == 1 and says in reason[0] and str(key) in reason[0]
    said = agent.get("api-gateway", "/api/v1/status").body["agent"]
    assert said["sealed"] is True and says in said["sealed_reason"]
    done = run_console(agent, "doctor")
    assert says in done.stdout, done.stdout
    done = check_config(agent.state_dir, YIJIAN_ROOT_KEY_FILE=str(key))
    assert done.returncode == 0 and says in done.stderr and "sealed" in done.stderr


def test_another_root_key(agent, tmp_path):
    key = tmp_path / "other.key"
    agent.stop()
    key.write_text("1" * 64)
    key.chmod(0o600)
    agent.env["YIJIAN_ROOT_KEY_FILE"] = str(key)
    agent.start()
    said = agent.get("api-gateway", "/api/v1/status").body["agent"]
    assert said["sealed"] is True and "does not open" in said["sealed_reason"]
    agent.stop()
    del agent.env["YIJIAN_ROOT_KEY_FILE"]
    agent.start()
    said = agent.get("api-gateway", "/api/v1/status").body["agent"]
    assert said["sealed"] is False and said["sealed_reason"] is None
