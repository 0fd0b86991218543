# SPDX-License-Identifier: MIT
"""What a model request asks: nothing is paid for that asks nothing, and a feature's limits and its
targets' params hold in every endpoint, in dry runs and streams too."""
import json

import pytest

GW, CFG, ROUTER = "api-gateway", "config-center", "router-engine"
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
EMPTY = ["", " ", "\u200b", "\t\n ", "\ufeff", "\u2060\u200d\ufe0f", "\u3164", "\u2800", "\u00a0\u3000",
         "\U000e0020\U000e007f", "\u00ad\u061c\u202e", "\u0001\u0085", "\u115f\uffa0", "\U000e0100"]
USER = {"role": "user", "content": "hello"}


def asked(vendord):
    return [r for r in vendord.requests() if r["method"] == "POST"]


def patch(agent, feature, **members):
    answer = agent.request(CFG, "PATCH", f"/api/v1/features/{feature}", members)
    assert answer.status == 200, answer


@pytest.fixture
def everything(make_agent, vendord):
    """An agent with a feature of every endpoint, all of them at the fixture vendord."""
    agent = make_agent()
    agent.add_key(vendord.base_url, service="gpt-4")
    for name, endpoint, protocol in (
            ("talk", "completions", "openai-completions"), ("answers", "responses", "openai-responses"),
            ("vectors", "embeddings", "openai-embeddings"), ("speech", "audio.speech", None),
            ("writing", "audio.transcriptions", None), ("judge", "moderations", None),
            ("rank", "rerank", None), ("pictures", "images.generations", None),
            ("edits", "images.edits", None)):
        target = {"id": "openai/gpt-4", "kind": "vendor", "vendor": "openai", "service": "gpt-4",
                  "upstream_model": "m"}
        answer = agent.request(CFG, "PUT", f"/api/v1/features/{name}", {
            "endpoint": endpoint, "targets": [target]})
        assert answer.status in (200, 201), answer
    return agent


def nothing_asked():
    """(endpoint, feature of it for /invoke and /route, body, status)"""
    chat = [(m, s) for m, s in (
        ([], 422), (None, 422), ("hello", 422), ({}, 422), (7, 422), ({"role": "user"}, 422),
        (["hello"], 422), ([[USER]], 422), ([None], 422))]
    yield from ((CHAT, "chat", {"messages": m}, s) for m, s in chat)
    yield from ((MESSAGES, None, {"messages": m, "max_tokens": 5}, s) for m, s in chat)
    for text in ("", [], [""], ["", ""], None, 7, True, {}, {"text": "a"}):
        yield "/v1/completions", "talk", {"prompt": text}, 422
        yield RESPONSES, "answers", {"input": text}, 422
        yield "/v1/embeddings", "vectors", {"input": text}, 422
        yield "/v1/moderations", "judge", {"input": text}, 422
    for text in (*EMPTY, None, 7, [], ["a cat"], {}):
        yield "/v1/images/generations", "pictures", {"prompt": text}, 422
        yield "/v1/images/edits", "edits", {"prompt": text, "images": [{"image_url": "x"}]}, 422
        yield "/v1/audio/speech", "speech", {"input": text, "voice": "a"}, 422
    yield "/v1/rerank", "rank", {"query": "q", "documents": []}, 422
    yield "/v1/rerank", "rank", {"query": "q", "documents": [""]}, 422
    yield "/v1/rerank", "rank", {"query": "", "documents": ["a"]}, 422
    yield "/v1/rerank", "rank", {"query": "\u200b", "documents": ["a"]}, 422
    yield "/v1/rerank", "rank", {"query": ["q"], "documents": ["a"]}, 422
    yield "/v1/rerank", "rank", {"query": "q", "documents": "a"}, 422


