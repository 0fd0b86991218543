# SPDX-License-Identifier: MIT
"""Agents by name: which one a command goes to, what goes with it, and all of them at once."""
import concurrent.futures
import json
import os
import socket
import time

import pytest

from command import yijian


@pytest.fixture
def home(tmp_path):
    """env= of a user with a configuration of their own."""
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "HOME": str(tmp_path)}


def contexts(home):
    return os.path.join(home["XDG_CONFIG_HOME"], "yijian", "contexts")


def add(home, name, url, *more):
    done = yijian(None, "context", "add", name, "--agent", url, *more, env=home)
    assert done.returncode == 0, done.stderr


def origin(home, *words, env=None):
    done = yijian(None, *words, "config", "list", "--show-origin", env={**home, **(env or {})})
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()[1:]}
    return rows


def test_a_context_from_birth_to_end(agent, home):
    add(home, "lab", agent.url(), "--danger", "production")
    add(home, "edge", "unix:/run/edge.sock", "--read-only")
    assert os.stat(contexts(home)).st_mode & 0o777 == 0o600
    items = json.loads(yijian(None, "context", "list", "-o", "json", env=home).stdout)["items"]
    assert [(c["name"], c["danger"], c["read_only"], c["current"]) for c in items] == [
        ("lab", "production", False, False), ("edge", "normal", True, False)]
    assert yijian(None, "context", "use", "lab", env=home).returncode == 0
    assert yijian(None, "key", "list", env=home).returncode == 0
    assert json.loads(yijian(None, "context", "get", "-o", "json", env=home).stdout)["current"]
    assert yijian(None, "context", "remove", "lab", env=home).returncode == 0
    assert yijian(None, "context", "get", env=home).returncode == 3
    assert yijian(None, "context", "get", "lab", env=home).returncode == 3
    assert yijian(None, "context", "remove", "lab", "edge", env=home).returncode == 9
    assert yijian(None, "context", "use", "lab", env=home).returncode == 3
    unknown = yijian(None, "--context", "lab", "key", "list", env=home)
    assert unknown.returncode == 3 and "context list" in unknown.stderr


@pytest.mark.parametrize("words", [["Lab"], ["a/b"], [""], ["x" * 65], ["lab", "--danger", "some"],
                                   ["lab", "--agent", "lab.example"], ["lab", "--pin", "sha1//x"]])
def test_a_context_nobody_could_call_is_not_kept(home, words):
    done = yijian(None, "context", "add", "--agent", "https://lab.example", *words, env=home)
    assert done.returncode == 2, done.stderr
    assert not os.path.exists(contexts(home))


def test_the_higher_place_says_the_agent(home):
    add(home, "lab", "http://lab.example:1")
    add(home, "edge", "http://edge.example:2")
    yijian(None, "context", "use", "lab", env=home)
    agents = {"YIJIAN_AGENT": "http://env.example:3"}
    assert origin(home)["agent"] == ["http://lab.example:1", "context", "lab"]
    assert origin(home, env={"YIJIAN_CONTEXT": "edge"})["agent"][0] == "http://edge.example:2"
    assert origin(home, env=agents)["agent"] == ["http://env.example:3", "environment"]
    assert origin(home, "--context", "edge", env=agents)["agent"][0] == "http://edge.example:2"
    assert origin(home, "--agent", "http://f:4", env={"YIJIAN_CONTEXT": "edge"})["agent"][0] == "http://f:4"
    assert origin(home, "--context", "local")["agent"][0] == "http://localhost:8000"
    both = yijian(None, "--context", "lab", "--agent", "http://f:4", "key", "list", env=home)
    assert both.returncode == 2, both.stderr
    both = yijian(None, "key", "list", env={**home, **agents, "YIJIAN_CONTEXT": "lab"})
    assert both.returncode == 78, both.stderr


def test_a_token_goes_to_no_other_agent(home, tmp_path):
    """What is said of one agent, in a lower place, is not sent to the one that is chosen."""
    (tmp_path / "token").write_text("yj_a_lab\n")
    add(home, "lab", "https://lab.example:1", "--token-file", str(tmp_path / "token"))
    add(home, "edge", "https://edge.example:2")
    token = {"YIJIAN_TOKEN_FILE": str(tmp_path / "token")}
    assert origin(home, "--context", "edge", env=token)["token_file"] == ["context", "edge"]
    assert origin(home, "--context", "lab")["token_file"][0] == str(tmp_path / "token")
    yijian(None, "context", "use", "lab", env=home)
    assert origin(home, "--agent", "https://other.example")["token_file"] == ["default"]


