# SPDX-License-Identifier: MIT
"""Images as streams: OpenAI's events whoever makes the pictures, errors before and behind the
status line, and the same durable task behind all of it."""
import base64
import json

import pytest

from bytes_upstream import BytesUpstream, answer as bytes_answer
from openai_schema import complaints
from waiting import wait_for

GW = "api-gateway"
IMAGES = "/v1/images/generations"
EDITS = "/v1/images/edits"
COMPLETED = "image_generation.completed"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


@pytest.fixture
def soon(make_agent):
    """Its streams begin after 20 ms, pictures or not."""
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20", "YIJIAN_PING_MS": "20"})


@pytest.fixture
def dashscope(make_vendord):
    return make_vendord(flavour="dashscope")


@pytest.fixture
def openai(make_vendord):
    return make_vendord()


def add_wanx(agent, dashscope):
    return agent.add_key(dashscope.url, vendor="aliyun", service="wanx", key_name="wanx",
                         limits={"rpm": 60000})


def add_dalle(agent, openai):
    return agent.add_key(openai.url, service="dalle", key_name="dalle")


def ask(agent, headers=(), path=IMAGES, **more):
    return agent.stream(path, {"model": "text_to_image", "prompt": "a cat", "stream": True,
                               **more}, headers=dict(headers))


def raw_of(stream):
    assert stream.status == 200, stream.response.read()
    return stream.response.read().decode()


def events_of(text):
    """[(name, data)]; comments are left out."""
    events = []
    for block in text.split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        fields = dict(line.split(": ", 1) for line in lines)
        events.append((fields.get("event"), json.loads(fields["data"])))
    return events


def whole(agent, headers=(), **more):
    with ask(agent, headers, **more) as stream:
        return events_of(raw_of(stream)), stream.headers


def submitted(vendor, path):
    return [r for r in vendor.requests(1000)
            if r["method"] == "POST" and r["path"].split("?")[0].endswith(path)]


def traffic(agent):
    return wait_for(lambda: agent.get(GW, "/api/v1/events?kinds=traffic&limit=1").body["items"],
                    what="a traffic event")[-1]


# ---- what comes ----

def test_pictures_are_events(agent, openai):
    add_dalle(agent, openai)
    with ask(agent, n=2, size="1536x1024", partial_images=0) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["Cache-Control"] == "no-cache"
        assert stream.headers["X-Accel-Buffering"] == "no"
        assert stream.headers["X-Yijian-Target"] == "openai/dalle#dalle"
        id = stream.headers["X-Yijian-Task"]
        task = agent.get(GW, "/api/v1/tasks/" + id).body
        kept = agent.get(GW, "/v1/images/tasks/" + id).body["result"]["data"]
        text = raw_of(stream)
    events = events_of(text)
    assert [name for name, _ in events] == [COMPLETED] * 2 and "[DONE]" not in text
    assert not any(line.startswith(("id:", "retry:")) for line in text.splitlines())
    for _, data in events:
        assert complaints("ImageGenCompletedEvent", data) == []
        assert base64.b64decode(data["b64_json"]).startswith(PNG)
    assert len({data["b64_json"] for _, data in events}) == 2
    assert [item["b64_json"] for item in kept] == [data["b64_json"] for _, data in events]
    # The sum stands once, so that who adds up has it.
    assert [data["usage"]["total_tokens"] for _, data in events] == [0, 150]
    assert (task["state"], task["made"]) == ("succeeded", 2)
    sent = json.loads(submitted(openai, "/images/generations")[0]["body"])
    assert sent["n"] == 2 and not {"stream", "partial_images"} & set(sent)
    event = traffic(agent)
    assert event["stream"] and event["status"] == 200 and event["tokens_out"] == 100
    assert event["bytes_out"] == len(text) and event["task"] == task["id"]


def test_what_nobody_said_is_what_was_asked(agent, dashscope):
    add_wanx(agent, dashscope)
    (name, data), = whole(agent, size="1024x1024", quality="high")[0]
    assert name == data["type"] == COMPLETED
    assert complaints("ImageGenCompletedEvent", data) == []
    assert base64.b64decode(data["b64_json"]).startswith(PNG)
    assert [data[m] for m in ("size", "quality", "background", "output_format")] == [
        "1024x1024", "high", "auto", "png"]
    assert data["usage"]["total_tokens"] == 0
    (_, data), = whole(agent)[0]
    assert [data[m] for m in ("size", "quality")] == ["auto", "auto"]


