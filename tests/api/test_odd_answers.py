# SPDX-License-Identifier: MIT
"""Answers that are odd but readable pass, mended where callers would stumble; what is no answer fails."""
import json

import pytest

from bytes_upstream import BytesUpstream, answer

GW = "api-gateway"
ASK = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
BIG = 20 * 1024 * 1024


def chunk(content, finish="null"):
    return (b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"'
            + content + b'"},"finish_reason":' + finish.encode() + b"}]}\n\n")


def whole(content):
    return b'{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"content":"' + content + b'"}}]}'


STREAMS = {
    "halves": (chunk(b"ok \\ud83d") + chunk(b"\\ude00 bye") + END, "ok \ufffd\ufffd bye"),
    "bytes": (chunk(b"ok \xe6\xb8") + chunk(b"\x90 bye") + END, "ok \ufffd\ufffd bye"),
    "others": (chunk(b"a") + b'data: {"queue":3}\n\n' + chunk(b"b") + END, "ab"),
    "empty": (chunk(b"a", '""') + chunk(b"b", '"null"') + END, "ab"),
}
ANSWERS = {name: answer("200 OK", "text/event-stream", body) for name, (body, _) in STREAMS.items()}
ANSWERS |= {
    "whole": answer("200 OK", "application/json", whole(b"ok \xe6\xb8 \\ud83d \\u0000")),
    "cut": answer("200 OK", "text/event-stream", chunk(b"a", '""')),
    "big": answer("200 OK", "text/event-stream", chunk(b"A" * BIG) + END),
    "none": answer("200 OK", "text/event-stream", b'data: {"queue":3}\n\n' + chunk(b"a") + END),
    "calls": answer("200 OK", "application/json", json.dumps({"model": "m", "done": False, "message": {
        "role": "assistant", "content": "half", "tool_calls": [
            {"function": {"name": "f", "arguments": {"x": 1}}},
            {"id": "own", "function": {"name": "g"}}]}}).encode()),
}


@pytest.fixture(scope="module")
def upstream():
    with BytesUpstream(ANSWERS) as u:
        yield u


def stream_of(agent, upstream, name):
    agent.add_instance(upstream.url(name))
    got = agent.request(GW, "POST", "/v1/chat/completions", {**ASK, "stream": True})
    assert got.status == 200, got
    lines = got.body.decode("utf-8").split("\n")  # strictly
    return [line[6:] for line in lines if line.startswith("data: ")]


def text_of(events):
    choices = [c for e in events for c in json.loads(e)["choices"]]
    return "".join(c["delta"].get("content", "") for c in choices), [c["finish_reason"] for c in choices]


@pytest.mark.parametrize("name", STREAMS)
def test_an_odd_stream_is_whole(agent, upstream, name):
    events = stream_of(agent, upstream, name)
    assert events[-1] == "[DONE]"
    text, finish = text_of(events[:-1])
    assert text == STREAMS[name][1]
    assert finish == [None] * (len(finish) - 1) + ["stop"]


def test_a_broken_text_is_mended_in_a_whole_answer(agent, upstream):
    agent.add_instance(upstream.url("whole"))
    got = agent.request(GW, "POST", "/v1/chat/completions", ASK)
    assert got.status == 200, got
    assert got.body["choices"][0]["message"]["content"] == "ok \ufffd \ufffd \ufffd"


def test_an_empty_finish_ends_nothing(agent, upstream):
    events = stream_of(agent, upstream, "cut")
    assert json.loads(events[-1])["error"]["code"] == "stream_interrupted"


def test_an_event_of_many_megabytes_passes(agent, upstream):
    events = stream_of(agent, upstream, "big")
    assert events[-1] == "[DONE]"
    assert len(text_of(events[:-1])[0]) == BIG


def test_what_begins_as_no_answer_fails(agent, upstream):
    agent.add_instance(upstream.url("none"))
    got = agent.request(GW, "POST", "/v1/chat/completions", {**ASK, "stream": True})
    assert (got.status, got.error) == (502, "upstream_bad_response")


def test_ollamas_calls_have_ids_of_their_own(agent, upstream):
    agent.add_instance(upstream.url("calls"), engine="ollama", models=["m"])
    choices = [agent.request(GW, "POST", "/v1/chat/completions", ASK).body["choices"][0] for _ in range(2)]
    calls = [c["message"]["tool_calls"] for c in choices]
    assert [c["finish_reason"] for c in choices] == ["length"] * 2
    assert calls[0][0]["id"] != calls[1][0]["id"]
    assert [c["id"] for c in calls[0][1:]] == ["own"]
    assert [c["function"]["arguments"] for c in calls[0]] == ['{"x": 1}', "{}"]
