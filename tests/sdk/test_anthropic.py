# SPDX-License-Identifier: MIT
"""The official Anthropic SDKs against /v1/messages, over a target that speaks it and one that does
not; the official OpenAI SDKs against /v1/responses."""
import pytest

from agent import Agent
from vendord import Vendord

ASK = {"model": "chat", "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
TOOL = {"name": "weather", "input_schema": {"type": "object"}}


def gateway_to(platform, flavour):
    vendor = platform.add(Vendord, flavour=flavour, no_auth=True)
    agent = platform.add(Agent, state_dir=platform.scratch / f"state{len(platform.programs)}")
    if flavour == "vllm":
        agent.add_instance(vendor.url)
    else:
        answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {"targets": [
            {"kind": "vendor", "vendor": "anthropic", "service": "messages",
             "upstream_model": "claude-haiku-4-5"}]})
        assert answer.status == 200, answer
        agent.add_key(vendor.url, vendor="anthropic", service="messages",
                      api_key="sk-ant-simulated-01")
    return agent, vendor


@pytest.fixture(scope="module", params=["anthropic", "vllm"])
def gateway(request, platform):
    return gateway_to(platform, request.param)


@pytest.fixture(scope="module")
def plain(platform):
    return gateway_to(platform, "vllm")


def call(drivers, name, kind, agent, method, args):
    driver = drivers(name)
    return driver.call(agent.url() + ("" if kind == "anthropic" else "/v1"), method, args, sdk=kind)


ANTHROPIC = pytest.mark.parametrize("name", ["node-6.49", "python-3.57"])


@ANTHROPIC
def test_message(gateway, drivers, name):
    agent, _ = gateway
    got = call(drivers, name, "anthropic", agent, "messages.create", ASK)
    assert got["ok"], got
    message = got["value"]
    assert message["type"] == "message" and message["stop_reason"] == "end_turn"
    assert "hello" in message["content"][0]["text"] and message["usage"]["output_tokens"] > 0


@ANTHROPIC
def test_stream_with_a_tool(gateway, drivers, name):
    agent, vendor = gateway
    vendor.faults([{"match": {}, "fault": {"tool_call": "weather", "thinking": True}}])
    got = call(drivers, name, "anthropic", agent, "messages.create",
               {**ASK, "stream": True, "tools": [TOOL]})
    vendor.faults([])
    assert got["ok"] and got["kind"] == "stream", got
    kinds = [chunk["type"] for chunk in got["chunks"]]
    assert kinds[0] == "message_start" and kinds[-2:] == ["message_delta", "message_stop"]
    blocks = [c["content_block"]["type"] for c in got["chunks"]
              if c["type"] == "content_block_start"]
    assert blocks == ["thinking", "text", "tool_use"]


@ANTHROPIC
@pytest.mark.parametrize("status", [400, 413])
def test_errors(gateway, drivers, name, status):
    agent, vendor = gateway
    # A call, and no probe that comes between.
    vendor.faults([{"match": {"body": "hello"}, "count": 1, "fault": {"status": status}}])
    got = call(drivers, name, "anthropic", agent, "messages.create", ASK)
    vendor.faults([])
    assert not got["ok"] and got["error"]["status"] == status, got
    assert got["error"]["of_sdk"] and got["error"]["body"]["type"] == "error", got


@ANTHROPIC
def test_a_stream_that_breaks_raises(gateway, drivers, name):
    agent, vendor = gateway
    vendor.faults([{"match": {}, "fault": {"tokens": 40, "cut_stream": 6}}])
    got = call(drivers, name, "anthropic", agent, "messages.create", {**ASK, "stream": True})
    vendor.faults([])
    assert not got["ok"] and got["error"]["of_sdk"], got


OPENAI = pytest.mark.parametrize("name", ["node-6.49", "python-3.57"])


@OPENAI
def test_response(plain, drivers, name):
    agent, vendor = plain
    ask = {"model": "chat", "input": "hello"}
    got = call(drivers, name, "openai", agent, "responses.create", ask)
    assert got["ok"] and got["value"]["status"] == "completed", got
    got = call(drivers, name, "openai", agent, "responses.create", {**ask, "stream": True})
    assert got["ok"] and got["chunks"][-1]["type"] == "response.completed", got
    vendor.faults([{"match": {}, "fault": {"tokens": 40, "cut_stream": 6}}])
    got = call(drivers, name, "openai", agent, "responses.create", {**ask, "stream": True})
    vendor.faults([])
    assert not got["ok"] and got["error"]["of_sdk"], got
