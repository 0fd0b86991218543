# SPDX-License-Identifier: MIT
"""`make run` and `make install`, as a newcomer meets them."""
import os
import pathlib
import re
import shutil
import signal
import struct
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
    done = subprocess.run(["make", "install", f"DESTDIR={where}", "PREFIX=/usr"], cwd=ROOT, check=True,
                          env=plain_env(), capture_output=True, text=True, timeout=300)
    (where / "said").write_text(done.stdout)
    return where / "usr"


def test_an_install_builds_nothing_anew(installed):
    """What `make` built is what `sudo make install PREFIX=…` installs; nothing running is replaced."""
    said = (installed.parent / "said").read_text().splitlines()
    assert [line for line in said if line.split()[:1] in (["CC"], ["LD"])] == []


def catalog(said):
    """A compiled message catalog, as gettext's manual says under "MO Files"."""
    texts = sorted(({"": "Content-Type: text/plain; charset=UTF-8\n"} | said).items())
    at, tables, strings = 28 + 16 * len(texts), [b"", b""], b""
    for which in (0, 1):
        for pair in texts:
            word = pair[which].encode()
            tables[which] += struct.pack("<II", len(word), at + len(strings))
            strings += word + b"\0"
    return struct.pack("<7I", 0x950412de, 0, len(texts), 28, 28 + 8 * len(texts), 0, at) + \
        tables[0] + tables[1] + strings


def test_messages_lie_beside_the_installed_program(installed):
    """The messages of a program that was moved are looked for where it is now."""
    # Of C.UTF-8 newer C libraries translate nothing; the same under another name is a locale.
    locales = installed.parent / "locales"
    shutil.copytree("/usr/lib/locale/C.utf8", locales / "xx.utf8")
    told = {"env": plain_env(LC_ALL="xx.UTF-8", LOCPATH=str(locales)), "text": True,
            "capture_output": True}
    plain = subprocess.run([installed / "bin/yijian", "--frobnicate"], **told)
    where = installed / "share/locale/xx/LC_MESSAGES/yijian.mo"
    where.parent.mkdir(parents=True)
    where.write_bytes(catalog({"see --help": "gelb"}))
    moved = subprocess.run([installed / "bin/yijian", "--frobnicate"], **told)
    assert "gelb" not in plain.stderr and "gelb" in moved.stderr, (plain, moved)


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
