# SPDX-License-Identifier: MIT
"""How SDKs show a client key, and which one counts when there are two."""
import pytest

MODELS = "/v1/models"


@pytest.fixture
def keyed(agent):
    """An agent that asks for a client key; one, and one that was deleted since."""
    key = agent.post("key-manager", "/api/v1/clients", {"name": "one"}).body["key"]
    gone = agent.post("key-manager", "/api/v1/clients", {"name": "two"}).body
    agent.request("key-manager", "DELETE", f"/api/v1/clients/{gone['id']}")
    return agent, key, gone["key"]


def status(agent, **headers):
    return agent.get("api-gateway", MODELS, headers={k.replace("_", "-"): v for k, v in headers.items()}).status


@pytest.mark.parametrize("other", ["sk-of-another-service", "", "yj_c_nobodys", "GONE"])
def test_authorization_counts_when_both_come(keyed, other):
    agent, key, gone = keyed
    other = gone if other == "GONE" else other
    assert status(agent, Authorization=f"Bearer {key}", x_api_key=other) == 200
    assert status(agent, x_api_key=other, Authorization=f"Bearer {key}") == 200
    assert status(agent, Authorization=f"Bearer {other}", x_api_key=key) == 401


@pytest.mark.parametrize("form", ["Bearer KEY", "bearer KEY", "BEARER KEY", "Bearer  KEY", "Bearer\tKEY",
                                  "Bearer KEY ", " Bearer \t KEY"])
def test_odd_blanks_and_letters(keyed, form):
    agent, key, _ = keyed
    assert status(agent, Authorization=form.replace("KEY", key)) == 200
    assert status(agent, x_api_key=f" {key} ") == 200


@pytest.mark.parametrize("form", ["KEY", "BearerKEY", "Basic KEY", "Bearer", "Token KEY", "Bearer x KEY"])
def test_what_is_no_bearer_is_no_credential(keyed, form):
    agent, key, _ = keyed
    assert status(agent, Authorization=form.replace("KEY", key)) == 401


@pytest.mark.parametrize("name", ["api-key", "x-goog-api-key"])
def test_a_key_where_it_is_not_read_is_told_where_it_is(keyed, name):
    agent, key, _ = keyed
    answer = agent.get("api-gateway", MODELS, headers={name: key})
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    message = answer.body["error"]["message"]
    assert name in message and "Authorization: Bearer" in message and key not in message
    assert agent.get("api-gateway", MODELS, headers={name: "old", "x-api-key": key}).status == 200


@pytest.mark.parametrize("query", ["?api-version=2024-10-21", "?beta=true", "?beta=true&limit=5&after_id=x", "?a", "?%20="])
def test_unknown_query_names_are_ignored(chat_agent, query):
    assert chat_agent.get("api-gateway", MODELS + query).status == 200
    answer = chat_agent.post("api-gateway", "/v1/chat/completions" + query, {
        "model": "chat", "messages": [{"role": "user", "content": "hi"}]})
    assert answer.status == 200, answer
