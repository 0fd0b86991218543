# SPDX-License-Identifier: MIT
"""What is installed: one list, from which `make install` and the packages are made."""
import configparser
import os
import pathlib
import re
import shutil
import stat
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
pytestmark = pytest.mark.skipif(
    pathlib.Path(os.environ.get("YIJIAN_BUILD", ROOT / "build")) != ROOT / "build",
    reason="what is packaged is the usual build, not a variant")
SERVICES = ("api-gateway", "config-center", "key-manager", "service-registry", "router-engine")
FOLDERS = ("PREFIX", "BINDIR", "SBINDIR", "LIBEXECDIR", "DATADIR", "MANDIR", "DOCDIR", "UNITDIR", "ZSHDIR",
           "SYSUSERSDIR", "TMPFILESDIR", "SYSCONFDIR", "DESTDIR", "SCOPE", "B", "STRIP")


def run(*command, **env):
    clean = {k: v for k, v in os.environ.items()
             if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", *FOLDERS) and not k.startswith("YIJIAN_")}
    return subprocess.run(command, cwd=ROOT, text=True, capture_output=True, timeout=300,
                          env={**clean, **env})


def rows(**env):
    """Destination → (mode, kind, source)."""
    done = run("packaging/files.sh", "list", **env)
    assert done.returncode == 0, done.stderr
    found = [line.split("\t") for line in done.stdout.splitlines()]
    return {to: (int(mode, 8), kind, source) for mode, kind, source, to in found}


def install(where, *more, home="/nowhere"):
    done = run("make", "install", f"DESTDIR={where}", *more, HOME=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def below(where):
    return {"/" + str(path.relative_to(where)) for path in where.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    where = tmp_path_factory.mktemp("system")
    install(where, "PREFIX=/usr")
    return where


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    where = tmp_path_factory.mktemp("user")
    install(where, "PREFIX=~/.local", home="/home/somebody")
    return where


def units(where):
    return sorted((where / "usr/lib/systemd/system").iterdir())


# ---- the list ----
def test_the_list_names_every_file_there_is():
    listed = {source for _, _, source in rows(PREFIX="/usr").values()}
    listed |= {source for _, _, source in rows(PREFIX="/usr", SCOPE="user").values()}
    there = {f"{folder}/{path.name}" for folder in ("completions", "packaging/systemd")
             for path in (ROOT / folder).iterdir()}
    there |= {f"build/man/{path.stem}" for path in (ROOT / "man").glob("*.prose")}
    assert there - listed == set()


def test_every_source_of_the_list_is_there(system):
    del system  # has built them
    missing = [source for _, kind, source in rows().values()
               if kind != "dir" and not (ROOT / source).is_file()]
    assert missing == []


def test_each_package_has_a_part_of_it_and_nothing_is_in_two():
    parts = [set(run("packaging/files.sh", "list", package).stdout.splitlines())
             for package in ("agent", "console")]
    assert parts[0] and parts[1] and not parts[0] & parts[1]
    assert parts[0] | parts[1] == set(run("packaging/files.sh", "list").stdout.splitlines())


@pytest.mark.parametrize("kind", ["deb", "rpm"])
@pytest.mark.parametrize("package", ["agent", "console"])
def test_packages_take_their_files_from_the_list(tmp_path, kind, package):
    dirs = tmp_path / "dirs"
    done = run("packaging/files.sh", kind, package, str(dirs), PREFIX="/usr")
    told = {re.sub(r"^.* /", "/", "x /" + line if kind == "deb" else line).rstrip("*")
            for line in done.stdout.splitlines() + (dirs.read_text().splitlines() if dirs.exists() else [])}
    listed = {line.split("\t")[3]
              for line in run("packaging/files.sh", "list", package, PREFIX="/usr").stdout.splitlines()}
    assert told == listed


# ---- make install ----
def test_an_install_is_the_list(system):
    listed = rows(PREFIX="/usr")
    assert below(system) == {to for to, (_, kind, _) in listed.items() if kind != "dir"}
    for to, (mode, kind, _) in listed.items():
        what = (system / to[1:]).stat()
        assert stat.S_IMODE(what.st_mode) == mode, to
        assert stat.S_ISDIR(what.st_mode) == (kind == "dir"), to


def test_below_home_nothing_of_the_system_is_touched(user):
    files = below(user)
    assert files and all(name.startswith("/home/somebody/.local/") for name in files)
    unit = user / "home/somebody/.local/share/systemd/user/yijiand.service"
    text = unit.read_text()
    assert "ExecStart=/home/somebody/.local/sbin/yijiand\n" in text
    assert not re.search(r"^(User|StateDirectory|LoadCredential)=", text, re.M)
    assert len(list(unit.parent.glob("yijiand-*.socket"))) == len(SERVICES)


def test_an_edited_settings_file_is_kept_and_the_new_one_lies_beside(tmp_path):
    env = tmp_path / "etc/yijian/yijiand.env"
    env.parent.mkdir(parents=True)
    env.write_text("YIJIAN_LOG_LEVEL=debug\n")
    assert "kept" in install(tmp_path, "PREFIX=/usr")
    assert env.read_text() == "YIJIAN_LOG_LEVEL=debug\n"
    new = env.with_name("yijiand.env.new")
    assert new.read_text() == (ROOT / ".env.example").read_text()
    env.unlink()
    assert "kept" not in install(tmp_path, "PREFIX=/usr")
    assert env.is_file() and not new.exists()


def test_uninstall_leaves_nothing_but_what_is_not_ours(tmp_path):
    install(tmp_path, "PREFIX=/usr")
    (tmp_path / "usr/bin/other").write_text("")
    (tmp_path / "etc/yijian/root.key").write_text("")
    done = run("make", "uninstall", f"DESTDIR={tmp_path}", "PREFIX=/usr", HOME="/nowhere")
    assert done.returncode == 0, done.stderr
    assert below(tmp_path) == {"/usr/bin/other", "/etc/yijian/root.key"}
    assert [path for path in tmp_path.rglob("yijian*") if path.parent.name != "etc"] == []


# ---- units ----
def parsed(path):
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str
    unit.read_string(path.read_text())
    return unit


def test_sockets_have_the_ports_of_the_settings(system):
    defaults = dict(re.findall(r"^#YIJIAN_LISTEN_(\S+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
    sockets = [path for path in units(system) if path.suffix == ".socket"]
    assert {path.stem for path in sockets} == {f"yijiand-{service}" for service in SERVICES}
    for path in sockets:
        service = path.stem.removeprefix("yijiand-")
        listens = re.findall(r"^ListenStream=(.*)$", path.read_text(), re.M)
        assert listens == defaults[service.upper().replace("-", "_")].split(",")
        section = parsed(path)["Socket"]
        assert section["FileDescriptorName"] == service
        assert section["Service"] == "yijiand.service"
        assert section["BindIPv6Only"] == "ipv6-only"


def test_the_stop_waits_longer_than_the_drain(system):
    drain = re.search(r"^#YIJIAN_DRAIN_S=(\d+)$", (ROOT / ".env.example").read_text(), re.M).group(1)
    service = parsed(system / "usr/lib/systemd/system/yijiand.service")["Service"]
    assert int(service["TimeoutStopSec"]) > int(drain)


def analyze(system, tmp_path, *command):
    """systemd-analyze on the units as installed, with the program where they name it."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    for path in units(system):
        text = path.read_text().replace("/usr/sbin/yijiand", str(system / "usr/sbin/yijiand"))
        (tmp_path / path.name).write_text(text)
    # Pages are looked for where manuals are; who runs this may have none.
    return run("systemd-analyze", *command, *sorted(str(path) for path in tmp_path.iterdir()),
               SYSTEMD_UNIT_PATH=f"{tmp_path}:")


def test_systemd_finds_nothing_wrong_with_the_units(system, tmp_path):
    done = analyze(system, tmp_path, "verify", "--man=no")
    mine = [line for line in done.stderr.splitlines() if "yijian" in line]
    assert (done.returncode, mine) == (0, []), done.stderr


def test_the_sandbox_leaves_little_exposed(system, tmp_path):
    done = analyze(system, tmp_path, "security", "--offline=true", "--no-pager", "--threshold=15")
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze judges no unit that is not loaded")
    level = re.search(r"Overall exposure level for yijiand.service: ([\d.]+)", done.stdout)
    assert level and float(level.group(1)) <= 1.5, done.stdout + done.stderr


def test_one_command_starts_and_ends_all_units(system):
    service = parsed(system / "usr/lib/systemd/system/yijiand.service")
    sockets = {f"yijiand-{name}.socket" for name in SERVICES}
    assert set(service["Service"]["Sockets"].split()) == sockets
    assert set(service["Install"]["Also"].split()) == sockets


# ---- the settings' page ----
def test_the_page_of_the_settings_has_all_of_them(system):
    source = (system / "usr/share/man/man5/yijiand.env.5").read_text()
    there = re.findall(r"^\.BR (YIJIAN_\w+) =(\S.*)$", source, re.M)
    assert [name for name, _ in there] == re.findall(
        r"^#(YIJIAN_\w+)=", (ROOT / ".env.example").read_text(), re.M)
    reloaded = [part.split()[0] for part in source.split("\n.BR ") if "Taken over on SIGHUP" in part]
    assert "YIJIAN_LOG_LEVEL" in reloaded and "YIJIAN_STATE_DIR" not in reloaded


# ---- the root key ----
def root_key(tmp_path):
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "state").mkdir(exist_ok=True)
    key = tmp_path / "etc/root.key"
    done = run("packaging/root-key.sh", str(key), YIJIAN_STATE_DIR=str(tmp_path / "state"))
    assert [path for path in key.parent.iterdir() if path != key] == []  # no half-made one is left
    return key, done


def test_the_root_key_is_made_once(tmp_path):
    key, done = root_key(tmp_path)
    assert done.returncode == 0 and "copy" in done.stdout
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    made = key.read_text()
    assert re.fullmatch(r"[0-9a-f]{64}\n", made)
    assert made.strip() not in done.stdout
    assert root_key(tmp_path)[1].stdout == "" and key.read_text() == made


def test_the_agent_takes_the_root_key(tmp_path):
    key, _ = root_key(tmp_path)
    done = run("build/yijiand", "--check-config", YIJIAN_STATE_DIR=str(tmp_path / "state"),
               YIJIAN_ROOT_KEY_FILE=str(key))
    assert done.returncode == 0 and "sealed" not in done.stderr, done


def test_the_key_of_an_earlier_state_is_taken_over(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/root.key").write_text("5" * 64 + "\n")
    (tmp_path / "state/yijian.db").write_text("")
    key, done = root_key(tmp_path)
    assert done.returncode == 0 and key.read_text() == "5" * 64 + "\n"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_a_state_that_lost_its_key_gets_no_new_one(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state/yijian.db").write_text("")
    key, done = root_key(tmp_path)
    assert done.returncode == 1 and "bring the file back" in done.stderr
    assert not key.exists()


def test_a_dangling_link_is_nobodys_to_overwrite(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/root.key").symlink_to(tmp_path / "elsewhere")
    key, done = root_key(tmp_path)
    assert done.returncode == 0 and key.is_symlink() and not (tmp_path / "elsewhere").exists()


# ---- scripts of the packages ----
@pytest.mark.parametrize("path", sorted(
    path.relative_to(ROOT) for path in (ROOT / "packaging").rglob("*")
    if path.is_file() and path.read_bytes().startswith(b"#!/bin/")), ids=str)
def test_scripts_parse(path):
    shell = "bash" if (ROOT / path).read_text().startswith("#!/bin/bash") else "dash"
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here")
    done = run(shell, "-n", str(path))
    assert (done.returncode, done.stderr) == (0, "")