@pytest.mark.parametrize("mode,says", [(0o640, "read"), (0o604, "read"), (0o620, "write"), (0o602, "write")])
def test_a_file_that_others_may_read_or_write(home, mode, says):
    add(home, "lab", "http://localhost:1")
    os.chmod(contexts(home), mode)
    for words in (["key", "list"], ["context", "list"], ["context", "add", "x", "--agent", "http://h"],
                  ["--context", "lab", "status"], ["status", "--all-contexts"]):
        done = yijian(None, *words, env=home)
        assert done.returncode == 78 and f"others may {says} it" in done.stderr, (words, done.stderr)
        assert "chmod 600" in done.stderr
    assert yijian("http://127.0.0.1:1", "key", "list", env=home).returncode == 7, "needs none"


@pytest.mark.parametrize("text", ["[]", "contexts: {}", "contexts: [{name: a}]", "contexts: [3]", "x: 1",
                                  "contexts: [{name: a, agent: b, more: 1}]", "&a contexts: *a", "\0",
                                  "contexts: [{name: a, agent: b}, {name: a, agent: c}]", "{", "a: 1\na: 2"])
def test_a_file_that_is_no_list_of_contexts(home, text):
    add(home, "lab", "http://localhost:1")
    with open(contexts(home), "w") as file:
        file.write(text)
    done = yijian(None, "key", "list", env=home)
    assert done.returncode == 78 and contexts(home) in done.stderr, done.stderr


def test_contexts_of_many_writers_are_all_kept(home):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: add(home, f"c{n}", f"http://localhost:{n + 1}"), range(24)))
    listed = yijian(None, "context", "list", "-o", "name", env=home).stdout.split()
    assert sorted(listed) == sorted(f"c{n}" for n in range(24))


def test_a_place_that_takes_no_file(home, tmp_path):
    (tmp_path / "config").write_text("a file where the folder should be")
    done = yijian(None, "context", "add", "lab", "--agent", "http://localhost:1", env=home)
    assert done.returncode == 78 and "cannot write" in done.stderr
    nowhere = yijian(None, "context", "add", "lab", "--agent", "http://localhost:1",
                     env={"XDG_CONFIG_HOME": "", "HOME": ""})
    assert nowhere.returncode == 78, nowhere.stderr


def test_read_only_contexts_change_nothing(agent, home):
    add(home, "lab", agent.url(), "--read-only")
    done = yijian(None, "--context", "lab", "feature", "set", "chat", "--strategy", "weighted", env=home)
    assert done.returncode == 11 and "read-only" in done.stderr


def test_production_wants_its_name_for_what_takes_away(agent, home):
    add(home, "prod", agent.url(), "--danger", "production")
    words = ["--context", "prod", "feature", "delete", "embeddings"]
    for more in (["--yes"], ["--confirm", "embeddings"], ["--yes", "--confirm", "other"]):
        done = yijian(None, *words, *more, env=home)
        assert done.returncode == 11 and "--confirm prod" in done.stderr, done.stderr
    assert yijian(agent, "feature", "get", "embeddings").returncode == 0
    kept = yijian(None, "--context", "prod", "feature", "set", "chat", "--strategy", "weighted", env=home)
    assert kept.returncode == 0, "what can be set again is not asked about"
    assert yijian(None, *words, "--confirm", "prod", env=home).returncode == 0


