# SPDX-License-Identifier: MIT
"""Pictures as events: one completed event each, in OpenAI's shape."""
import base64
import json

import pytest

from openai_schema import complaints

GW = "api-gateway"
IMAGES = "/v1/images/generations"
BODY = {"model": "text_to_image", "prompt": "a cat", "stream": True, "partial_images": 2}


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


@pytest.fixture(params=["openai", "dashscope"])
def upstream(request, agent, make_vendord):
    vendor = make_vendord(flavour=request.param)
    service = {"openai": ("openai", "dalle"), "dashscope": ("aliyun", "wanx")}[request.param]
    agent.add_key(vendor.url, vendor=service[0], service=service[1], key_name="pictures")
    return vendor


def ask(agent, headers=(), **more):
    with agent.stream(IMAGES, {**BODY, **more}, headers=headers) as answer:
        return answer.status, answer.headers, answer.response.read().decode()


def events_of(text):
    blocks = [block.split("\n") for block in text.removesuffix("\n\n").split("\n\n")]
    assert all(len(b) == 2 and b[0].startswith("event: ") and b[1].startswith("data: ")
               for b in blocks), text[:500]
    return [(name[7:], json.loads(data[6:])) for name, data in blocks]


@pytest.mark.parametrize("n", [1, 2])
def test_a_completed_event_for_each_picture(agent, upstream, n):
    status, headers, text = ask(agent, n=n)
    assert status == 200 and headers["Content-Type"] == "text/event-stream; charset=utf-8", text
    events = events_of(text)
    assert [name for name, _ in events] == ["image_generation.completed"] * n
    for _, data in events:
        assert complaints("ImageGenCompletedEvent", data) == [], data
        assert base64.b64decode(data["b64_json"]).startswith(b"\x89PNG")
    task = agent.get(GW, "/v1/images/tasks/" + headers["X-Yijian-Task"]).body
    assert [i["b64_json"] for i in task["result"]["data"]] == [d["b64_json"] for _, d in events]
    sent = [r for r in upstream.requests() if r["method"] == "POST"]
    assert len(sent) == 1 and '"stream"' not in sent[0]["body"]
    assert "partial_images" not in sent[0]["body"]


def test_the_same_key_finds_the_same_pictures(agent, upstream):
    first, again = (ask(agent, {"Idempotency-Key": "k"}) for _ in range(2))
    assert first[2] == again[2] and again[1]["Idempotent-Replayed"] == "true"
    assert first[1]["X-Yijian-Task"] == again[1]["X-Yijian-Task"]


def test_an_error_before_the_first_event_is_an_answer(agent, upstream):
    upstream.fault({"status": 400}, path="/*")
    status, headers, text = ask(agent)
    assert status == 400 and headers["Content-Type"].startswith("application/json")
    assert json.loads(text)["error"]["message"]


@pytest.mark.parametrize("bad", [{"partial_images": 4}, {"partial_images": "x"},
                                 {"response_format": "url"}])
def test_what_cannot_be_streamed_is_refused(agent, upstream, bad):
    assert ask(agent, **bad)[0] == 422
    assert not [r for r in upstream.requests() if r["method"] == "POST"]


def test_a_stream_is_not_asynchronous(agent, upstream):
    status, _, text = ask(agent, {"Prefer": "respond-async"})
    assert status == 422 and json.loads(text)["error"]["param"] == "stream"
