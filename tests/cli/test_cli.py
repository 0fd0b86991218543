# SPDX-License-Identifier: MIT
"""The command line as scripts meet it: every example, exit codes, formats, secrets, hostile answers."""
import contextlib
import http.server
import json
import os
import pathlib
import pty
import re
import shlex
import socket
import subprocess
import threading

import pytest

from waiting import wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("YIJIAN_BUILD", ROOT / "build"))
YIJIAN = str(BUILD / "yijian")
SECRET = "sk-clitest-abcdefghijklmnop-1234"


def run(args, url=None, stdin="", env=None, timeout=60, cwd=None, program=YIJIAN):
    full = dict(os.environ, HOME="/proc/none", XDG_CONFIG_HOME="/proc/none", NO_COLOR="1")
    full.pop("YIJIAN_AGENT", None)
    if url:
        full["YIJIAN_AGENT"] = url
    full.update(env or {})
    return subprocess.run([program, *args], input=stdin, env=full, timeout=timeout, text=True,
                          capture_output=True, cwd=cwd)


def examples():
    """Every example row, in the order of help: the command line and the exit code it must have."""
    groups = re.findall(r"&(rows_\w+),", (ROOT / "console/cmd/commands.c").read_text())
    assert {f"{name}.c" for name in groups} == {path.name for path in ROOT.glob("console/cmd/rows_*.c")}
    text = "".join((ROOT / f"console/cmd/{name}.c").read_text() for name in groups)
    for lines, code in re.findall(r'\{((?:"(?:[^"\\]|\\.)*"\s*)+),\s*(\d+)\}', text):
        line = "".join(json.loads(part) for part in re.findall(r'"(?:[^"\\]|\\.)*"', lines))
        if line.startswith("yijian "):
            yield line, int(code)


def url_of(agent):
    return agent.url("api-gateway")


@pytest.fixture
def demo(agent, make_vendord):
    """An agent with keys, an instance and one request behind it."""
    vendord = make_vendord()
    engine = make_vendord(flavour="vllm")
    url = url_of(agent)
    for service, name in (("gpt-4", "demo"), ("gpt-4", "old"), ("dalle", "pictures"),
                          ("embeddings", "vectors")):
        done = run(["key", "add", f"openai/{service}/{name}", "--base-url", vendord.base_url,
                    "--api-key", "-"], url, f"sk-{service}-{name}-0123456789abcdef\n")
        assert done.returncode == 0, done.stderr
    for service, instance in (("demo-llm", "node1"), ("old-service", "gpu1")):
        done = run(["service", "register", service, "--id", instance, "--url", engine.url,
                    "--engine", "vllm"], url)
        assert done.returncode == 0, done.stderr
    done = run(["api", "PUT", "/api/v1/features/old_feature", "-d", '{"endpoint":"embeddings"}'], url)
    assert done.returncode == 0, done.stderr
    done = run(["try", "chat", "hello", "--yes"], url)
    assert done.returncode == 0, done.stderr
    return url


