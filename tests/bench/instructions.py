# SPDX-License-Identifier: MIT
"""User-space instructions a request takes, by callgrind: the figure that does not swing with the
machine. The whole process counts, all its threads; the first half of the load warms it up."""
import pathlib
import re
import shutil
import subprocess

WARM, COUNTED = 10000, 10000
CONNECTIONS = 64


def available():
    return all(shutil.which(tool) for tool in ("valgrind", "callgrind_control"))


def watch(peer):
    """Makes a peer that is not started yet run under callgrind."""
    peer.command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={peer.scratch}/cg",
                    "--quiet", *peer.command]
    return peer


def per_request(peer, run):
    """Of the second half: (20,000 - 10,000 requests) / 10,000. run(n) sends n requests."""
    control = lambda option: subprocess.run(["callgrind_control", option, str(peer.pid)],
                                            check=True, capture_output=True, timeout=120)
    run(WARM)
    control("-z")
    run(COUNTED)
    control("-d")
    totals = [int(n) for path in pathlib.Path(peer.scratch).glob("cg*")
              for n in re.findall(r"^totals: (\d+)", path.read_text(), re.M)]
    if not totals:
        raise RuntimeError("callgrind wrote nothing")
    return sum(totals) / COUNTED
