# SPDX-License-Identifier: MIT
"""`make run` and `make install`, as a newcomer meets them."""
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.request

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    pathlib.Path(os.environ.get("YIJIAN_BUILD", ROOT / "build")) != ROOT / "build",
    reason="what is run and installed is the usual build, not a variant")
SERVICES = ("api-gateway", "config-center", "key-manager", "service-registry", "router-engine")


def plain_env(**more):
    env = {k: v for k, v in os.environ.items()
           if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL") and not k.startswith("YIJIAN_")}
    return {**env, **more}


def urls(text):
    return dict(re.findall(r"^  (\S+) +(http://127\.0\.0\.1:\d+)$", text, re.M))


def alive(pids):
    return [pid for pid in pids if pathlib.Path(f"/proc/{pid}").exists()]


def children(pid):
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        found += [int(kid) for kid in (task / "children").read_text().split()]
    return found


def test_run_once_prints_urls_and_the_dashboard():
    done = subprocess.run(["packaging/run.sh"], cwd=ROOT, env=plain_env(YIJIAN_RUN_ONCE="1"),
                          stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(urls(done.stdout)) == set(SERVICES)
    assert "simulated" in done.stdout
    assert "text_to_image" in done.stdout or "chat" in done.stdout


def test_run_serves_until_told_to_stop_and_leaves_nothing():
    process = subprocess.Popen(["packaging/run.sh"], cwd=ROOT, env=plain_env(), text=True,
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    try:
        text = ""
        for line in process.stdout:
            text += line
            if "serving" in line:
                break
        for name, url in urls(text).items():
            with urllib.request.urlopen(f"{url}/healthz", timeout=10) as answer:
                assert answer.status == 200, name
        started = children(process.pid)
        assert len(started) >= 5
        process.send_signal(signal.SIGTERM)
        process.stdout.read()
        assert process.wait(60) == 0
        end = time.monotonic() + 10
        while alive(started) and time.monotonic() < end:
            time.sleep(0.05)
        assert alive(started) == []
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    where = tmp_path_factory.mktemp("dest")
    subprocess.run(["make", "install", f"DESTDIR={where}", "PREFIX=/usr"], cwd=ROOT, check=True,
                   env=plain_env(), capture_output=True, timeout=300)
    return where / "usr"


@pytest.mark.parametrize("program", ["bin/yijian", "sbin/yijiand"])
def test_installed_program_runs(installed, program):
    done = subprocess.run([installed / program, "--version"], text=True, capture_output=True)
    assert done.returncode == 0
    assert (ROOT / "VERSION").read_text().strip() in done.stdout


def test_installed_manual_is_clean(installed):
    pages = sorted((installed / "share/man").glob("man*/*"))
    assert {"yijian.1", "yijiand.8"} <= {page.name for page in pages}
    for page in pages:
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "error", page], text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout


def test_installed_completion_loads(installed):
    where = installed / "share/bash-completion/completions/yijian"
    done = subprocess.run(["bash", "-c", f"source '{where}' && complete -p yijian"], text=True,
                          capture_output=True)
    assert done.returncode == 0, done.stderr
