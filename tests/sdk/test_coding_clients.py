# SPDX-License-Identifier: MIT
"""Claude Code and Codex, headless, through the gateway to every kind of upstream: the model calls a
tool of theirs, they answer it, and their user reads what the model says then. `make check-full` runs
these: their packages have 800 MiB."""
import json
import os
import shutil
import subprocess

import pytest

import install
from agent import Agent
from vendord import Vendord

PLACE = install.HERE / "coding"
WEATHER = PLACE / "weather.py"
CLIENT_TIMEOUT_S = 120
UPSTREAMS = {"openai": {"vendor": "openai", "service": "gpt-4"},
             "anthropic": {"vendor": "anthropic", "service": "messages"},
             "dashscope": {"vendor": "aliyun", "service": "qwen"},
             "vllm": {"service": "vllm"}, "ollama": {"service": "ollama", "protocol": "ollama.chat"}}
pytestmark = pytest.mark.skipif(not os.environ.get("YIJIAN_TEST_CODING_CLIENTS"),
                                reason="make check-full runs it: packages of 800 MiB")


@pytest.fixture(scope="module")
def packages():
    """Where npm put them; they bring programs for the common machines alone."""
    if not shutil.which("npm"):
        pytest.skip("npm is not here")
    try:
        install.coding_clients()
    except (RuntimeError, subprocess.SubprocessError) as why:
        pytest.skip(f"npm cannot install them: {str(why)[-300:]}")
    return PLACE / "node_modules"


@pytest.fixture(params=UPSTREAMS)
def gateway(request, platform):
    """(agent, vendor) whose feature chat goes to one kind of upstream."""
    name, target = request.param, UPSTREAMS[request.param]
    agent = platform.add(Agent, state_dir=platform.scratch / f"state{len(platform.programs)}")
    vendor = platform.add(Vendord, flavour=name, no_auth=True)
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor" if "vendor" in target else "self_hosted", "upstream_model": "m",
         **target}]})
    assert answer.status == 200, answer
    if "vendor" in target:
        agent.add_key(vendor.url + ("/compatible-mode" if name == "dashscope" else ""),
                      vendor=target["vendor"], service=target["service"],
                      api_key="sk-ant-simulated-000000001")
    else:
        agent.add_instance(vendor.url, service=name, id=name, engine=name, features=())
    return agent, vendor


def run(command, home, **env):
    """A client with nothing of the caller's own settings."""
    done = subprocess.run([str(part) for part in command], cwd=home, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=CLIENT_TIMEOUT_S,
                          env={"HOME": str(home), "PATH": os.environ["PATH"], **env})
    assert done.returncode == 0, (done.stdout[-2000:], done.stderr[-2000:])
    return done.stdout


def tool_was_answered(vendor):
    """The tool's result came back to the model."""
    return any("sunny-in-Paris" in (record.get("body") or "") for record in vendor.requests(50))


def call_tool_once(vendor, tool):
    vendor.faults([{"match": {"body": tool}, "count": 1, "fault": {"tool_call": tool}}])


def test_claude_code(gateway, packages, tmp_path):
    agent, vendor = gateway
    program = next(packages.glob("@anthropic-ai/claude-code-*/claude"), None)
    if program is None:
        pytest.skip("no Claude Code for this machine")
    call_tool_once(vendor, "mcp__sim__weather")
    servers = {"mcpServers": {"sim": {"command": "/usr/bin/python3", "args": [str(WEATHER)]}}}
    said = run([program, "-p", "What is it like in Paris?", "--output-format", "json",
                "--mcp-config", json.dumps(servers), "--strict-mcp-config",
                "--allowedTools", "mcp__sim__weather"], tmp_path,
               ANTHROPIC_BASE_URL=agent.url(), ANTHROPIC_API_KEY="any", ANTHROPIC_MODEL="chat",
               ANTHROPIC_DEFAULT_HAIKU_MODEL="chat", CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1",
               DISABLE_AUTOUPDATER="1", IS_SANDBOX="1")
    result = json.loads(said)
    assert result["subtype"] == "success" and "simulated reply" in result["result"], result
    assert tool_was_answered(vendor)


CODEX = """
model = "chat"
model_provider = "gateway"
approval_policy = "never"
[model_providers.gateway]
name = "gateway"
base_url = "{url}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
[mcp_servers.sim]
command = "/usr/bin/python3"
args = ["{weather}"]
default_tools_approval_mode = "approve"
"""


def test_codex(gateway, packages, tmp_path):
    agent, vendor = gateway
    program = packages / "@openai/codex/bin/codex.js"
    call_tool_once(vendor, "list_mcp_resources")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/config.toml").write_text(CODEX.format(url=agent.url(), weather=WEATHER))
    said = run(["node", program, "exec", "--skip-git-repo-check", "--json",
                "What is it like in Paris?"], tmp_path, GATEWAY_KEY="any")
    assert "simulated reply" in said, said
    assert tool_was_answered(vendor), said[-3000:]
