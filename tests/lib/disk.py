# SPDX-License-Identifier: MIT
"""A disk that fails when a test says so, for one agent: tests/lib/disk.c is preloaded into it."""
import errno
import struct

import preload


class Disk:
    """Below `place` writing fails from fail() to mend()."""

    def __init__(self, library, scratch, place):
        self.place, self.path = place, scratch / "disk_fault"
        self.set(0)
        self.env = {**preload.environment(library), "YIJIAN_TEST_DISK_FAULT": str(self.path),
                    "YIJIAN_TEST_DISK": str(place)}

    def set(self, number):
        mode = "r+b" if self.path.exists() else "w+b"
        with open(self.path, mode, buffering=0) as file:  # mapped: never cut short
            file.write(struct.pack("=i", number))

    def fail(self, name):
        """EROFS, ENOSPC, EIO, …"""
        self.set(getattr(errno, name))

    def mend(self):
        self.set(0)