def test_every_example_does_what_it_says(demo, tmp_path):
    (tmp_path / "keyfile").write_text(SECRET + "\n")
    (tmp_path / "login").write_text("studio:secret-of-the-studio\n")
    (tmp_path / "prices.json").write_text(
        '{"gpt-9":{"litellm_provider":"openai","input_cost_per_token":1.3e-10}}')
    (tmp_path / "prices.yaml").write_text(
        "items:\n- vendor: openai\n  model: gpt-9\n  input_pico: 130\n  output_pico: 260\n")
    (tmp_path / "keys.csv").write_text(f"vendor,service,key_name,api_key\nopenai,gpt-4,imported,{SECRET}\n")
    (tmp_path / "keys.env").write_text(f"ANTHROPIC_API_KEY={SECRET}\nHOME=/x\n")
    (tmp_path / "platform.yaml").write_text(
        "kind: Feature\nname: text_generation\nspec:\n  endpoint: completions\n  strategy: cost\n")
    config = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    for name in ("lab", "old"):
        assert run(["context", "add", name, "--agent", demo], env=config).returncode == 0
    made = run(["token", "create", "lab", "--role", "viewer", "--out", "lab.token"], demo, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    seen = 0
    for line, code in examples():
        if "chat --revision" in line:
            history = json.loads(run(["feature", "history", "chat", "-o", "json"], demo).stdout)
            line = line.replace("--revision 1", f"--revision {history['items'][-1]['revision']}")
        if line.startswith("yijian undo"):  # takes the last change back: one that nothing below needs
            assert run(["feature", "set", "chat", "--strategy", "cost"], demo).returncode == 0
        line = line.replace("yijian", shlex.quote(YIJIAN), 1)
        words = ["", "-c", line] if "|" in line else shlex.split(line)
        program = "sh" if "|" in line else YIJIAN
        stdin = ""
        if "<" in words:
            at = words.index("<")
            stdin = (tmp_path / words[at + 1]).read_text()
            words = words[:at]
        done = run(words[1:], demo, stdin, config, cwd=tmp_path, program=program)
        assert done.returncode == code, f"{line}: {done.returncode}\n{done.stdout}{done.stderr}"
        assert "\x1b" not in done.stdout + done.stderr
        if "key disable" in line:
            assert run(["key", "enable", words[3]], demo).returncode == 0
        seen += 1
    assert seen > 40


def test_alone_without_a_terminal_is_usage():
    done = run([])
    assert done.returncode == 2
    assert "yijian status" in done.stderr


@pytest.mark.parametrize("args,code", [
    (["key", "get", "no-such-key"], 3),
    (["feature", "get", "no-such-feature"], 3),
    (["key", "lst"], 2),
    (["key", "get"], 2),
    (["key", "list", "--no-such-option"], 2),
    (["key", "list", "-o", "xml"], 2),
    (["key", "delete", "openai/gpt-4/demo"], 11),
    (["--read-only", "key", "disable", "openai/gpt-4/demo"], 11),
    (["route", "explain", "text_to_image", "--width", "0"], 6),
    (["service", "register", "x", "--id", "y", "--url", "ftp://h"], 6),
    (["feature", "set", "chat", "--strategy", "weighted", "--if-match", "1"], 5),
    (["route", "explain", "chat", "--expect", "openai/gpt-4"], 0),
    (["route", "explain", "chat", "--expect", "aliyun/qwen", "-q"], 1),
    (["key", "disable", "openai/gpt-4/demo", "no-such-key"], 9),
])
def test_exit_codes(demo, args, code):
    done = run(args, demo)
    assert done.returncode == code, done.stdout + done.stderr


def test_unreachable_is_seven():
    done = run(["key", "list", "-o", "json"], "http://127.0.0.1:1")
    assert done.returncode == 7
    error = json.loads(done.stderr.splitlines()[-1])["error"]
    assert error["code"] == "unreachable" and error["exit_code"] == 7


def test_same_key_again_is_unchanged_and_another_secret_a_conflict(demo):
    args = ["key", "add", "openai/dalle", "--name", "twice", "--api-key", "-"]
    assert run(args, demo, SECRET).returncode == 0
    again = run(args, demo, SECRET)
    assert again.returncode == 0 and "unchanged" in again.stdout
    assert run(args, demo, SECRET + "x").returncode == 5


def test_a_secret_on_the_command_line_is_refused(demo):
    done = run(["key", "add", "openai/dalle/x", "--api-key", SECRET], demo)
    assert done.returncode == 2
    assert "history" in done.stderr and SECRET not in done.stdout + done.stderr


def test_a_secret_by_file_and_descriptor(demo, tmp_path):
    file = tmp_path / "key"
    file.write_text(SECRET + "\n")
    done = run(["key", "add", "openai/dalle/by-file", "--api-key-file", str(file)], demo)
    assert done.returncode == 0 and "line break" in done.stderr
    done = subprocess.run(
        ["bash", "-c", f'"{YIJIAN}" key add openai/dalle/by-fd --api-key-fd 3 3<"{file}"'],
        env=dict(os.environ, YIJIAN_AGENT=demo), text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_formats(demo):
    document = json.loads(run(["key", "list", "-o", "json"], demo).stdout)
    assert document["total"] == len(document["items"]) == 4
    lines = run(["key", "list", "-o", "ndjson"], demo).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [key["id"] for key in document["items"]]
    names = run(["key", "list", "openai/gpt-4", "-o", "name"], demo).stdout.split()
    assert "openai/gpt-4/demo" in names and len(names) == 2
    csv = run(["key", "list", "-o", "csv", "--columns", "vendor,service"], demo).stdout
    assert csv.splitlines()[0] == "VENDOR,SERVICE" and "\r\n" in csv.replace("\n", "\r\n")
    assert "vendor: openai" in run(["key", "list", "-o", "yaml"], demo).stdout
    assert run(["key", "list", "--columns", "nonsense"], demo).returncode == 2
    by = run(["key", "list", "-o", "name", "--sort-by", "-key_name"], demo).stdout.split()
    assert by == sorted(by, key=lambda name: name.split("/")[-1], reverse=True)


def test_a_formula_in_a_name_is_text_in_csv(demo):
    done = run(["key", "add", "openai/dalle", "--name", "=cmd|' /C calc'!A1", "--api-key", "-"], demo,
               SECRET)
    assert done.returncode == 0, done.stderr
    assert "'=cmd" in run(["key", "list", "-o", "csv"], demo).stdout


class Hostile(http.server.BaseHTTPRequestHandler):
    """What a broken or evil agent may answer, by the path's first segment."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        kind = self.server.kind
        status, ctype, body = 200, "application/json", b"{}"
        if kind == "html":
            ctype, body = "text/html", b"<html>login</html>"
        elif kind == "html500":
            status, ctype, body = 500, "text/html", b"<html>oops</html>"
        elif kind == "garbage":
            body = b"\xff\xfe{not json"
        elif kind == "escape":
            evil = "\x1b]0;owned\x07\x1b[2J\u202etxt\u009b31m"
            body = json.dumps({"items": [{"vendor": evil, "service": "s", "key_name": evil,
                                          "state": evil}], "total": 1}).encode()
        elif kind == "error":
            status = 404
            body = json.dumps({"error": {"code": "not_found",
                                         "message": "\x1b[31mno\u202e"}}).encode()
        elif kind == "slow":
            self.server.hold.wait(30)
        self.send_response(status)
        self.send_header("Content-Type", ctype)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@pytest.fixture
def hostile():
    servers = []

    def make(kind):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
        server.kind, server.hold = kind, threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"
    yield make
    for server in servers:
        server.hold.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("kind,code", [("html", 7), ("html500", 7), ("garbage", 7), ("slow", 8)])
def test_what_is_no_agent_is_said_so(hostile, kind, code):
    done = run(["key", "list", "--timeout", "700ms"], hostile(kind))
    assert done.returncode == code, done.stderr


@pytest.mark.parametrize("fmt", ["table", "wide", "csv", "yaml"])
def test_no_escape_reaches_the_terminal(hostile, fmt):
    done = run(["key", "list", "-o", fmt], hostile("escape"))
    assert done.returncode == 0
    for bad in ("\x1b", "\u202e", "\u009b", "\x07"):
        assert bad not in done.stdout + done.stderr
    assert "x1b" in done.stdout or "u001b" in done.stdout


def test_no_escape_in_errors(hostile):
    done = run(["feature", "get", "x"], hostile("error"))
    assert done.returncode == 3 and "\x1b" not in done.stderr and "\u202e" not in done.stderr


def test_a_closed_pipe_is_quiet(demo):
    done = subprocess.run(["bash", "-c", f'set -o pipefail; "{YIJIAN}" help | true'],
                          text=True, capture_output=True, timeout=60)
    assert done.returncode in (0, 141) and done.stderr == ""


@pytest.mark.parametrize("fmt", ["json", "ndjson", "table", "csv"])
def test_nobody_reads_what_is_printed(demo, fmt):
    """What could not be written is never taken for a whole document."""
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run([YIJIAN, "key", "list", "-o", fmt], stdout=writer,
                              env=dict(os.environ, YIJIAN_AGENT=demo), text=True,
                              stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_for_every_command():
    tree = json.loads(run(["help", "--json"]).stdout)
    rows = [command["command"] for command in tree["commands"]]
    assert "key add" in rows and len(rows) > 40
    overview = run(["help"]).stdout
    assert len(overview.splitlines()) <= 24 and all(len(line) <= 80 for line in overview.splitlines())
    words = re.findall(r"[\w-]+", overview)
    for row in rows:
        assert set(row.split()) <= set(words), row
        done = run([*row.split(), "--help"])
        assert done.returncode == 0 and done.stdout.startswith("usage: yijian " + row)
        assert "examples" in done.stdout


def test_completion_is_sourced_and_answers(demo):
    for shell in ("bash", "zsh", "fish"):
        assert run(["completion", shell]).returncode == 0
    script = run(["completion", "bash"]).stdout
    done = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert run(["__complete", "key", ""], demo).stdout.split()[:3] == ["list", "get", "add"]
    assert "--tier" in run(["__complete", "key", "add", "--t"], demo).stdout.split()
    assert "openai/gpt-4/demo" in run(["__complete", "key", "get", ""], demo).stdout.split()
    assert "chat" in run(["__complete", "feature", "get", "c"], demo).stdout.split()


def test_manual_pages_are_clean():
    pages = run(["help", "--man-list"]).stdout.split()
    assert {"yijian.1", "yijian-key.1", "yijian-console.1", "yijian.conf.5", "yijian-api.7",
            "yijian-keys.7"} <= set(pages)
    listed = re.findall(r" build/man/(yijian(?!d)\S*\.\d) ", (ROOT / "packaging/files").read_text())
    assert pages == listed
    for page in pages:
        source = run(["help", "--man", page])
        assert source.returncode == 0
        done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", "-"],
                              input=source.stdout, text=True, capture_output=True, timeout=60)
        assert done.stderr == "", f"{page}: {done.stderr}"


def test_the_shell_runs_commands(demo):
    done = run(["shell"], demo, "key list -o name\nexit\n")
    assert "openai/gpt-4/demo" in done.stdout
    assert run(["shell", "-c", "feature get nothing"], demo).returncode == 3


def test_settings_say_where_they_come_from():
    out = run(["config", "list", "--show-origin"], "http://127.0.0.1:9").stdout
    assert re.search(r"agent\s+http://127.0.0.1:9\s+environment", out)
    assert run(["key", "list", "--agent", "ftp://x"]).returncode == 2


def test_alerts(agent, vendord):
    url = url_of(agent)
    agent.add_key(vendord.base_url, key_name="old", expires_at="2020-01-01T00:00:00.000Z")

    def firing():
        return json.loads(run(["alert", "list", "-o", "json"], url).stdout)["items"]
    found = wait_for(lambda: [a for a in firing() if a["rule"] == "key-expiry"])[0]
    assert "expires in" in run(["health"], url).stdout
    assert "alerts 1" in run(["status"], url).stdout
    done = run(["alert", "ack", found["id"], "al-none", "--note", "new one ordered"], url)
    assert done.returncode == 9 and f"alert {found['id']} acknowledged" in done.stdout
    assert "new one ordered" in run(["alert", "get", found["id"], "-o", "yaml"], url).stdout
    assert run(["alert", "rules", "set", "key-expiry"], url).returncode == 2
    assert run(["alert", "rules", "set", "none", "--threshold", "1"], url).returncode == 3
    assert run(["alert", "rules", "add", "x", "--metric", "moon", "--threshold", "1"],
               url).returncode == 6
    assert run(["alert", "rules", "delete", "key-expiry", "--yes"], url).returncode == 5


def test_a_client_from_birth_to_end(demo, tmp_path):
    done = run(["client", "add", "shop", "--rpm", "600", "--budget", "0.5EUR/day",
                "--confirm", "shop"], demo)
    key = done.stdout.strip()
    assert done.returncode == 0 and re.fullmatch(r"yj_c_[a-z2-7]{10}_\w{32}_\w{6}", key)
    assert "only time" in done.stderr and key not in done.stderr
    doc = json.loads(run(["client", "get", "shop", "-o", "json"], demo).stdout)
    assert doc["budget"] == {"amount_pico": 5 * 10**11, "currency": "EUR", "window": "day"}
    assert doc["limits"]["rpm"] == 600 and key not in json.dumps(doc)
    # The gateway asks for a key now; the same option names the file that holds one.
    assert run(["try", "chat", "hello", "--yes"], demo).returncode == 4
    file = tmp_path / "shop.key"
    file.write_text(key + "\n")
    done = run(["try", "chat", "hello", "--yes"], demo, env={"YIJIAN_TOKEN_FILE": str(file)})
    assert done.returncode == 0, done.stderr
    assert run(["client", "update", "shop", "--rpm", "none", "--budget", "none"], demo).returncode == 0
    doc = json.loads(run(["client", "get", "shop", "-o", "json"], demo).stdout)
    assert doc["limits"]["rpm"] is None and "amount_pico" not in doc["budget"]
    for words, code in ((["client", "add", "SHOP"], 5), (["client", "add", "x", "--rpm", "many"], 2),
                        (["client", "add", "x", "--rpm", "0"], 6), (["client", "get", "nobody"], 3),
                        (["client", "add", "x", "--budget", "5 dollars"], 2),
                        (["client", "update", "shop"], 2), (["client", "delete", "shop"], 11)):
        assert run(words, demo).returncode == code, words
    assert run(["client", "delete", "shop", "--yes"], demo).returncode == 0


def test_a_token_in_a_file_of_its_owners_alone(demo, tmp_path):
    file = tmp_path / "ci.token"
    done = run(["token", "create", "ci", "--role", "viewer", "--out", str(file)], demo)
    assert done.returncode == 0, done.stderr
    token = file.read_text().strip()
    assert file.stat().st_mode & 0o777 == 0o600 and token not in done.stdout + done.stderr
    env = {"YIJIAN_TOKEN_FILE": str(file)}
    assert run(["key", "list"], demo, env=env).returncode == 0
    done = run(["key", "disable", "openai/gpt-4/demo"], demo, env=env)
    assert done.returncode == 4 and "role" in done.stderr
    assert run(["token", "create", "more", "--role", "admin"], demo, env=env).returncode == 4
    # Nothing is made when its secret would have nowhere to go.
    done = run(["token", "create", "second", "--role", "viewer", "--out", str(file)], demo)
    assert done.returncode == 2 and file.read_text().strip() == token
    assert run(["token", "get", "second"], demo).returncode == 3
    assert run(["token", "list", "-o", "name"], demo).stdout.split() == ["ci"]
    assert run(["token", "delete", "ci", "--yes"], demo).returncode == 0
    assert run(["key", "list"], demo, env=env).returncode == 4


def test_prices_and_usage(demo, tmp_path):
    listed = run(["price", "list", "openai"], demo).stdout.splitlines()
    row = next(line.split() for line in listed if line.startswith("openai/gpt-4o-mini "))
    assert row[:4] == ["openai/gpt-4o-mini", "USD", "0.15", "0.6"], "of a million tokens"
    assert "for a million" in run(["price", "get", "openai/gpt-4o-mini"], demo).stdout
    document = json.loads(run(["price", "get", "openai/gpt-4o-mini", "-o", "json"], demo).stdout)
    assert document["input_pico"] == 150_000
    assert run(["price", "get", "openai/none"], demo).returncode == 3
    assert run(["price", "delete", "openai/none", "--yes"], demo).returncode == 3
    assert run(["price", "delete", "openai/gpt-4"], demo).returncode == 11
    file = ROOT / "tests/data/prices/litellm-model-prices-subset.json"
    dry = run(["price", "import", str(file), "--format", "litellm", "--dry-run"], demo)
    assert dry.stdout.startswith("would be: ") and "sample_spec: " in dry.stderr
    done = run(["price", "import", str(file), "--format", "litellm", "-o", "json"], demo)
    assert json.loads(done.stdout)["created"] > 30
    again = run(["price", "import", str(file), "--format", "litellm"], demo)
    assert again.stdout.startswith("0 created, 0 changed, ")
    everything = run(["price", "list", "-o", "json"], demo).stdout
    (tmp_path / "all.json").write_text(everything)
    assert run(["price", "import", str(tmp_path / "all.json")], demo).stdout.startswith("0 created")
    portkey = ROOT / "tests/data/prices/portkey-anthropic.json"
    assert run(["price", "import", str(portkey), "--format", "portkey"], demo).returncode == 6
    assert run(["price", "import", str(portkey), "--format", "portkey", "--vendor", "anthropic"],
               demo).returncode == 0
    assert run(["price", "import", str(tmp_path / "none.json")], demo).returncode == 2
    assert run(["--read-only", "price", "import", "-"], demo, "{}").returncode == 11
    used = run(["usage", "--by", "feature,client"], demo)
    assert used.returncode == 0
    head, row = used.stdout.splitlines()[:2]
    assert head.split()[:2] == ["FEATURE", "CLIENT"] and row.split()[:2] == ["chat", "local"]
    assert " USD" in row and "1 requests" in used.stderr
    csv = run(["usage", "--by", "target", "-o", "csv", "--columns", "target,requests"], demo).stdout
    assert csv.splitlines() == ["TARGET,REQ", "openai/gpt-4,1"]
    assert run(["usage", "--by", "colour"], demo).returncode == 6


def test_doctor_names_keys_that_cannot_work(make_agent, make_vendord):
    agent, vendord = make_agent(), make_vendord()
    agent.add_key(vendord.base_url, key_name="bad")
    url = agent.url("api-gateway")
    vendord.fault({"status": 401}, count=1)
    agent.chat()
    done = run(["doctor"], url)
    assert "openai/gpt-4/bad: invalid" in done.stdout, done.stdout
    assert "yijian key test openai/gpt-4/bad" in done.stdout
    assert "1 of 1 cannot be used" in done.stdout and done.returncode == 1, done


def test_doctor_tells_of_open_doors(make_agent, tmp_path):
    agent = make_agent(env={"YIJIAN_LISTEN_KEY_MANAGER": "0.0.0.0:0", "YIJIAN_INSECURE_BIND": "true"})
    url = url_of(agent)
    done = run(["doctor"], url)
    text = done.stdout
    assert done.returncode == 1
    assert re.search(r"warn +reachable from elsewhere +key-manager", text), done.stdout
    assert re.search(r"fail +tokens +0 +.*yijian token create", text)
    assert re.search(r"ok +root key", text)
    file = tmp_path / "t"
    assert run(["token", "create", "ci", "--role", "admin", "--out", str(file)], url).returncode == 0
    done = run(["doctor"], url, env={"YIJIAN_TOKEN_FILE": str(file)})
    assert re.search(r"ok +tokens +1", done.stdout) and re.search(r"ok +token file", done.stdout)
    file.chmod(0o644)
    done = run(["doctor"], url, env={"YIJIAN_TOKEN_FILE": str(file)})
    assert re.search(r"warn +token file .*chmod 600", done.stdout)


def test_policies_are_set_and_explained(agent):
    url = url_of(agent)
    done = run(["feature", "set", "chat", "--all-down", "wait", "--wait-ms", "700",
                "--data-policy", "local_only", "--pin-model", "true"], url)
    assert done.returncode == 0, done.stderr
    out = run(["route", "explain", "chat"], url).stdout
    assert "wait up to 700 ms" in out and "never leaves self-hosted" in out
    assert run(["feature", "set", "chat", "--all-down", "panic"], url).returncode in (2, 6)


def test_tasks_are_a_table(chat_agent):
    made = chat_agent.post("api-gateway", "/v1/images/generations", {
        "model": "text_to_image", "prompt": "a cat"})
    assert made.status == 200
    lines = run(["task", "list"], url_of(chat_agent)).stdout.splitlines()
    assert lines[0].split()[:3] == ["ID", "STATE", "FEATURE"] and lines[1].startswith("task_")
    ids = lambda *args: run(["task", "list", "-o", "name", *args], url_of(chat_agent)).stdout.split()
    assert ids("--state", "succeeded")[0] == lines[1].split()[0]  # what get, wait and cancel take
    assert ids("--state", "running") == []
    assert run(["task", "list", "--state", "asleep"], url_of(chat_agent)).returncode == 6


def test_a_picture_has_its_place_before_it_is_paid(chat_agent, tmp_path):
    url, vendor_calls = url_of(chat_agent), lambda: chat_agent.get(
        "api-gateway", "/api/v1/tasks").body["total"]
    done = run(["try", "image", "a cat", "--out", str(tmp_path / "none" / "a.png")], url)
    assert done.returncode == 2 and "cannot write" in done.stderr and vendor_calls() == 0
    there = tmp_path / "a.png"
    there.write_bytes(b"old " * 100000)
    assert run(["try", "image", "a cat", "--out", str(there)], url).returncode == 0
    assert there.read_bytes().startswith(b"\x89PNG") and b"old" not in there.read_bytes()
    there.write_bytes(b"old")
    for path in (there, tmp_path / "new.png"):
        assert run(["try", "image", "x", "--model", "nobody", "--out", str(path)],
                   url).returncode == 3
    assert there.read_bytes() == b"old" and not (tmp_path / "new.png").exists()


def test_a_noun_alone_lists_its_verbs(demo):
    done = run(["key"], demo)
    assert done.returncode == 2 and "key rotate" in done.stderr and "feature" not in done.stderr
    assert "key is no command by itself" in done.stderr
    asked = run(["key", "--help"], demo)
    assert asked.returncode == 0 and "key rotate" in asked.stdout and "feature" not in asked.stdout


def test_waiting_for_a_task_can_end_before_it(make_agent, make_vendord):
    vendor = make_vendord(flavour="dashscope")
    agent = make_agent(env={"YIJIAN_DRAIN_S": "1"})  # its end waits for a picture that never comes
    agent.add_key(vendor.url, vendor="aliyun", service="wanx", key_name="wanx")
    vendor.faults([{"match": {}, "fault": {"hang": True}}])
    begun = agent.post("api-gateway", "/v1/images/generations", {
        "model": "text_to_image", "prompt": "a cat"}, headers={"Prefer": "respond-async"})
    assert begun.status == 202, begun
    done = run(["task", "wait", begun.body["id"], "--within", "1ms"], url_of(agent))
    assert done.returncode == 8 and "the task goes on" in done.stderr, done
    assert run(["task", "wait", begun.body["id"], "--within", "soon"],
               url_of(agent)).returncode == 2


def test_a_wrong_word_leads_to_a_right_one(agent):
    for words, hint in ((["key", "lst"], "yijian key list"), (["keyy", "list"], "yijian key list"),
                        (["service", "delete", "a"], "yijian service"),
                        (["key", "list", "-o", "xml"], "one of: table, wide, json")):
        done = run(words, url_of(agent))
        assert done.returncode == 2 and hint in done.stderr, done.stderr


def test_try_says_how_a_client_key_is_named(chat_agent, tmp_path):
    made = run(["client", "add", "shop"], url_of(chat_agent))
    done = run(["try", "chat", "hello"], url_of(chat_agent))
    assert done.returncode == 4 and "--token-file PATH" in done.stderr, done
    file = tmp_path / "key"
    file.write_text(made.stdout.strip().splitlines()[-1])
    assert run(["--token-file", str(file), "try", "chat", "hello"], url_of(chat_agent)).returncode == 0


def test_a_socket_that_does_not_answer_is_told_as_one(tmp_path):
    file, dead = tmp_path / "file", tmp_path / "dead.sock"
    file.write_text("")
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(dead))
    for path, why in ((tmp_path / "none", "No such file"), (file, "it is no socket"),
                      (dead, "nobody listens there")):
        done = run(["status"], f"unix:{path}")
        assert done.returncode == 7 and why in done.stderr, done.stderr
        assert "localhost" not in done.stderr, done.stderr


def test_what_is_unknown_has_no_unit(agent):
    done = run(["status"], url_of(agent))
    assert "-ms" not in done.stdout, done.stdout
    assert all(line == line.rstrip() for line in done.stdout.splitlines()), done.stdout


def test_an_error_names_its_field(agent):
    done = run(["usage", "--by", "colour"], url_of(agent))
    assert done.returncode == 6 and "by: its value cannot be read" in done.stderr, done.stderr
    assert "by is a comma list of feature, target" in done.stderr
    done = run(["client", "add", "x", "--rpm", "0"], url_of(agent))
    assert done.stderr.count("rpm") == 1, done.stderr


def test_the_first_client_says_what_it_changes(agent):
    first = run(["client", "add", "first"], url_of(agent))
    assert "asks every caller for a client key" in first.stderr, first.stderr
    second = run(["client", "add", "second"], url_of(agent))
    assert second.returncode == 0 and "asks every caller" not in second.stderr


def test_a_word_that_may_mean_two_is_refused(agent):
    def add(name):
        return agent.post("key-manager", "/api/v1/clients", {"name": name}).body
    shop = add("shop")
    rogue = add(shop["id"])  # called like another's id
    for words in (["get", shop["id"]], ["update", shop["id"], "--rpm", "5"],
                  ["delete", shop["id"], "--yes"]):
        done = run(["client", *words], url_of(agent))
        assert done.returncode == 5 and "id:" in done.stderr, (words, done)
    for word, who in (("shop", shop), ("Shop", shop), (rogue["id"], rogue), ("id:" + shop["id"], shop)):
        done = run(["client", "get", word, "-o", "json"], url_of(agent))
        assert json.loads(done.stdout)["id"] == who["id"], (word, done)
    assert run(["client", "delete", "id:" + shop["id"], "--yes"], url_of(agent)).returncode == 0
    left = agent.get("key-manager", "/api/v1/clients").body["items"]
    assert [c["id"] for c in left] == [rogue["id"]]
    assert run(["client", "get", "id:shop"], url_of(agent)).returncode == 3
    token = agent.post("key-manager", "/api/v1/tokens", {"name": "ci", "role": "viewer"}).body
    for word in ("ci", token["id"]):
        done = run(["token", "get", word, "-o", "json"], url_of(agent))
        assert json.loads(done.stdout)["id"] == token["id"]
    assert run(["token", "delete", "nobody", "--yes"], url_of(agent)).returncode == 3
    assert run(["token", "delete", "ci", "--yes"], url_of(agent)).returncode == 0


def test_people_see_names(agent, vendord):
    agent.add_key(vendord.base_url)
    shop = agent.post("key-manager", "/api/v1/clients", {"name": "shop"}).body
    assert agent.chat(headers={"Authorization": "Bearer " + shop["key"]}).status == 200
    for words in (["usage", "--by", "client"], ["traffic", "list"]):
        assert "shop" in run(words, url_of(agent)).stdout, words
    rows = json.loads(run(["usage", "--by", "client", "-o", "json"], url_of(agent)).stdout)["items"]
    assert [(r["client"], r["client_name"]) for r in rows] == [(shop["id"], "shop")]


def test_a_list_of_traffic_has_the_newest(agent, vendord):
    """Also what was refused long before the newest page, and by whom."""
    agent.add_key(vendord.base_url)
    assert agent.chat(model="nothing-is-called-so").status == 404
    ids = [agent.chat().headers["X-Request-Id"] for _ in range(3)]
    done = run(["traffic", "list", "--limit", "2", "-o", "json"], url_of(agent))
    assert [e["id"] for e in json.loads(done.stdout)["items"]] == ids[:0:-1]
    for _ in range(1000):
        assert agent.chat().status == 200
    done = run(["traffic", "list", "--errors"], url_of(agent))
    assert "404" in done.stdout and "127.0.0.1" in done.stdout, done
    assert "started anew" not in done.stderr and "missed" not in done.stderr, done


def test_the_policy_of_clients(agent):
    def policy(*words):
        done = run([*words, "-o", "json"], url_of(agent))
        assert done.returncode == 0, done
        return json.loads(done.stdout)["required"]
    assert policy("client", "policy") is False
    assert policy("client", "policy", "--required", "true") is True
    assert policy("client", "policy") is True
    assert policy("client", "policy", "--required", "no") is False
    assert run(["client", "policy", "--required", "perhaps"], url_of(agent)).returncode == 6
    assert run(["--read-only", "client", "policy", "--required", "true"], url_of(agent)).returncode == 11
    assert policy("--read-only", "client", "policy") is False
    stale = run(["client", "policy", "--required", "true", "--if-match", "1"], url_of(agent))
    assert stale.returncode == 5, stale


def test_a_picture_shows_that_it_is_being_made(make_agent, make_vendord):
    """On a terminal, one line that goes again; nothing elsewhere."""
    agent, vendord = make_agent(), make_vendord()
    agent.add_key(vendord.base_url, service="dalle", key_name="pictures")
    vendord.fault({"delay": 2500}, path="/v1/images/generations")
    quiet = run(["try", "image", "a cat"], url_of(agent))
    assert quiet.returncode == 0 and quiet.stderr == "", quiet
    main, side = pty.openpty()
    env = dict(os.environ, HOME="/proc/none", NO_COLOR="1", YIJIAN_AGENT=url_of(agent))
    shown = subprocess.Popen([YIJIAN, "try", "image", "a cat"], env=env, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=side)
    os.close(side)
    seen = b""
    with shown, contextlib.suppress(OSError):  # the terminal ends with its last holder
        while chunk := os.read(main, 4096):
            seen += chunk
    os.close(main)
    assert shown.returncode == 0
    assert b"\rthe picture is being made: 1 s" in seen and seen.endswith(b"\r\x1b[K"), seen