def test_what_failed_is_told_with_the_rest(agent, dashscope):
    add_wanx(agent, dashscope)
    dashscope.fault({"task_partial": 1}, path="/api/*")
    events, headers = whole(agent, n=2)
    assert [name for name, _ in events] == [COMPLETED, None]
    assert headers["X-Yijian-Images-Failed"] == "1"
    assert "1 of 2" in events[1][1]["error"]["message"]


def form(**fields):
    parts = "".join(f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                    for name, value in fields.items())
    return (parts + '--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n'
            "Content-Type: image/png\r\n\r\nPNG\r\n--b--\r\n")


FORM = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture
def edits(agent, openai):
    feature = {"name": "image_edit", "endpoint": "images.edits", "targets": [
        {"id": "openai/dalle", "kind": "vendor", "vendor": "openai", "service": "dalle",
         "upstream_model": "gpt-image-1"}]}
    assert agent.post("config-center", "/api/v1/features", feature).status == 201
    add_dalle(agent, openai)
    return openai


def test_edits(agent, edits):
    body = form(model="image_edit", prompt="a hat", stream="true", partial_images="0")
    answer = agent.request(GW, "POST", EDITS, body=body, headers=FORM)
    assert answer.headers["Content-Type"].startswith("text/event-stream"), answer
    (name, data), = events_of(answer.body.decode())
    assert name == "image_edit.completed" and complaints("ImageEditCompletedEvent", data) == []
    sent = submitted(edits, "/images/edits")[0]["body"]
    assert "a hat" in sent and "stream" not in sent and "partial_images" not in sent


def test_a_form_may_say_that_it_does_not_stream(agent, edits):
    body = form(model="image_edit", prompt="a hat", stream="false")
    answer = agent.request(GW, "POST", EDITS, body=body, headers=FORM)
    assert answer.status == 200 and answer.body["data"], answer


def test_invoked_by_the_name_of_the_feature(agent, openai):
    add_dalle(agent, openai)
    events, _ = whole(agent, path="/api/v1/invoke/text_to_image")
    assert [name for name, _ in events] == [COMPLETED]


def test_a_target_that_streams_nothing_will_do(agent, openai):
    add_dalle(agent, openai)
    feature = agent.get("config-center", "/api/v1/features/text_to_image").body
    targets = [{**t, "lacks": ["stream"]} for t in feature["targets"]
               if t.get("service") == "dalle"]
    answer = agent.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                           {"targets": targets})
    assert answer.status == 200, answer
    assert len(whole(agent, partial_images=2)[0]) == 1
    assert "stream" not in json.loads(submitted(openai, "/images/generations")[0]["body"])


# ---- what is refused ----

@pytest.mark.parametrize("more, status, code", [
    ({"partial_images": 4}, 422, "field_range"), ({"partial_images": -1}, 422, "field_range"),
    ({"partial_images": "2"}, 422, "field_type"), ({"stream": "yes"}, 422, "field_type"),
    ({"response_format": "url"}, 422, "field_range")])
def test_what_is_wrong_is_told_with_a_status(agent, dashscope, more, status, code):
    add_wanx(agent, dashscope)
    answer = agent.post(GW, IMAGES, json={"model": "text_to_image", "prompt": "a cat",
                                          "stream": True, **more})
    assert (answer.status, answer.error) == (status, code), answer
    assert dashscope.requests() == []


def test_either_a_stream_or_an_id(agent, dashscope):
    add_wanx(agent, dashscope)
    answer = agent.post(GW, IMAGES, headers={"Prefer": "respond-async"}, json={
        "model": "text_to_image", "prompt": "a cat", "stream": True})
    assert (answer.status, answer.error) == (422, "field_range"), answer
    assert "respond-async" in answer.body["error"]["message"]
    assert dashscope.requests() == []


def test_an_early_failure_is_a_status(agent, openai):
    add_dalle(agent, openai)
    openai.fault({"status": 400})
    with ask(agent) as stream:
        assert stream.status == 400
        assert stream.headers["Content-Type"].startswith("application/json")
        assert stream.headers["Cache-Control"] == "no-store"
        assert json.loads(stream.response.read())["error"]["code"]


# ---- a stream that has begun ----

def test_a_comment_keeps_it_open(soon, dashscope):
    add_wanx(soon, dashscope)
    dashscope.fault({"task_polls": 6}, path="/api/*")
    with ask(soon) as stream:
        text = raw_of(stream)
        assert stream.headers["X-Accel-Buffering"] == "no"
    # One line without an empty one behind it.
    assert text.startswith(": ping\n") and ": ping\n\n" not in text
    assert [name for name, _ in events_of(text)] == [COMPLETED]
    event = traffic(soon)
    assert event["status"] == 200 and event["ttfb_ms"] > 20
    id = event["task"]
    assert stream.headers.get("X-Yijian-Task") in (id, None)  # stored by then, or not yet
    assert soon.get(GW, "/api/v1/tasks/" + id).body["state"] == "succeeded"


