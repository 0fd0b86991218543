#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs every test there is and closes with the line "N passed, N failed".

Runners: the lint, one cmocka binary per tests/unit/FOLDER/test_*.c, one pytest run over the suites
of tests/*/test_*.py, and the npm SDK test. Each writes its log to build/log. A runner that ends
without having counted anything counts as one failure, and so does a run without tests.
  --variant asan|tsan|cov   use that build; tsan runs the agent's tests only
  --variant mhd1            the suites of HTTP with another libmicrohttpd (make check-mhd1)
  --fuzz SECONDS            run the fuzzers instead
  --only NAME               one runner: lint, unit, pytest or sdk
  --unbuilt                 the build failed: that is a failure, but what was built is tested
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
JOBS = os.cpu_count() or 2
UNIT_TIMEOUT_S = 120
SUITE_TIMEOUT_S = 1800
WHY_LINES = 24
LINE_MAX = 160  # a parametrized test may carry a whole document in its name
SANITIZER_ENV = {
    "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    "TSAN_OPTIONS": "halt_on_error=1:second_deadlock_stack=1",
}


class Result:
    """What one runner counted."""

    def __init__(self, name):
        self.name = name
        self.passed = self.failed = self.skipped = 0
        self.seconds = 0.0
        self.failures = []

    def fail(self, what, why=""):
        """`why`, a message of any length, is printed below, its last lines if it is long."""
        self.failed += 1
        lines = [what if len(what) <= LINE_MAX else what[:LINE_MAX] + "…"]
        lines += [f"    {line[:LINE_MAX]}" for line in why.strip().splitlines()[-WHY_LINES:]]
        self.failures.append("\n".join(lines))


class Build:
    """Where the programs of one variant are."""

    def __init__(self, variant):
        self.variant = variant
        self.programs = ROOT / "build" / variant if variant else ROOT / "build"
        self.objects = ROOT / "build" / (variant or "release")
        self.log = ROOT / "build" / "log" / (variant or "release")
        self.log.mkdir(parents=True, exist_ok=True)

    def env(self):
        env = dict(os.environ, YIJIAN_BUILD=str(self.programs), LC_ALL="C.UTF-8",
                   PYTHONDONTWRITEBYTECODE="1")
        if self.variant in ("asan", "tsan"):
            for name, value in SANITIZER_ENV.items():
                env.setdefault(name, value)
        return env


def run(command, log, env, timeout, cwd=ROOT):
    """The exit status and the output, which also goes to the log."""
    try:
        done = subprocess.run(command, cwd=cwd, env=env, timeout=timeout, text=True,
                              errors="replace", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") + f"\ntimeout after {timeout} s\n"
        status = 124
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(output)
    return status, output


def count_tap(result, who, status, output):
    """TAP lines, as the lint and cmocka print them."""
    passed = failed = 0
    for line in output.splitlines():
        match = re.match(r"\s*(not )?ok \d+ ?-? ?(.*)", line)
        if not match:
            continue
        if "# SKIP" in line.upper():
            result.skipped += 1
        elif match.group(1):
            failed += 1
            result.fail(f"{who}: {match.group(2)}")
        else:
            passed += 1
    result.passed += passed
    if (status and not failed) or not passed + failed:
        result.fail(f"{who}: ended with status {status} after {passed} tests")


def lint(build):
    result = Result("lint")
    status, output = run([PYTHON, "tests/lint/run.py"], build.log / "lint.log", build.env(), 300)
    count_tap(result, "lint", status, output)
    return result


def unit(build):
    result = Result("unit")
    folder = ROOT / "tests/unit"
    names = sorted(str(p.relative_to(folder).with_suffix("")) for p in folder.glob("*/test_*.c"))
    env = dict(build.env(), CMOCKA_MESSAGE_OUTPUT="TAP")

    def one(name):
        binary = build.objects / "tests" / name
        if not binary.exists():
            return name, 127, ""
        return name, *run([str(binary)], build.log / f"{name}.log", env, UNIT_TIMEOUT_S)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for name, status, output in pool.map(one, names):
            count_tap(result, name, status, output)
    return result if names else None


def suites(build):
    found = sorted({p.parent for p in (ROOT / "tests").glob("*/test_*.py")})
    if build.variant == "tsan":
        found = [p for p in found if p.name in ("api", "fault")]
    if build.variant == "mhd1":
        found = [p for p in sorted((ROOT / "tests").glob("*/test_*.py"))
                 if re.search(r"^from http_engines import", p.read_text(), re.M)]
    return [str(p.relative_to(ROOT)) for p in found]


