# SPDX-License-Identifier: MIT
"""Commands that go on: wait until something is so, and lists that tell what changes in them."""
import json
import os
import pty
import signal
import subprocess

import pytest

from command import YIJIAN, environment, yijian
from waiting import wait_for

SECRET = "sk-watch-abcdefghijklmnop-1234"


@pytest.fixture
def key(agent, vendord):
    done = yijian(agent, "key", "add", "openai/gpt-4/demo", "--base-url", vendord.base_url, "--api-key", "-",
                  stdin=SECRET)
    assert done.returncode == 0, done.stderr
    return "key/openai/gpt-4/demo"


class Running:
    """A command that goes on; its lines so far are in .lines()."""

    def __init__(self, agent, place, *words, env=None):
        self.out, self.err = place / "out", place / "err"
        self.process = subprocess.Popen([YIJIAN, *words], env=environment(agent.url(), env),
                                        stdout=open(self.out, "w"), stderr=open(self.err, "w"))

    def lines(self):
        return self.out.read_text().splitlines()

    def stop(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait(20)


@pytest.fixture
def running(tmp_path):
    all_of_them = []

    def start(agent, *words, **more):
        place = tmp_path / f"running{len(all_of_them)}"
        place.mkdir()
        all_of_them.append(Running(agent, place, *words, **more))
        return all_of_them[-1]
    yield start
    for one in all_of_them:
        one.process.kill()
        one.process.wait()


# ---- wait ----

@pytest.mark.parametrize("condition", ["exists", "enabled", "tier=primary", "weight=1", ".enabled=true"])
def test_what_is_so_already_is_not_waited_for(agent, key, condition):
    done = yijian(agent, "wait", key, f"--for={condition}", "--timeout", "20s", "-o", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["met"] and said["resource"] == key and said["condition"] == condition


@pytest.mark.parametrize("condition,change", [
    ("disabled", ["key", "disable", "openai/gpt-4/demo", "--confirm", "openai/gpt-4/demo"]),
    ("weight=7", ["key", "set", "openai/gpt-4/demo", "--weight", "7"]),
])
def test_a_change_wakes_it(agent, key, running, condition, change):
    one = running(agent, "wait", key, f"--for={condition}", "--timeout", "50s", "-o", "json")
    wait_for(lambda: one.process.poll() is None)
    assert yijian(agent, *change).returncode == 0
    assert one.process.wait(40) == 0
    assert json.loads(one.out.read_text())["met"]


def test_what_is_not_there_is_waited_for_and_what_goes_too(agent, key, running):
    comes = running(agent, "wait", "feature/new_one", "--for=exists", "--timeout", "50s")
    goes = running(agent, "wait", "feature/embeddings", "--for=deleted", "--timeout", "50s")
    assert yijian(agent, "feature", "set", "new_one", "--endpoint", "chat.completions").returncode == 0
    assert yijian(agent, "feature", "delete", "embeddings", "--yes").returncode == 0
    assert comes.process.wait(40) == 0 and goes.process.wait(40) == 0


def test_an_instance_gets_healthy(agent, make_vendord, running):
    for name in ("service/llm", "service/llm/n1"):
        one = running(agent, "wait", name, "--for=healthy", "--timeout", "50s")
        engine = make_vendord(flavour="vllm")
        yijian(agent, "service", "register", "llm", "--id", "n1", "--url", engine.url, "--engine", "vllm")
        assert one.process.wait(50) == 0, one.err.read_text()


def test_too_late_is_eight(agent, key):
    done = yijian(agent, "wait", key, "--for=disabled", "--timeout", "100ms", "-o", "json")
    assert done.returncode == 8, done.stderr
    said = json.loads(done.stdout)
    assert not said["met"] and said["last"] == "yes" and said["waited_ms"] >= 100


@pytest.mark.parametrize("words", [["key/x"], ["key/x", "--for=soon"], ["nothing/x", "--for=exists"],
                                   ["key", "--for=exists"], ["client/x", "--for=healthy"], ["key/x", "--for==1"]])
def test_what_cannot_be_waited_for(agent, words):
    assert yijian(agent, "wait", *words, "--timeout", "1s").returncode == 2


def test_a_terminal_is_told_how_it_goes(agent, key):
    main, side = pty.openpty()
    process = subprocess.Popen([YIJIAN, "wait", key, "--for=disabled", "--timeout", "50s"],
                               env=environment(agent.url()), stdout=subprocess.DEVNULL, stderr=side)
    os.close(side)
    said = b""
    while b"key/openai/gpt-4/demo: yes, 0 s" not in said:
        said += os.read(main, 4096)
    yijian(agent, "key", "disable", "openai/gpt-4/demo", "--confirm", "openai/gpt-4/demo")
    assert process.wait(20) == 0
    os.close(main)


# ---- watch ----

def changes(one):
    return [(e["type"], e["object"].get("slug")) for e in map(json.loads, one.lines())]


def test_a_list_tells_what_changes(agent, key, running):
    one = running(agent, "key", "list", "--watch", "-o", "ndjson")
    two = running(agent, "watch", "key")
    wait_for(lambda: changes(one) == [("ADDED", "demo")])
    yijian(agent, "key", "set", "openai/gpt-4/demo", "--weight", "3")
    wait_for(lambda: ("MODIFIED", "demo") in changes(one))
    ident = json.loads(one.lines()[0])["object"]["id"]
    assert agent.request("api-gateway", "DELETE", f"/api/v1/keys/{ident}").status in (200, 204)
    wait_for(lambda: changes(one)[-1] == ("DELETED", "demo"))
    wait_for(lambda: [l.split()[0] for l in two.lines()][-1:] == ["DELETED"])
    assert two.lines()[0].startswith("EVENT ")
    assert one.stop() == 130, "it does not end with 0"


def test_it_comes_back_after_the_agent(make_agent, tmp_path, running):
    agent = make_agent()
    socket = {"YIJIAN_AGENT": f"unix:{agent.state_dir}/agent.sock"}  # stays where it is
    one = running(agent, "feature", "list", "-w", "-o", "ndjson", env=socket)
    wait_for(lambda: len(one.lines()) == 4)
    agent.restart()
    assert yijian(agent, "feature", "set", "after", "--endpoint", "chat.completions").returncode == 0
    wait_for(lambda: any('"after"' in line for line in one.lines()), 40)
    assert "called again" in one.err.read_text()
    assert one.process.poll() is None


def test_nobody_there_from_the_start_is_said():
    done = yijian("http://127.0.0.1:1", "key", "list", "-w")
    assert done.returncode == 7


def test_a_reader_that_leaves_ends_it(agent, key):
    process = subprocess.Popen([YIJIAN, "key", "list", "-w", "-o", "ndjson"], env=environment(agent.url()),
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(20) == 141
    assert process.stderr.read() == b""


def test_a_terminal_is_drawn_anew(agent, key):
    main, side = pty.openpty()
    process = subprocess.Popen([YIJIAN, "key", "list", "-w"], env=environment(agent.url()), stdout=side,
                               stderr=subprocess.DEVNULL)
    os.close(side)
    screen = b""
    while b"demo" not in screen:
        screen += os.read(main, 4096)
    yijian(agent, "key", "set", "openai/gpt-4/demo", "--tier", "backup")
    while b"backup" not in screen:
        screen += os.read(main, 4096)
    assert screen.count(b"\x1b[H\x1b[2J") == 2
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    os.close(main)


@pytest.mark.parametrize("noun", ["nobody", "metrics", "config"])
def test_what_has_no_list_to_watch(agent, noun):
    assert yijian(agent, "watch", noun).returncode == 2
