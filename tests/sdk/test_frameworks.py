# SPDX-License-Identifier: MIT
"""LangChain and the AI SDK through the gateway, whoever answers: a conversation with a tool, whole
and streamed, vectors, and errors as the application sees them."""
import pytest

from agent import Agent
from vendord import Vendord

CLIENTS = {"langchain-openai": "langchain", "langchain-responses": "langchain",
           "langchain-anthropic": "langchain", "ai-openai": "ai", "ai-chat": "ai",
           "ai-anthropic": "ai", "ai-compatible": "ai"}
UPSTREAMS = {"openai": {"vendor": "openai", "service": "gpt-4"},
             "anthropic": {"vendor": "anthropic", "service": "messages"},
             "dashscope": {"vendor": "aliyun", "service": "qwen"},
             "vllm": {"service": "vllm"}, "ollama": {"service": "ollama", "protocol": "ollama.chat"}}
BODY = 22 << 20  # more than a chat may have


class Rig:
    def __init__(self, platform):
        self.agent = platform.add(Agent)
        self.vendors = {}
        for name, target in UPSTREAMS.items():
            vendor = self.vendors[name] = platform.add(Vendord, flavour=name, no_auth=True)
            kind = "vendor" if "vendor" in target else "self_hosted"
            answer = self.agent.post("config-center", "/api/v1/features", {
                "name": f"chat-{name}", "endpoint": "chat.completions", "auto_join": False,
                "targets": [{"kind": kind, "upstream_model": "m", **target}]})
            assert answer.status == 201, answer
            if kind == "vendor":
                self.agent.add_key(vendor.url + ("/compatible-mode" if name == "dashscope" else ""),
                                   vendor=target["vendor"], service=target["service"],
                                   key_name=name, api_key=f"sk-ant-simulated-{name}-0001")
            else:
                self.agent.add_instance(vendor.url, service=name, id=name, engine=name,
                                        features=())
        self.agent.add_key(self.vendors["openai"].url, service="embeddings", key_name="vectors")


@pytest.fixture(scope="module")
def rig(platform):
    return Rig(platform)


@pytest.fixture(params=CLIENTS)
def client(request, drivers, rig):
    """client(model=…, stream=…): see frameworks.py."""
    driver = drivers(CLIENTS[request.param])
    return lambda **call: driver.tell({"base_url": rig.agent.url(), "client": request.param, **call})


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("upstream", UPSTREAMS)
def test_a_conversation_with_a_tool(rig, client, upstream, stream):
    vendor = rig.vendors[upstream]
    vendor.faults([{"match": {"body": "weather"}, "count": 1,
                    "fault": {"tool_call": "weather", "thinking": True}}])
    got = client(model=f"chat-{upstream}", tools=True, stream=stream)
    vendor.faults([])
    assert got["ok"] and got["text"] and got["tokens"] > 0, got
    assert got["calls"] == [["weather", {"city": "Paris"}]], got


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_errors(rig, client, stream):
    got = client(model="nobody", stream=stream)
    assert not got["ok"] and got["status"] == 404 and "no feature" in got["message"], got


def test_a_body_that_is_too_large(client):
    """The refusal reaches who is still sending."""
    got = client(model="chat-vllm", more=BODY)
    assert not got["ok"] and got["status"] == 413, got


def test_a_stream_that_breaks(rig, client):
    vendor = rig.vendors["vllm"]
    vendor.faults([{"match": {"body": "Paris"}, "fault": {"tokens": 40, "cut_stream": 6}}])
    got = client(model="chat-vllm", stream=True)
    vendor.faults([])
    assert not got["ok"], got


@pytest.mark.parametrize("name, client", [("langchain", "langchain-openai"), ("ai", "ai-openai"),
                                          ("ai", "ai-compatible")])
def test_vectors(rig, drivers, name, client):
    got = drivers(name).tell({"base_url": rig.agent.url(), "client": client, "model": "embeddings",
                              "embed": True})
    assert got["ok"] and len(got["vectors"]) == 2, got
    assert len(got["vectors"][0]) > 1 and got["vectors"][0] != got["vectors"][1]
