#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The rules of the house, checked: prints one TAP line per rule and the size report.

Each check returns its findings as "path:line: text" and fails when there is one.
"""
import concurrent.futures
import functools
import itertools
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

    A folder's modules stand together, so that no two folders can use each other. What its files
    share among themselves is its private.h: they alone may include it.
    """
    order = {module: at for at, module in enumerate(src.rows("FLOORS"))}
    place = order.get
    there_are = {src.module(name) for name in src.c_files()}
    found = [f"FLOORS:1: lists {module}, which is no module" for module in order
             if module not in there_are]
    folders = [folder for folder, _ in itertools.groupby(map(src.folder, order))]
    found += [f"FLOORS:1: the modules of {folder}/ do not stand together"
              for folder in sorted(set(folders)) if folders.count(folder) > 1]
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
    return target == src.folder(own) + "/private"


def thirdparty():
    """Library headers only in the modules of tests/lint/thirdparty; a row that fits nothing goes."""
    libc = set(" ".join(src.rows("libc")).split())
    table = [(header.strip(), globs.split()) for header, globs in
             (row.split(":", 1) for row in src.rows("thirdparty"))]
    unused = {(header, glob) for header, globs in table for glob in globs}
    found = []
    for name in src.c_files():
        for line, included, local in src.includes(name):
            if local or included in libc:
                continue
            header, globs = next((row for row in table if src.matches(included, [row[0]])), (None, []))
            fit = [glob for glob in globs if src.matches(src.module(name), [glob])]
            unused -= {(header, glob) for glob in fit}
            if header is None:
                found.append(f"{name}:{line}: <{included}> is in no list of tests/lint")
            elif not fit:
                found.append(f"{name}:{line}: <{included}> may not be included here")
    return found + [f"tests/lint/thirdparty: {glob} includes no {header}"
                    for header, glob in sorted(unused)]


