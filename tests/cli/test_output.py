# SPDX-License-Identifier: MIT
"""An agent that cannot be reached, and output that goes nowhere: said, for every command."""
import fcntl
import json
import os
import re
import shlex
import socket
import struct
import subprocess
import threading

import pytest

from command import YIJIAN, environment, yijian
from process import BUILD
from test_cli import examples
from waiting import wait_for

YIJIAND = str(BUILD / "yijiand")
# What needs no agent, or is about reaching it.
LOCAL = {"help", "completion", "version", "config", "doctor", "console", "shell", "agent", "context", "login", "logout"}
FULL = "/dev/full"
DOCUMENT = '{"kind":"Feature","name":"chat","spec":{}}'
KEYS = '{"vendor":"openai","service":"gpt-4","key_name":"a","api_key":"sk-nobody-0123456789abcdef"}'


# ---- nobody is there ----

def bare_commands(place):
    """(words, standard input) of every example of a command that asks the agent."""
    for name in ("keyfile", "key.txt", "prices.json", "feature.json"):
        (place / name).write_text("sk-nobody-0123456789abcdef\n")
    for line, _ in examples():
        words = shlex.split(line)[1:]
        for sign in ("<", "|", ">", "2>", "&&"):
            if sign in words:
                words = words[:words.index(sign)]
        plain = [w for w in words if not w.startswith("-")]
        if plain and plain[0] not in LOCAL:
            yield words


def test_every_command_without_an_agent_ends_with_7(tmp_path):
    with socket.socket() as nobody:  # bound, and nobody listens
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        seen = set()
        for words in bare_commands(tmp_path):
            done = yijian(url, *words, stdin="sk-nobody-0123456789abcdef\n", cwd=tmp_path)
            said = f"{words}: {done.returncode} {done.stderr}"
            if done.returncode == 2 and ("cannot read" in done.stderr or "JSON" in done.stderr):
                continue  # a file of the example that is not here
            assert done.returncode == 7, said
            assert "cannot reach the agent" in done.stderr and done.stdout == "", said
            seen.add(" ".join(words[:2]))
        assert len(seen) > 40, seen


