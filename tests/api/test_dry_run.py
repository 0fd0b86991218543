# SPDX-License-Identifier: MIT
"""A dry run is the live path: what a request asks of its candidates is read by one reader, whoever
asks, so that an explanation says what would happen."""
import pytest

CONFIG, ROUTER = "config-center", "router-engine"
CHAT, PICTURES = "chat", "text_to_image"
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
DEAD = "http://127.0.0.1:9"


def lacking(agent, feature, *needs):
    doc = agent.get(CONFIG, f"/api/v1/features/{feature}").body
    targets = [{**t, "lacks": list(needs)} for t in doc["targets"]]
    assert agent.request(CONFIG, "PATCH", f"/api/v1/features/{feature}",
                         {"targets": targets}).status == 200


def key(agent, feature, **more):
    service = "gpt-4" if feature == CHAT else "dalle"
    agent.add_key(DEAD, service=service, **more)


def instance(agent, feature, **more):
    agent.add_instance(DEAD, service="own", engine="openai-compatible", features=[feature], **more)


CASES = {  # what stands there, and what is asked of it by invoke
    "tools": (lambda a, f: (key(a, f), lacking(a, f, "tools")), CHAT, {"tools": TOOLS}),
    "no tools": (lambda a, f: (key(a, f), lacking(a, f, "tools")), CHAT, {"tools": []}),
    "a format": (lambda a, f: (key(a, f), lacking(a, f, "response_format")), CHAT,
                 {"response_format": {"type": "json_object"}}),
    "a stream": (lambda a, f: (key(a, f), lacking(a, f, "stream")), CHAT, {"stream": True}),
    "several answers": (lambda a, f: (key(a, f), lacking(a, f, "n")), CHAT, {"n": 3}),
    "several pictures": (lambda a, f: (key(a, f), lacking(a, f, "n")), PICTURES, {"n": 3}),
    "an unlisted model": (lambda a, f: instance(a, f, models=["a"]), CHAT, {"model": "b"}),
    "an unlisted model of pictures": (lambda a, f: instance(a, f, models=["a"]), PICTURES,
                                      {"model": "b"}),
    "a listed model": (lambda a, f: instance(a, f, models=["a", "b"]), CHAT, {"model": "b"}),
    "the feature itself": (lambda a, f: instance(a, f, models=["a"]), CHAT, {"model": CHAT}),
    "many tokens": (lambda a, f: key(a, f, limits={"tpm": 100}), CHAT, {"max_tokens": 5000}),
    "few tokens": (lambda a, f: key(a, f, limits={"tpm": 100}), CHAT, {"max_tokens": 5}),
    "a size": (lambda a, f: key(a, f), PICTURES, {"size": "512x512"})}


def verdicts(doc):
    return {c["target"]: [s["code"] for s in c.get("skips") or []] for c in doc["candidates"]}


@pytest.mark.parametrize("case", CASES)
def test_an_explanation_says_what_happens(agent, case):
    stand, feature, more = CASES[case]
    stand(agent, feature)
    body = {"messages": [{"role": "user", "content": "hi"}]} if feature == CHAT \
        else {"prompt": "a cat"}
    dry = agent.post(ROUTER, f"/api/v1/route/{feature}", {**body, **more}).body
    got = agent.post("api-gateway", f"/api/v1/invoke/{feature}", {**body, **more})
    live = agent.get(ROUTER, f"/api/v1/decisions/{got.headers['x-yijian-decision']}").body
    assert verdicts(dry) == verdicts(live)
    for member in ("model", "n", "width", "height"):
        assert dry["request"].get(member) == live["request"].get(member), member
    assert set(live["request"]["needs"]) <= set(dry["request"]["needs"])
