#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Plants small mistakes in the rules of the agent and counts how many the tests find.

A sample of the mutants of tests/mutate/mutants.py, drawn by their words, so that every run draws
the same and a longer one more of them. Each is compiled alone and linked into the unit programs
that have its source in them. One that they let live meets tests of the suites, in an agent of its
own: of those that run its function the ones of its row in tests/mutate/suites first, for TESTS_S at
most. Which test runs which function is found by a traced agent and kept in build/mutate until there
is another function. `make mutate` builds and hands over the flags.

What is not counted: what does not compile, what compiles to the same code as the source or as a
mutant before it, and what tests/mutate/survivors says can make no difference, and why. What takes
a unit program beyond its time is killed and said apart; what takes the suites beyond theirs is not
counted. A test of the suites kills when it fails twice and passes on the unmutated agent.

  --minutes N   no further mutant after so long (MUTATE_MINUTES, 20)
  --jobs N      at once (MUTATE_JOBS, one a processor)
  --only AREA   one row of tests/mutate/areas
  --units       the unit programs alone
  --trace       find anew which test runs which function
  --check       only look whether the tables still fit the tree
"""
import argparse
import collections
import concurrent.futures
import fcntl
import hashlib
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

import mutants as mut

src = mut.src
ROOT = src.ROOT
HERE = pathlib.Path(__file__).resolve().parent
OBJECTS = ROOT / "build/release"
WORK = ROOT / "build/mutate"
PYTHON = "/usr/bin/python3"
BAR = 85  # percent
SUITES_S = 600
TESTS_S, TESTS = 60, 40  # seconds they took when traced; however cheap they are, so many
TRACE_S = 3600
MEMORY = 6 << 30
KILLED, LIVES, SLOW, SAME, BROKEN, UNDECIDED, EQUIVALENT = (
    "killed", "lives", "killed by its time", "same code", "does not compile", "undecided",
    "equivalent")


def rows(name):
    return [line for line in (HERE / name).read_text().splitlines()
            if line and not line.startswith("#")]


def table(name):
    """Rows "KEY: GLOB…" or "GLOB…: PATH…" in their order."""
    return [(left.strip(), right.split())
            for left, _, right in (row.partition(":") for row in rows(name))]


def fitting(globs):
    return [n for n in src.c_files(suffixes=".c") if src.matches(n, globs)]


def areas():
    return {area: fitting(globs) for area, globs in table("areas")}


def suites_of(name):
    for globs, suites in table("suites"):
        if src.matches(name, globs.split()):
            return suites
    return []


class Reviewed:
    """The survivors somebody has looked at: key -> (equivalent or accepted, why)."""

    def __init__(self):
        self.why = {}
        for row in rows("survivors"):
            *key, verdict, why = row.split("\t")
            self.why[tuple(key)] = verdict, why

    def of(self, mutant):
        name = f"{src.module(mutant.file).split('/', 1)[1]}:{mutant.function}"
        return self.why.get(mutant.key) or self.why.get((name, *mutant.key[1:]))


def problems(all_mutants):
    """What in the tables no longer fits the tree."""
    found = [f"areas: {area} has no source" for area, names in areas().items() if not names]
    names = [n for area in areas().values() for n in area]
    found += [f"areas: {n} is in two" for n, count in collections.Counter(names).items() if count > 1]
    for globs, suites in table("suites"):
        found += [f"suites: {g} fits no source" for g in globs.split() if not fitting([g])]
        found += [f"suites: {path} is not there" for path in suites if not (ROOT / path).exists()]
    found += [f"suites: {name} fits no row" for name in names if not suites_of(name)]
    places = collections.Counter(m.key for m in all_mutants)
    places.update((f"{src.module(m.file).split('/', 1)[1]}:{m.function}", *m.key[1:])
                  for m in all_mutants)
    met = set()
    for row in rows("survivors"):
        *key, verdict, why = row.split("\t")
        if tuple(key) in met:
            found.append("survivors: " + " | ".join(key) + ": stands twice")
        met.add(tuple(key))
        at = "survivors: " + " | ".join(key)
        if len(key) != 3 or verdict not in ("equivalent", "accepted") or not why:
            found.append(f"{at}: not FUNCTION, LINE, CHANGE, equivalent or accepted, WHY")
        elif places[tuple(key)] == 0:
            found.append(f"{at}: no such line any more; the row goes, or follows it")
        elif places[tuple(key)] > 1:
            found.append(f"{at}: there are several; write FOLDER/FILE:FUNCTION")
    return found


def limits():
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def run(command, timeout, **more):
    """(status, output); a status of None: it had to be ended, with all it had started."""
    with subprocess.Popen(command, cwd=ROOT, start_new_session=True, preexec_fn=limits,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **more) as child:
        try:
            out = child.communicate(timeout=timeout)[0]
            return child.returncode, out.decode(errors="replace")
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            return None, child.communicate()[0].decode(errors="replace")


class Tools:
    """How the makefile compiles and links."""

    def __init__(self):
        need = ("MUTATE_CC", "MUTATE_CFLAGS", "MUTATE_LDFLAGS", "MUTATE_AUTH_LDFLAGS",
                "MUTATE_TEST_LIBS", "MUTATE_AGENT_LIBS")
        missing = [name for name in need if name not in os.environ]
        if missing:
            sys.exit("tests/mutate/run.py: started without flags; use: make mutate")
        self.cc, cflags, self.ldflags, self.auth, self.test_libs, self.agent_libs = (
            shlex.split(os.environ[name]) for name in need)
        # Without debug information equal code is an equal object.
        self.cflags = [f for f in cflags if f not in ("-g", "-Werror")] + ["-w"]
        self.archives = [str(OBJECTS / f"lib{part}.a") for part in ("console", "agent", "shared")]
        self.helpers = [str(OBJECTS / n.replace(".c", ".o")) for n in src.tracked()
                        if re.fullmatch(r"tests/unit/\w+\.c", n)]

    def compile(self, text, to, more=()):
        return subprocess.run([*self.cc, *self.cflags, *more, "-x", "c", "-c", "-", "-o", str(to)],
                              cwd=ROOT, input=text.encode(), capture_output=True).returncode == 0

    def link(self, to, objects, libs):
        to.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*self.cc, *self.ldflags, "-o", str(to), *map(str, objects),
                        *self.archives, *libs], cwd=ROOT, check=True, capture_output=True)

    def link_unit(self, name, mutated, to):
        more = self.auth if name == "web/test_auth" else []
        self.link(to, [*more, OBJECTS / f"tests/unit/{name}.o", *self.helpers, mutated],
                  self.test_libs)

    def link_agent(self, mutated, to):
        self.link(to, [OBJECTS / "agent/main.o", mutated], self.agent_libs)


def symbols(path):
    out = subprocess.run(["nm", "--defined-only", str(path)], capture_output=True, text=True).stdout
    return {w[2] for w in map(str.split, out.splitlines()) if len(w) == 3 and w[1].isupper()}


class Units:
    """The unit programs, what each holds, and how long it takes."""

    def __init__(self):
        sources = [n for n in src.tracked() if re.fullmatch(r"tests/unit/\w+/test_\w+\.c", n)]
        self.names = [n[len("tests/unit/"):-2] for n in sources]
        self.holds = {n: symbols(OBJECTS / "tests" / n) for n in self.names}
        self.seconds, self.lock = {}, threading.Lock()

    def of(self, name):
        """Those with the source in them, its own folder's first."""
        own = symbols(OBJECTS / name.replace(".c", ".o"))
        folder, stem = name.split("/")[-2], pathlib.Path(name).stem
        return sorted((n for n in self.names if own & self.holds[n]),
                      key=lambda n: (n.split("/")[0] != folder, not n.endswith(stem), n))

    def limit(self, name):
        with self.lock:
            if name not in self.seconds:
                began = time.monotonic()
                status, out = run([str(OBJECTS / "tests" / name)], 120)
                if status != 0:
                    sys.exit(f"{name} fails without any mutant:\n{out[-2000:]}")
                self.seconds[name] = time.monotonic() - began
            return 5 + 10 * self.seconds[name]


