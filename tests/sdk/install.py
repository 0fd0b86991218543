#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Installs the official SDKs the tests drive: those of npm beside this file, each set of PyPI
packages in a directory of its own under build/sdk. Pinned; done once, and again when a list
changes. Parallel runs wait for each other."""
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
PLACE = HERE.parents[1] / "build" / "sdk"
PYTHON_SETS = ("2", "3", "langchain")
TIMEOUT_S = 300


def python_path(name):
    return PLACE / f"python-{name}"


def run(command, **more):
    done = subprocess.run([str(part) for part in command], text=True, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, **more)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stdout[-1500:]}")


def pip():
    """A pip of its own: the system's may be missing, and may not install anything."""
    place = PLACE / "pip"
    if not (place / "bin" / "pip").exists():
        run(["/usr/bin/python3", "-m", "venv", place])
    return place / "bin" / "pip"


def python_set(name):
    place = python_path(name)
    shutil.rmtree(place, ignore_errors=True)
    run([pip(), "install", "-q", "--disable-pip-version-check", "--no-deps", "--target", place,
         "-r", HERE / f"requirements-{name}.txt"])


def npm_set():
    run(["npm", "ci", "--no-audit", "--no-fund"], cwd=HERE)


def coding_clients():
    """Large, and for the tests of check-full alone; what they would run at install is not needed."""
    place = HERE / "coding"
    PLACE.mkdir(parents=True, exist_ok=True)
    with open(PLACE / "coding.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        once("coding", [place / "package-lock.json"], place / "node_modules",
             lambda: run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=place))


def wanted(files):
    text = b"".join(file.read_bytes() for file in files) + sys.version.encode()
    return hashlib.sha256(text).hexdigest()


def once(name, files, place, install):
    """Installs unless the stamp says that exactly this was installed."""
    stamp = PLACE / f"{name}.stamp"
    hash_text = wanted(files)
    if place.exists() and stamp.exists() and stamp.read_text() == hash_text:
        return
    stamp.unlink(missing_ok=True)
    install()
    stamp.write_text(hash_text)


def install(run=None):
    """run: the name of a run of tests, in which what failed once is not tried again: a registry
    that cannot be reached is waited for by one test, not by each of them."""
    PLACE.mkdir(parents=True, exist_ok=True)
    failed = PLACE / "failed"
    with open(PLACE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        last, _, why = failed.read_text().partition("\n") if failed.exists() else ("", "", "")
        if run and last == run:
            raise RuntimeError(why)
        try:
            install_all()
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            failed.write_text(f"{run}\n{error}")
            raise
        failed.unlink(missing_ok=True)


def install_all():
    once("npm", [HERE / "package-lock.json"], HERE / "node_modules", npm_set)
    for name in PYTHON_SETS:
        once(f"python-{name}", [HERE / f"requirements-{name}.txt"], python_path(name),
             lambda: python_set(name))


if __name__ == "__main__":
    os.umask(0o022)
    install()
