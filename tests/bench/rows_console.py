# SPDX-License-Identifier: MIT
"""Rows of the console on a terminal of its own: first paint, key to paint, what idling costs."""
import fcntl
import os
import pathlib
import pty
import select
import statistics
import struct
import subprocess
import termios
import time

import measure
from measure import ROOT
from peers import Agent, free_port
from rows_platform import key_writes
from table import Row

ROWS_STORED = 10000
KEYS_PRESSED = 200
IDLE_S = 10


class Terminal:
    """The console in a pty of 100x30."""

    def __init__(self, scratch, url, *args):
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        home = pathlib.Path(scratch) / "home"
        home.mkdir(exist_ok=True)
        env = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", HOME=str(home))
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            [str(ROOT / "build/yijian"), "--agent", url, "console", *args], env=env,
            stdin=child, stdout=child, stderr=child, start_new_session=True)
        os.close(child)

    def read(self, seconds):
        """What is written within the time; returns at the first bytes."""
        if not select.select([self.fd], [], [], seconds)[0]:
            return b""
        return os.read(self.fd, 1 << 16)

    def quiet(self, seconds):
        """Everything until nothing came for so long."""
        seen = b""
        while more := self.read(seconds):
            seen += more
        return seen

    def painted(self, text, seconds):
        """Milliseconds since its start until the text stood on the screen."""
        seen = b""
        while time.monotonic() - self.began < seconds:
            seen += self.read(0.05)
            if text in seen:
                return (time.monotonic() - self.began) * 1000
        raise RuntimeError(f"the console did not show {text!r}")

    def press(self, key):
        """Milliseconds from a key to the first bytes of its paint."""
        self.quiet(0.01)
        began = time.monotonic()
        os.write(self.fd, key)
        if not self.read(2):
            raise RuntimeError("a key was not answered")
        return (time.monotonic() - began) * 1000

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        os.close(self.fd)


def first_paint(bench):
    took = []
    for _ in range(bench.rounds):
        with Terminal(bench.scratch, f"http://127.0.0.1:{free_port()}") as terminal:
            took.append(terminal.painted(b"Dashboard", 10))
    yield Row("console, first paint with a dead agent", statistics.median(took), 100, "ms")


def key_to_paint(bench):
    with Agent(bench.scratch, "console") as agent:
        key_writes(agent, bench.scratch, "row", ROWS_STORED)
        with Terminal(bench.scratch, agent.url(), "keys") as terminal:
            terminal.painted(b"row 0", 20)
            terminal.quiet(0.5)
            took = sorted(terminal.press(b"j") for _ in range(KEYS_PRESSED))
    yield Row(f"console, key to paint at {ROWS_STORED} rows, p99", took[len(took) * 99 // 100 - 1],
              30, "ms")


def idle(bench):
    left = 60 - time.time() % 60
    if left < IDLE_S + 5:
        time.sleep(left)  # the header's clock turns with the minute
    with Agent(bench.scratch, "quiet") as agent, \
            Terminal(bench.scratch, agent.url(), "keys") as terminal:
        terminal.painted(b"Keys", 10)
        terminal.quiet(1.5)
        before, began, written = measure.cpu_ns(terminal.process.pid), time.monotonic(), 0
        while (left := began + IDLE_S - time.monotonic()) > 0:
            written += len(terminal.read(left))
        used = measure.cpu_ns(terminal.process.pid) - before
    yield Row(f"console idle for {IDLE_S} s, CPU", used / IDLE_S / 1e7, 0.5, "%")
    yield Row("  bytes written meanwhile", written, 0, "B")


ROWS = (first_paint, key_to_paint, idle)
