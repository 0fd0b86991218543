#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of the house, checked: prints one TAP line per rule and the size report.

Each check returns its findings as "path:line: text" and fails when there is one.
"""
import concurrent.futures
import functools
import os
import re
import shutil
import statistics
import subprocess
import sys

import source as src

JOBS = os.cpu_count() or 2
CC = os.environ.get("CC", "gcc")


def floors():
    """Modules in the order of FLOORS; a module includes only modules before it.

    What a folder's files share among themselves is its private.h: they alone may include it.
    """
    order = {module: at for at, module in enumerate(src.rows("FLOORS"))}
    place = order.get
    there_are = {src.module(name) for name in src.c_files()}
    found = [f"FLOORS:1: lists {module}, which is no module" for module in order
             if module not in there_are]
    for name in src.c_files():
        own = src.module(name)
        here = place(own)
        if here is None:
            found.append(f"{name}:1: the module is not listed in FLOORS")
            continue
        for line, header, local in src.includes(name):
            if not local:
                continue
            target = src.module(header)
            there = place(target)
            if target.split("/")[0] not in src.PARTS:
                found.append(f"{name}:{line}: includes {header}: paths start at the top")
            elif there is None:
                found.append(f"{name}:{line}: includes {header}, which FLOORS does not list")
            elif target.endswith("/private") and not private_header(own, target):
                found.append(f"{name}:{line}: {header} is for its own folder alone")
            elif target != own and there >= here and not private_header(own, target):
                found.append(f"{name}:{line}: may not include {header}: FLOORS lists it later")
            elif own.startswith("console/") and target.startswith("agent/"):
                found.append(f"{name}:{line}: the console may not include the agent")
    return found


def private_header(own, target):
    return target == own.rsplit("/", 1)[0] + "/private"


def thirdparty():
    """Library headers only in the modules of tests/lint/thirdparty."""
    libc = set(" ".join(src.rows("libc")).split())
    table = [row.split(":", 1) for row in src.rows("thirdparty")]
    found = []
    for name in src.c_files():
        for line, header, local in src.includes(name):
            if local or header in libc:
                continue
            globs = next((g.split() for h, g in table if src.matches(header, [h])), None)
            if globs is None:
                found.append(f"{name}:{line}: <{header}> is in no list of tests/lint")
            elif not src.matches(src.module(name), globs):
                found.append(f"{name}:{line}: <{header}> may not be included here")
    return found


def flags():
    names = "ncursesw libcurl jansson sqlite3 readline libsodium yaml-0.1 libmicrohttpd".split()
    out = subprocess.run(["pkg-config", "--cflags", *names], text=True, capture_output=True)
    return ["-std=gnu17", "-D_GNU_SOURCE", '-DYJ_VERSION="0"', '-DYJ_LOCALEDIR="/"', "-I.",
            *out.stdout.split()]


def compile_all(names, command):
    """The first complaint of each file that this command does not compile."""
    def one(name):
        run = subprocess.run(command + [name], cwd=src.ROOT, text=True, capture_output=True)
        lines = [l for l in run.stderr.splitlines() if "error" in l] or ["does not compile"]
        return [lines[0] if name in lines[0] else f"{name}: {lines[0]}"] if run.returncode else []
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        return [line for lines in pool.map(one, names) for line in lines]


def headers():
    """Every header compiles alone."""
    return compile_all(src.c_files(suffixes=".h"), [
        CC, "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-x", "c", *flags(),
        "-Wno-unused-function"])


def own_header():
    """A .c file includes its own header before any other."""
    found = []
    for name in src.c_files(suffixes=".c"):
        own = src.module(name) + ".h"
        order = [header for _, header, _ in src.includes(name)]
        if not (src.ROOT / own).exists() or not order or order[0] == own:
            continue
        if not private_header(src.module(name), src.module(order[0])):
            found.append(f"{name}:1: includes {order[0]} before its own header")
    return found


def clang():
    """The other compiler takes every source without a warning."""
    if not shutil.which("clang"):
        return None
    return compile_all(src.c_files(suffixes=".c"), [
        "clang", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-Wno-missing-field-initializers",
        *flags()])


FORBIDDEN = ("sprintf vsprintf strcpy strcat gets strtok alloca system popen atoi atol atof "
             "rand srand signal sleep usleep localtime gmtime asctime ctime tmpnam mktemp").split()


def forbidden():
    """Calls that overflow, hide state or block."""
    pattern = re.compile(r"(?<![\w.>])(" + "|".join(FORBIDDEN) + r")\s*\(")
    found = []
    for name in src.c_files():
        for line, content in enumerate(src.code(name).splitlines(), 1):
            for match in pattern.finditer(content):
                found.append(f"{name}:{line}: calls {match.group(1)}()")
    return found


def silent():
    """Library floors neither print nor exit."""
    pattern = re.compile(r"(?<![\w.>])(?:(?:printf|puts|putchar|perror|exit|_exit|_Exit)\s*\(|"
                         r"v?fprintf\s*\(\s*std(?:err|out)\b)")
    free = {"agent/main", "agent/notify", "console/main", "console/shell", "console/tui/tui",
            "console/dispatch"}
    found = []
    for name in src.c_files():
        if src.module(name) in free or src.module(name) in src.justified("print"):
            continue
        for line, content in enumerate(src.code(name).splitlines(), 1):
            if pattern.search(content):
                found.append(f"{name}:{line}: a library floor prints or exits")
    return found


def variables():
    """No exported variable that can change (nm: D, B or C in the archives)."""
    archives = sorted(str(p) for p in (src.ROOT / "build/release").glob("lib*.a"))
    if not archives:
        return None
    found = []
    run = subprocess.run(["nm", "-A", *archives], text=True, capture_output=True)
    for line in run.stdout.splitlines():
        match = re.match(r"(\S+?):(\S+?):\S* ([DBC]) (\S+)$", line.replace(" ", " "))
        match = match or re.match(r"(\S+?):(\S+?):[0-9a-f]+ ([DBC]) (\S+)$", line)
        # Pointers in const tables need relocation; those land in .data.rel.ro and are read-only.
        if match and not relocated_only(match.group(1), match.group(2), match.group(4)):
            found.append(f"{match.group(2)}: exports the variable {match.group(4)}")
    return found


def relocated_only(archive, member, symbol):
    run = subprocess.run(["objdump", "-t", archive], text=True, capture_output=True)
    inside = False
    for line in run.stdout.splitlines():
        if line.startswith(member + ":"):
            inside = True
        elif re.match(r"\S+\.o:", line):
            inside = False
        elif inside and line.split()[-1:] == [symbol]:
            return ".data.rel.ro" in line
    return False


def units():
    """A unit test stands in the folder of tests/unit that has the name of its sources' folder."""
    folders = {name.split("/")[-2] for name in src.c_files(suffixes=".c")}
    found = []
    for name in src.tracked():
        path = name.split("/")
        if path[:2] == ["tests", "unit"] and path[-1].startswith("test_"):
            if len(path) != 4 or path[2] not in folders:
                found.append(f"{name}:1: no folder of the sources has this name, so nothing runs it")
    return found