def test_what_asks_nothing_is_not_paid_for(everything, vendord):
    for path, feature, body, status in nothing_asked():
        for stream in ({}, {"stream": True}) if path in (CHAT, RESPONSES, MESSAGES) else ({},):
            answer = everything.post(GW, path, {"model": feature or "chat", **body, **stream})
            # Anthropic's errors know no 422.
            want = 400 if path == MESSAGES else status
            assert answer.status == want, (path, body, answer)
            error = answer.body["error"]
            if path != MESSAGES:
                assert error["code"] in ("field_type", "field_range", "field_required"), (body, error)
                assert error["param"] in ("messages", "prompt", "input", "query", "documents"), error
        if feature:
            answer = everything.post(GW, f"/api/v1/invoke/{feature}", body)
            assert answer.status == status, (feature, body, answer)
            answer = everything.post(ROUTER, f"/api/v1/route/{feature}", body)
            left_out = body.get("messages") == []
            assert answer.status == (200 if left_out else status), (feature, body, answer)
    assert asked(vendord) == []


def test_a_form_that_asks_nothing(everything, vendord):
    for path, parts in (
            ("/v1/images/edits", [("model", "edits"), ("prompt", "\u200b\ufeff"), ("image", b"x")]),
            ("/v1/images/edits", [("model", "edits"), ("prompt", ""), ("image", b"x")]),
            ("/v1/audio/transcriptions", [("model", "writing"), ("file", b"")])):
        body = b"".join(
            b"--B\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n%s\r\n" % (
                name.encode(), b'; filename="a.png"' if isinstance(value, bytes) else b"",
                value if isinstance(value, bytes) else value.encode())
            for name, value in parts) + b"--B--\r\n"
        answer = everything.request(GW, "POST", path, body=body, headers={
            "Content-Type": "multipart/form-data; boundary=B"})
        assert (answer.status, answer.error) == (422, "field_range"), (path, answer)
    assert asked(vendord) == []


