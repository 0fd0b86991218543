# SPDX-License-Identifier: MIT
"""Every option that a command shows does what it says there: the option table times the commands."""
import csv
import functools
import io
import json
import re
import shlex

import pytest

from command import yijian

FORMATS = ("table", "wide", "json", "ndjson", "csv", "yaml", "name")
# What goes on by itself, leads elsewhere, waits for what does not come, or is about files of documents.
APART = {"export", "diff", "validate",
         "traffic tail", "try chat", "watch", "wait", "task wait", "console", "shell", "api", "try image", "login"}


@functools.cache
def tree():
    return json.loads(yijian(None, "help", "--json").stdout)["commands"]


def options(command):
    return {option["name"] for option in command["options"]}


@pytest.fixture(scope="module")
def module_agent(tmp_path_factory):
    from agent import Agent
    from started import Started
    from vendord import Vendord
    every = Started(tmp_path_factory.mktemp("options"))
    vendor, engine = every.add(Vendord), every.add(Vendord, flavour="vllm")
    agent = every.add(Agent)
    for service, name in (("gpt-4", "demo"), ("gpt-4", "old"), ("dalle", "pictures"), ("embeddings", "vectors")):
        agent.add_key(vendor.base_url, "openai", service, name)
    agent.add_instance(engine.url, "demo-llm", "node1")
    agent.chat("hello")
    for index in range(2):
        assert yijian(agent, "client", "add", f"app{index}", "--confirm", f"app{index}").returncode == 0
    assert agent.request("key-manager", "PUT", "/api/v1/clients/policy", json={"required": False}).status == 200
    yield agent
    every.stop()


def looks():
    """(command, words) of one example of each command that only looks."""
    for command in tree():
        if command["changes"] or command["command"] in APART:
            continue
        for line in command["examples"]:
            words = shlex.split(line)[1:]
            if not set(words) & {"|", "<", ">", "-o"} and not re.search(r"al-0|img_|task_|--yes|--confirm|=-", line):
                yield command, words
                break


def answers():
    """Those whose answer is a document."""
    return [(command, words) for command, words in looks() if "output" in options(command)
            and not command["command"].startswith(("context", "client policy"))]


def name(pair):
    return pair[0]["command"].replace(" ", "-")


def test_there_is_enough_to_look_at():
    assert len(answers()) > 25 and {"doctor", "version", "status", "usage"} <= {c["command"] for c, _ in answers()}


@pytest.mark.parametrize("pair", answers(), ids=name)
def test_every_format_is_one(module_agent, pair):
    command, words = pair
    found = yijian(module_agent, *words)
    if found.returncode == 3:
        pytest.skip("the example's object is not in this state")
    for form in FORMATS:
        done = yijian(module_agent, *words, "-o", form)
        said = f"{words} -o {form}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == found.returncode, said
        if form == "json":
            assert json.loads(done.stdout), said
        elif form == "ndjson":
            assert all(isinstance(json.loads(line), dict) for line in done.stdout.splitlines()), said
        elif form == "csv":
            rows = list(csv.reader(io.StringIO(done.stdout)))
            assert rows and len({len(row) for row in rows}) == 1 and all(rows[0]), said
            assert len(set(rows[0])) == len(rows[0]), f"two columns of one name: {rows[0]}"
        elif form == "name":
            assert "-" not in done.stdout.splitlines(), said


@pytest.mark.parametrize("pair", answers(), ids=name)
def test_a_field_of_each(module_agent, pair):
    _, words = pair
    whole = yijian(module_agent, *words, "-o", "json")
    if not whole.stdout:
        pytest.skip("the example's object is not in this state")
    again = json.loads(yijian(module_agent, *words, "-o", "json").stdout)
    for field, value in json.loads(whole.stdout).items():
        if value != again[field]:
            continue  # of this moment alone
        done = yijian(module_agent, *words, "--field", field)
        if isinstance(value, str) and value.isascii():
            assert done.stdout == value + "\n"
        elif isinstance(value, (bool, int)) or value is None:
            assert json.loads(done.stdout) == value or field in ("total", "revision"), (field, done.stdout)
        else:
            assert type(json.loads(done.stdout)) is type(value), (field, done.stderr)
    done = yijian(module_agent, *words, "--field", "no.such[9]")
    assert done.returncode == 3 and "no.such" in done.stderr