def spdx():
    """The licence line stands at the head of every source."""
    found = []
    for name in src.tracked():
        script = name.endswith((".c", ".h", ".py", ".sh")) or name in ("Makefile", ".ci/run")
        if script and "tests/data/" not in name and src.text(name).strip():
            if not any("SPDX-License-Identifier: MIT" in line
                       for line in src.text(name).splitlines()[:3]):
                found.append(f"{name}:1: no SPDX line")
    return found


def unfinished():
    """No mark of unfinished work in the code."""
    pattern = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    found = []
    for name in src.tracked():
        if name.endswith((".c", ".h", ".py", ".sh")) or name == "Makefile":
            for line, content in enumerate(src.text(name).splitlines(), 1):
                if pattern.search(content):
                    found.append(f"{name}:{line}: {content.strip()[:70]}")
    return found


def machine():
    """No path of one machine and no package registry's host in the tree."""
    hosts = "|".join((r"deb\.debian", r"registry\.npm" + "js", "py" + "pi", r"proxy\.go" + "lang",
                      "cra" + "tes"))
    pattern = re.compile(r"(?<![\w.])/(work|far" + r"m)/|/tmp/(yj/|stu" + r"dio)|\.libr" +
                         rf"ary/|({hosts})\.(org|io)\b")
    found = []
    for name in src.tracked():
        if name == "tests/lint/run.py":
            continue
        for line, content in enumerate(src.text(name).splitlines(), 1):
            if pattern.search(content):
                found.append(f"{name}:{line}: {content.strip()[:70]}")
    return found


def member_names(text):
    """Names of the members of the structs in a source, with their lines."""
    for struct in re.finditer(r"\bstruct \w+ \{(.*?)\n\}", text, re.S):
        at = struct.start(1)
        for part in re.finditer(r"[^;{}]+;", struct.group(1)):
            line = text.count("\n", 0, at + part.start() + len(part.group()) -
                              len(part.group().lstrip())) + 1
            if "(" in part.group():
                yield from ((name, line) for name in re.findall(r"\(\*(\w+)\)", part.group()))
                continue
            for word in part.group()[:-1].split(","):
                name = re.search(r"([A-Za-z_]\w*)\s*(?:\[[^\]]*\]\s*)*(?::\s*\w+\s*)?$", word)
                if name:
                    yield name.group(1), line


