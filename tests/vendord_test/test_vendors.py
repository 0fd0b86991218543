# SPDX-License-Identifier: MIT
"""The other vendors: DashScope, Anthropic and the self-hosted engines."""
import base64
import json
import pathlib

import pytest

import http_call
from shapes import lacking

DATA = pathlib.Path(__file__).parents[1] / "data"
KEY = {"Authorization": "Bearer sk-simulated-0001"}
ASYNC = {**KEY, "X-DashScope-Async": "enable"}
T2I = "/dashscope/api/v1/services/aigc/"
MESSAGES = [{"role": "user", "content": "hello there"}]


def sample(name):
    return json.loads((DATA / "dashscope" / f"{name}.json").read_text())


def legacy(**parameters):
    return {"model": "wan2.2-t2i-flash", "input": {"prompt": "a kite"}, "parameters": parameters}


def submit(vendord, body=None, headers=ASYNC, fault=None):
    headers = {**headers, "X-Sim-Fault": fault} if fault else headers
    return vendord.request("POST", T2I + "text2image/image-synthesis", body or legacy(n=2),
                           headers=headers)


def poll(vendord, task, headers=KEY):
    return vendord.request("GET", f"/dashscope/api/v1/tasks/{task}", headers=headers).body


# ---- DashScope pictures ----

def test_task_runs_and_succeeds(vendord):
    submitted = submit(vendord)
    assert lacking(sample("t2i-legacy-submit.200"), submitted.body) == []
    task = submitted.body["output"]["task_id"]
    assert lacking(sample("t2i-task-running.200"), poll(vendord, task)) == []
    done = poll(vendord, task)
    assert lacking(sample("t2i-task-succeeded.200"), done) == []
    assert done["output"]["task_status"] == "SUCCEEDED" and done["usage"]["image_count"] == 2
    url = done["output"]["results"][0]["url"]
    picture = http_call.request(vendord.address, "GET", url[len(vendord.url):])
    assert picture.body[:4] == b"\x89PNG"
    assert vendord.stats()["images_submitted"] == 1


def test_task_fails_partly_or_wholly_with_status_200(vendord):
    task = submit(vendord, fault="task_fail;task_polls:1").body["output"]["task_id"]
    failed = poll(vendord, task)
    assert lacking(sample("t2i-task-failed.200"), failed) == []
    assert failed["output"]["task_status"] == "FAILED" and "usage" not in failed
    task = submit(vendord, fault="task_partial;task_polls:1").body["output"]["task_id"]
    partial = poll(vendord, task)
    assert lacking(sample("t2i-task-partial.200"), partial) == []
    assert partial["output"]["results"][1]["code"] and partial["usage"]["image_count"] == 1


def test_task_is_unknown_to_others(vendord):
    task = submit(vendord).body["output"]["task_id"]
    other = poll(vendord, task, {"Authorization": "Bearer sk-another"})
    assert lacking(sample("t2i-task-expired.200"), other) == []
    assert other["output"]["task_status"] == "UNKNOWN"
    assert poll(vendord, "no-such-task")["output"]["task_status"] == "UNKNOWN"


def test_only_a_pending_task_is_cancelled(vendord):
    def cancel(task):
        return vendord.request("POST", f"/dashscope/api/v1/tasks/{task}/cancel").status
    task = submit(vendord).body["output"]["task_id"]
    assert cancel(task) == 200
    assert poll(vendord, task)["output"]["task_status"] == "CANCELED"
    task = submit(vendord).body["output"]["task_id"]
    poll(vendord, task)
    assert cancel(task) == 400


def test_without_n_there_are_four(vendord):
    task = submit(vendord, legacy(), fault="task_polls:1").body["output"]["task_id"]
    assert len(poll(vendord, task)["output"]["results"]) == 4


def test_without_the_async_header(vendord):
    refused = submit(vendord, headers=KEY)
    assert (refused.status, refused.body["code"]) == (403, "AccessDenied")
    assert refused.body["message"] == sample("error-403-async-missing")["message"]


@pytest.mark.parametrize("model, size, status", [
    ("wanx2.1-t2i-turbo", "1024*1024", 200), ("wanx2.1-t2i-turbo", "1024x1024", 400),
    ("wan2.2-t2i-flash", "256*256", 400), ("wan2.5-t2i-preview", "1024*1024", 400),
    ("wan2.5-t2i-preview", "1280*1280", 200), ("wan2.6-t2i", "1280*1280", 400),
])
def test_sizes_by_model(vendord, model, size, status):
    body = {**legacy(size=size), "model": model}
    assert submit(vendord, body).status == status


