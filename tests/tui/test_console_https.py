# SPDX-License-Identifier: MIT
"""The full-screen console calls an agent over TLS: asked before the screen opens, one connection kept for
all its polls, and an agent whose key changes under it."""
import socket

import pytest

import tls
from process import BUILD
from relay import Relay
from waiting import wait_for

OTHER = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
# Its exit code is what the terminal shows last.
TOLD = 'sh -c \'"$PROGRAM" --agent "$AGENT" console; echo "ended with $?"; read -r _\''


@pytest.fixture
def agent(make_agent):
    return make_agent(over_tls=True)


@pytest.fixture
def ask(screen):
    def make(url):
        return screen(url, program=TOLD, env={"PROGRAM": str(BUILD / "yijian"), "AGENT": url, "XDG_CONFIG_HOME": ""})
    return make


def test_asked_before_the_screen_opens(agent, ask, tmp_path):
    s = ask(agent.url())
    said = s.wait("[y/N]")
    assert "sha256//" in said and "127.0.0.1:%d" % agent.address()[1] in said and "LIVE" not in said
    s.keys("y", "Enter")
    s.wait("LIVE")
    s.keys("q")
    s.wait("ended with 0")
    assert (tmp_path / "screen0/.config/yijian/pins").read_text().count("sha256//") == 1


def test_no_opens_no_screen(agent, ask, tmp_path):
    s = ask(agent.url())
    s.wait("[y/N]")
    s.keys("Enter")
    s.wait("not trusted", "ended with 7")
    assert not (tmp_path / "screen0/.config/yijian/pins").exists()


def test_an_agent_that_does_not_answer_is_named_before_the_screen(screen):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = "https://127.0.0.1:%d" % mute.getsockname()[1]
        s = screen(url)
        s.wait(f"calling {url}")
        s.wait("DOWN")
        assert "calling" not in s.text()


def test_a_changed_key_opens_no_screen(agent, screen):
    s = screen(agent.url(), program=TOLD, env={"PROGRAM": str(BUILD / "yijian"), "AGENT": agent.url(),
                                               "YIJIAN_PIN": OTHER})
    s.wait("has changed", OTHER[:40], "ended with 4")


def test_polls_keep_their_connection(agent, screen):
    with Relay(agent.address()) as relay:
        s = screen(relay.url, args=["--ca-file", tls.authority().file], program=None)
        s.wait("LIVE")
        asked = relay.asked
        wait_for(lambda: relay.asked >= asked + 4, what="more polls")
        assert relay.connections <= 3, "one that judges, one for each of two polls at once"
        before = relay.connections
        relay.cut()
        wait_for(lambda: relay.connections > before, what="polls after a cut")
        asked = relay.asked
        wait_for(lambda: relay.asked >= asked + 4, what="polls over it")
        s.wait("LIVE")


def test_a_key_that_changes_meanwhile_is_told(make_agent, agent, screen, tmp_path):
    other = tls.Authority(tmp_path / "b").issue()
    second = make_agent(over_tls=True, env={"YIJIAN_TLS_CERT": str(other.cert), "YIJIAN_TLS_KEY": str(other.key)})
    with Relay(agent.address()) as relay:
        s = screen(relay.url, args=["--ca-file", tls.authority().file])
        s.wait("LIVE")
        relay.aim = second.address()
        relay.cut()
        s.wait("DOWN", "not trusted")