class Worker:
    """A directory of its own, with a set of programs in which the agent is the mutant."""

    def __init__(self, number, tools, units):
        self.at = WORK / str(number)
        shutil.rmtree(self.at, ignore_errors=True)
        self.programs = self.at / "programs"
        self.programs.mkdir(parents=True)
        for name in ("yijian", "vendord"):
            os.link(ROOT / "build" / name, self.programs / name)
        self.tools, self.units = tools, units

    def fate(self, mutant, seen, tests):
        """(fate, by whom)."""
        made = self.at / "mutant.o"
        if not self.tools.compile(mutant.applied(), made):
            return BROKEN, ""
        if not seen(mutant.file, made.read_bytes()):
            return SAME, ""
        for name in self.units.of(mutant.file):
            program = self.at / "unit"
            self.tools.link_unit(name, made, program)
            status, _ = run([str(program)], self.units.limit(name))
            if status != 0:
                return (SLOW if status is None else KILLED), name
        tests = tests and tests.of(mutant)
        return self.meet(tests, made) if tests else (LIVES, "no test of the suites runs it")

    def meet(self, tests, made):
        """Tests of the suites, against an agent that holds the mutant."""
        self.tools.link_agent(made, self.programs / "yijiand")
        command = [PYTHON, "-m", "pytest", "-q", "-x", "-rfE", "-p", "no:cacheprovider"]
        status, out = self.pytest(command + tests, self.programs)
        if status in (None, 0):
            return (UNDECIDED if status is None else LIVES), f"{len(tests)} tests of the suites"
        failed = re.search(r"^(?:FAILED|ERROR) (\S+?::.+?)(?: - |$)", out, re.M)
        if not failed:
            (self.at / "pytest.log").write_text(out)
            return UNDECIDED, f"see {self.at}/pytest.log"
        again, _ = self.pytest(command + [failed.group(1)], self.programs)
        sound, _ = self.pytest(command + [failed.group(1)], ROOT / "build")
        return (KILLED if again and sound == 0 else UNDECIDED), failed.group(1)

    def pytest(self, command, programs):
        env = dict(os.environ, YIJIAN_BUILD=str(programs), LC_ALL="C.UTF-8",
                   PYTHONDONTWRITEBYTECODE="1")
        try:
            return run(command, SUITES_S, env=env)
        finally:
            self.end_agents()

    def end_agents(self):
        """Those a test that was ended has left: they run this directory's programs, nobody else's."""
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if os.readlink(entry / "exe").startswith(f"{self.programs}/"):
                    os.kill(int(entry.name), signal.SIGKILL)
            except (OSError, ValueError):
                pass


