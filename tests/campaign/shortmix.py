#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A short mix (see mix.py) against an agent that is watched: by valgrind (memory, leaks, open
descriptors), or as built with a sanitizer (YIJIAN_BUILD=build/asan, build/tsan). Ends with 1 when
the watcher found anything."""
import argparse
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from agent import Agent  # noqa: E402
from mix import Mix  # noqa: E402
import process  # noqa: E402
import waiting  # noqa: E402

FOUND = 99  # valgrind's exit status when it has something to say


class Watched(Agent):
    """An agent inside valgrind; its report is in the scratch directory."""

    def __init__(self, **more):
        super().__init__(**more)
        self.report = self.scratch / "valgrind.log"
        self.command = ["valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite",
                        "--show-leak-kinds=definite", "--track-fds=yes", f"--error-exitcode={FOUND}",
                        f"--log-file={self.report}", *self.command]


def verdict(report):
    """Lines of the report that say something, and whether it is good."""
    text = report.read_text()
    lost = re.search(r"definitely lost: ([\d,]+) bytes", text)
    errors = re.search(r"ERROR SUMMARY: ([\d,]+) errors", text)
    left = re.search(r"FILE DESCRIPTORS: (\d+) open \((\d+) std\)", text)
    print(f"definitely lost {lost[1] if lost else 0} bytes, errors {errors[1]}, descriptors open at "
          f"the end {left[1]} ({left[2]} standard)")
    good = errors[1] == "0" and (lost is None or lost[1] == "0")
    if not good:
        print(text[-6000:])
    return good


def run(count, valgrind):
    if valgrind:
        process.PATIENCE_S = waiting.PATIENCE_S = 120
    with tempfile.TemporaryDirectory(prefix="yijian-mix-") as place:
        # A watcher that found something ends the agent with another status, which is told here.
        with Mix(place, Watched if valgrind else Agent, connections=8) as mix:
            sent, failed = mix.round(count)
        print(f"{sent} requests, {failed} failed")
        return failed == 0 and (not valgrind or verdict(mix.agent.report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--valgrind", action="store_true")
    options = parser.parse_args()
    sys.exit(0 if run(options.requests, options.valgrind) else 1)
