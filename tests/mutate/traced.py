# SPDX-License-Identifier: MIT
"""A pytest plugin: which functions of a traced agent (trace.c) each test ran. Every pytest process
writes MUTATE_TRACED/PID.json at its end: {test: [seconds, passed, [offset of a function, …]]}."""
import json
import os
import pathlib
import re
import shutil
import tempfile

OUT = pathlib.Path(os.environ["MUTATE_TRACED"])
FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="yijian-trace-"))
os.environ["MUTATE_TRACE"] = str(FOLDER)
tests = {}


def collect():
    """What ran since the last time, by all agents together."""
    found = set()
    for path in FOLDER.iterdir():
        with open(path, "r+b") as file:
            for match in re.finditer(rb"\x01+", file.read()):
                found.update(range(*match.span()))
                os.pwrite(file.fileno(), bytes(match.end() - match.start()), match.start())
        if not os.path.exists(f"/proc/{path.name}"):
            path.unlink()
    return found


def pytest_runtest_logreport(report):
    if os.environ.get("PYTEST_XDIST_WORKER_COUNT") and not os.environ.get("PYTEST_XDIST_WORKER"):
        return  # told by a worker
    seconds, passed, ran = tests.setdefault(report.nodeid, [0, True, set()])
    tests[report.nodeid] = [seconds + report.duration, passed and report.outcome == "passed",
                            ran | collect()]


def pytest_sessionfinish():
    if tests:
        (OUT / f"{os.getpid()}.json").write_text(json.dumps(
            {name: [seconds, passed, sorted(ran)]
             for name, (seconds, passed, ran) in tests.items()}))
    shutil.rmtree(FOLDER, ignore_errors=True)
