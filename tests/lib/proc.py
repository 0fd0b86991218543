# SPDX-License-Identifier: MIT
"""What a running program holds: descriptors, private memory."""
import os
import pathlib


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def anonymous_kib(pid):
    """Private anonymous memory: what it allocated and touched."""
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise AssertionError("smaps_rollup has no Anonymous line")