def pytest(build):
    result = Result("pytest")
    paths = suites(build)
    if not paths:
        return None
    report = build.log / "pytest.xml"
    report.unlink(missing_ok=True)
    command = [PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    probe = subprocess.run([PYTHON, "-c", "import xdist"], capture_output=True)
    if probe.returncode == 0:
        # Most of a test's time is an agent's or a vendor's start, and waiting for what is due.
        command += ["-n", str(2 * JOBS), "--dist", "loadfile"]
    status, output = run(command + paths, build.log / "pytest.log", build.env(), SUITE_TIMEOUT_S)
    if report.exists():
        for case in xml.parse(report).iter("testcase"):
            kinds = {child.tag: child for child in case}
            wrong = kinds.get("failure", kinds.get("error"))
            if wrong is not None:
                result.fail(f"{case.get('classname')}.{case.get('name')}", wrong.text or "")
            elif "skipped" in kinds:
                result.skipped += 1
            else:
                result.passed += 1
    if (status and not result.failed) or not result.passed + result.failed:
        result.fail(f"pytest: ended with status {status}: {output[-300:].strip()}")
    return result


def sdk(build):
    """The official SDK of applications against the agent, on a pinned version."""
    result = Result("sdk")
    where = ROOT / "tests/sdk"
    if not (where / "package.json").exists() or build.variant:
        return None
    if not shutil.which("npm"):
        result.skipped += 1
        return result
    status, output = run([PYTHON, "install.py"], build.log / "sdk-install.log", build.env(), 600,
                         where)
    if status:
        result.fail(f"tests/sdk/install.py: {output[-300:].strip()}")
        return result
    status, output = run(["npm", "test", "--silent"], build.log / "sdk.log", build.env(), 300,
                         where)
    for key, value in re.findall(r"^(?:#|ℹ) (pass|fail|skipped) (\d+)$", output, re.M):
        if key == "pass":
            result.passed += int(value)
        elif key == "skipped":
            result.skipped += int(value)
        else:
            for _ in range(int(value)):
                result.fail("sdk: see build/log/release/sdk.log")
    if (status and not result.failed) or not result.passed + result.failed:
        result.fail(f"sdk: ended with status {status}: {output[-300:].strip()}")
    return result


def coverage(build):
    """Lines covered per part, from gcov's own summaries."""
    counts = {}
    for notes in sorted(build.objects.rglob("*.gcda")):
        name = str(notes.relative_to(build.objects)).replace(".gcda", ".c")
        if not name.startswith(("shared/", "agent/", "console/")):
            continue
        done = subprocess.run(["gcov", "-n", "-o", str(notes.parent), name], cwd=ROOT, text=True,
                              capture_output=True)
        match = re.search(rf"File '{re.escape(name)}'\nLines executed:([\d.]+)% of (\d+)",
                          done.stdout)
        if match:
            lines = int(match.group(2))
            counts[name] = (lines * float(match.group(1)) / 100, lines)
    for part in ("shared/", "agent/", "console/"):
        rows = [v for k, v in counts.items() if k.startswith(part)]
        total = sum(lines for _, lines in rows)
        if total:
            print(f"coverage {part:<9} {100 * sum(hit for hit, _ in rows) / total:5.1f} % of "
                  f"{total} lines")
    for name, (hit, lines) in sorted(counts.items(), key=lambda kv: kv[1][0] / kv[1][1])[:10]:
        print(f"  {100 * hit / lines:5.1f} %  {name}")


def fuzz(seconds):
    result = Result("fuzz")
    for source in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        name = source.stem
        corpus = ROOT / "build/fuzz/corpus" / name
        corpus.mkdir(parents=True, exist_ok=True)
        build = Build("fuzz")
        seeds = ROOT / "tests/fuzz" / name.replace("fuzz_", "corpus_")
        command = [str(build.objects / "fuzz" / name), f"-max_total_time={seconds}",
                   f"-artifact_prefix={build.log}/{name}-", str(corpus)]
        command += [str(seeds)] if seeds.is_dir() else []
        status, output = run(command, build.log / f"{name}.log", build.env(), seconds + 120)
        last = [line for line in output.splitlines() if line.startswith("Done ")]
        print(f"{name}: {last[0] if last else 'status %d' % status}")
        if status:
            result.fail(f"{name}: see {build.log.relative_to(ROOT)}/{name}.log")
        else:
            result.passed += 1
    return result


def close(results):
    """The table, the failures, and the closing line; the exit status."""
    print()
    for result in results:
        print(f"{result.name:<8} {result.passed:>5} passed {result.failed:>3} failed "
              f"{result.skipped:>3} skipped {result.seconds:6.1f} s")
    failures = [line for result in results for line in result.failures]
    for line in failures[:60]:
        print(f"FAILED {line}")
    passed = sum(r.passed for r in results)
    if not passed + len(failures):
        print("no test ran")
    print(f"{passed} passed, {len(failures)} failed", flush=True)
    return 1 if failures or not passed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="", choices=("", "asan", "tsan", "cov", "mhd1"))
    parser.add_argument("--only", choices=("lint", "unit", "pytest", "sdk"))
    parser.add_argument("--unbuilt", action="store_true")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS")
    args = parser.parse_args()
    os.chdir(ROOT)
    if args.fuzz:
        return close([fuzz(args.fuzz)])
    build = Build(args.variant)
    runners = [unit, pytest, sdk] if args.variant else [lint, unit, pytest, sdk]
    if args.variant == "mhd1":
        runners = [pytest]
    if args.only:
        runners = [r for r in runners if r.__name__ == args.only]
    results = []
    if args.unbuilt:
        results.append(Result("build"))
        results[0].fail("build: something did not compile or link; see above")
    for runner in runners:
        began = time.monotonic()
        print(f"running {runner.__name__} …", flush=True)
        result = runner(build)
        if result:
            result.seconds = time.monotonic() - began
            results.append(result)
    if args.variant == "cov":
        coverage(build)
    return close(results)


if __name__ == "__main__":
    sys.exit(main())
