#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The campaign: what is too long for every test run. Each row is a program of its own whose output
goes to build/log/campaign; at the end one table says what was run, for how long, and how it ended.
  --only NAME[,NAME]   these rows; --list names them
  --quick              sizes that fit a coffee, to try the campaign itself"""
import argparse
import os
import pathlib
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LOG = ROOT / "build" / "log" / "campaign"
PYTHON = "/usr/bin/python3"
TIMING = "build/release/bench/timing"
SOAK, MIX = "tests/campaign/soak.py", "tests/campaign/shortmix.py"
LIGHT, KILL9 = "tests/campaign/lightlog.py", "tests/fault/test_kill9.py"
TIMEOUT_S = 4 * 3600


def pytest(*args):
    return [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *args]


# name: (what it shows, command, environment, the same for --quick)
ROWS = {
    "soak": ("2 million mixed requests: memory and descriptors flat",
             [PYTHON, SOAK], {}, ([PYTHON, SOAK, "--requests", "20000", "--rounds", "10"], {})),
    "log": ("two hours of light traffic, 60 x: the database's log stays below 8 MiB",
            [PYTHON, LIGHT], {}, ([PYTHON, LIGHT, "--hours", "0.4"], {})),
    "kill9": ("1,000 kills of the agent under writes: nothing acknowledged is lost",
              pytest(KILL9, "-k", "not fills"), {"YIJIAN_KILLS": "1000"},
              (pytest(KILL9, "-k", "not fills"), {"YIJIAN_KILLS": "5"})),
    "fulldisk": ("1,000 kills while the disk fills to zero and is freed: the same, by itself",
                 pytest("-s", KILL9, "-k", "fills"), {"YIJIAN_FULL_KILLS": "1000"},
                 (pytest("-s", KILL9, "-k", "fills"), {"YIJIAN_FULL_KILLS": "8"})),
    "tasks": ("100 kills of the agent under image tasks: none lost, none paid for twice",
              pytest("tests/fault/test_task_kill.py"), {"YIJIAN_KILLS": "100"},
              (pytest("tests/fault/test_task_kill.py"), {"YIJIAN_KILLS": "10"})),
    "disconnects": ("callers that leave at five moments, 1,000 each: the upstream is stopped",
                    pytest("tests/fault/test_disconnect.py"), {"YIJIAN_DISCONNECTS": "1000"},
                    (pytest("tests/fault/test_disconnect.py"), {"YIJIAN_DISCONNECTS": "100"})),
    "faults": ("every fault of an upstream with four kinds of call, alone and with a fallback",
               pytest("tests/fault/test_matrix.py", "tests/fault/test_network.py"), {},
               (pytest("tests/fault/test_network.py"), {})),
    "valgrind": ("a mix inside valgrind: no leak, no error, no descriptor left",
                 [PYTHON, MIX, "--valgrind"], {},
                 ([PYTHON, MIX, "--valgrind", "--requests", "300"], {})),
    "asan": ("a mix under AddressSanitizer and UBSan", [PYTHON, MIX, "--requests", "20000"],
             {"YIJIAN_BUILD": "build/asan"},
             ([PYTHON, MIX, "--requests", "1000"], {"YIJIAN_BUILD": "build/asan"})),
    "tsan": ("a mix under ThreadSanitizer", [PYTHON, MIX, "--requests", "20000"],
             {"YIJIAN_BUILD": "build/tsan"},
             ([PYTHON, MIX, "--requests", "1000"], {"YIJIAN_BUILD": "build/tsan"})),
    "timing": ("a million guesses at a token: how near one was does not show in the time",
               [TIMING, "1000000"], {}, ([TIMING, "100000"], {})),
}
SANITIZERS = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


def run(name, quick):
    _, command, env, small = ROWS[name]
    if quick:
        command, env = small
    build = env.get("YIJIAN_BUILD", "")
    if build and not (ROOT / build / "yijiand").exists():
        made = subprocess.run(["make", f"-j{os.cpu_count()}", f"V={pathlib.Path(build).name}",
                               "programs"], cwd=ROOT, capture_output=True, text=True)
        if made.returncode:
            return "not built", made.stderr[-300:]
    LOG.mkdir(parents=True, exist_ok=True)
    log = LOG / f"{name}.log"
    if build:
        env = {**SANITIZERS, **env, "YIJIAN_BUILD": str(ROOT / build)}
    with open(log, "w") as out:
        try:
            status = subprocess.run(command, cwd=ROOT, env={**os.environ, **env}, stdout=out,
                                    stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                    timeout=TIMEOUT_S).returncode
        except subprocess.TimeoutExpired:
            status = 124
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return "passed" if status == 0 else f"FAILED ({status})", lines[-1] if lines else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    names = [name for name in options.only.split(",") if name] or list(ROWS)
    unknown = set(names) - set(ROWS)
    if unknown or options.list:
        for name, row in ROWS.items():
            print(f"{name:<12} {row[0]}")
        return 2 if unknown else 0
    table = []
    for name in names:
        print(f"running {name}: {ROWS[name][0]} …", flush=True)
        begin = time.monotonic()
        verdict, said = run(name, options.quick)
        table.append((name, verdict, time.monotonic() - begin, said))
    print(f"\n{'what':<12} {'verdict':<12} {'minutes':>8}  last line of its log")
    for name, verdict, seconds, said in table:
        print(f"{name:<12} {verdict:<12} {seconds / 60:>8.1f}  {said[:90]}")
    return 0 if all(verdict == "passed" for _, verdict, _, _ in table) else 1


if __name__ == "__main__":
    sys.exit(main())
