# SPDX-License-Identifier: MIT
"""Rules of the lint that could silently find nothing: each lets clean code pass and finds what is
planted."""
import importlib.util
import pathlib
import shutil
import subprocess
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


@pytest.fixture
def house(lint, monkeypatch, tmp_path):
    """house({path: text}, floors=[...], thirdparty=[...], ...): a small tree for the lint to read."""
    def build(files, **tables):
        monkeypatch.setattr(lint.src, "ROOT", tmp_path)
        monkeypatch.setattr(lint.src, "HERE", tmp_path / "tests/lint")
        monkeypatch.chdir(tmp_path)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        for name in ("FLOORS", "tests/lint/thirdparty", "tests/lint/libc", "tests/lint/justified"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("\n".join(tables.get(name.split("/")[-1].lower(), [])))
        for part in (lint.src.tracked, lint.src.text, lint.src.code, lint.src.justified,
                     lint.src.functions, lint.symbols):
            part.cache_clear()
        return lint
    yield build
    for part in (lint.src.tracked, lint.src.text, lint.src.code, lint.src.justified,
                 lint.src.functions, lint.symbols):
        part.cache_clear()


def said(found):
    return [line.split(": ", 1)[1] for line in found]


HEAD = "// SPDX-License-Identifier: MIT\n"
ORDER = ["shared/str", "agent/store/private", "agent/store/key", "agent/api/keys"]
TREE = {"shared/str.h": HEAD, "agent/store/private.h": HEAD, "agent/store/key.h": HEAD,
        "agent/store/key.c": HEAD + '#include "agent/store/key.h"\n#include "agent/store/private.h"\n',
        "agent/api/keys.c": HEAD + '#include "agent/store/key.h"\n#include "shared/str.h"\n'}


@pytest.mark.parametrize("planted,floors,complaint", [
    ({}, ORDER, []),
    ({"agent/store/key.h": '#include "agent/api/keys.h"\n', "agent/api/keys.h": HEAD}, ORDER,
     ["may not include agent/api/keys.h: FLOORS lists it later"]),
    ({"agent/api/keys.c": '#include "agent/store/private.h"\n'}, ORDER,
     ["agent/store/private.h is for its own folder alone"]),
    ({}, ORDER + ["agent/api/gone"], ["lists agent/api/gone, which is no module"]),
    ({"agent/store/seal.c": HEAD}, ORDER, ["the module is not listed in FLOORS"]),
    ({"agent/store/seal.c": HEAD}, ORDER + ["agent/store/seal"],
     ["the modules of agent/store/ do not stand together"])])
def test_floors(house, planted, floors, complaint):
    assert said(house({**TREE, **planted}, floors=floors).floors()) == complaint


@pytest.mark.parametrize("rows,text,complaint", [
    (["sqlite3.h: agent/store/*"], "#include <sqlite3.h>\n", []),
    (["sqlite3.h: agent/store/*"], "", ["agent/store/* includes no sqlite3.h"]),
    (["sqlite3.h: agent/api/*"], "#include <sqlite3.h>\n",
     ["<sqlite3.h> may not be included here", "agent/api/* includes no sqlite3.h"]),
    (["sqlite3.h: agent/store/* agent/web/gone"], "#include <sqlite3.h>\n",
     ["agent/web/gone includes no sqlite3.h"]),
    ([], "#include <sqlite3.h>\n", ["<sqlite3.h> is in no list of tests/lint"])])
def test_libraries_stay_in_their_modules(house, rows, text, complaint):
    assert said(house({"agent/store/db.c": HEAD + text}, thirdparty=rows).thirdparty()) == complaint


def test_a_justification_that_nothing_needs(house):
    assert house({"agent/main.c": 'int main(void)\n{\n\tputs("");\n}\n'},
                 justified=["print agent/main a program"]).stale() == []
    assert said(house({"agent/main.c": "int main(void)\n{\n}\n"},
                      justified=["print agent/main a program", "size agent/gone.c long"]).stale()) == [
        "agent/gone.c needs no exception any more", "agent/main needs no exception any more"]


ASK = "int answer(void);\nint ask(int n)\n{\n\treturn n > 0 ? answer() : 0;\n}\n"
ANSWER = "%s\nint answer(void)\n{\n\treturn %s;\n}\n"


@pytest.mark.parametrize("declared,returned,complaint", [
    ("", "1", []),
    ("int ask(int n);", "ask(0)", ["calls in a circle: agent/a/ask agent/b/answer"])])
def test_circles_of_calls(house, tmp_path, declared, returned, complaint):
    lint = house({"agent/a/ask.c": ASK, "agent/b/answer.c": ANSWER % (declared, returned)})
    for name in ("a/ask", "b/answer"):
        out = tmp_path / f"build/release/agent/{name}.o"
        out.parent.mkdir(parents=True)
        subprocess.run(["gcc", "-c", "-o", out, tmp_path / f"agent/{name}.c"], check=True)
    assert said(lint.circles()) == complaint


@pytest.mark.parametrize("text,complaint", [
    ("const int table[1] = {1};\n", []),
    ("static int count;\nint next(void) { return ++count; }\n", []),
    ("extern int x;\nint *const rows[] = {&x};\n", []),
    ("int count = 1;\n", ["exports the variable count"])])
def test_exported_variables(house, tmp_path, text, complaint):
    lint = house({"agent/a/count.c": text})
    out = tmp_path / "build/release/agent/a/count.o"
    out.parent.mkdir(parents=True)
    subprocess.run(["gcc", "-fPIE", "-c", "-o", out, tmp_path / "agent/a/count.c"], check=True)
    assert said(lint.variables()) == complaint


def test_headers_with_too_many_faces(house):
    many = "struct x { int (*call)(int); };\ntypedef int (*hook)(int);\n#define ADD(a) add(a)\n" \
        "static inline int one(int a)\n{\n\treturn a;\n}\n" + "".join(
            f"const char *f{i}(struct x *x,\n\tint n);\n" for i in range(25))
    assert house({"agent/x.h": many}).faces() == []
    assert said(house({"agent/x.h": many + "void more(void);\n"}).faces()) == [
        "declares 26 functions"]


@pytest.mark.parametrize("text,complaint", [
    ("// What a key is.\n#include <a.h>\n", []), ("/* What a key is. */\n", []),
    ("\n// What a key is.\n", []),
    ('#include <a.h>\n\n// What a key is.\n', ["does not say what it is for"]),
    ("int x;\n", ["does not say what it is for"])])
def test_sources_that_say_nothing(house, text, complaint):
    assert said(house({"agent/x.c": HEAD + text}).purposes()) == complaint


RULE = "bool rule(int a)\n{\n\treturn a < 2;\n}\n"


@pytest.mark.parametrize("planted,complaint", [
    ({}, []),
    ({"survivors": "rule\treturn a < 3;\t< to <=\tequivalent\tnobody asks\n"},
     ["rule | return a < 3; | < to <=: no such line any more; the row goes, or follows it"]),
    ({"areas": "rules: agent/rules/*.c\nstore: agent/store/*.c\n"}, ["store has no source"]),
    ({"suites": "agent/rules/*: tests/api/test_rule.py\n"}, ["tests/api/test_rule.py is not there"]),
    ({"run.py": "import nothing_of_this_name\n"}, ["No module named 'nothing_of_this_name'"])])
def test_tables_of_mutants_that_fit_nothing(house, planted, complaint):
    mutate = {name: (LINT.parent / "mutate" / name).read_text() for name in ("run.py", "mutants.py")}
    tables = {"areas": "rules: agent/rules/*.c\n", "suites": "agent/rules/*: agent/rules\n",
              "survivors": "rule\treturn a < 2;\t< to <=\tequivalent\tnobody asks\n"}
    lint = house({"agent/rules/rule.c": RULE,
                  "tests/lint/source.py": (LINT / "source.py").read_text(),
                  **{f"tests/mutate/{name}": text
                     for name, text in {**mutate, **tables, **planted}.items()}})
    assert said(lint.mutated()) == complaint


@pytest.mark.skipif(not shutil.which("clang-format-19"), reason="clang-format 19 is not here")
def test_sources_in_another_hand(house):
    style = (LINT.parents[1] / ".clang-format").read_text()
    good = "int f(int a)\n{\n\treturn a;\n}\n"
    assert house({".clang-format": style, "agent/x.c": good}).formatting() == []
    assert said(house({"agent/x.c": good.replace("\treturn", "  return")}).formatting()) == [
        "is not as make fmt leaves it"]


@pytest.mark.parametrize("path", ["/api/v1/keys", "/api/v1/keys/%s/test", "/healthz", "/v1/models"])
def test_a_path_of_the_agent_in_the_console_is_found(house, path):
    clean = {"console/a.c": '// "GET /api/v1/keys"\nchar s[] = "yijian api GET /api/v1/keys";\n'}
    assert house(clean).paths() == []
    assert house({**clean, "console/b.c": f'char s[] = "{path}";\n'}).paths() == [
        "console/b.c:1: a path instead of an endpoint's row"]
