#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""`make bench`: the figures the product must reach, beside their peers in the same minutes.

Every row is the median of interleaved rounds; a ratio compares medians of the same run. The agent
has all features on: a client with limits and a budget, the ledger, a reader of the event stream.
A row that cannot be measured says why. The exit status is 0 when all measured rows reach their bar.
  --rounds N   (5)      --only TEXT   rows whose name contains it      --list   their names
"""
import argparse
import os
import subprocess
import sys
import tempfile

import rows_console
import rows_gateway
import rows_platform
import rows_tls
from measure import ROOT
from peers import Agent, Nginx, Vendord
from table import HEAD

ROWS = (*rows_gateway.ROWS, *rows_tls.ROWS, *rows_platform.ROWS, *rows_console.ROWS)


class Bench:
    """What every row gets: how often to measure, where to write, the vendor and the agent."""

    def __init__(self, rounds, scratch, vendor, agent):
        self.rounds, self.scratch, self.vendor, self.agent = rounds, scratch, vendor, agent


def show(measured, bench):
    """Prints the rows of one function; True when all reached their bars."""
    good = True
    try:
        for row in measured(bench):
            good = good and (isinstance(row, str) or row.reached)
            print(row if isinstance(row, str) else row.line(), flush=True)
    except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as why:
        good = False
        print(f"{measured.__name__:<50} not measured: {str(why).splitlines()[0]}", flush=True)
    return good


def missing():
    """Why nothing can be measured, or None."""
    for path in ("build/yijiand", "build/yijian", "build/vendord"):
        if not (ROOT / path).exists():
            return f"{path} is not built"
    return None if Nginx.binary() else "nginx is not installed"


def run(chosen, rounds):
    with tempfile.TemporaryDirectory(prefix="yijian-bench-") as scratch, \
            Vendord(scratch, no_auth=True) as vendor, Agent(scratch, "agent") as agent:
        agent.add_key(vendor.base_url)
        agent.add_client()
        with rows_gateway.events_reader(agent):
            bench = Bench(rounds, scratch, vendor, agent)
            return [show(measured, bench) for measured in chosen]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    args = parser.parse_args()
    chosen = [row for row in ROWS if args.only in row.__name__]
    if args.list:
        print("\n".join(row.__name__ for row in chosen))
        return 0
    reason = missing()
    if reason:
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    print(f"median of {args.rounds} interleaved rounds, simulated vendor, "
          f"{os.cpu_count()} CPUs, load before {os.getloadavg()[0]:.2f}")
    print(HEAD)
    return 0 if all(run(chosen, args.rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
