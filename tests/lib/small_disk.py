# SPDX-License-Identifier: MIT
"""A file system of a few MiB that a test fills to the last byte and frees again."""
import contextlib
import os
import subprocess

import pytest

BLOCKS = (1024 * 1024, 4096, 1)


class SmallDisk:
    """A tmpfs, and a file that takes what is free of it."""

    def __init__(self, place):
        self.place, self.filler = place, place / "filler"

    def remount(self, how):
        return subprocess.run(["mount", "-o", f"remount,{how}", str(self.place)],
                              capture_output=True, check=False).returncode == 0

    def fill(self):
        with open(self.filler, "ab", buffering=0) as file:
            for block in BLOCKS:
                with contextlib.suppress(OSError):
                    while file.write(bytes(block)) == block:
                        pass

    def free(self):
        self.filler.unlink(missing_ok=True)


@contextlib.contextmanager
def mounted(place, mib):
    if os.geteuid() != 0:
        pytest.skip("mounting takes root")
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m,mode=700", "none",
                           str(place)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("no right to mount here")
    try:
        yield SmallDisk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False)