def test_odd_forms_that_sdks_send(everything, vendord):
    tool = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    chats = [
        [USER, {"role": "assistant", "content": None, "tool_calls": [tool]},
         {"role": "tool", "tool_call_id": "t", "content": ""}],
        [{"role": "user", "content": [{"type": "text", "text": "a"}, {
            "type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}],
        [{"role": "system", "content": ""}, USER], [{"role": "user", "content": ""}],
        [{"role": "user", "content": []}]]
    for messages in chats:
        assert everything.post(GW, CHAT, {"model": "chat", "messages": messages}).status == 200
        assert everything.post(ROUTER, "/api/v1/route/chat", {"messages": messages}).status == 200
    for path, body in (
            ("/v1/completions", {"model": "talk", "prompt": " "}),
            ("/v1/completions", {"model": "talk", "prompt": ["a", ""]}),
            ("/v1/embeddings", {"model": "vectors", "input": [1, 2]}),
            ("/v1/embeddings", {"model": "vectors", "input": [[1], [2]]}),
            ("/v1/embeddings", {"model": "vectors", "input": ["a", "b"]})):
        assert everything.post(GW, path, body).status == 200, (path, body)
    assert everything.post(ROUTER, "/api/v1/route/pictures", {"width": 1024, "height": 1024}).status \
        == 200
    assert everything.post(ROUTER, "/api/v1/route/pictures", {"prompt": "\u2708\ufe0f"}).status == 200


# ---- limits of a feature ----

LONG, FIT = "x" * 9, "\U0001f600\u00e9xyz"  # 9 and 5 code points, the limit is 8


def texts(of):
    """Bodies whose texts together have the code points of `of` and no more than that."""
    half = [of[:2], of[2:]]
    parts = [{"type": "text", "text": t} for t in half]
    return [
        (CHAT, "chat", {"messages": [{"role": "user", "content": of}]}),
        (CHAT, "chat", {"messages": [{"role": "system", "content": of[:2]},
                                     {"role": "user", "content": of[2:]}]}),
        (CHAT, "chat", {"messages": [{"role": "user", "content": parts}]}),
        (MESSAGES, "chat", {"max_tokens": 5, "system": of[:2],
                            "messages": [{"role": "user", "content": of[2:]}]}),
        (MESSAGES, "chat", {"max_tokens": 5, "system": [{"type": "text", "text": of[:2]}], "messages": [
            {"role": "user", "content": [{"type": "text", "text": of[2:]}]}]}),
        (RESPONSES, "answers", {"instructions": of[:2], "input": of[2:]}),
        (RESPONSES, "answers", {"input": [{"role": "user", "content": [
            {"type": "input_text", "text": of}]}]}),
        ("/v1/completions", "talk", {"prompt": of}), ("/v1/completions", "talk", {"prompt": half}),
        ("/v1/embeddings", "vectors", {"input": of}), ("/v1/embeddings", "vectors", {"input": half}),
        ("/v1/embeddings", "vectors", {"input": list(range(len(of)))}),
        ("/v1/moderations", "judge", {"input": half}),
        ("/v1/rerank", "rank", {"query": of[:2], "documents": [of[2:4], {"text": of[4:]}]}),
        ("/v1/audio/speech", "speech", {"input": of, "voice": "a"}),
        ("/v1/images/generations", "pictures", {"prompt": of}),
        ("/v1/images/edits", "edits", {"prompt": of, "images": [{"image_url": "data:image/png;,x"}]}),
    ]


def features():
    return {feature for _, feature, _ in texts(LONG)}


def test_prompt_chars_hold_everywhere(everything, vendord):
    for feature in features():
        patch(everything, feature, limits={"max_prompt_chars": 8})
    for path, feature, body in texts(LONG):
        for stream in ({}, {"stream": True}):
            answer = everything.post(GW, path, {"model": feature, **body, **stream})
            assert answer.status == (400 if path == MESSAGES else 422), (path, body, answer)
            assert "8" in answer.body["error"]["message"]
        if path != MESSAGES:
            invoked = everything.post(GW, f"/api/v1/invoke/{feature}", body)
            assert (invoked.status, invoked.error) == (422, "field_range"), (path, invoked)
            dry = everything.post(ROUTER, f"/api/v1/route/{feature}", body)
            assert (dry.status, dry.error) == (422, "field_range"), (path, dry)
    assert asked(vendord) == []
    for path, feature, body in texts(FIT):
        if path != MESSAGES:
            assert everything.post(ROUTER, f"/api/v1/route/{feature}", body).status == 200, body
        answer = everything.post(GW, path, {"model": feature, **body})
        assert answer.status not in (400, 422), (path, body, answer)


def test_prompt_chars_cannot_be_written_around(everything, vendord):
    patch(everything, "chat", limits={"max_prompt_chars": 8})
    for messages in ('[{"role":"user","cont\\u0065nt":"%s"}]' % LONG,
                     '[{"role":"user","content":"%s"}]' % "\\u0061" * 9,
                     '[{"role":"user","content":[{"type":"text","t\\u0065xt":"%s"}]}]' % LONG):
        answer = everything.request(GW, "POST", CHAT, headers={"Content-Type": "application/json"},
                                    body='{"model":"chat","messages":%s}' % messages)
        assert answer.status in (400, 422), (messages, answer)
    assert asked(vendord) == []


def test_n_holds_everywhere(everything, vendord):
    for feature in features():
        patch(everything, feature, limits={"max_n": 2})
    for path, feature, body in texts("hello"):
        if path in (MESSAGES, RESPONSES, "/v1/embeddings", "/v1/moderations", "/v1/rerank",
                    "/v1/audio/speech"):
            continue  # they make one
        for n in (3, 128, 2 ** 40, 0, -1, "3", 1.5, 3.0):
            for stream in ({}, {"stream": True}):
                answer = everything.post(GW, path, {"model": feature, **body, "n": n, **stream})
                assert answer.status == 422, (path, n, answer)
                assert answer.body["error"]["param"] == "n"
            for service, where in ((GW, "invoke"), (ROUTER, "route")):
                answer = everything.post(service, f"/api/v1/{where}/{feature}", {**body, "n": n})
                assert answer.status == 422, (where, path, n, answer)
    best = everything.post(GW, "/v1/completions", {"model": "talk", "prompt": "a", "best_of": 3})
    assert (best.status, best.body["error"]["param"]) == (422, "best_of")
    assert asked(vendord) == []
    for n in (1, 2, None):
        assert everything.post(GW, CHAT, {"model": "chat", "messages": [USER], "n": n}).status == 200


def test_the_body_is_bounded_in_dry_runs_too(everything):
    patch(everything, "chat", limits={"max_body_bytes": 1024})
    body = {"messages": [{"role": "user", "content": "x" * 1100}]}
    for service, path in ((GW, CHAT), (GW, "/api/v1/invoke/chat"), (ROUTER, "/api/v1/route/chat")):
        answer = everything.post(service, path, {"model": "chat", **body})
        assert (answer.status, answer.error) == (413, "body_too_large"), path


# ---- params of a target ----

@pytest.mark.parametrize("path, feature, body", [
    (CHAT, "chat", {"messages": [USER], "temperature": 2}),
    (CHAT, "chat", {"messages": [USER], "temperature": 2, "stream": True}),
    ("/v1/completions", "talk", {"prompt": "a", "temperature": 2}),
    (RESPONSES, "answers", {"input": "a", "temperature": 2}),
    ("/v1/embeddings", "vectors", {"input": "a", "temperature": 2}),
    ("/v1/moderations", "judge", {"input": "a", "temperature": 2}),
    ("/v1/rerank", "rank", {"query": "a", "documents": ["b"], "temperature": 2}),
    ("/v1/audio/speech", "speech", {"input": "a", "voice": "b", "temperature": 2}),
    ("/v1/images/generations", "pictures", {"prompt": "a", "temperature": 2}),
    ("/api/v1/invoke/chat", "chat", {"messages": [USER], "temperature": 2}),
])
def test_params_are_set_on_every_request(everything, vendord, path, feature, body):
    doc = everything.get(CFG, f"/api/v1/features/{feature}").body
    targets = [{**{k: v for k, v in t.items() if v is not None},
                "params": {"temperature": 0.5, "user": "us", "model": "no", "messages": [], "prompt": "no",
                           "input": "no"},
                "drop_params": ["seed"]} for t in doc["targets"] if t["service"] == "gpt-4"]
    patch(everything, feature, targets=targets, defaults={"user": "nobody", "top_k": 7, "seed": 9})
    everything.post(GW, path, {"model": feature, **body, "seed": 5})
    sent = json.loads(asked(vendord)[-1]["body"])
    assert (sent["temperature"], sent["user"], sent["top_k"]) == (0.5, "us", 7), sent
    assert "seed" not in sent and sent.get("model") != "no"
    for key in ("messages", "prompt", "input", "query"):
        if key in body:
            assert sent[key] == body[key]


def test_params_are_set_in_forms(everything, vendord):
    for feature in ("edits", "writing"):
        doc = everything.get(CFG, f"/api/v1/features/{feature}").body
        targets = [{**{k: v for k, v in t.items() if v is not None},
                    "params": {"language": "de", "quality": "low"}, "drop_params": ["user"]}
                   for t in doc["targets"]]
        patch(everything, feature, targets=targets, defaults={"background": "opaque"})
    for path, model, file in (("/v1/images/edits", "edits", "image"),
                              ("/v1/audio/transcriptions", "writing", "file")):
        parts = [("model", model), ("prompt", "a cat"), ("language", "fr"), ("quality", "high"),
                 ("user", "me")]
        body = "".join(f'--B\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'
                       for n, v in parts)
        body += f'--B\r\nContent-Disposition: form-data; name="{file}"; filename="a"\r\n\r\nx\r\n--B--\r\n'
        everything.request(GW, "POST", path, body=body, headers={
            "Content-Type": "multipart/form-data; boundary=B"})
        sent = asked(vendord)[-1]["body"]
        for name, value in (("language", "de"), ("quality", "low"), ("background", "opaque"),
                            ("prompt", "a cat")):
            assert sent.count(f'name="{name}"\r\n\r\n{value}\r\n') == 1, (path, sent)
        assert "fr\r\n" not in sent and "high" not in sent and 'name="user"' not in sent