class Traced:
    """Which tests of the suites run a function, and how long each takes."""

    def __init__(self, tools, anew):
        self.at, self.tools = WORK / "traced.json", tools
        if anew or self.kept().get("functions") != self.functions():
            self.trace()
        self.tests = self.kept()["tests"]
        self.by_function = collections.defaultdict(list)
        for test, (_, functions) in self.tests.items():
            for function in functions:
                self.by_function[function].append(test)

    def kept(self):
        return json.loads(self.at.read_text()) if self.at.exists() else {}

    def functions(self):
        """What was traced: with another function in the rules it is traced anew."""
        return sorted({function for names in areas().values() for name in names
                       for function, *_ in src.functions(name)})

    def of(self, mutant):
        """Node ids: its own suites' first, then the rest, the cheap ones before the long."""
        own = suites_of(mutant.file)
        def place(test):
            path = test.split("::")[0]
            return own.index(path) if path in own else len(own), self.tests[test][0]
        chosen, seconds = [], 0
        for test in sorted(self.by_function[mutant.function], key=place):
            seconds += self.tests[test][0]
            if seconds > TESTS_S or len(chosen) == TESTS:
                break
            chosen.append(test)
        return chosen

    def trace(self):
        """Runs every suite of the table once, with an agent that notes what it runs."""
        print("tracing which test runs which function …", flush=True)
        at = WORK / "traced"
        shutil.rmtree(at, ignore_errors=True)
        (at / "programs").mkdir(parents=True)
        (at / "out").mkdir()
        objects = [self.traced(at, name) for names in areas().values() for name in names]
        plain = str(at / "trace.o")
        self.tools.compile((HERE / "trace.c").read_text(), plain)
        agent = at / "programs/yijiand"
        self.tools.link(agent, [OBJECTS / "agent/main.o", plain, *objects], self.tools.agent_libs)
        for name in ("yijian", "vendord"):
            os.link(ROOT / "build" / name, at / "programs" / name)
        suites = list(dict.fromkeys(path for _, paths in table("suites") for path in paths))
        env = dict(os.environ, YIJIAN_BUILD=str(at / "programs"), LC_ALL="C.UTF-8",
                   PYTHONDONTWRITEBYTECODE="1", PYTHONPATH=str(HERE), PYTEST_PLUGINS="traced",
                   MUTATE_TRACED=str(at / "out"))
        many = subprocess.run([PYTHON, "-c", "import xdist"], capture_output=True).returncode == 0
        more = ["-n", str(2 * (os.cpu_count() or 1)), "--dist", "loadfile"] if many else []
        _, out = run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, *suites],
                     TRACE_S, env=env)
        print("\n".join(out.splitlines()[-12:]))
        self.keep(agent, at / "out")

    def traced(self, at, name):
        made = at / name.replace("/", "-").replace(".c", ".o")
        self.tools.compile(src.text(name), made, ["-O1", "-fno-inline", "-finstrument-functions"])
        return made

    def keep(self, agent, out):
        names = {}
        for line in subprocess.run(["nm", agent], capture_output=True, text=True).stdout.splitlines():
            words = line.split()
            if words[-1] == "__executable_start":
                start = int(words[0], 16)
            elif len(words) == 3 and words[1] in "tT":
                names[int(words[0], 16)] = words[2].split(".")[0]
        tests = {}
        for path in out.iterdir():
            for test, (seconds, passed, ran) in json.loads(path.read_text()).items():
                if passed:
                    tests[test] = seconds, sorted({names[o + start] for o in ran})
        if not tests:
            sys.exit("no test of the suites ran an agent's function")
        self.at.write_text(json.dumps({"functions": self.functions(), "tests": tests}))