def test_a_late_failure_is_its_last_event(soon, dashscope):
    add_wanx(soon, dashscope)
    dashscope.fault({"task_polls": 6, "task_fail": 1}, path="/api/*")
    with ask(soon) as stream:
        text = raw_of(stream)
    assert text.startswith(": ping\n")
    (name, data), = events_of(text)
    assert name is None and set(data) == {"error"}
    assert complaints("ErrorResponse", data) == []
    event = traffic(soon)
    assert event["status"] == 400 and event["code"]


def test_a_stream_whose_time_is_over_ends_and_the_task_goes_on(soon, dashscope):
    add_wanx(soon, dashscope)
    dashscope.fault({"task_polls": 13}, path="/api/*")
    assert soon.request("config-center", "PATCH", "/api/v1/features/text_to_image",
                        {"timeouts": {"total_ms": 300}}).status == 200
    with ask(soon) as stream:
        (_, data), = events_of(raw_of(stream))
    assert data["error"]["code"] == "upstream_timeout"
    id = stream.headers.get("X-Yijian-Task") or traffic(soon)["task"]
    wait_for(lambda: soon.get(GW, "/api/v1/tasks/" + id).body["state"] == "succeeded",
             what="the pictures")
    assert len(submitted(dashscope, "/image-synthesis")) == 1


def test_leaving_a_stream_cancels_nothing(soon, dashscope):
    add_wanx(soon, dashscope)
    dashscope.fault({"task_polls": 13}, path="/api/*")
    key = {"Idempotency-Key": "left"}
    with ask(soon, key) as stream:
        assert stream.response.readline() == b": ping\n"
    events, _ = whole(soon, key)
    assert len(events) == 1 and len(submitted(dashscope, "/image-synthesis")) == 1


# ---- the same task ----

def test_the_same_key_is_the_same_stream(agent, openai):
    add_dalle(agent, openai)
    key = {"Idempotency-Key": "k"}
    first, headers = whole(agent, key)
    again, replayed = whole(agent, key)
    assert first == again
    assert replayed["Idempotent-Replayed"] == "true"
    assert replayed["X-Yijian-Task"] == headers["X-Yijian-Task"]
    assert openai.stats()["by_path"]["/v1/images/generations"] == 1
    other = agent.post(GW, IMAGES, headers=key, json={"model": "text_to_image",
                                                      "prompt": "a cat"})
    assert other.status in (409, 422), other  # not the same request


def test_it_is_booked_as_any_other(agent, openai):
    add_dalle(agent, openai)
    whole(agent)
    streamed = traffic(agent)
    agent.post(GW, IMAGES, json={"model": "text_to_image", "prompt": "a cat"})
    plain = wait_for(lambda: next((e for e in [traffic(agent)] if not e["stream"]), None),
                     what="the second event")
    assert streamed["stream"]
    for member in ("cost", "tokens_in", "tokens_out", "tokens_source", "target", "status"):
        assert streamed[member] == plain[member], member


# ---- partial pictures ----

PARTIAL = "image_generation.partial_image"


def to_gpt_image(agent):
    answer = agent.request("config-center", "PATCH", "/api/v1/features/text_to_image", {
        "targets": [{"id": "openai/dalle", "kind": "vendor", "vendor": "openai",
                     "service": "dalle", "upstream_model": "gpt-image-1"}]})
    assert answer.status == 200, answer


@pytest.fixture
def gpt_image(agent, openai):
    add_dalle(agent, openai)
    to_gpt_image(agent)
    return openai


def sent_to(vendor, path="/images/generations"):
    return [json.loads(r["body"]) for r in submitted(vendor, path)]


def test_partial_pictures_come_first(agent, gpt_image):
    events, headers = whole(agent, partial_images=2)
    assert [name for name, _ in events] == [PARTIAL, PARTIAL, COMPLETED]
    for name, data in events[:2]:
        assert name == data["type"] and complaints("ImageGenPartialImageEvent", data) == []
    assert [data["partial_image_index"] for _, data in events[:2]] == [0, 1]
    assert complaints("ImageGenCompletedEvent", events[2][1]) == []
    assert events[2][1]["usage"]["total_tokens"] == 100
    sent, = sent_to(gpt_image)
    assert sent["stream"] is True and sent["partial_images"] == 2
    event = traffic(agent)
    assert event["status"] == 200 and event["tokens_out"] == 50
    task = agent.get(GW, "/v1/images/tasks/" + event["task"]).body
    assert [i["b64_json"] for i in task["result"]["data"]] == [events[2][1]["b64_json"]]
    assert headers.get("X-Yijian-Task") in (event["task"], None)


