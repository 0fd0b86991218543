# SPDX-License-Identifier: MIT
"""Forty-one odd ways to answer, each known to make an official SDK lose text, hand out a string or
end in silence. An upstream answers so, and what the caller's SDK sees through the agent is a whole
answer or an honest error; what the agent writes has none of the shapes."""
import json

import pytest

from agent import Agent
from bytes_upstream import BytesUpstream, answer, cut_chunked

MESSAGES = [{"role": "user", "content": "hello"}]
SSE = "text/event-stream"
JSON = "application/json"
ERROR = b'{"error":{"message":"boom","type":"server_error","param":null,"code":"upstream_error"}}'
WHOLE = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop", "logprobs": None,
     "message": {"role": "assistant", "content": "hi there", "refusal": None}}]}).encode()


def chunk(text=None, finish=None, **more):
    delta = {"role": "assistant", "content": text} if text else {}
    return json.dumps({"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                       "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
                       **more}).encode()


def event(data):
    return b"data: " + data + b"\n\n"


HI, THERE, STOP = event(chunk("hi")), event(chunk(" there")), event(chunk(finish="stop"))
DONE = event(b"[DONE]")
STREAM = HI + THERE + STOP + DONE
USAGE = event(b'{"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[],'
              b'"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}')
DASHSCOPE = b"".join(b"id:%d\nevent:result\n:HTTP_STATUS/200\ndata:%s\n\n" % (i, data) for i, data in
                     enumerate([chunk("hi"), chunk(" there"), chunk(finish="stop")], 1))
SPLIT = HI.replace(b'"created"', b'\ndata: "created"', 1)

# What the caller must see: WHOLE_STREAM, WHOLE_ANSWER, BROKEN (an error after the first chunk), or
# the (status, code) of an error that comes instead of an answer.
WHOLE_STREAM, WHOLE_ANSWER, BROKEN = "stream", "answer", "broken"
BAD = (502, "upstream_bad_response")
FAILED = (502, "all_upstreams_failed")