class Seen:
    """The code of each source and of its mutants so far: what compiles to the same is no mutant."""

    def __init__(self, tools):
        self.tools, self.lock, self.code = tools, threading.Lock(), collections.defaultdict(set)

    def __call__(self, name, code):
        with self.lock:
            if not self.code[name]:
                plain = WORK / "plain.o"
                self.tools.compile(src.text(name), plain)
                self.code[name].add(hashlib.sha256(plain.read_bytes()).digest())
            mark = hashlib.sha256(code).digest()
            new = mark not in self.code[name]
            self.code[name].add(mark)
            return new


def drawn(all_areas, only):
    """Mutants in the order of the draw, the areas in turn: (area, mutant)."""
    queues = {}
    for area, names in all_areas.items():
        if not only or area == only:
            found = [m for name in names for m in mut.mutants(name)]
            queues[area] = sorted(found, key=lambda m: (m.draw, m.file))
    for turn in range(max(map(len, queues.values()), default=0)):
        for area, queue in queues.items():
            if turn < len(queue):
                yield area, queue[turn]


def ratio(names_of_code, names_of_tests):
    """Lines of tests to a line of code."""
    lines = [sum(src.text(n).count("\n") for n in names) for names in (names_of_tests, names_of_code)]
    return f"{lines[0]} : {lines[1]} = {lines[0] / lines[1]:.2f}" if lines[1] else "-"


def report_ratio(all_areas):
    tests = [n for n in src.tracked() if n.startswith("tests/") and "tests/data/" not in n
             and n.endswith((".c", ".h", ".py", ".mjs", ".sh"))]
    print(f"\ntest to code, lines: {ratio(src.c_files(), tests)}")
    for area, names in all_areas.items():
        folders = {n.split("/")[-2] for n in names}
        own = [n for n in tests if n.startswith("tests/unit/") and n.split("/")[2] in folders]
        print(f"  units of {area:<9} {ratio(names, own)}")


