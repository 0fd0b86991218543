# SPDX-License-Identifier: MIT
"""The agent as a process: start, stop, signals, settings, ports."""
import contextlib
import ctypes
import fcntl
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from agent import SERVICES
from process import BUILD
from raw import head
from waiting import wait_for

REGISTRY = "service-registry"


def run(*args, env=None, timeout=60):
    return subprocess.run([BUILD / "yijiand", *args], capture_output=True, text=True,
                          env={"LC_ALL": "C.UTF-8", **(env or {})}, timeout=timeout)


def ports_env(**more):
    return {f"YIJIAN_LISTEN_{s.upper().replace('-', '_')}": "127.0.0.1:0" for s in SERVICES} | more


def test_version_help_and_texts(tmp_path):
    env = {"HOME": str(tmp_path)}
    assert run("--version", env=env).stdout.startswith("yijiand ")
    text = run("--help", env=env)
    assert text.returncode == 0 and "--state-dir" in text.stdout
    assert "YIJIAN_TRUSTED_PEERS" in text.stdout
    assert "\n.TH YIJIAND 8 " in run("--man", env=env).stdout


def test_precedence_and_origin(tmp_path):
    file = tmp_path / "yijiand.env"
    file.write_text("# comment\nYIJIAN_DRAIN_S=5\nYIJIAN_LOG_LEVEL=\"warn\"\n"
                    "YIJIAN_TRAFFIC_LOOPS=3\nYIJIAN_SHARED=\n")
    env = {"YIJIAN_CONFIG": str(file), "YIJIAN_STATE_DIR": str(tmp_path),
           "YIJIAN_TRAFFIC_LOOPS": "4", "YIJIAN_LOG_LEVEL": "error"}
    out = run("--log-level=debug", "--print-config", env=env).stdout.splitlines()
    assert f"# file: {file}" in out
    assert "YIJIAN_DRAIN_S=5 # file" in out
    assert "YIJIAN_TRAFFIC_LOOPS=4 # environment" in out
    assert "YIJIAN_LOG_LEVEL=debug # flag" in out
    assert "YIJIAN_STORE=sqlite # default" in out
    assert f"YIJIAN_ROOT_KEY_FILE={tmp_path}/root.key # default" in out


@pytest.mark.parametrize("text, says", [
    ("YIJIAN_DRIAN_S=5", "YIJIAN_DRAIN_S"), ("nonsense", "KEY=value"),
    ("YIJIAN_DRAIN_S=-1", "YIJIAN_DRAIN_S"), ("YIJIAN_PEER_TRUST=maybe", "true or false"),
    ("YIJIAN_LOG_LEVEL=loud", "debug"), ("YIJIAN_LISTEN_KEY_MANAGER=8002", "host:port"),
    ("YIJIAN_LISTEN_KEY_MANAGER=1.2.3.4:99999", "host:port"), ("YIJIAN_STORE=mysql://x", "sqlite"),
    ("YIJIAN_UPSTREAM_CA_FILE=/no/such/file", "YIJIAN_UPSTREAM_CA_FILE"),
    ("YIJIAN_UPSTREAM_CA_FILE=/dev", "YIJIAN_UPSTREAM_CA_FILE"),
    ("YIJIAN_UPSTREAM_CA_FILE=/dev/tty", "YIJIAN_UPSTREAM_CA_FILE"),
    ("YIJIAN_LISTEN_API_GATEWAY=0.0.0.0:8000", "YIJIAN_INSECURE_BIND")])
def test_bad_settings(tmp_path, text, says):
    file = tmp_path / "yijiand.env"
    file.write_text(text + "\n")
    done = run("--config", str(file), "--check-config", env={"YIJIAN_STATE_DIR": str(tmp_path)})
    assert done.returncode == 78 and says in done.stderr
    assert run("--config", str(file), env={"YIJIAN_STATE_DIR": str(tmp_path)}).returncode == 78


def test_bad_usage(tmp_path):
    done = run("--state-dri", "/x", env={"HOME": str(tmp_path)})
    assert done.returncode == 2 and "--state-dir" in done.stderr
    assert run("--state-dir", env={"HOME": str(tmp_path)}).returncode == 2
    for path in (tmp_path / "missing", tmp_path):
        assert run("--config", str(path), "--check-config").returncode == 78


