# SPDX-License-Identifier: MIT
"""A program under test: started, watched, stopped, its output kept in a file."""
import os
import pathlib
import signal
import subprocess

from waiting import PATIENCE_S, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("YIJIAN_BUILD", ROOT / "build")).resolve()


class Process:
    """One child and its log file; started again it writes to the same log."""

    def __init__(self, command, scratch, name, env=None):
        self.command = [str(part) for part in command]
        self.scratch = pathlib.Path(scratch)
        self.log_path = self.scratch / f"{name}.log"
        self.name, self.env = name, env or {}
        self.child = None

    def spawn(self, **more):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.command, cwd=self.scratch, stdin=subprocess.DEVNULL,
                                          stderr=log, **{"stdout": log, **more},
                                          env={**os.environ, **self.env})

    @property
    def pid(self):
        return self.child.pid

    def alive(self):
        return self.child is not None and self.child.poll() is None

    def log(self):
        """What it wrote so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def wait(self, what, condition, timeout=PATIENCE_S):
        try:
            return wait_for(condition, timeout, what, self.alive)
        except AssertionError as late:
            raise AssertionError(f"{late}\n--- {self.name}:\n{self.log()[-4000:]}") from None

    def signal(self, number):
        self.child.send_signal(number)

    def kill9(self):
        """The end nobody can prepare for."""
        if self.alive():
            self.child.send_signal(signal.SIGKILL)
        if self.child:
            self.child.wait()

    def stop(self, timeout=60):
        """SIGTERM, and the exit status must be 0."""
        if self.child is None:
            return
        if self.alive():
            self.child.send_signal(signal.SIGTERM)
        try:
            status = self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill9()
            raise AssertionError(f"{self.name} ignored SIGTERM for {timeout} s\n"
                                 f"{self.log()[-4000:]}") from None
        finally:
            if self.child.stdout:
                self.child.stdout.close()
        self.child = None
        assert status == 0, f"{self.name} ended with {status}\n{self.log()[-4000:]}"