def test_partial_pictures_of_several(agent, gpt_image):
    events, _ = whole(agent, partial_images=1, n=2)
    assert [name for name, _ in events] == [PARTIAL, PARTIAL, COMPLETED, COMPLETED]
    assert len({data["b64_json"] for _, data in events}) == 4


def test_without_partial_pictures_a_whole_answer_is_asked_for(agent, gpt_image):
    assert len(whole(agent, partial_images=0)[0]) == len(whole(agent)[0]) == 1
    assert not any({"stream", "partial_images"} & set(sent) for sent in sent_to(gpt_image))


def test_partial_pictures_of_an_edit(agent, edits):
    body = form(model="image_edit", prompt="a hat", stream="true", partial_images="1")
    answer = agent.request(GW, "POST", EDITS, body=body, headers=FORM)
    events = events_of(answer.body.decode())
    assert [name for name, _ in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert complaints("ImageEditPartialImageEvent", events[0][1]) == []
    sent = submitted(edits, "/images/edits")[0]["body"]
    assert 'name="partial_images"' in sent and 'name="stream"' in sent


def test_a_whole_answer_in_place_of_a_stream_will_do(agent, gpt_image):
    gpt_image.fault({"json_instead_of_sse": True})
    events, _ = whole(agent, partial_images=2)
    assert [name for name, _ in events] == [COMPLETED]


@pytest.mark.parametrize("fault", [{"cut_stream": 1}, {"cut_mid_event": 1}, {"no_finish": 1},
                                   {"sse_error": 1}, {"sse_error_flat": 1}])
def test_what_breaks_behind_a_partial_picture_is_not_asked_again(agent, gpt_image, make_vendord,
                                                                 fault):
    """Somebody else could make it, and it may have been paid for."""
    other = make_vendord()
    agent.add_key(other.url, service="dalle", key_name="other", tier="secondary")
    gpt_image.fault(fault)
    key = {"Idempotency-Key": "broken"}
    events, _ = whole(agent, key, partial_images=2)
    assert [name for name, _ in events] == [PARTIAL, None]
    assert complaints("ErrorResponse", events[1][1]) == []
    event = traffic(agent)
    assert event["status"] == 502 and event["code"]
    assert agent.get(GW, "/api/v1/tasks/" + event["task"]).body["state"] == "outcome_unknown"
    gpt_image.faults([])
    again = agent.post(GW, IMAGES, headers=key, json={
        "model": "text_to_image", "prompt": "a cat", "stream": True, "partial_images": 2})
    assert again.status == 502 and again.headers["Idempotent-Replayed"] == "true", again
    assert len(sent_to(gpt_image)) == 1 and sent_to(other) == []


def test_a_refusal_before_the_first_event_falls_back(agent, gpt_image, make_vendord):
    other = make_vendord()
    agent.add_key(other.url, service="dalle", key_name="other", tier="secondary")
    gpt_image.fault({"status": 429})
    events, _ = whole(agent, partial_images=1)
    assert [name for name, _ in events] == [PARTIAL, COMPLETED]
    assert len(sent_to(other)) == 1


def test_a_large_picture_is_one_event(agent):
    def event(kind, **more):
        data = {"type": f"image_generation.{kind}", "b64_json": "iVBO" * (1 << 20), **more}
        return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
    body = event("partial_image", partial_image_index=0) + event("completed")
    with BytesUpstream({"large": bytes_answer("200 OK", "text/event-stream", body.encode())}) as up:
        to_gpt_image(agent)
        agent.add_key(up.url("large"), service="dalle", key_name="dalle")
        events, _ = whole(agent, partial_images=1)
    assert [(name, len(data["b64_json"])) for name, data in events] == [
        (PARTIAL, 4 << 20), (COMPLETED, 4 << 20)]


def test_what_pictures_lose_is_named_before_the_stream(agent, dashscope):
    add_wanx(agent, dashscope)
    events, headers = whole(agent, quality="hd", partial_images=2)
    assert [name for name, _ in events] == [COMPLETED]
    assert headers["X-Yijian-Dropped"] == "quality,partial_images"
