#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Millions of mixed requests (see mix.py): prints memory and descriptors as they go and the slope of
both in the second half; until then the rings of events and decisions fill. Ends with 1 when memory
grows more than SLOPE_KIB per million or a request failed that had no reason to."""
import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from mix import Mix  # noqa: E402
from proc import anonymous_kib, descriptors  # noqa: E402

SLOPE_KIB = 512


def slope(points):
    """Least squares, per million of x."""
    n = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / n, sum(y for _, y in points) / n
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 1e6 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def run(total, rounds):
    memory, fds, sent, failed = [], [], 0, 0
    print(f"{'requests':>10} {'anonymous KiB':>14} {'descriptors':>12} {'failed':>7} {'per s':>7}")
    with tempfile.TemporaryDirectory(prefix="yijian-soak-") as place:
        with Mix(place) as mix:
            for _ in range(rounds):
                begin = time.monotonic()
                done, bad = mix.round(total // rounds)
                sent, failed = sent + done, failed + bad
                memory.append((sent, anonymous_kib(mix.agent.pid)))
                fds.append((sent, descriptors(mix.agent.pid)))
                print(f"{sent:>10} {memory[-1][1]:>14} {fds[-1][1]:>12} {failed:>7} "
                      f"{done / (time.monotonic() - begin):>7.0f}", flush=True)
    settled = rounds // 2
    grows = slope(memory[settled:]), slope(fds[settled:])
    good = failed == 0 and grows[0] <= SLOPE_KIB and fds[-1][1] <= fds[settled][1] + 32
    print(f"memory {grows[0]:+.0f} KiB per million (bar {SLOPE_KIB}), descriptors {grows[1]:+.1f} "
          f"per million, {failed} failed of {sent}: {'flat' if good else 'NOT FLAT'}")
    return 0 if good else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=2000000)
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    sys.exit(run(options.requests, options.rounds))
