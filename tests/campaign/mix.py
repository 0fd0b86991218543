# SPDX-License-Identifier: MIT
"""A mix of requests as a day has them: whole answers and streams, several features and clients,
errors of callers and of upstreams, callers that hang up. The C load generator makes them."""
import json
import pathlib
import subprocess

from agent import Agent
from process import ROOT
from started import Started
from vendord import Vendord

MESSAGES = [{"role": "user", "content": "hello, how are you today?"}]
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
CLIENTS = 3

# (name, share of a hundred, path, body, options of the load generator)
ROWS = (
    ("chat", 55, CHAT, {"model": "chat", "messages": MESSAGES}, []),
    ("chat of a vendor", 10, CHAT, {"model": "openai/gpt-4", "messages": MESSAGES}, []),
    ("embeddings", 15, EMBED, {"model": "embeddings", "input": ["one", "two"]}, []),
    ("stream", 4, CHAT, {"model": "chat", "messages": MESSAGES, "stream": True}, []),
    ("stream, hung up", 1, CHAT, {"model": "chat", "messages": MESSAGES, "stream": True,
                                  "user": "vendord:tokens:500;pace_ms:5"}, ["-x"]),
    ("chat, hung up", 2, CHAT, {"model": "chat", "messages": MESSAGES,
                                "user": "vendord:bytes:60000"}, ["-x"]),
    ("unknown model", 5, CHAT, {"model": "nobody", "messages": MESSAGES}, []),
    ("forbidden field", 3, CHAT, {"model": "chat", "messages": MESSAGES, "api_base": "x"}, []),
    ("upstream refuses", 3, CHAT, {"model": "chat", "messages": MESSAGES,
                                   "user": "vendord:status:400"}, []),
    ("upstream breaks", 2, CHAT, {"model": "chat", "messages": MESSAGES,
                                  "user": "vendord:close_mid:10"}, []),
)


def patch(agent, feature, **members):
    answer = agent.request("config-center", "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


class Mix:
    """The platform under load; `agent` may be of a kind that starts otherwise."""

    def __init__(self, place, kind=Agent, connections=16):
        self.place, self.connections = pathlib.Path(place), connections
        self.started = Started(self.place)
        try:
            self.prepare(kind)
        except BaseException:
            self.started.stop()
            raise

    def prepare(self, kind):
        vendor = self.started.add(Vendord)
        local = self.started.add(Vendord, flavour="vllm", no_auth=True)
        self.agent = self.started.add(kind)
        for service in ("gpt-4", "embeddings"):
            self.agent.add_key(vendor.base_url, service=service, key_name=service)
        self.agent.add_instance(local.url, capacity={"max_concurrency": 1000})
        patch(self.agent, "chat", cooldown={"fails": 1000, "window_s": 1})
        self.keys = [self.client(number) for number in range(CLIENTS)]

    def client(self, number):
        answer = self.agent.post("key-manager", "/api/v1/clients", {"name": f"client-{number}"})
        assert answer.status == 201, answer
        return answer.body["key"]

    def load(self, row, count, key):
        """One process of the load generator; its figures."""
        name, _, path, body, options = row
        file = self.place / "body.json"
        file.write_text(json.dumps(body))
        done = subprocess.run([
            str(ROOT / "build/release/bench/load"), "-c", str(min(self.connections, count)), "-n", str(count),
            "-d", str(file), "-H", f"Authorization: Bearer {key}", *options,
            "%s:%d" % self.agent.address(), path], text=True, capture_output=True)
        assert done.stdout, f"{name}: {done.stderr}"
        figures = json.loads(done.stdout)
        assert figures["missing"] == 0, f"{name}: {figures}"
        return figures

    def round(self, count):
        """So many requests in the mix's shares; how many, and how many failed that should not."""
        sent = failed = 0
        for number, row in enumerate(ROWS):
            part = max(1, count * row[1] // 100)
            figures = self.load(row, part, self.keys[number % CLIENTS])
            sent += part
            good = row[0] in ("chat", "chat of a vendor", "embeddings", "stream")
            failed += figures["errors"] if good else 0
            if not good and "hung" not in row[0]:
                # A watched agent is slow enough to shed some: that is an answer too.
                assert figures["errors"] + figures["shed"] == part, f"{row[0]}: {figures}"
        return sent, failed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.started.stop()