def test_login_keeps_a_token_the_agent_takes(agent, home, tmp_path):
    made = yijian(agent, "token", "create", "ci", "--role", "viewer", "--out", str(tmp_path / "ci.token"))
    assert made.returncode == 0, made.stderr
    token = (tmp_path / "ci.token").read_text()
    bad = yijian(None, "login", "lab", "--agent", agent.url(), "--token", "-", env=home, stdin="yj_a_nobody")
    assert bad.returncode == 4, bad.stderr
    assert not os.path.exists(contexts(home)), "nothing is kept of a token that is not taken"
    assert yijian(None, "login", "lab", "--token", "-", env=home, stdin=token).returncode == 3
    assert yijian(None, "login", "lab", "--agent", agent.url(), "--token", token.strip(), env=home).returncode == 2
    assert yijian(None, "login", "lab", "--agent", agent.url(), env=home).returncode == 2, "nobody to ask"
    good = yijian(None, "login", "lab", "--agent", agent.url(), "--token", "-", env=home, stdin=token)
    assert good.returncode == 0, good.stderr
    kept = json.loads(yijian(None, "context", "get", "lab", "-o", "json", env=home).stdout)["token_file"]
    assert os.stat(kept).st_mode & 0o777 == 0o600 and open(kept).read().strip() == token.strip()
    assert yijian(None, "--context", "lab", "key", "list", env=home).returncode == 0
    denied = yijian(None, "--context", "lab", "key", "disable", "x/y/z", env=home)
    assert denied.returncode in (3, 4), denied.stderr
    assert yijian(None, "logout", "lab", env=home).returncode == 0
    assert not os.path.exists(kept)
    assert yijian(None, "logout", "lab", env=home).returncode == 3
    assert yijian(None, "login", "lab", "--token", "-", env=home, stdin=token).returncode == 0
    yijian(None, "context", "remove", "lab", env=home)
    assert not os.path.exists(kept)


# ---- all of them ----

def test_all_contexts_have_their_rows(make_agent, home):
    one, two = make_agent(), make_agent()
    add(home, "one", one.url())
    add(home, "two", two.url())
    yijian(two, "feature", "set", "only_two", "--endpoint", "chat.completions")
    items = json.loads(yijian(None, "feature", "list", "--all-contexts", "-o", "json", env=home).stdout)["items"]
    assert {i["context"] for i in items} == {"one", "two"}
    assert [i["context"] for i in items if i["name"] == "only_two"] == ["two"]
    table = yijian(None, "health", "--all-contexts", env=home)
    assert table.returncode == 1 and table.stdout.splitlines()[0].startswith("CONTEXT")
    status = yijian(None, "status", "--all-contexts", env=home)
    assert status.returncode == 1 and [l.split()[0] for l in status.stdout.splitlines()] == [
        "CONTEXT", "one", "two"], status.stdout
    for words in (["--agent", one.url()], ["--context", "one"]):
        assert yijian(None, "status", "--all-contexts", *words, env=home).returncode == 2
    assert yijian(None, "key", "list", "--all-contexts", "-w", env=home).returncode == 2


def test_a_dead_context_costs_its_own_row(agent, home):
    """Closed, silent, or no agent at all: the others answer, and nobody waits for long."""
    for n in range(3):
        add(home, f"live{n}", agent.url())
    with socket.create_server(("127.0.0.1", 0)) as silent, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        add(home, "closed", f"http://127.0.0.1:{closed.getsockname()[1]}")
        add(home, "silent", f"http://127.0.0.1:{silent.getsockname()[1]}")
        begun = time.monotonic()
        done = yijian(None, "status", "--all-contexts", env=home)
        assert time.monotonic() - begun < 8, "the default timeout of one call is 10 s"
        rows = {line.split()[0]: line.split()[3] for line in done.stdout.splitlines()[1:]}
        assert rows == {"live0": "ok", "live1": "ok", "live2": "ok", "closed": "unreachable",
                        "silent": "unreachable"}
        assert done.returncode == 1 and "2 of 5 contexts" in done.stderr
        listed = yijian(None, "feature", "list", "--all-contexts", "-o", "ndjson", env=home)
        assert listed.returncode == 9
        dead = [i for i in map(json.loads, listed.stdout.splitlines()) if "error" in i]
        assert [(i["context"], i["error"]["code"]) for i in dead] == [
            ("closed", "unreachable"), ("silent", "timed_out")]
    for name in ("live0", "live1", "live2"):
        yijian(None, "context", "remove", name, env=home)
    nobody = yijian(None, "status", "--all-contexts", "--timeout", "500ms", env=home)
    assert nobody.returncode == 7, nobody.stderr


def test_without_contexts_there_is_nobody_to_ask(home):
    done = yijian(None, "status", "--all-contexts", env=home)
    assert done.returncode == 3 and "context add" in done.stderr