@pytest.mark.parametrize("pair", [p for p in answers() if "columns" in options(p[0])], ids=name)
def test_columns_are_known_by_what_is_seen(module_agent, pair):
    command, words = pair
    seen = yijian(module_agent, *words, "-o", "csv")
    heads = next(csv.reader(io.StringIO(seen.stdout)), None)
    if heads is None:
        pytest.skip("the example's object is not in this state")
    for head in [h for h in heads if not h.endswith(" CURRENCY")] + command["columns"][:2]:
        done = yijian(module_agent, *words, "--columns", head, "-o", "csv")
        assert done.returncode == seen.returncode, (head, done.stderr)
        assert len(done.stdout.splitlines()) == len(seen.stdout.splitlines())
        plain = yijian(module_agent, *words, "--columns", head)
        assert plain.returncode == seen.returncode and plain.stdout.strip(), (head, plain.stderr)
        without = yijian(module_agent, *words, "--columns", head, "--no-headers", "-o", "csv")
        assert len(without.stdout.splitlines()) == len(seen.stdout.splitlines()) - 1
    both = yijian(module_agent, *words, "--columns", heads[0], "--columns", command["columns"][-1], "-o", "csv")
    assert len(next(csv.reader(io.StringIO(both.stdout)))) >= 2
    assert yijian(module_agent, *words, "--columns", "no such").returncode == 2


@pytest.mark.parametrize("pair", [p for p in answers() if "sort-by" in options(p[0])], ids=name)
def test_every_list_sorts_by_its_columns(module_agent, pair):
    command, words = pair
    for column in command["columns"]:
        done = yijian(module_agent, *words, "--sort-by", column, "-o", "json")
        assert done.returncode in (0, 1), done.stderr
        items = [item.get(column) for item in json.loads(done.stdout).get("items", [])]
        known = [value for value in items if isinstance(value, (int, float)) and not isinstance(value, bool)]
        assert known == sorted(known), (column, items)
        assert yijian(module_agent, *words, "--sort-by", "-" + column).returncode == done.returncode
    assert yijian(module_agent, *words, "--sort-by", "no such").returncode == 2


@pytest.mark.parametrize("pair", [p for p in answers() if "columns" in options(p[0])], ids=name)
def test_colour_and_letters(module_agent, pair):
    _, words = pair
    plain = yijian(module_agent, *words, "--columns", pair[0]["columns"][0], "--color", "never")
    colour = yijian(module_agent, *words, "--columns", pair[0]["columns"][0], "--color", "always")
    if not plain.stdout:
        pytest.skip("the example's object is not in this state")
    assert "\x1b[" in colour.stdout and "\x1b" not in plain.stdout
    bare = re.sub(r"\x1b\[[0-9;]*m", "", colour.stdout)
    assert bare.splitlines()[0] == plain.stdout.splitlines()[0] and "\x1b" not in bare
    assert yijian(module_agent, *words, "--no-unicode").stdout.isascii()


@pytest.mark.parametrize("command", tree(), ids=lambda c: c["command"].replace(" ", "-"))
def test_what_is_not_offered_is_refused(command):
    every = {option["name"]: option for c in tree() for option in c["options"]}
    for missing in sorted(set(every) - options(command)):
        value = ["x"] if every[missing]["value"] else []
        done = yijian("http://127.0.0.1:1", *command["command"].split(), f"--{missing}", *value)
        assert done.returncode == 2 and not done.stdout, (missing, done.stderr)


@pytest.mark.parametrize("command", [c for c in tree() if c["changes"]], ids=lambda c: c["command"].replace(" ", "-"))
def test_read_only_refuses_every_change(module_agent, command):
    words = shlex.split(command["examples"][0])[1:]
    words = words[:words.index("<")] if "<" in words else words
    before = module_agent.get("config-center", "/api/v1/revisions").body["revision"]
    done = yijian(module_agent, *words, "--read-only", stdin="sk-0123456789abcdef0123\n")
    assert done.returncode == 11, done.stdout + done.stderr
    assert module_agent.get("config-center", "/api/v1/revisions").body["revision"] == before


@pytest.mark.parametrize("pair", list(looks()), ids=name)
def test_quiet_says_nothing_beside(module_agent, pair):
    command, words = pair
    done = yijian(module_agent, *words, "-q")
    assert done.returncode or done.stderr == "", done.stderr
