# SPDX-License-Identifier: MIT
"""A terminal of any size with the console in it: tmux on a socket of its own."""
import os
import subprocess

import pytest

from process import BUILD
from waiting import wait_for


class Screen:
    def __init__(self, tmp, url, size=(100, 30), args=(), env=None, program=None):
        self.socket = str(tmp / "tmux")
        self.env = dict(os.environ, TERM="xterm-256color", LANG="C.UTF-8", LC_ALL="C.UTF-8",
                        HOME=str(tmp), TZ="UTC", **(env or {}))
        self.env.pop("TMUX", None)
        command = " ".join(str(a) for a in [BUILD / "yijian", "--agent", url, *args, "console"])
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]),
                  program or command)

    def tmux(self, *args):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *args], env=self.env, text=True,
                              capture_output=True, timeout=30).stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def text(self):
        return self.tmux("capture-pane", "-p")

    def wait(self, *words):
        """The screen as soon as it shows all the words."""
        def probe():
            text = self.text()
            return text if all(word in text for word in words) else None
        try:
            return wait_for(probe, what=f"{words} on the screen")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.text()}") from None

    def close(self):
        self.tmux("kill-server")


@pytest.fixture
def screen(tmp_path):
    """screen(url, size=(80, 24), args=["--read-only"])"""
    opened = []

    def make(url, **options):
        place = tmp_path / f"screen{len(opened)}"
        place.mkdir()
        opened.append(Screen(place, url, **options))
        return opened[-1]
    yield make
    for one in opened:
        one.close()
