# SPDX-License-Identifier: MIT
"""What a running program holds: descriptors, private memory; and what it has used of the CPU."""
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


def cpu_seconds(pid):
    """Of all its threads, in it and in the kernel for it."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