def unread():
    """What is written into a member is read somewhere (members of one name count as one)."""
    names, allowed = src.c_files(), src.justified("unread")
    everything = "\n".join(src.code(name) for name in names)
    write = re.compile(r"\s*(?:\[[^\]]*\]\s*)*(?:[-+|&]?=(?!=)|(\+\+|--);)")
    atomic = re.compile(r"(?:atomic_store|\n\s*atomic_fetch_\w+?)(?:_explicit)?\(\s*&[\w>.\[\]-]*$")

    @functools.lru_cache(None)
    def read(name):
        for use in re.finditer(rf"(?:\.|->)\s*{name}\b", everything):
            before = everything[max(0, use.start() - 80):use.start()]
            follows = write.match(everything, use.end())
            through = re.search(r"\*[\w>.-]*$", before)  # what it points to is written
            counted = follows and follows.group(1) and not re.search(r"(^|\n)\s*[\w>.\[\]-]*$", before)
            if through or counted or not (follows or atomic.search(before)):
                return True
        # Named by a row of a table: offsetof(struct x, name), TEXT("name", name)
        return re.search(rf"[A-Za-z_]\w*\([^()\n]*(?<![\w.>]){name}\b", everything) is not None

    found = []
    for name in names:
        for member, line in member_names(src.code(name)):
            if not read(member) and f"{name}:{member}" not in allowed:
                found.append(f"{name}:{line}: {member} is read nowhere")
    return found


def sizes():
    """No function over 80 lines and no file over 800 without a justification."""
    allowed = src.justified("size")
    found = []
    for name in src.c_files():
        lines = src.text(name).count("\n")
        if lines > 800 and name not in allowed:
            found.append(f"{name}:1: {lines} lines")
        for function, line, length, _ in src.functions(name):
            if length > 80 and f"{name}:{function}" not in allowed:
                found.append(f"{name}:{line}: {function}() has {length} lines")
    return found


def stale():
    """A justification whose reason has gone goes too."""
    have = set(src.c_files())
    for name in src.c_files():
        have.add(src.module(name))
        have |= {f"{name}:{member}" for member, _ in member_names(src.code(name))}
        have |= {f"{name}:{f}" for f, _, length, _ in src.functions(name) if length > 80}
    return [f"tests/lint/justified: {path} needs no exception any more"
            for check in ("size", "print", "unread") for path in sorted(src.justified(check) - have)]


def p90(values):
    return sorted(values)[int(len(values) * 0.9)] if values else 0


def report():
    """The sizes beside those of the code we measure ourselves by; information, never a failure."""
    bodies = [f for name in src.c_files() for f in src.functions(name)]
    files = [src.text(name).count("\n") for name in src.c_files(suffixes=".c")]
    if not bodies:
        return
    length = [f[2] for f in bodies]
    branch = [f[3] for f in bodies]
    print("# size report             here       anchors")
    print(f"# functions               {len(bodies)}")
    for label, values, anchor in (("function lines", length, "11-17 / 50-60"),
                                  ("complexity", branch, "2-3 / 10"),
                                  ("file lines", files, "215-375 / 549-1100")):
        here = f"{statistics.median(values):.0f} / {p90(values)}"
        print(f"# {label:<16} med/p90 {here:<10} {anchor}")
    largest = sorted(((f[2], f[0]) for f in bodies), reverse=True)[:5]
    print("# longest functions: " + ", ".join(f"{name} {lines}" for lines, name in largest))
    tests = sum(src.text(n).count("\n") for n in src.tracked()
                if n.startswith("tests/") and n.endswith((".c", ".h", ".py", ".mjs", ".sh")))
    ours = sum(src.text(n).count("\n") for n in src.c_files())
    print(f"# lines of code {ours}, of tests {tests}")


def formatting():
    """How many files clang-format would touch; information only."""
    if not shutil.which("clang-format"):
        return
    names = src.c_files()
    def differs(name):
        run = subprocess.run(["clang-format", "--dry-run", "-Werror", name], cwd=src.ROOT,
                             capture_output=True)
        return run.returncode != 0
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        count = sum(pool.map(differs, names))
    print(f"# clang-format would touch {count} of {len(names)} files")


CHECKS = (floors, thirdparty, headers, own_header, clang, forbidden, silent, unread, variables,
          units, spdx, unfinished, machine, sizes, stale)


def main():
    failed = 0
    print(f"1..{len(CHECKS)}")
    for number, check in enumerate(CHECKS, 1):
        found = check()
        label = f"{number} - lint {check.__name__}: {check.__doc__.splitlines()[0]}"
        if found is None:
            print(f"ok {label} # SKIP what it needs is not here")
            continue
        print(("not ok " if found else "ok ") + label)
        failed += bool(found)
        for line in found[:40]:
            print("  " + line)
        if len(found) > 40:
            print(f"  and {len(found) - 40} more")
    report()
    formatting()
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(src.ROOT)
    sys.exit(main())
