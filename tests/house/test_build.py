# SPDX-License-Identifier: MIT
"""The build's own promises: target names, the lint that bites, a runner that cannot be empty."""
import importlib.util
import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGETS = ("all deps run check check-full check-mhd1 check-lab lint bench man completions install "
           "uninstall deb rpm asan tsan cov fuzz campaign help").split()


def run(*command, cwd=ROOT, **env):
    clean = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(command, cwd=cwd, text=True, capture_output=True, timeout=120,
                          env={**clean, **env})


def runner():
    spec = importlib.util.spec_from_file_location("runner", ROOT / "tests/run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_help_names_every_target():
    done = run("make", "help")
    names = {word for line in done.stdout.splitlines() for word in line[:17].split()}
    assert done.returncode == 0
    assert set(TARGETS) <= names


@pytest.mark.parametrize("version, apt, why", [
    ("1.0.1", "exit 1", "make check has run with it"), ("0.9.75", "exit 1", "no Debian mirror"),
    ("0.9.75", "echo file:/nowhere Debian bookworm", "has not got Debian 13")])
def test_another_library_that_cannot_be_had_is_a_reason(tmp_path, version, apt, why):
    for name, does in {"pkg-config": f"echo {version}", "apt-get": apt, "id": "echo 0",
                       "debootstrap": "echo nothing there; exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / name).chmod(0o755)
    done = run("tests/mhd1.sh", str(tmp_path / "root"), PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert done.returncode == 1 and why in done.stdout, done
    assert not (tmp_path / "root" / "done").exists()


def test_deps_is_silent_when_everything_is_there():
    done = run("packaging/deps/install.sh", "build")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_deps_without_root_prints_the_command(tmp_path):
    """A need nobody can meet, no root, no sudo: the exact command, and failure."""
    here = tmp_path / "deps"
    shutil.copytree(ROOT / "packaging/deps", here)
    (here / "packages").write_text("build cmd:no-such-program-here nothing-real nothing-real\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("bash", "dirname", "env"):
        (tools / name).symlink_to(shutil.which(name))
    for name, text in (("id", "echo 1000"), ("apt-get", "exit 9")):
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    done = run(str(here / "install.sh"), "build", PATH=str(tools))
    assert done.returncode == 1
    assert "apt-get install -y --no-install-recommends nothing-real" in done.stderr


# ---- the lint, on a small tree of its own ----
HEAD = "// SPDX-License-Identifier: MIT\n"


@pytest.fixture
def tree(tmp_path):
    shutil.copytree(ROOT / "tests/lint", tmp_path / "tests/lint")
    (tmp_path / "tests/mutate").mkdir()
    (tmp_path / "tests/mutate/run.py").write_text("")  # has no table here
    shutil.copy(ROOT / ".clang-format", tmp_path)
    (tmp_path / "tests/lint/justified").write_text("")
    (tmp_path / "tests/lint/thirdparty").write_text("sqlite3.h: shared/high\n")
    (tmp_path / "FLOORS").write_text("# from the ground up\nshared/low\nshared/high\nagent/web/web\n")
    for part in ("shared", "agent/web"):
        (tmp_path / part).mkdir(parents=True)
    write(tmp_path, "agent/web/web.h", '#include "shared/high.h"\n')
    write(tmp_path, "shared/low.h", "int low(void);\n")
    write(tmp_path, "shared/high.h", '#include <sqlite3.h>\n#include "shared/low.h"\n')
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def write(tree, name, text):
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text if name == "FLOORS" else HEAD + text)


def lint(tree):
    return run("/usr/bin/python3", "tests/lint/run.py", cwd=tree, PYTHONDONTWRITEBYTECODE="1")


def test_lint_passes_a_clean_tree(tree):
    done = lint(tree)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name,text,finding", [
    ("shared/low.h", '#include "shared/high.h"\n', "FLOORS lists it later"),
    ("shared/stray.c", "int x(void);\n", "not listed in FLOORS"),
    ("FLOORS", "shared/low\nshared/high\nagent/web/web\nagent/gone\n", "lists agent/gone"),
    ("tests/unit/test_low.c", "int x;\n", "no folder of the sources has this name"),
    ("shared/low.h", '#include "agent/web/web.h"\n', "FLOORS lists it later"),
    ("shared/low.h", "#include <sqlite3.h>\n", "may not be included here"),
    ("shared/low.h", "#include <gtk/gtk.h>\n", "is in no list"),
    ("shared/low.h", "struct a { struct b b; };\n", "shared/low.h"),
    ("shared/low.c", 'void f(char *a);\nvoid f(char *a)\n{\n\tstrcpy(a, "x");\n}\n',
     "calls strcpy()"),
    ("shared/low.c", 'void f(void);\nvoid f(void)\n{\n\tprintf("x");\n}\n', "prints or exits"),
    ("shared/low.c", "void f(void);\nvoid f(void)\n{\n" + "\t;\n" * 90 + "}\n",
     "f() has 93 lines"),
    ("shared/low.c", "// FIX" "ME later\n", "FIX" "ME later"),
    ("shared/low.c", '#include "shared/high.h"\n#include "shared/low.h"\n', "before its own"),
])
def test_lint_finds(tree, name, text, finding):
    write(tree, name, text)
    done = lint(tree)
    assert done.returncode == 1
    assert any(finding in line for line in done.stdout.splitlines() if line.startswith("  "))


def test_lint_ignores_comments_and_strings(tree):
    write(tree, "shared/low.c", '// strcpy(a, b)\nconst char *f(void);\nconst char *f(void)\n'
                                '{\n\treturn "sprintf(x)";\n}\n')
    assert lint(tree).returncode == 0


def test_lint_finds_a_missing_licence_line(tree):
    (tree / "shared/low.h").write_text("int low(void);\n")
    assert "no SPDX line" in lint(tree).stdout


# ---- the runner ----
@pytest.mark.parametrize("status,output,passed,failed,skipped", [
    (0, "1..2\nok 1 - a\nok 2 - b\n", 2, 0, 0),
    (1, "1..2\nok 1 - a\nnot ok 2 - b\n", 1, 1, 0),
    (0, "", 0, 1, 0),
    (-11, "1..2\nok 1 - a\n", 1, 1, 0),
    (0, "1..2\nok 1 - a\nok 2 - b # SKIP no\n", 1, 0, 1),
])
def test_counting(status, output, passed, failed, skipped):
    module = runner()
    result = module.Result("x")
    module.count_tap(result, "x", status, output)
    assert (result.passed, result.failed, result.skipped) == (passed, failed, skipped)


def test_a_run_without_tests_fails(capsys):
    assert runner().close([]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 0 failed\n")
