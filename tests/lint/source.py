# SPDX-License-Identifier: MIT
"""The tree as the lint sees it: sources, modules, includes, functions, justified exceptions."""
import fnmatch
import functools
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
HERE = pathlib.Path(__file__).resolve().parent
PARTS = ("shared", "agent", "console")


@functools.lru_cache(None)
def tracked():
    """Every file git knows or would add, as paths relative to the root."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                         capture_output=True)
    names = out.stdout.split("\n") if out.returncode == 0 else [
        str(p.relative_to(ROOT)) for p in ROOT.rglob("*")]
    return sorted(n for n in names if n and (ROOT / n).is_file() and not re.match(r"(build|\.git)/|.*node_modules/", n))


@functools.lru_cache(None)
def text(name):
    return (ROOT / name).read_text(errors="replace")


def c_files(parts=PARTS, suffixes=(".c", ".h")):
    return [n for n in tracked() if n.split("/")[0] in parts and n.endswith(suffixes)]


def module(name):
    return name.rsplit(".", 1)[0]


def folder(module):
    return module.rsplit("/", 1)[0]


def rows(name):
    """Lines of a table file of this directory or the root, without comments and blank lines."""
    path = HERE / name if (HERE / name).exists() else ROOT / name
    lines = (line.split("#", 1)[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


@functools.lru_cache(None)
def justified(check):
    """The {path or path:function} that may break this check."""
    found = set()
    for row in rows("justified"):
        words = row.split(None, 2)
        if len(words) == 3 and words[0] == check:
            found.add(words[1])
    return frozenset(found)


@functools.lru_cache(None)
def code(name):
    """The text with comments and the inside of literals blanked; lines and columns stay."""
    blank = lambda s: re.sub(r"[^\n]", " ", s)
    pattern = re.compile(r"""//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)

    def swap(match):
        found = match.group(0)
        if found[0] in "\"'":
            return found[0] + blank(found[1:-1]) + found[-1]
        return blank(found)
    return pattern.sub(swap, text(name))


def includes(name):
    """(line number, header, is_local) of each include."""
    for number, line in enumerate(text(name).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            yield number, match.group(2), match.group(1) == '"'


@functools.lru_cache(None)
def functions(name):
    """(function, first line, lines, complexity) of each function body of a .c file."""
    found = []
    lines = code(name).splitlines()
    start = 0
    for number, line in enumerate(lines):
        if line.startswith("{"):
            head_at = number - 1
            while head_at > start and not re.match(r"[A-Za-z_]", lines[head_at]):
                head_at -= 1
            head = " ".join(lines[head_at:number])
            match = re.search(r"([A-Za-z_]\w*)\s*\(", head)
            end = next((i for i in range(number, len(lines)) if lines[i].startswith("}")),
                       number)
            if match:
                body = "\n".join(lines[number:end])
                branches = len(re.findall(r"\b(?:if|for|while|case)\b|&&|\|\||\?", body))
                found.append((match.group(1), head_at + 1, end - head_at + 1, branches + 1))
            start = end
    return tuple(found)


def matches(name, globs):
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)
