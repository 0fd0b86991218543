# SPDX-License-Identifier: MIT
"""Rules of the lint that could silently find nothing: each lets clean code pass and finds what is
planted."""
import importlib.util
import pathlib
import sys

import pytest

LINT = pathlib.Path(__file__).resolve().parents[1] / "lint"
CLEAN = """struct pair {
	int left, *right; // both read
	struct pair *tail[4];
};
int sum(struct pair *p) { p->left = 1; *p->right = 2; return p->left + f(p->tail[0]); }
"""


@pytest.fixture
def lint(monkeypatch):
    monkeypatch.syspath_prepend(str(LINT))
    spec = importlib.util.spec_from_file_location("lint_run", LINT / "run.py")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.pop("source", None)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("source", None)
    if before:
        sys.modules["source"] = before


def unread_in(lint, monkeypatch, text):
    monkeypatch.setattr(lint.src, "c_files", lambda: ["agent/planted.c"])
    monkeypatch.setattr(lint.src, "code", lambda name: text)
    return [line.split(": ", 1)[1] for line in lint.unread()]


@pytest.mark.parametrize("stray", ["tests/unit/test_str.c", "tests/unit/strings/test_str.c",
                                   "tests/unit/agent/store/test_key.c"])
def test_a_unit_test_that_nothing_runs_is_found(lint, monkeypatch, stray):
    assert lint.units() == []
    names = [*lint.src.tracked(), stray]
    monkeypatch.setattr(lint.src, "tracked", lambda: names)
    assert [line.split(":")[0] for line in lint.units()] == [stray]


def test_the_house_has_no_member_that_nobody_reads(lint):
    assert lint.unread() == []


@pytest.mark.parametrize("written", [
    "p->seen = 1;", "p->seen[3] = 1;", "p->seen++;", "p->seen |= 2;",
    "atomic_store(&p->seen, 1);", "atomic_fetch_add_explicit(&p->seen, 1, relaxed);"])
def test_a_member_that_is_only_written_is_found(lint, monkeypatch, written):
    planted = CLEAN.replace("struct pair *tail", "int seen;\n\tstruct pair *tail").replace(
        "p->left = 1;", f"\n\t{written}\n\t")
    assert unread_in(lint, monkeypatch, CLEAN) == []
    assert unread_in(lint, monkeypatch, planted) == ["seen is read nowhere"]
    assert unread_in(lint, monkeypatch, planted + "int g(struct pair *p) { return p->seen > 0; }") == []
