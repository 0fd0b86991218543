# SPDX-License-Identifier: MIT
"""Names of models as callers write them: whatever is listed is found by its path, in every writing
of it, and used."""
import json
from urllib.parse import quote

import pytest

NAMES = ["mistralai/mistral-7b:free", "@cf/meta/llama-3.1-8b", "通义千问", "a b", "a+b", "100%", "a/b/c", "x#y?z"]
CHAT = "/v1/chat/completions"


@pytest.fixture
def named(chat_agent):
    taken = [name for name in NAMES if chat_agent.request(
        "config-center", "PATCH", "/api/v1/features/chat", {"aliases": [name]}).status == 200]
    done = chat_agent.request("config-center", "PATCH", "/api/v1/features/chat", {"aliases": taken})
    assert done.status == 200, done
    assert {"mistralai/mistral-7b:free", "@cf/meta/llama-3.1-8b", "通义千问", "a/b/c"} <= set(taken)
    return chat_agent, taken


def test_every_name_is_listed_found_and_used(named):
    agent, names = named
    listed = {m["id"] for m in agent.get("api-gateway", "/v1/models").body["data"]}
    assert set(names) <= listed
    for name in names:
        whole = quote(name, safe="")
        for written in {whole, quote(name, safe="/:@"), whole.replace("%2F", "%2f")}:
            for prefix in ("/v1/models/", "/models/"):
                answer = agent.get("api-gateway", prefix + written)
                assert (answer.status, answer.body["id"]) == (200, name), (written, answer)
        body = json.dumps({"model": name, "messages": [{"role": "user", "content": "hi"}]})
        for form in (body, body.replace("/", "\\/")):  # as PHP writes it
            assert agent.post("api-gateway", CHAT, body=form).status == 200
        answer = agent.post("router-engine", f"/api/v1/route/{whole}", {})
        assert (answer.status, answer.body["feature"]) == (200, "chat"), answer
        answer = agent.post("api-gateway", f"/api/v1/invoke/{whole}", {"messages": [{"role": "user", "content": "hi"}]})
        assert answer.status == 200, answer


@pytest.mark.parametrize("service, path", [
    ("config-center", "/api/v1/features/a%2Fb"), ("api-gateway", "/api/v1/features/a%2Fb"),
    ("api-gateway", "/v1%2Fmodels"), ("api-gateway", "/v1/images/tasks/a%2Fb"), ("api-gateway", "/%2F"),
    ("api-gateway", "/v1/models/a%5Cb"), ("api-gateway", "/v1/models/a%2F%00"), ("api-gateway", "/v1/models/..")])
def test_elsewhere_an_encoded_slash_is_refused(agent, service, path):
    answer = agent.get(service, path)
    assert (answer.status, answer.error) == (400, "bad_path")
    assert answer.headers["Connection"] == "close"


def test_a_name_with_dots_and_slashes_is_a_name_nobody_has(agent):
    answer = agent.get("api-gateway", "/v1/models/..%2F..%2Fetc")
    assert (answer.status, answer.error) == (404, "model_not_found")
