# SPDX-License-Identifier: MIT
"""The tables and what is said about them elsewhere: every endpoint has a handler and a test that
includes an error, and generated files are what the tables generate."""
import pathlib
import re
import subprocess

import pytest

from agent import SERVICES
from process import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]


def table():
    """(id, method, path) of every row in shared/rows/api.c, by its text."""
    text = (ROOT / "shared/rows/api.c").read_text()
    macros = dict(re.findall(r'^#define (\w+) "([^"]+)"$', text, re.M))
    rows = []
    body = text[text.index("static const struct endpoint rows[]"):]
    for row in re.findall(r"\n\t\{(EP_\w+.*?)\},(?=\n\t\{EP_|\n\n|\n\};)", body, re.S):
        name = re.search(r'"([a-z_]+)"', re.sub(r'"/[^"]*"', "", row))[1]
        method = (re.search(r"HTTP_(\w+)", row) or [None, "POST" if "CALLS" in row else "GET"])[1]
        path = re.search(r'(?:\.path = |HTTP_\w+, )((?:\w+|"[^"]*")(?: "[^"]*")?)', row)[1]
        path = "".join(macros.get(part, part.strip('"')) for part in path.split(" "))
        rows.append((re.match(r"EP_\w+", row)[0], name, method, path))
    return rows


def sources(pattern):
    return {path: path.read_text() for path in (ROOT / "tests").rglob(pattern)}


def test_the_reader_sees_every_row(agent):
    listed = {(i["name"], i["method"], i["path"])
              for i in agent.get("api-gateway", "/api").body["items"]}
    assert listed == {row[1:] for row in table()}


def test_every_endpoint_has_a_handler():
    text = (ROOT / "agent/handlers.c").read_text()
    missing = [row[0] for row in table() if not re.search(rf"\[{row[0]}\] = h_\w+", text)]
    assert not missing


def literal(path):
    """The last segment that is no parameter; tests often put the rest together."""
    return [part for part in path.split("/") if part and "{" not in part][-1]


def test_every_endpoint_has_a_test():
    written = "\n".join(text for path, text in sources("test_*.py").items()
                        if path.name != pathlib.Path(__file__).name)
    missing = [row[1] for row in table()
               if row[3] != "/" and not re.search(rf"[/\"']{literal(row[3])}(?![\w-])", written)]
    assert not missing


@pytest.fixture(scope="module")
def module_agent(tmp_path_factory):
    from agent import Agent
    agent = Agent(scratch=tmp_path_factory.mktemp("endpoints"))
    yield agent.start()
    agent.stop()


def concrete(path):
    return re.sub(r"\{[^}]*\}", "none-such", path)


@pytest.mark.parametrize("row", table(), ids=lambda row: row[1])
def test_every_endpoint_refuses_a_wrong_call(module_agent, row):
    """An error of each endpoint in its shape: a page of elsewhere, and a body that is none."""
    _, name, method, path = row
    answer = module_agent.request("api-gateway", method, concrete(path),
                                  body=None if method == "GET" else "{}",
                                  headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.error) == (403, "bad_origin")
    if name in ("messages", "count_tokens"):  # Anthropic's shape
        assert set(answer.body) >= {"type", "error", "request_id"}
        assert set(answer.body["error"]) >= {"type", "message"}
        return
    openai = path.startswith("/v1/")
    assert set(answer.body["error"]) >= ({"message", "type", "param", "code"} if openai
                                         else {"code", "message", "request_id"})


@pytest.mark.parametrize("row", [r for r in table() if "{" in r[3]], ids=lambda row: row[1])
def test_unknown_objects(module_agent, row):
    _, name, method, path = row
    if name in ("feature_put", "instance_put"):
        return  # they create it
    bodies = {"feature_rollback": {"revision": 1}, "key_rotate": {"api_key": "sk-0123456789ab"},
              "feature_patch": {"enabled": True}, "key_patch": {"note": "x"},
              "route_patch": {"weight": 1},
              "invoke": {"messages": [{"role": "user", "content": "x"}]}}
    json = bodies.get(name) if method != "GET" else None
    answer = module_agent.request("api-gateway", method, concrete(path), json)
    assert answer.status in (404, 410), (answer.status, answer.body)
    assert answer.error in ("not_found", "model_not_found", "gone")


def test_openapi_of_all_is_one_document(module_agent):
    doc = module_agent.get("api-gateway", "/openapi.json").body
    operations = sum(len(item) for item in doc["paths"].values())
    assert operations == len(table())
    for path, item in doc["paths"].items():
        for method, op in item.items():
            named = set(re.findall(r"\{(\w+)\}", path))
            assert {p["name"] for p in op["parameters"] if p["in"] == "path"} == named
            assert "2XX" in op["responses"] and "400" in op["responses"]


def test_error_codes_are_from_the_one_list(module_agent):
    text = (ROOT / "shared/err.c").read_text()
    known = set(re.findall(r'\{ERR_\w+, "([a-z_]+)", \d+', text))
    doc = module_agent.get("api-gateway", "/openapi.json").body
    for item in doc["paths"].values():
        for op in item.values():
            for status, answer in op["responses"].items():
                if status != "2XX":
                    assert set(answer["description"].split(", ")) <= known


def test_env_example_is_up_to_date():
    done = subprocess.run([BUILD / "yijiand", "--env-example"], capture_output=True, text=True,
                          env={"LC_ALL": "C.UTF-8", "HOME": "/"}, timeout=60, check=True)
    assert (ROOT / ".env.example").read_text() == done.stdout


def test_env_example_is_valid(tmp_path):
    text = (ROOT / ".env.example").read_text()
    file = tmp_path / "all.env"
    file.write_text("\n".join(line.lstrip("#") if re.match(r"#YIJIAN_\w+=", line) else line
                              for line in text.splitlines()))
    done = subprocess.run([BUILD / "yijiand", "--config", file, "--check-config"],
                          capture_output=True, text=True, timeout=60,
                          env={"HOME": str(tmp_path), **{  # its ports may be in use here
                              f"YIJIAN_LISTEN_{service.upper().replace('-', '_')}": "127.0.0.1:0"
                              for service in SERVICES}})
    assert done.returncode == 0, done.stderr


def test_every_setting_is_documented():
    text = (ROOT / ".env.example").read_text()
    for name in re.findall(r'"(YIJIAN_[A-Z_]+)"', (ROOT / "agent/core/settings.c").read_text()):
        if not name.startswith("YIJIAN_LISTEN_") and name not in (
                "YIJIAN_CONFIG", "YIJIAN_"):
            assert f"#{name}=" in text, name
    for service in SERVICES:
        assert f"#YIJIAN_LISTEN_{service.upper().replace('-', '_')}=" in text


def test_every_metric_row_has_a_unique_name_and_help():
    text = (ROOT / "shared/rows/metrics.c").read_text()
    names = re.findall(r'"(yijian_[a-z_]+)"', text)
    assert len(names) == len(set(names)) > 20