def report(all_areas, fates, reviewed):
    """The survivors and the table; True when the bar is met."""
    print("\nsurvivors:")
    for area, mutant, fate, by in fates:
        if fate == LIVES:
            why = reviewed.of(mutant)
            print(f"  {mutant}\n      {'accepted: ' + why[1] if why else 'not reviewed'}")
    for area, mutant, fate, by in fates:
        if fate == UNDECIDED:
            print(f"  undecided: {mutant} {by}")
    print(f"\n{'area':<10} {'killed':>7} {'of':>5} {'':>6}  {'by time':>7} {'equal':>6} "
          f"{'equiv.':>6} {'broken':>6} {'undecided':>9} {'there are':>9}")
    sums = collections.Counter()
    for area in [*all_areas, "all"]:
        count = collections.Counter(f for a, _, f, _ in fates if area in (a, "all"))
        killed, of = count[KILLED] + count[SLOW], count[KILLED] + count[SLOW] + count[LIVES]
        names = all_areas.get(area) or [n for names in all_areas.values() for n in names]
        print(f"{area:<10} {killed:>7} {of:>5} {100 * killed / of if of else 0:>5.1f}% "
              f" {count[SLOW]:>7} {count[SAME]:>6} {count[EQUIVALENT]:>6} {count[BROKEN]:>6} "
              f"{count[UNDECIDED]:>9} {sum(len(mut.mutants(n)) for n in names):>9}")
        sums[area] = killed, of
    killed, of = sums["all"]
    print(f"\n{killed} of {of} killed, the bar is {BAR} %")
    return of > 0 and 100 * killed >= BAR * of


def sweep(began):
    """Removes what unit programs that a mutant ended have left: theirs are named yijian-WORD-XXXXXX,
    and one that is older than any of them may take is nobody's any more."""
    for path in pathlib.Path("/tmp").iterdir():
        if re.fullmatch(r"yijian-(store|db|ledger|seal)-\w{6}", path.name):
            changed = path.lstat().st_mtime
            if began <= changed < time.time() - 120:
                shutil.rmtree(path, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float,
                        default=float(os.environ.get("MUTATE_MINUTES", "20")))
    parser.add_argument("--jobs", type=int,
                        default=int(os.environ.get("MUTATE_JOBS", os.cpu_count() or 1)))
    parser.add_argument("--only", choices=list(areas()))
    parser.add_argument("--units", action="store_true")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args()
    os.chdir(ROOT)
    all_areas = areas()
    wrong = problems([m for names in all_areas.values() for n in names for m in mut.mutants(n)])
    print("\n".join(wrong) or "the tables of tests/mutate fit the tree")
    if wrong or args.check:
        return 1 if wrong else 0
    WORK.mkdir(parents=True, exist_ok=True)
    lock = open(WORK / "lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    tools, units, reviewed = Tools(), Units(), Reviewed()
    tests = None if args.units else Traced(tools, args.trace)
    seen, fates, draw, guard = Seen(tools), [], drawn(all_areas, args.only), threading.Lock()
    began = time.monotonic()

    def work(number):
        worker = Worker(number, tools, units)
        while time.monotonic() - began < 60 * args.minutes:
            with guard:
                area, mutant = next(draw, (None, None))
            if mutant is None:
                return
            why = reviewed.of(mutant)
            fate, by = (EQUIVALENT, "") if why and why[0] == "equivalent" else \
                worker.fate(mutant, seen, tests)
            with guard:
                fates.append((area, mutant, fate, by))
                print(f"{fate:<18} {mutant.file}:{mutant.line} {mutant.change} {by}", flush=True)

    since = time.time()
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        for done in [pool.submit(work, n) for n in range(args.jobs)]:
            done.result()
    sweep(since)
    met = report(all_areas, fates, reviewed)
    report_ratio(all_areas)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
