# SPDX-License-Identifier: MIT
"""What the bench measures with: CPU and memory of a process tree from /proc, load, medians."""
import json
import os
import pathlib
import statistics
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = ROOT / "build/release/bench"


def family(pid):
    """The process and its children, their children too."""
    found = [pid]
    for parent in found:
        try:
            tasks = os.listdir(f"/proc/{parent}/task")
        except FileNotFoundError:
            continue
        for task in tasks:
            try:
                kids = pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text()
            except OSError:
                kids = ""
            found += [int(kid) for kid in kids.split()]
    return found


def cpu_ns(pid):
    """Nanoseconds on a CPU so far, over all threads of the family (schedstat, not ticks)."""
    total = 0
    for member in family(pid):
        for task in os.listdir(f"/proc/{member}/task"):
            text = pathlib.Path(f"/proc/{member}/task/{task}/schedstat").read_text()
            total += int(text.split()[0])
    return total


def memory_kib(pid, field):
    """VmRSS or RssAnon of the family in KiB."""
    total = 0
    for member in family(pid):
        for line in pathlib.Path(f"/proc/{member}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                total += int(line.split()[1])
    return total


def load(port, path, requests, connections=32, body=None, rate=None, headers=(), seconds=None,
         may_fail=False, polite=False, over_tls=False):
    """One run of the load generator; the parsed JSON line. may_fail: errors are the caller's."""
    command = [str(BIN / "load"), "-n", str(requests), "-c", str(connections)]
    command += ["-t", str(seconds)] if seconds else []
    command += ["-w"] if polite else []
    command += ["-s"] if over_tls else []
    command += ["-d", str(body)] if body else []
    command += ["-r", str(rate)] if rate else []
    for header in headers:
        command += ["-H", header]
    done = subprocess.run(command + [f"127.0.0.1:{port}", path], text=True, capture_output=True,
                          timeout=300)
    if not done.stdout:
        raise RuntimeError(f"load: {done.stderr.strip()}")
    result = json.loads(done.stdout)
    if (result["errors"] or result["missing"]) and not may_fail:
        raise RuntimeError(f"load on port {port}{path}: {result['errors']} errors, "
                           f"{result['missing']} unanswered of {requests}")
    return result


def cpu_per(pid, count, run):
    """Microseconds of CPU of the family per counted thing while run() goes; count(result)."""
    before = cpu_ns(pid)
    result = run()
    return (cpu_ns(pid) - before) / 1000 / count(result)


def rounds(count, contestants):
    """{name: [figure of each round]} of {name: measure()} in turns, so that drift hits all alike."""
    seen = {name: [] for name in contestants}
    for _ in range(count):
        for name, measure in contestants.items():
            seen[name].append(measure())
    return seen


def interleave(count, contestants):
    """The same as {name: median}."""
    return {name: statistics.median(values) for name, values in rounds(count, contestants).items()}