# case: (stream asked for, the upstream's bytes, what the caller sees)
CASES = {
    "nodone": (True, answer("200 OK", SSE, HI + THERE + STOP), WHOLE_STREAM),
    "nodone_nofinish": (True, answer("200 OK", SSE, HI + THERE), BROKEN),
    "crlf": (True, answer("200 OK", SSE, STREAM.replace(b"\n", b"\r\n")), WHOLE_STREAM),
    "nospace": (True, answer("200 OK", SSE, STREAM.replace(b"data: ", b"data:")), WHOLE_STREAM),
    "errdata": (True, answer("200 OK", SSE, HI + event(ERROR) + DONE), BROKEN),
    "errevent": (True, answer("200 OK", SSE, HI + b"event: error\n" + event(ERROR) + DONE), BROKEN),
    "errevent_flat": (True, answer("200 OK", SSE, HI + b"event: error\n" + event(
        b'{"message":"boom","type":"server_error","code":"x"}')), BROKEN),
    "errcodeint": (True, answer("200 OK", SSE, HI + event(
        b'{"error":{"object":"error","message":"boom","type":"BadRequestError","param":null,'
        b'"code":400}}') + DONE), BROKEN),
    "errstr": (True, answer("200 OK", SSE, HI + event(b'{"error":"boom"}') + DONE), BROKEN),
    "comment": (True, answer("200 OK", SSE, b": ping\n\n: ping\n\n" + STREAM), WHOLE_STREAM),
    "comment1": (True, answer("200 OK", SSE, HI + b": ping\n" + THERE + STOP + DONE), WHOLE_STREAM),
    "id_comment": (True, answer("200 OK", SSE, b"id: 1\n" + HI + b": ping\n\n" + THERE + STOP +
                                DONE), WHOLE_STREAM),
    "id_comment1": (True, answer("200 OK", SSE, b"id: 1\n" + HI + b": ping\n" + THERE + STOP +
                                 DONE), WHOLE_STREAM),
    "retry": (True, answer("200 OK", SSE, b"retry: 3000\n\n" + STREAM), WHOLE_STREAM),
    "event_only": (True, answer("200 OK", SSE, b"event: ping\n\n" + STREAM), WHOLE_STREAM),
    "emptydata": (True, answer("200 OK", SSE, b"data: \n\n" + HI + b"data:\n\n" + THERE + STOP +
                               DONE), WHOLE_STREAM),
    "singlenl": (True, answer("200 OK", SSE, STREAM.replace(b"\n\n", b"\n")), BAD),
    "named": (True, answer("200 OK", SSE, STREAM.replace(b"data:", b"event: message\ndata:")),
              WHOLE_STREAM),
    "dashscope_frame": (True, answer("200 OK", SSE, DASHSCOPE + DONE), WHOLE_STREAM),
    "usage_chunk": (True, answer("200 OK", SSE, HI + THERE + STOP + USAGE + DONE), WHOLE_STREAM),
    "bom": (True, answer("200 OK", SSE, b"\xef\xbb\xbf" + STREAM), WHOLE_STREAM),
    "split": (True, answer("200 OK", SSE, SPLIT + THERE + STOP + DONE), WHOLE_STREAM),
    "done_nonl": (True, answer("200 OK", SSE, HI + THERE + STOP + b"data: [DONE]"), WHOLE_STREAM),
    "done_quoted": (True, answer("200 OK", SSE, HI + THERE + STOP + event(b'"[DONE]"')),
                    WHOLE_STREAM),
    "jsonct": (True, answer("200 OK", JSON, STREAM), WHOLE_STREAM),
    "json_on_stream": (True, answer("200 OK", JSON, WHOLE), WHOLE_STREAM),
    "err_json_200": (True, answer("200 OK", JSON, ERROR), FAILED),
    "emptybody": (True, answer("200 OK", SSE, b""), BAD),
    "cut": (True, cut_chunked(SSE, HI), BROKEN),
    "err_400_on_stream": (True, answer("400 Bad Request", JSON, ERROR), (400, "upstream_error")),
    "429_sse": (True, answer("429 Too Many Requests", SSE, event(ERROR)),
                (429, "upstream_rate_limited")),
    "no_content_type": (False, answer("200 OK", None, WHOLE), WHOLE_ANSWER),
    "text_plain": (False, answer("200 OK", "text/plain", WHOLE), WHOLE_ANSWER),
    "err_string": (False, answer("400 Bad Request", JSON, b'{"error":"plain string"}'), (400, None)),
    "err_flat": (False, answer("400 Bad Request", JSON, b'{"message":"flat","code":'
                               b'"InvalidParameter","request_id":"r"}'), (400, "InvalidParameter")),
    "err_html": (False, answer("502 Bad Gateway", "text/html", b"<html>502</html>"), FAILED),
    "err_200": (False, answer("200 OK", JSON, ERROR), FAILED),
    "402": (False, answer("402 Payment Required", JSON, ERROR), (502, "upstream_billing")),
    "413": (False, answer("413 Too Large", JSON, ERROR), (413, "body_too_large")),
    "empty500": (False, answer("500 Internal Server Error", None, b""), FAILED),
    "retry_after_0": (False, answer("429 Too Many Requests", JSON, ERROR, "retry-after: 0"),
                      (429, "upstream_rate_limited")),
    "retry_after_90": (False, answer("429 Too Many Requests", JSON, ERROR, "retry-after: 90"),
                       (429, "upstream_rate_limited")),
    "redirect": (False, answer("307 Temporary Redirect", None, b"",
                               "location: /nodone/v1/chat/completions"), BAD),
}


