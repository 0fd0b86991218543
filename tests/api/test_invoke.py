# SPDX-License-Identifier: MIT
"""A feature called by its name instead of by a model path."""


def test_invoke_answers_as_the_features_endpoint(chat_agent):
    answer = chat_agent.post("api-gateway", "/api/v1/invoke/chat",
                             {"messages": [{"role": "user", "content": "hello"}]})
    assert answer.status == 200 and answer.body["choices"]
    assert answer.headers["X-Yijian-Target"]


def test_invoke_of_nothing(chat_agent):
    answer = chat_agent.post("api-gateway", "/api/v1/invoke/none", {"messages": []})
    assert answer.status == 404
    assert answer.error in ("not_found", "model_not_found")
