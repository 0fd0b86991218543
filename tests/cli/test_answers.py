# SPDX-License-Identifier: MIT
"""Whether it is so: commands that answer a question end with 0 for yes and 1 for no."""
import http.server
import json
import threading

import pytest

from command import yijian


def drain(agent, feature, target):
    done = agent.request("router-engine", "PATCH", f"/api/v1/routes/{feature}/{target}", json={"drain": True})
    assert done.status == 200, done.body


def test_a_platform_that_serves_is_healthy(chat_agent):
    for words in (["health"], ["health", "chat"], ["health", "key-manager"], ["health", "--live"]):
        done = yijian(chat_agent, *words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)


def test_a_drained_feature_is_no_health(chat_agent):
    drain(chat_agent, "chat", "openai/gpt-4")
    assert chat_agent.request("api-gateway", "POST", "/v1/chat/completions", json={
        "model": "chat", "messages": [{"role": "user", "content": "x"}]}).status == 503
    for words in (["health"], ["health", "chat"], ["status"], ["route", "explain", "chat"]):
        done = yijian(chat_agent, *words)
        assert done.returncode == 1, (words, done.stdout, done.stderr)
        assert done.stderr.startswith("yijian: ") and "hint: " in done.stderr
    assert yijian(chat_agent, "health", "key-manager").returncode == 0
    assert yijian(chat_agent, "health", "--live").returncode == 0


def test_an_agent_with_nothing_set_up_says_what_to_do(agent):
    done = yijian(agent, "status")
    assert done.returncode == 1
    assert "nothing is set up yet" in done.stderr and "yijian key add" in done.stderr
    assert yijian(agent, "route", "explain", "chat", "-o", "json").returncode == 1


def test_a_feature_without_targets_is_not_in_use(chat_agent):
    chat_agent.request("config-center", "POST", "/api/v1/features",
                       json={"name": "later", "endpoint": "embeddings"})
    done = yijian(chat_agent, "health", "-o", "json")
    assert "later" not in [row["service"] for row in json.loads(done.stdout)["items"]]


def test_doctor_says_no_when_nobody_is_there():
    done = yijian("http://127.0.0.1:1", "doctor", "-o", "json")
    assert done.returncode == 1
    assert [c["result"] for c in json.loads(done.stdout)["items"] if c["name"] == "agent answers"] == ["fail"]


@pytest.fixture
def unwell():
    """An agent that answers and cannot serve."""
    class Unwell(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = b'{"status":"unavailable","version":"0.1.0","reasons":["the store is full"]}'
            self.send_response(503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Unwell) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_an_agent_that_cannot_serve_is_not_live(unwell):
    done = yijian(unwell, "health", "--live")
    assert done.returncode == 1 and done.stdout == "unavailable\n"
    assert "the store is full" in done.stderr