def serving(answer):
    """A server that answers every connection so; its URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                if answer is None:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.recv(65536)
                if answer:
                    connection.sendall(answer)
    threading.Thread(target=serve, daemon=True).start()
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"


def http(status, body, kind="application/json"):
    return (f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"Connection: close\r\n\r\n{body}").encode()


@pytest.mark.parametrize("answer", [
    b"", None, b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{",
    http(502, "<html>Bad Gateway</html>", "text/html"),
    http(503, '{"error":{"message":"no upstream","code":503}}'),
    http(504, '{"error":{"message":"late","code":"gateway_timeout"}}'),
    http(200, "{}"), http(200, "<html>welcome</html>", "text/html")],
    ids=["closed", "reset", "ssh", "cut", "502", "503", "504", "empty", "html"])
@pytest.mark.parametrize("words", [
    ["try", "chat", "hello"], ["try", "chat", "hello", "--stream"], ["try", "image", "a cat"],
    ["try", "embed", "x"], ["status"], ["key", "test", "openai/gpt-4/x"], ["key", "list"],
    ["feature", "list", "--watch"], ["wait", "key/x", "--for=exists"], ["wait", "service/x", "--for=healthy"],
    ["key", "import", "-", "--format", "json"], ["export"], ["diff", "-f", "-"], ["apply", "-f", "-"],
    ["undo", "--yes"], ["audit", "verify"]],
    ids=lambda words: "-".join(words[:2]))
def test_what_is_no_agent_ends_with_7(words, answer):
    server, url = serving(answer)
    with server:
        done = yijian(url, *words, stdin=DOCUMENT if "-f" in words else KEYS)
    assert done.returncode == 7, done.stdout + done.stderr
    assert done.stderr


@pytest.mark.parametrize("words", [["key", "list"], ["status"], ["key", "list", "-w"],
                                   ["wait", "key/x", "--for=exists"], ["key", "import", "-", "--format", "json"]],
                         ids=lambda words: "-".join(words[:2]))
def test_an_answer_without_an_end_is_given_up(words):
    """A gigabyte is not read to find out that it is no document."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve():
            while True:
                try:
                    connection, _ = server.accept()
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[")
                    for _ in range(1 << 12):
                        connection.sendall(b"1," * (1 << 17))
                except OSError:
                    if server.fileno() < 0:
                        return
        threading.Thread(target=serve, daemon=True).start()
        done = yijian("http://127.0.0.1:%d" % server.getsockname()[1], *words, stdin=KEYS)
    assert done.returncode == 7 and "8 MiB" in done.stderr, done.stderr


def test_a_host_that_takes_no_connection_is_unreachable():
    """Its queue is full: the handshake never ends."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        address = server.getsockname()
        filling = []
        for _ in range(4):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(address)
            filling.append(one)
        done = yijian("http://%s:%d" % address, "--timeout", "1s", "status")
        for one in filling:
            one.close()
    assert done.returncode == 7, done.stderr


def test_timeout_holds_for_calls_that_take_long():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "http://127.0.0.1:%d" % silent.getsockname()[1]
        done = yijian(url, "--timeout", "1s", "try", "chat", "hello")
    assert done.returncode == 8, done.stderr


# ---- standard output that takes nothing ----

def to_full(agent, *args):
    with open(FULL, "wb", buffering=0) as full:
        return yijian(agent, *args, stdout=full)


@pytest.mark.parametrize("form", ["table", "wide", "json", "ndjson", "csv", "yaml", "name"])
def test_a_full_disk_is_said_in_every_format(chat_agent, form):
    done = to_full(chat_agent, "key", "list", "-o", form)
    assert done.returncode == 70
    assert "standard output" in done.stderr and "No space left" in done.stderr
    assert "hint" in done.stderr
    if form in ("json", "ndjson"):
        told = json.loads(done.stderr.splitlines()[-1])["error"]
        assert (told["code"], told["exit_code"]) == ("output_lost", 70)


@pytest.mark.parametrize("words", [
    ["status"], ["health"], ["doctor"], ["key", "vendors"], ["feature", "get", "chat"],
    ["route", "list"], ["route", "explain", "chat"], ["traffic", "list"],
    ["metrics", "list"], ["usage"], ["alert", "rules", "list"], ["audit", "list"],
    ["api", "GET", "/healthz"], ["config", "list"], ["version"], ["help"], ["help", "exit-codes"],
    ["status", "--help"], ["completion", "bash"], ["help", "--man", "yijian.1"], ["try", "chat", "hello"],
    ["try", "chat", "hello", "--stream"], ["shell", "-c", "key list"], ["--version"]],
    ids=lambda words: "-".join(words))
def test_a_full_disk_is_said_by_every_command(chat_agent, words):
    done = to_full(chat_agent, *words)
    assert done.returncode == 70, done.stderr
    assert "cannot write to standard output" in done.stderr


def test_what_was_done_is_done_though_nobody_saw_it(chat_agent):
    done = to_full(chat_agent, "key", "disable", "openai/gpt-4/chat", "--confirm", "openai/gpt-4/chat")
    assert done.returncode == 70 and "changed" in done.stderr
    keys = chat_agent.get("key-manager", "/api/v1/keys").body["items"]
    assert next(k for k in keys if k["key_name"] == "chat")["enabled"] is False
    done = to_full(chat_agent, "client", "add", "shop")
    assert done.returncode == 70 and "secret" in done.stderr
    assert not re.search(r"yj_c_\w+_\w+_", done.stderr)


@pytest.mark.parametrize("words", [["help"], ["key", "list"], ["completion", "bash"]])
def test_a_closed_output_is_said(chat_agent, words):
    line = " ".join(map(shlex.quote, [YIJIAN, *words])) + " >&-"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60,
                          env=environment(chat_agent.url()))
    assert done.returncode == 70 and "Bad file descriptor" in done.stderr


@pytest.mark.parametrize("words", [["help"], ["key", "list"], ["traffic", "list", "-o", "json"]])
def test_a_reader_that_left_is_no_error(chat_agent, words):
    read, write = os.pipe()
    os.close(read)
    done = yijian(chat_agent, *words, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")


def test_a_pipe_that_does_not_block_gets_all_of_it(agent):
    """Far more than a pipe holds, to a reader that comes late."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETFL, fcntl.fcntl(write, fcntl.F_GETFL) | os.O_NONBLOCK)
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    child = subprocess.Popen([YIJIAN, "api", "GET", "/openapi.json"], stdout=write,
                             stderr=subprocess.PIPE, env=environment(agent.url()))
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        text = pipe.read()
    assert (child.wait(60), child.stderr.read()) == (0, b"")
    child.stderr.close()
    assert len(text) > 65536 and json.loads(text)["openapi"]


# ---- the agent's own texts ----

def agent_environment(place):
    return {"YIJIAN_STATE_DIR": str(place / "state"), "LC_ALL": "C.UTF-8", **{
        f"YIJIAN_LISTEN_{name}": "127.0.0.1:0" for name in (
            "API_GATEWAY", "CONFIG_CENTER", "KEY_MANAGER", "SERVICE_REGISTRY", "ROUTER_ENGINE")}}


@pytest.mark.parametrize("action", ["--help", "--version", "--man", "--print-config", "--env-example",
                                    "--check-config"])
def test_the_agents_texts_too(tmp_path, action):
    env = agent_environment(tmp_path)
    with open(FULL, "wb", buffering=0) as full:
        done = subprocess.run([YIJIAND, action], stdout=full, stderr=subprocess.PIPE, text=True,
                              env=env, timeout=60)
    assert done.returncode == 70 and "No space left" in done.stderr
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([YIJIAND, action], stdout=write, stderr=subprocess.PIPE, text=True,
                          env=env, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, "")
    assert not (tmp_path / "state").exists()


def test_a_closed_descriptor_is_nobodys_file(tmp_path):
    """Started without standard descriptors, nothing of the agent's becomes one of them."""
    line = f"exec {shlex.quote(YIJIAND)} <&- >&- 2>&-"
    env = agent_environment(tmp_path)
    child = subprocess.Popen(["sh", "-c", line], env=env)
    try:
        wait_for(lambda: (tmp_path / "state" / "ports.json").exists())
        links = [os.readlink(f"/proc/{child.pid}/fd/{fd}") for fd in range(3)]
        assert links == ["/dev/null"] * 3
    finally:
        child.terminate()
        child.wait(60)