def test_message_protocol(vendord):
    ask = sample("t2i-wan26-sync.request")
    sync = vendord.request("POST", T2I + "multimodal-generation/generation", ask)
    assert lacking(sample("t2i-wan26-sync.200"), sync.body) == []
    queued = vendord.request("POST", T2I + "image-generation/generation", ask,
                             headers={**ASYNC, "X-Sim-Fault": "task_polls:1"})
    done = poll(vendord, queued.body["output"]["task_id"])
    assert lacking(sample("t2i-wan26-task-succeeded.200"), done) == []


# ---- DashScope text ----

def frames(raw):
    return raw.decode().strip("\n").split("\n\n")


def test_native_stream_has_the_vendors_frames(vendord):
    want = frames((DATA / "dashscope/native-generation.sse.txt").read_bytes())
    got = frames(vendord.request(
        "POST", T2I + "text-generation/generation", sample("native-generation.request"),
        headers={**KEY, "X-DashScope-SSE": "enable"}).body)
    for wanted, frame in zip(want, got):
        assert frame.split("\n")[:3] == wanted.split("\n")[:3]
        assert lacking(json.loads(wanted.split("data:")[1]),
                       json.loads(frame.split("data:", 1)[1])) == []
    assert '"finish_reason":"null"' in got[0] and '"finish_reason":"stop"' in got[-1]


def test_native_answer_repeats_unless_incremental(vendord):
    ask = {"model": "qwen-plus", "input": {"messages": MESSAGES}, "parameters": {}}
    whole = vendord.request("POST", T2I + "text-generation/generation", ask).body
    text = whole["output"]["choices"][0]["message"]["content"]
    got = frames(vendord.request("POST", T2I + "text-generation/generation", ask,
                                 headers={**KEY, "X-DashScope-SSE": "enable"}).body)
    last = json.loads(got[-1].split("data:", 1)[1])
    assert last["output"]["choices"][0]["message"]["content"] == text


def test_native_embeddings(vendord):
    answer = vendord.request("POST", "/dashscope/api/v1/services/embeddings/text-embedding/"
                             "text-embedding", sample("native-embedding.request"))
    assert lacking(sample("native-embedding.200"), answer.body) == []
    assert len(answer.body["output"]["embeddings"][1]["embedding"]) == 1024


@pytest.mark.parametrize("fault, native, compatible", [
    ("status:401", "error-401", "invalid_api_key"),
    ("status:429", "error-429-rate", "limit_requests"),
    ("status:429;code:insufficient_quota", "error-429-tpm", "insufficient_quota"),
])
def test_errors_native_and_compatible(vendord, fault, native, compatible):
    headers = {**KEY, "X-Sim-Fault": fault}
    flat = submit(vendord, headers={**ASYNC, "X-Sim-Fault": fault})
    assert flat.body["code"] == sample(native)["code"]
    assert lacking(sample(native), flat.body) == []
    wrapped = vendord.request("POST", "/dashscope/compatible-mode/v1/chat/completions",
                              {"model": "qwen-plus", "messages": MESSAGES}, headers=headers)
    assert wrapped.error == compatible
    assert lacking(sample("compat-error-429-tpm"), wrapped.body) == []


def test_compatible_mode(make_vendord):
    aliyun = make_vendord(flavour="dashscope")
    ask = {"model": "qwen-plus", "messages": MESSAGES}
    path = "/compatible-mode/v1/chat/completions"
    assert aliyun.request("POST", path, ask).body["choices"]
    assert aliyun.request("POST", path, {**ask, "top_p": 1.0}).status == 400


# ---- Anthropic ----

CLAUDE = {"x-api-key": "sk-ant-simulated", "anthropic-version": "2023-06-01"}


def claude(vendord, headers=CLAUDE, **more):
    return vendord.request("POST", "/anthropic/v1/messages", headers=headers, json={
        "model": "claude-haiku-4-5", "max_tokens": 64, "messages": MESSAGES, **more})


def test_messages(vendord):
    body = claude(vendord).body
    assert body["content"][0]["type"] == "text" and body["stop_reason"] == "end_turn"
    assert set(body["usage"]) >= {"input_tokens", "output_tokens", "cache_read_input_tokens"}
    assert claude(vendord, max_tokens=2).body["stop_reason"] == "max_tokens"


def test_messages_stream_has_the_recorded_events(vendord):
    want = frames((DATA / "anthropic/basic_response.txt").read_bytes())
    got = frames(claude(vendord, stream=True).body)

    def kinds(events):
        return list(dict.fromkeys(event.split("\n")[0] for event in events))
    assert kinds(got) == kinds(want)
    example = {event.split("\n")[0]: json.loads(event.split("data: ")[1]) for event in want}
    for event in got:
        name, data = event.split("\n")
        assert lacking(example[name], json.loads(data[6:])) == []