class Odd:
    """An agent whose chat is answered by one case at a time."""

    def __init__(self, agent, upstream):
        self.agent, self.upstream, self.serial = agent, upstream, 0
        self.base_url = agent.url() + "/v1"

    def ask(self, case):
        """An instance without a past: what came before opened no breaker."""
        self.serial += 1
        ident = f"{case.replace('_', '-')}-{self.serial}"
        self.agent.add_instance(self.upstream.url(case), service="odd", id=ident)
        return ident

    def forget(self, ident):
        answer = self.agent.request("service-registry", "DELETE",
                                    f"/api/v1/services/odd/instances/{ident}")
        assert answer.status in (200, 204), answer


@pytest.fixture(scope="module")
def odd(platform):
    upstream = BytesUpstream({case: row[1] for case, row in CASES.items()}, cuts={"cut"})
    with upstream:
        yield Odd(platform.add(Agent), upstream)


@pytest.fixture
def instance(odd, request):
    case = request.getfixturevalue("case")
    ident = odd.ask(case)
    yield odd
    odd.forget(ident)


def said(chunks):
    return "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks)


@pytest.mark.parametrize("case", CASES)
def test_sdk(instance, sdk, case):
    stream, _, expected = CASES[case]
    args = {"model": "chat", "messages": MESSAGES} | ({"stream": True} if stream else {})
    got = sdk.call(instance.base_url, "chat.completions.create", args)
    if expected == WHOLE_STREAM:
        assert got["ok"] and got["kind"] == "stream", got
        assert all(len(chunk["choices"]) == 1 for chunk in got["chunks"]), got
        assert said(got["chunks"]) == "hi there", got
        assert got["chunks"][-1]["choices"][0]["finish_reason"] == "stop", got
    elif expected == WHOLE_ANSWER:
        assert got["ok"] and got["kind"] == "object" and got["request_id"], got
        assert got["value"]["choices"][0]["message"]["content"] == "hi there", got
    elif expected == BROKEN:
        assert not got["ok"] and said(got["chunks"]).startswith("hi"), got
        assert got["error"]["of_sdk"] and got["error"]["code"] == "stream_interrupted", got
        assert got["error"]["message"], got
    else:
        status, code = expected
        error = got["error"]
        assert not got["ok"] and not got["chunks"] and error["of_sdk"], got
        assert error["status"] == status and error["request_id"], got
        assert isinstance(error["code"], str) and isinstance(error["type"], str), got
        assert error["message"] and "no body" not in error["message"], got
        assert code in (None, error["code"]), got


@pytest.mark.parametrize("case", CASES)
def test_wire(instance, case):
    """What is written: framing no SDK stumbles on, one upstream call, statuses that are kept."""
    stream, _, expected = CASES[case]
    before = instance.upstream.asked[case]
    body = {"model": "chat", "messages": MESSAGES} | ({"stream": True} if stream else {})
    with instance.agent.stream("/v1/chat/completions", body) as answer:
        text = answer.response.read()
    kind = answer.headers["Content-Type"]
    assert instance.upstream.asked[case] == before + 1, "asked once"
    assert answer.headers["X-Request-Id"]
    if answer.headers.get("Retry-After"):
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
    if not kind.startswith("text/event-stream"):
        assert kind.split(";")[0] == "application/json"
        document = json.loads(text)
        if answer.status != 200:
            assert set(document) == {"error"}
            assert {"message", "type", "param", "code"} <= set(document["error"])
        return
    assert answer.status == 200 and expected in (WHOLE_STREAM, BROKEN)
    assert text.endswith(b"\n\n") and b"\r" not in text and b"\xef\xbb\xbf" not in text
    for block in text.decode().removesuffix("\n\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line != ": ping"]
        assert len(lines) == 1 and lines[0].startswith("data: "), block
        if lines[0] != "data: [DONE]":
            assert isinstance(json.loads(lines[0][6:]), dict)
    assert text.endswith(b"data: [DONE]\n\n") == (expected == WHOLE_STREAM)
