# SPDX-License-Identifier: MIT
"""Time that passes when a test says so, for one agent: tests/lib/clock.c is preloaded into it."""
import calendar
import struct
import time

import preload
from waiting import wait_for


class Clock:
    """Ahead of the machine's clocks by what advance() said; never behind."""

    def __init__(self, library, place):
        self.path = place / "clock"
        self.mono_us = self.wall_us = 0
        self.write()
        self.env = {**preload.environment(library), "YIJIAN_TEST_CLOCK": str(self.path)}

    def write(self):
        mode = "r+b" if self.path.exists() else "w+b"
        with open(self.path, mode, buffering=0) as file:  # mapped: never cut short
            file.write(struct.pack("=qq", self.mono_us, self.wall_us))

    def advance(self, seconds, wall_s=None):
        """Both clocks; the wall clock by something else when that is said."""
        self.mono_us += int(seconds * 1_000_000)
        self.wall_us += int((seconds if wall_s is None else wall_s) * 1_000_000)
        self.write()

    def set_wall(self, text):
        """The wall clock alone, "2040-01-31T00:00:00Z"."""
        at = calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))
        self.wall_us = int((at - time.time()) * 1_000_000)
        self.write()

    def pass_until(self, condition, step_s=5, what=None):
        """Lets time pass, a step between two looks, until the condition holds."""
        def look():
            value = condition()
            if not value:
                self.advance(step_s)
            return value
        return wait_for(look, what=what)