@pytest.mark.parametrize("headers, more, status, kind", [
    ({"anthropic-version": "2023-06-01"}, {}, 401, "authentication_error"),
    ({**CLAUDE, "x-api-key": "sk-ant-bad"}, {}, 401, "authentication_error"),
    ({"x-api-key": "sk-ant-simulated"}, {}, 400, "invalid_request_error"),
    (CLAUDE, {"max_tokens": None}, 400, "invalid_request_error"),
    ({**CLAUDE, "X-Sim-Fault": "status:529"}, {}, 529, "overloaded_error"),
])
def test_messages_errors(vendord, headers, more, status, kind):
    answer = claude(vendord, headers, **more)
    assert (answer.status, answer.body["error"]["type"]) == (status, kind)
    assert answer.headers["request-id"]


def test_messages_error_in_the_stream(vendord):
    events = frames(claude(vendord, {**CLAUDE, "X-Sim-Fault": "sse_error:2"}, stream=True).body)
    assert events[-1].startswith("event: error\n") and "overloaded_error" in events[-1]


# ---- self-hosted ----

def test_ollama(make_vendord):
    ollama = make_vendord(flavour="ollama")
    assert ollama.request("GET", "/", headers={}).body == b"Ollama is running"
    ask = {"model": "llama", "messages": MESSAGES}
    lines = [json.loads(line) for line in
             ollama.request("POST", "/api/chat", ask).body.splitlines()]
    assert [line["done"] for line in lines] == [False] * (len(lines) - 1) + [True]
    whole = ollama.request("POST", "/api/chat", {**ask, "stream": False}).body
    assert whole["message"]["content"] == "".join(line["message"]["content"] for line in lines)
    assert whole["eval_count"] == len(lines) - 1
    embedded = ollama.request("POST", "/api/embed", {"model": "e", "input": ["a", "b"]}).body
    assert len(embedded["embeddings"]) == 2
    assert ollama.request("POST", "/v1/chat/completions", ask).body["choices"]
    missing = ollama.request("POST", "/v1/chat/completions", ask,
                             headers={"X-Sim-Fault": "status:404"})
    assert missing.body["error"]["type"] == "not_found_error"
    assert isinstance(ollama.request("POST", "/api/chat", {}).body["error"], str)


def test_sdwebui(make_vendord):
    server = make_vendord(flavour="sdwebui")
    answer = server.request("POST", "/sdapi/v1/txt2img",
                            {"prompt": "a cat", "batch_size": 2, "seed": 5}).body
    assert [base64.b64decode(image)[:4] for image in answer["images"]] == [b"\x89PNG"] * 2
    assert json.loads(answer["info"])["all_seeds"] == [5, 6]
    for path in ("progress", "sd-models", "samplers", "options", "memory"):
        assert server.request("GET", f"/sdapi/v1/{path}").status == 200


def test_comfyui(make_vendord):
    server = make_vendord(flavour="comfyui")
    prompt = server.request("POST", "/prompt", {"prompt": {"9": {"class_type": "SaveImage"}}})
    history = f"/history/{prompt.body['prompt_id']}"
    assert server.request("GET", history).body == {}
    done = server.request("GET", history).body[prompt.body["prompt_id"]]
    image = done["outputs"]["9"]["images"][0]
    picture = server.request("GET", f"/view?filename={image['filename']}&subfolder=&type=output")
    assert picture.body[:4] == b"\x89PNG"
    assert server.request("GET", "/system_stats").body["devices"]
    assert server.request("POST", "/prompt", {}).status == 400


def test_tei(make_vendord):
    server = make_vendord(flavour="tei")
    vectors = server.request("POST", "/embed", {"inputs": ["a", "b"]}).body
    assert len(vectors) == 2 and len(vectors[0]) == 384
    ranked = server.request("POST", "/rerank", {"query": "q", "texts": ["x", "y", "z"],
                                                "return_text": True}).body
    assert sorted(row["index"] for row in ranked) == [0, 1, 2]
    assert [row["score"] for row in ranked] == sorted((row["score"] for row in ranked),
                                                      reverse=True)
    openai = server.request("POST", "/v1/embeddings", {"input": "a"}).body
    assert len(openai["data"][0]["embedding"]) == 384
    too_many = server.request("POST", "/v1/embeddings", {"input": ["a"] * 33})
    assert too_many.status == 413 and too_many.body["type"] == "Validation"
    assert server.request("GET", "/info").body["max_client_batch_size"] == 32
    assert server.request("GET", "/health").status == 200


def test_rerank_in_the_common_shape(make_vendord):
    server = make_vendord(flavour="vllm")
    answer = server.request("POST", "/v1/rerank", {"model": "r", "query": "q", "top_n": 1,
                                                   "documents": ["x", "y"]}).body
    assert len(answer["results"]) == 1 and answer["results"][0]["document"]["text"] in "xy"
