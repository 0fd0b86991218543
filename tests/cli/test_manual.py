# SPDX-License-Identifier: MIT
"""Help, manual pages and exit codes are derived from the tables: they say the same, and each code is met."""
import functools
import json
import os
import re
import signal
import socket
import subprocess

import pytest

from command import YIJIAN, environment, yijian


@functools.cache
def tree():
    return json.loads(yijian(None, "help", "--json").stdout)


def pages():
    return yijian(None, "help", "--man-list").stdout.split()


@functools.cache
def rendered(page):
    source = yijian(None, "help", "--man", page).stdout
    done = subprocess.run(["mandoc", "-T", "utf8", "-O", "width=500"], input=source, text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0, done.stderr
    return re.sub(".\b", "", done.stdout)


@pytest.mark.parametrize("page", pages())
def test_every_page_is_clean(page):
    source = yijian(None, "help", "--man", page).stdout
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning"], input=source, text=True, capture_output=True,
                          timeout=60)
    # A page is the same whenever it is built, so it has no date.
    found = [line for line in done.stdout.splitlines() if "missing date" not in line]
    assert not found, found


@pytest.mark.parametrize("command", tree()["commands"], ids=lambda c: c["command"].replace(" ", "-"))
def test_help_is_the_pages_synopsis(command):
    words = command["command"].split()
    usage = yijian(None, *words, "-h").stdout.splitlines()[0].removeprefix("usage: ")
    page = f"yijian-{words[0]}.1" if f"yijian-{words[0]}.1" in pages() and len(words) > 1 else "yijian.1"
    text = rendered(page)
    if len(words) > 1:
        assert usage in text, usage
    else:
        assert command["summary"] in text
    for option in command["options"]:
        if not option["global"] and len(words) > 1:
            assert f"--{option['name']}" in text, option["name"]
    for line in command["examples"]:
        assert len(words) == 1 or line in text, line


# ---- exit codes ----

def interrupted(agent):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "http://127.0.0.1:%d" % silent.getsockname()[1]
        child = subprocess.Popen([YIJIAN, "--timeout", "10m", "status"], env=environment(url),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(1)
            child.send_signal(signal.SIGINT)
            child.communicate(timeout=60)
    return child.returncode


def late(agent):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        return code("http://127.0.0.1:%d" % silent.getsockname()[1], "--timeout", "300ms", "status")


def left(agent):
    read, write = os.pipe()
    os.close(read)
    done = yijian(agent, "help", stdout=write)
    os.close(write)
    return done.returncode


def full(agent):
    with open("/dev/full", "wb", buffering=0) as out:
        return yijian(agent, "help", stdout=out).returncode


def refused_by_vendor(agent, vendord):
    vendord.fault({"status": 401}, path="/v1/*")
    return code(agent, "key", "test", "openai/gpt-4/chat")


def code(agent, *words, **more):
    return yijian(agent, *words, **more).returncode


def with_token(agent, place):
    (place / "token").write_text("yj_a_nobody_knows_this_one\n")
    return code(agent, "--token-file", str(place / "token"), "key", "list")


def bad_settings(agent, place):
    (place / "yijian").mkdir()
    (place / "yijian" / "config").write_text("no such setting=1\n")
    return code(agent, "status", env={"XDG_CONFIG_HOME": str(place)})


def ways(agent, vendord, place):
    return {
        0: lambda: code(agent, "status"),
        1: lambda: code(agent, "route", "explain", "chat", "--expect", "aliyun/qwen"),
        2: lambda: code(agent, "key", "lst"),
        3: lambda: code(agent, "feature", "get", "nothing"),
        4: lambda: with_token(agent, place),
        5: lambda: code(agent, "feature", "set", "chat", "--strategy", "weighted", "--if-match", "1"),
        6: lambda: code(agent, "route", "explain", "text_to_image", "--width", "0"),
        7: lambda: code("http://127.0.0.1:1", "status"),
        8: lambda: late(agent),
        9: lambda: code(agent, "key", "enable", "openai/gpt-4/chat", "nothing"),
        10: lambda: refused_by_vendor(agent, vendord),
        11: lambda: code(agent, "key", "delete", "openai/gpt-4/chat"),
        70: lambda: full(agent),
        78: lambda: bad_settings(agent, place),
        130: lambda: interrupted(agent),
        141: lambda: left(agent),
    }


@pytest.mark.parametrize("row", tree()["exit_codes"], ids=lambda row: str(row["code"]))
def test_every_exit_code_is_met(chat_agent, vendord, tmp_path, row):
    assert ways(chat_agent, vendord, tmp_path)[row["code"]]() == row["code"]