def flags():
    names = "ncursesw libcurl jansson sqlite3 readline libsodium yaml-0.1 libmicrohttpd zlib libzstd".split()
    out = subprocess.run(["pkg-config", "--cflags", *names], text=True, capture_output=True)
    return ["-std=gnu17", "-D_GNU_SOURCE", '-DYJ_VERSION="0"', "-I.",
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


SAYS = re.compile(r"(?<![\w.>])(?:(?:printf|puts|putchar|perror|exit|_exit|_Exit)\s*\(|"
                  r"v?fprintf\s*\(\s*std(?:err|out)\b)")


def silent():
    """Library floors neither print nor exit."""
    found = []
    for name in src.c_files():
        if src.module(name) in src.justified("print"):
            continue
        for line, content in enumerate(src.code(name).splitlines(), 1):
            if SAYS.search(content):
                found.append(f"{name}:{line}: a library floor prints or exits")
    return found


@functools.lru_cache(None)
def symbols():
    """{module: [(kind, name)]} by nm, of the objects of every source; None when nothing is built."""
    objects = {src.module(name): f"build/release/{src.module(name)}.o"
               for name in src.c_files(suffixes=".c")}
    there_are = {path: module for module, path in objects.items() if os.path.exists(path)}
    if not there_are:
        return None
    run = subprocess.run(["nm", "-A", "-P", *there_are], text=True, capture_output=True)
    table = {module: [] for module in there_are.values()}
    for line in run.stdout.splitlines():
        path, symbol, kind = re.match(r"(\S+): (\S+) (\S)", line).groups()
        table[there_are[path]].append((kind, symbol))
    return table


def variables():
    """No exported variable that can change (nm: D, B or C in the objects)."""
    if symbols() is None:
        return None
    # Pointers in const tables need relocation; those land in .data.rel.ro and are read-only.
    return [f"{module}.c:1: exports the variable {symbol}"
            for module, table in symbols().items() for kind, symbol in table
            if kind in "DBC" and not relocated_only(module, symbol)]


def relocated_only(module, symbol):
    run = subprocess.run(["objdump", "-t", f"build/release/{module}.o"], text=True,
                         capture_output=True)
    return any(".data.rel.ro" in line and line.split()[-1] == symbol
               for line in run.stdout.splitlines())


def groups(graph):
    """Groups of two or more nodes that reach each other (Tarjan's strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            ring = stack[stack.index(node):]
            del stack[-len(ring):]
            if len(ring) > 1:
                found.append(sorted(ring))
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def circles():
    """No circle of calls: no two objects reach each other by the names they take and define."""
    if symbols() is None:
        return None
    home = {symbol: module for module, table in symbols().items() for kind, symbol in table
            if kind in "TDRBC"}
    graph = {module: {home[symbol] for kind, symbol in table if kind == "U" and symbol in home}
             for module, table in symbols().items()}
    return [f"{ring[0]}.c:1: calls in a circle: {' '.join(ring)}" for ring in groups(graph)]


PROTOTYPES_MAX = 25


def prototypes(name):
    """How many functions a header declares: a name and a list in parentheses, outside of braces."""
    text = re.sub(r"^\s*#(?:[^\n]*\\\n)*[^\n]*", "", src.code(name), flags=re.M)
    while re.search(r"\{[^{}]*\}", text):
        text = re.sub(r"\{[^{}]*\}", "\0;", text)  # the head of a body declares nothing
    return sum(1 for part in text.split(";") if not re.search(r"typedef|\0|_Static_assert", part)
               and re.search(r"\w[\s*]+\w+\s*\(", part))


def faces():
    """At most 25 prototypes in a header: what has more is more than one thing."""
    return [f"{name}:1: declares {prototypes(name)} functions" for name in src.c_files(suffixes=".h")
            if prototypes(name) > PROTOTYPES_MAX]


def purposes():
    """Every source opens with a comment that says its purpose, below the licence."""
    found = []
    for name in src.c_files(suffixes=".c"):
        rest = src.text(name).split("\n", 1)[-1].lstrip("\n")
        if not re.match(r"// *\w|/\*+\s*\w", rest):
            found.append(f"{name}:2: does not say what it is for")
    return found


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


def paths():
    """The console calls the agent by the rows of its endpoints: no path is written by hand."""
    return [f"{name}:{line}: a path instead of an endpoint's row"
            for name in src.c_files(parts=("console",))
            for line, content in enumerate(src.text(name).splitlines(), 1)
            if re.search(r'"/(api/v1|v1|healthz|metrics)\b', content)]


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
        if any(SAYS.search(line) for line in src.code(name).splitlines()):
            have.add(src.module(name))
        have |= {f"{name}:{member}" for member, _ in member_names(src.code(name))}
        have |= {f"{name}:{f}" for f, _, length, _ in src.functions(name) if length > 80}
    return [f"tests/lint/justified: {path} needs no exception any more"
            for check in ("size", "print", "unread") for path in sorted(src.justified(check) - have)]


def mutated():
    """The tables of tests/mutate fit the tree: what has no line any more goes, or follows it."""
    run = subprocess.run([sys.executable, "tests/mutate/run.py", "--check"], cwd=src.ROOT, text=True,
                         capture_output=True)
    said = run.stdout.splitlines() or run.stderr.splitlines()[-1:] or ["does not run"]
    return [f"tests/mutate/{line}" for line in said] if run.returncode else []


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
    print(f"# lines of code {ours}, of tests {tests}: {tests / ours:.2f} of a test for a line")


def formatting():
    """Every C source is as `make fmt` leaves it (clang-format 19, .clang-format)."""
    program = shutil.which("clang-format-19")
    if not program:
        return None
    names = [n for n in src.tracked() if n.endswith((".c", ".h"))]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        runs = pool.map(lambda some: subprocess.run(
            [program, "--dry-run", "--ferror-limit=1", *some], cwd=src.ROOT, text=True,
            capture_output=True), [names[at::JOBS] for at in range(JOBS)])
    places = re.findall(r"^(\S+?:\d+):\d+: warning: code should be clang-formatted",
                        "".join(run.stderr for run in runs), re.M)
    first = {place.split(":")[0]: place for place in reversed(places)}
    return [f"{place}: is not as make fmt leaves it" for _, place in sorted(first.items())]


CHECKS = (floors, thirdparty, headers, own_header, clang, forbidden, silent, unread, variables,
          circles, faces, purposes, units, paths, spdx, unfinished, machine, sizes, stale, mutated,
          formatting)


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
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(src.ROOT)
    sys.exit(main())
