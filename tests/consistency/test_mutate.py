# SPDX-License-Identifier: MIT
"""The mistakes that make mutate plants: where they are, where they are not, and that they are known
by their words. Its tables fit the tree."""
import importlib.util
import pathlib
import sys

import pytest

MUTATE = pathlib.Path(__file__).resolve().parents[1] / "mutate"
HEAD = '#include "shared/base.h"\n#define TWICE(x) ((x) * 2)\n// 1 < 2\n\n'


@pytest.fixture
def run(monkeypatch):
    monkeypatch.syspath_prepend(str(MUTATE))
    before = {name: sys.modules.pop(name, None) for name in ("source", "mutants")}
    spec = importlib.util.spec_from_file_location("mutate_run", MUTATE / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    for name, found in before.items():
        sys.modules.pop(name, None)
        if found:
            sys.modules[name] = found


@pytest.fixture
def planted(run, monkeypatch, tmp_path):
    """planted(function text): its mutants, each as (change, the line it leaves)."""
    def found(text, head=HEAD):
        monkeypatch.setattr(run.src, "ROOT", tmp_path)
        for cached in (run.src.text, run.src.code, run.src.functions):
            cached.cache_clear()
        (tmp_path / "planted.c").write_text(head + text)
        return [(m.change, m.applied().splitlines()[m.line - 1].strip(), m.key)
                for m in run.mut.mutants("planted.c")]
    yield found
    monkeypatch.undo()
    for cached in (run.src.text, run.src.code, run.src.functions):
        cached.cache_clear()


def body(lines, kind="int"):
    return f"{kind} f(int a, int b)\n{{\n\t" + "\n\t".join(lines) + "\n}\n"


@pytest.mark.parametrize("line,left", [
    ("if (a < b)", {"if (a <= b)", "if (!(a < b))"}),
    ("while (a == b)", {"while (a != b)", "while (!(a == b))"}),
    ("if (a && b)", {"if (a || b)", "if (!(a && b))"}),
    ("a = a + b;", {";", "a = a - b;"}),
    ("a = b >> 3;", {";", "a = b << 3;", "a = b >> 4;"}),
    ("a += 0x0f;", {";", "a -= 0x0f;", "a += 16;"}),
    ("call(a, true);", {";", "call(a, false);"}),
    ("return a;", {"return (a) + 1;"}),
    ("for (int i = 0; i < a; i++)", {"for (int i = 1; i < a; i++)", "for (int i = 0; i <= a; i++)"}),
])
def test_each_place_has_its_mistakes(planted, line, left):
    assert {text for _, text, _ in planted(body([line]))} == left


@pytest.mark.parametrize("line", [
    "char *p;", "struct pair *const p = q->next;", "char buf[64];", "struct err e = {0};",
    'call_me: // a < b', "arena_release(x);", "free(p);"])
def test_what_is_no_rule_has_none(planted, line):
    assert planted(body([line])) == []


@pytest.mark.parametrize("kind,line,left", [
    ("bool", "return x;", {"return !(x);"}), ("bool", "return true;", {"return false;"}),
    ("enum err_code", "return x;", {"return ERR_OK;"}),
    ("static enum err_code", "return ERR_OK;", {"return ERR_INTERNAL;"}),
    ("const char *", "return x;", {"return NULL;"}), ("struct pair", "return x;", set())])
def test_what_is_returned_follows_the_type(planted, kind, line, left):
    assert {text for _, text, _ in planted(body([line], kind))} == left


def test_a_mutant_is_known_by_its_words(planted):
    text = body(["if (a < b)", "\ta = 1;", "if (a < b)", "\ta = 1;"])
    keys = [key for _, _, key in planted(text)]
    assert len(set(keys)) == len(keys)  # alike ones are numbered
    assert [key for _, _, key in planted("int g(void);\n\n" + text, HEAD * 3)] == keys


def test_rows_that_fit_nothing_are_found(run, monkeypatch):
    real = run.rows
    row = "no_function\tif (a < b)\t< to <=\tequivalent\tnobody asks"
    monkeypatch.setattr(run, "rows", lambda name: [row] if name == "survivors" else real(name))
    assert [line.split(":")[0] for line in run.problems([])] == ["survivors"]
    monkeypatch.setattr(run, "rows", lambda name: [row, row] if name == "survivors" else real(name))
    assert [line.rsplit(": ", 1)[1] for line in run.problems([])].count("stands twice") == 1
    monkeypatch.setattr(run, "rows", lambda name: ["agent/none.c: tests/none.py"]
                        if name == "suites" else [] if name == "survivors" else real(name))
    found = run.problems([])
    assert "suites: agent/none.c fits no source" in found
    assert "suites: tests/none.py is not there" in found