def test_state_dir_rule(tmp_path):
    if os.geteuid() == 0:
        assert "YIJIAN_STATE_DIR=/var/lib/yijian #" in run("--print-config").stdout
        return
    out = run("--print-config", env={"XDG_STATE_HOME": str(tmp_path)}).stdout
    assert f"YIJIAN_STATE_DIR={tmp_path}/yijian #" in out


def test_a_busy_port_names_its_holder(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        env = ports_env(YIJIAN_STATE_DIR=str(tmp_path / "s"),
                        YIJIAN_LISTEN_KEY_MANAGER=f"127.0.0.1:{port}")
        done = run(env=env)
    assert done.returncode == 78
    said = json.loads(done.stderr.splitlines()[-1])
    assert f"127.0.0.1:{port}" in said["detail"] and f"pid {os.getpid()}" in said["detail"]
    assert not (tmp_path / "s" / "yijian.db").exists()


def test_state_held_by_another(agent):
    done = run(env=ports_env(YIJIAN_STATE_DIR=str(agent.state_dir)))
    assert done.returncode == 75, done.stderr
    assert agent.get(REGISTRY, "/healthz").status == 200


def test_ports_and_files_are_private(agent):
    assert set(agent.ports) == set(SERVICES)
    for name in os.listdir(agent.state_dir):
        mode = os.stat(agent.state_dir / name).st_mode & 0o777
        assert mode == (0o666 if name == "agent.sock" else 0o600), name
    assert os.stat(agent.state_dir).st_mode & 0o777 == 0o700


def test_ports_json_goes_with_the_agent(agent):
    agent.stop()
    assert not agent.ports_path.exists()
    assert not (agent.state_dir / "agent.sock").exists()


def test_second_start_keeps_state(agent):
    revision = agent.get("config-center", "/healthz").body["revision"]
    agent.stop()
    agent.start()
    assert agent.get("config-center", "/healthz").body["revision"] == revision


def test_stop_ends_event_streams_at_once(agent):
    with agent.connect("api-gateway") as raw:
        raw.send(head("GET", "/api/v1/events", "Accept: text/event-stream"))
        assert raw.take_line().startswith(b"HTTP/1.1 200")
        begin = time.monotonic()
        agent.stop()
        assert time.monotonic() - begin < 10


def test_second_signal_does_not_wait(agent):
    with agent.connect(REGISTRY) as raw:
        raw.send(head("POST", "/api/v1/services", "Content-Length: 2", body=b"{"))
        wait_for(lambda: 'yijian_http_connections{service="service-registry"} 2' in agent.get(
            REGISTRY, "/metrics").body.decode(), 30, "connected")
        begin = time.monotonic()
        agent.signal(signal.SIGTERM)
        wait_for(lambda: "stopping" in agent.log(), 30, "stopping")
        agent.stop()
        assert time.monotonic() - begin < 10


def test_reload(make_agent, tmp_path):
    file = tmp_path / "yijiand.env"
    file.write_text("YIJIAN_LOG_LEVEL=info\n")
    agent = make_agent(args=["--config", str(file)])
    file.write_text("YIJIAN_LOG_LEVEL=debug\n")
    agent.signal(signal.SIGHUP)
    wait_for(lambda: '"event":"reloaded"' in agent.log(), 30, "reloaded")
    agent.get(REGISTRY, "/healthz")
    wait_for(lambda: '"endpoint":"healthz"' in agent.log(), 30, "debug lines")
    file.write_text("YIJIAN_LOG_LEVEL=loud\n")
    agent.signal(signal.SIGHUP)
    wait_for(lambda: '"event":"reload_failed"' in agent.log(), 30, "refused")
    assert agent.get(REGISTRY, "/healthz").status == 200


def test_tells_the_service_manager(make_agent, tmp_path):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        agent = make_agent(env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"})
        said = [manager.recv(200)]
        while b"WATCHDOG=1" not in said or b"READY=1" not in said:
            said.append(manager.recv(200))
        agent.signal(signal.SIGHUP)
        while not said[-1].startswith(b"RELOADING=1\nMONOTONIC_USEC="):
            said.append(manager.recv(200))
        agent.stop()
        while said[-1] != b"STOPPING=1":
            said.append(manager.recv(200))


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


class Halted:
    """One thread of a process, stopped as a debugger stops it."""

    def __init__(self, tid):
        self.tid, self.libc = tid, ctypes.CDLL(None, use_errno=True)

    def ask(self, request):
        if self.libc.ptrace(request, self.tid, None, None) != 0:
            pytest.skip(f"no thread can be stopped here: {os.strerror(ctypes.get_errno())}")

    def __enter__(self):
        self.ask(PTRACE_SEIZE)
        self.ask(PTRACE_INTERRUPT)
        os.waitpid(self.tid, 0x40000000)  # __WALL

    def __exit__(self, *_):
        self.ask(PTRACE_DETACH)


@pytest.mark.parametrize("which", ["control", "traffic-1", "traffic-2"])
def test_the_watchdog_hears_of_one_loop_that_hangs(make_agent, tmp_path, which):
    """It is fed after every loop has answered: one of them alone is enough for silence."""
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        agent = make_agent(args=["--traffic-loops", "2"],
                           env={"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "200000"})
        threads = {"control": agent.pid}
        threads |= {pathlib.Path(f"/proc/{agent.pid}/task/{tid}/comm").read_text().strip(): int(tid)
                     for tid in os.listdir(f"/proc/{agent.pid}/task")}

        def fed():
            while manager.recv(200) != b"WATCHDOG=1":
                pass
        fed()
        with Halted(threads[which]):
            manager.settimeout(1)
            end = time.monotonic() + 60
            with pytest.raises(TimeoutError):
                while time.monotonic() < end:
                    fed()
        manager.settimeout(30)
        fed()


def test_log_lines_are_json_with_the_request_id(make_agent):
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug"})
    answer = agent.get(REGISTRY, "/api/v1/nothing%1b%5b31m%0a")
    given = agent.get(REGISTRY, "/healthz").headers["X-Request-Id"]
    wait_for(lambda: given in agent.log(), 30, "line")
    assert answer.status == 400
    for line in agent.log().splitlines():
        assert json.loads(line)["event"]


def test_no_core_and_not_dumpable(agent):
    with open(f"/proc/{agent.pid}/limits", encoding="ascii") as limits:
        core = next(line for line in limits if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]
    if os.geteuid() != 0:
        with pytest.raises(PermissionError):
            os.readlink(f"/proc/{agent.pid}/exe")


def test_a_log_nobody_reads_stops_nothing(make_agent, tmp_path):
    """Whoever holds the other end of stderr and does not read it is not waited for."""
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug", "YIJIAN_TRAFFIC_LOOPS": "1"},
                       before=["sh", "-c", 'exec "$@" 2>"$0"', str(fifo)])

    def lost():
        text = agent.get("api-gateway", "/metrics").body.decode()
        return int(float(re.search(r"^yijian_log_lines_lost_total (\S+)$", text, re.M)[1]))
    with agent.connect() as raw:  # a line of the log each: more than pipe and ring hold
        for _ in range(50):
            raw.send(head("GET", "/healthz") * 50)
            assert [raw.answer().status for _ in range(50)] == [200] * 50
    for service in SERVICES:
        assert agent.get(service, "/healthz").status == 200
    assert lost() > 0
    text = b""

    def read_some():
        nonlocal text
        with contextlib.suppress(BlockingIOError):
            while more := os.read(reader, 65536):
                text += more
        return b'"log_lost"' in text
    wait_for(read_some, what="told what was lost")
    agent.child.send_signal(signal.SIGTERM)
    wait_for(lambda: read_some() and not agent.alive(), what="its end")
    read_some()
    lines = [json.loads(line) for line in text.splitlines()]
    # The line of the last request may come from another thread after the first of these.
    last = [line["event"] for line in lines if line["event"] != "request"][-2:]
    assert last == ["stopping", "stopped"] and lines[-1]["event"] == "stopped", "flushed at the end"
    agent.stop()
    os.close(reader)


def test_a_log_nobody_reads_does_not_hold_up_the_end(make_agent, tmp_path):
    fifo = tmp_path / "log"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    agent = make_agent(env={"YIJIAN_LOG_LEVEL": "debug"},
                       before=["sh", "-c", 'exec "$@" 2>"$0"', str(fifo)])
    for _ in range(40):
        assert agent.get("key-manager", "/healthz").status == 200
    agent.stop(timeout=20)
    os.close(reader)


def test_the_last_lines_of_a_crash(agent):
    agent.get("api-gateway", "/healthz")
    agent.child.send_signal(signal.SIGABRT)
    assert agent.child.wait() == -signal.SIGABRT
    assert "started" in [line["event"] for line in agent.log_records()]
    agent.child = None
