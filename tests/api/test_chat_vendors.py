# SPDX-License-Identifier: MIT
"""Chat over upstreams that do not speak OpenAI's protocol, streamed, whole and folded."""
import json

import pytest

GW = "api-gateway"
CHAT = "/v1/chat/completions"
ASK = {"model": "chat", "messages": [{"role": "system", "content": "be brief"},
                                     {"role": "user", "content": "hello"}]}


def put_targets(agent, targets, **more):
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"targets": targets, **more})
    assert answer.status == 200, answer


def vendor_target(vendor, service, model, **more):
    return {"kind": "vendor", "vendor": vendor, "service": service, "upstream_model": model, **more}


@pytest.fixture
def anthropic(make_vendord):
    return make_vendord(flavour="anthropic")


@pytest.fixture
def aliyun(make_vendord):
    return make_vendord(flavour="dashscope")


@pytest.fixture
def ollama(make_vendord):
    return make_vendord(flavour="ollama")


def use_anthropic(agent, vendor):
    put_targets(agent, [vendor_target("anthropic", "messages", "claude-haiku-4-5")])
    agent.add_key(vendor.url, vendor="anthropic", service="messages", api_key="sk-ant-simulated-01")


def use_aliyun(agent, vendor, model="qwen-plus", path="/compatible-mode", **more):
    put_targets(agent, [vendor_target("aliyun", "qwen", model, **more)])
    agent.add_key(vendor.url + path, vendor="aliyun", service="qwen")


def use_native(agent, vendor, model="qwen-plus", **more):
    use_aliyun(agent, vendor, model, protocol="dashscope.chat.native", **more)


def use_ollama(agent, vendor):
    put_targets(agent, [{"kind": "self_hosted", "service": "ollama", "protocol": "ollama.chat",
                         "upstream_model": "llama"}])
    agent.add_instance(vendor.url, service="ollama", id="o1", engine="ollama", features=())


UPSTREAMS = {"anthropic": use_anthropic, "aliyun": use_aliyun, "native": use_native,
             "ollama": use_ollama}


@pytest.fixture(params=list(UPSTREAMS))
def upstream(request, agent, make_vendord):
    flavour = {"aliyun": "dashscope", "native": "dashscope"}.get(request.param, request.param)
    vendor = make_vendord(flavour=flavour)
    UPSTREAMS[request.param](agent, vendor)
    vendor.kind = request.param
    return vendor


def sent(vendor):
    return json.loads(vendor.asked()["body"])


def text_of(events):
    return "".join(c["delta"].get("content") or "" for e in events if isinstance(e, dict)
                   for c in e["choices"])


def test_whole(agent, upstream):
    answer = agent.post(GW, CHAT, ASK)
    assert answer.status == 200, answer
    body = answer.body
    assert body["object"] == "chat.completion" and body["id"] and body["created"] > 0
    choice = body["choices"][0]
    assert choice["message"]["role"] == "assistant" and "hello" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    usage = body["usage"]
    assert usage["prompt_tokens"] > 0 and usage["completion_tokens"] > 0
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_stream(agent, upstream):
    whole = agent.post(GW, CHAT, ASK).body["choices"][0]["message"]["content"]
    with agent.stream(CHAT, {**ASK, "stream": True}) as stream:
        assert stream.status == 200
        events = list(stream.events())
    assert events[-1] == "[DONE]"
    assert events[0]["choices"][0]["delta"]["role"] == "assistant"
    assert [c["finish_reason"] for e in events[:-1] for c in e["choices"]].count("stop") == 1
    assert text_of(events) == whole
    assert not [e for e in events[:-1] if not e["choices"]]
    asked = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    with agent.stream(CHAT, asked) as stream:
        last = [e for e in stream.events() if isinstance(e, dict) and not e["choices"]]
    assert len(last) == 1 and last[0]["usage"]["completion_tokens"] > 0


def test_length(agent, upstream):
    answer = agent.post(GW, CHAT, {**ASK, "max_tokens": 2})
    assert answer.body["choices"][0]["finish_reason"] == "length", answer


@pytest.mark.parametrize("status, code, told", [
    (401, "upstream_auth_failed", 502), (429, "upstream_rate_limited", 429), (400, None, 400)])
def test_errors(agent, upstream, status, code, told):
    upstream.fault({"status": status})
    answer = agent.post(GW, CHAT, ASK)
    assert answer.status == told, answer
    assert answer.body["error"]["type"] and answer.body["error"]["message"]
    if code:
        assert answer.body["error"]["code"] == code


@pytest.mark.parametrize("fault", [{"cut_stream": 3}, {"sse_error": 4}, {"no_finish": 3}])
def test_broken_streams_say_so(agent, upstream, fault):
    upstream.fault({"tokens": 30, **fault})
    with agent.stream(CHAT, {**ASK, "stream": True}) as stream:
        events = list(stream.events())
    assert events[-1]["error"]["code"] == "stream_interrupted" and "[DONE]" not in events


def test_an_error_before_the_first_event_falls_back(agent, upstream, make_vendord):
    other = make_vendord(no_auth=True)
    agent.add_instance(other.url, service="other", id="b1")
    upstream.fault({"sse_error": 0})
    routes = agent.get("config-center", "/api/v1/features/chat").body["targets"]
    put_targets(agent, [{**t, "order": 0} for t in routes] +
                [{"kind": "self_hosted", "service": "other", "order": 5}])
    with agent.stream(CHAT, {**ASK, "stream": True}) as stream:
        events = list(stream.events())
        assert stream.status == 200 and stream.headers["X-Yijian-Target"] == "self/other#b1", events
        assert events[-1] == "[DONE]"


def test_forced_streams_are_folded(agent, upstream):
    whole = agent.post(GW, CHAT, ASK).body
    targets = agent.get("config-center", "/api/v1/features/chat").body["targets"]
    put_targets(agent, [{**t, "force_upstream_stream": True} for t in targets])
    answer = agent.post(GW, CHAT, ASK)
    assert answer.status == 200, answer
    body = answer.body
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"] == whole["choices"][0]["message"]["content"]
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert upstream.stats()["streams"]["started"] == 1
    before = upstream.stats()["connections"]["accepted"]
    for _ in range(5):
        assert agent.post(GW, CHAT, ASK).status == 200
    after = upstream.stats()["connections"]["accepted"]
    assert after - before < 5, "connections are kept"


def test_completions_are_folded_too(agent, make_vendord):
    vendor = make_vendord(no_auth=True)
    agent.add_instance(vendor.url, features=["text_generation"])
    ask = {"model": "text_generation", "prompt": "once upon"}
    whole = agent.post(GW, "/v1/completions", ask).body
    answer = agent.request("config-center", "PATCH", "/api/v1/features/text_generation",
                           {"force_upstream_stream": True})
    assert answer.status == 200, answer
    folded = agent.post(GW, "/v1/completions", ask).body
    assert folded["object"] == "text_completion" and folded["usage"] == whole["usage"]
    assert folded["choices"] == whole["choices"] and vendor.stats()["streams"]["started"] == 1


def test_a_broken_fold_is_an_error(agent, upstream):
    targets = agent.get("config-center", "/api/v1/features/chat").body["targets"]
    put_targets(agent, [{**t, "force_upstream_stream": True} for t in targets])
    upstream.fault({"tokens": 30, "cut_stream": 3})
    assert agent.post(GW, CHAT, ASK).status == 502


TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


@pytest.fixture(params=[*UPSTREAMS, "openai"])
def any_upstream(request, agent, make_vendord):
    if request.param == "openai":
        vendor = make_vendord(no_auth=True)
        agent.add_instance(vendor.url)
        return vendor
    flavour = {"aliyun": "dashscope", "native": "dashscope"}.get(request.param, request.param)
    vendor = make_vendord(flavour=flavour)
    UPSTREAMS[request.param](agent, vendor)
    return vendor


def check_call(message, finish):
    call = message["tool_calls"][0]
    assert call["id"] and call["type"] == "function" and call["function"]["name"] == "weather"
    assert json.loads(call["function"]["arguments"]) == {"city": "Paris"}
    assert finish == "tool_calls" and message["reasoning_content"] == "well, simulated"


def test_tools_and_thinking(agent, any_upstream):
    any_upstream.fault({"tool_call": "weather", "thinking": True, "tokens": 1})
    answer = agent.post(GW, CHAT, {**ASK, "tools": TOOLS})
    assert answer.status == 200, answer
    choice = answer.body["choices"][0]
    check_call(choice["message"], choice["finish_reason"])
    with agent.stream(CHAT, {**ASK, "tools": TOOLS, "stream": True}) as stream:
        deltas = [c for e in stream.events() if isinstance(e, dict) for c in e["choices"]]
    pieces = [t for c in deltas for t in c["delta"].get("tool_calls") or []]
    assert all(piece["index"] == 0 for piece in pieces)
    check_call({
        "tool_calls": [{**pieces[0], "type": "function", "function": {
            "name": pieces[0]["function"]["name"],
            "arguments": "".join(p["function"].get("arguments", "") for p in pieces)}}],
        "reasoning_content": "".join(c["delta"].get("reasoning_content") or "" for c in deltas)},
        deltas[-1]["finish_reason"])
    assert agent.request("config-center", "PATCH", "/api/v1/features/chat",
                         {"force_upstream_stream": True}).status == 200
    folded = agent.post(GW, CHAT, {**ASK, "tools": TOOLS}).body["choices"][0]
    check_call(folded["message"], folded["finish_reason"])


def test_tools_and_thinking_as_messages(agent, any_upstream):
    any_upstream.fault({"tool_call": "weather", "thinking": True, "tokens": 1})
    ask = {"model": "chat", "max_tokens": 100, "messages": [{"role": "user", "content": "x"}],
           "tools": [{"name": "weather", "input_schema": {"type": "object"}}]}
    answer = agent.post(GW, "/v1/messages", ask)
    assert answer.status == 200, answer
    thinking, text, tool = answer.body["content"]
    assert (thinking["type"], thinking["thinking"]) == ("thinking", "well, simulated")
    assert text["type"] == "text" and answer.body["stop_reason"] == "tool_use"
    assert (tool["type"], tool["name"], tool["input"]) == ("tool_use", "weather",
                                                           {"city": "Paris"})
    with agent.stream("/v1/messages", {**ask, "stream": True}) as stream:
        events = list(stream.events())
    starts = [e for e in events if e["type"] == "content_block_start"]
    assert [e["content_block"]["type"] for e in starts] == ["thinking", "text", "tool_use"]
    assert [e["index"] for e in starts] == [0, 1, 2]
    assert json.loads("".join(e["delta"]["partial_json"] for e in events if
                              e.get("delta", {}).get("type") == "input_json_delta")) == {
                                  "city": "Paris"}


def test_anthropic_request(agent, anthropic):
    use_anthropic(agent, anthropic)
    answer = agent.post(GW, CHAT, {
        "model": "chat", "stop": "END", "temperature": 1.6, "user": "u1",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [
                {"type": "text", "text": "look"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]},
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "t1", "type": "function",
                 "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
            {"role": "tool", "tool_call_id": "t1", "content": "42"},
            {"role": "user", "content": "and?"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "tool_choice": "required"})
    assert answer.status == 200, answer
    body = sent(anthropic)
    assert body["model"] == "claude-haiku-4-5" and body["max_tokens"] == 4096
    assert body["system"] == [{"type": "text", "text": "be brief"}]
    assert body["stop_sequences"] == ["END"] and body["temperature"] == 1
    assert body["metadata"] == {"user_id": "u1"} and body["tool_choice"] == {"type": "any"}
    assert body["tools"] == [{"name": "f", "input_schema": {"type": "object"}}]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"]
    image = body["messages"][0]["content"][1]
    assert image["source"] == {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert body["messages"][1]["content"] == [
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"x": 1}}]
    assert body["messages"][2]["content"][0]["tool_use_id"] == "t1"
    assert body["messages"][2]["content"][1] == {"type": "text", "text": "and?"}


def test_who_cannot_say_it_is_passed_over(agent, anthropic, make_vendord):
    """A request this adapter has no words for goes to the next candidate that has."""
    use_anthropic(agent, anthropic)
    other = make_vendord()
    agent.add_key(other.url)
    put_targets(agent, [vendor_target("anthropic", "messages", "m", order=0),
                        vendor_target("openai", "gpt-4", "m", order=1)], retry={"max_attempts": 1})
    answer = agent.chat(n=2)
    assert answer.status == 200, answer
    assert answer.headers["X-Yijian-Target"].startswith("openai/")
    assert not anthropic.calls() and len(other.calls()) == 1
    put_targets(agent, [vendor_target("anthropic", "messages", "m", order=0)])
    answer = agent.chat(n=2)
    assert (answer.status, answer.body["error"]["param"]) == (422, "n"), answer


def said(role, *texts):
    return {"role": role, "content": [{"type": "text", "text": text} for text in texts]}


@pytest.mark.parametrize("messages, turns", [
    ([("assistant", "welcome"), ("user", "hi")],
     [said("user", "Please continue."), said("assistant", "welcome"), said("user", "hi")]),
    ([("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"), ("user", "e")],
     [said("user", "a", "b"), said("assistant", "c", "d"), said("user", "e")]),
    ([("user", " \n"), ("assistant", "c"), ("user", ""), ("user", "e")],
     [said("user", "Please continue."), said("assistant", "c"), said("user", "e")]),
    ([("system", "only rules")], [said("user", "Please continue.")]),
])
def test_anthropic_turns(agent, anthropic, messages, turns):
    """It wants the user first and no blank text; nothing that was said is lost."""
    use_anthropic(agent, anthropic)
    answer = agent.request("api-gateway", "POST", "/v1/chat/completions", {
        "model": "chat", "messages": [{"role": r, "content": c} for r, c in messages]})
    assert answer.status == 200, answer
    assert sent(anthropic)["messages"] == turns


def test_anthropic_overload_falls_back(agent, anthropic, make_vendord):
    use_anthropic(agent, anthropic)
    other = make_vendord(no_auth=True)
    agent.add_instance(other.url, service="other", id="b1")
    put_targets(agent, [vendor_target("anthropic", "messages", "m", order=0),
                        {"kind": "self_hosted", "service": "other", "order": 5}])
    anthropic.fault({"status": 529})
    answer = agent.post(GW, CHAT, ASK)
    assert answer.status == 200 and answer.headers["X-Yijian-Attempts"] == "2"


def test_dashscope_habits(agent, aliyun):
    use_aliyun(agent, aliyun, "qwen3-32b")
    assert aliyun.request("POST", "/compatible-mode/v1/chat/completions",
                          {**ASK, "model": "qwen3-32b"}).status == 400  # it does think aloud
    assert agent.post(GW, CHAT, {**ASK, "top_p": 1}).status == 200
    assert sent(aliyun)["top_p"] == 0.999 and sent(aliyun)["enable_thinking"] is False
    answer = agent.post(GW, CHAT, {**ASK, "enable_thinking": True})
    assert answer.status == 200 and answer.body["object"] == "chat.completion"
    assert sent(aliyun)["stream"] is True and sent(aliyun)["enable_thinking"] is True


def test_dashscope_models_that_only_stream(agent, aliyun):
    use_aliyun(agent, aliyun, "qwq-plus", path="")
    answer = agent.post(GW, CHAT, ASK)
    assert answer.status == 200 and "hello" in answer.body["choices"][0]["message"]["content"]
    assert sent(aliyun)["stream"] is True


def test_dashscope_native_request(agent, aliyun):
    use_native(agent, aliyun)
    assert agent.post(GW, CHAT, {**ASK, "temperature": 0.7, "top_p": 0.8, "seed": 1,
                                 "max_tokens": 64}).status == 200
    assert sent(aliyun) == {
        "model": "qwen-plus", "input": {"messages": ASK["messages"]},
        "parameters": {"result_format": "message", "temperature": 0.7, "seed": 1,
                       "max_tokens": 64, "top_p": 0.8}}


def test_dashscope_native_texts_that_grow(agent, aliyun):
    use_native(agent, aliyun, params={"incremental_output": False})
    whole = agent.post(GW, CHAT, ASK).body["choices"][0]["message"]["content"]
    with agent.stream(CHAT, {**ASK, "stream": True}) as stream:
        assert text_of(stream.events()) == whole
    assert sent(aliyun)["parameters"]["incremental_output"] is False


@pytest.mark.parametrize("use, flavour", [(use_anthropic, "anthropic"), (use_native, "dashscope"),
                                          (use_ollama, "ollama"), (use_aliyun, "dashscope")])
def test_dropped_and_set_by_the_operator(agent, make_vendord, use, flavour):
    vendor = make_vendord(flavour=flavour)
    use(agent, vendor)
    targets = agent.get("config-center", "/api/v1/features/chat").body["targets"]
    put_targets(agent, [{**t, "drop_params": ["temperature", "user"], "params": {"top_k": 7}}
                        for t in targets])
    assert agent.post(GW, CHAT, {**ASK, "temperature": 0.25, "user": "u1"}).status == 200
    body = vendor.asked()["body"]
    assert "0.25" not in body and "u1" not in body and '"top_k":7' in body


def test_ollama_request(agent, ollama):
    use_ollama(agent, ollama)
    answer = agent.post(GW, CHAT, {
        "model": "chat", "max_tokens": 5, "temperature": 0.5, "stop": ["END"],
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": [
            {"type": "text", "text": "look"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]})
    assert answer.status == 200, answer
    body = sent(ollama)
    assert body["model"] == "llama" and body["stream"] is False and body["format"] == "json"
    assert body["options"] == {"num_predict": 5, "temperature": 0.5, "stop": ["END"]}
    assert body["messages"] == [{"role": "user", "content": "look", "images": ["AAAA"]}]


@pytest.mark.parametrize("path, more", [
    (CHAT, {"stream": True}), ("/v1/messages", {"stream": True, "max_tokens": 10000}), (CHAT, {})])
def test_a_caller_that_leaves_stops_the_upstream(agent, upstream, path, more):
    """Relayed, translated and folded."""
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat",
                           {"force_upstream_stream": True})
    assert answer.status == 200, answer
    upstream.fault({"tokens": 5000, "pace_ms": 20})
    body = json.dumps({**ASK, **more, "messages": ASK["messages"][1:]})
    for _ in range(5):
        connection = agent.connect()
        connection.send(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                        f"\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        upstream.wait_stats(lambda s: s["in_flight"] >= 1, what="the call upstream")
        connection.close()
        upstream.wait_stats(lambda s: s["in_flight"] == 0, what="the call given up")
    assert upstream.stats()["streams"]["aborted"] == 5


# ---- wishes that a target has no word for ----

def test_what_is_left_out_is_named(agent, anthropic):
    use_anthropic(agent, anthropic)
    answer = agent.post(GW, CHAT, {**ASK, "seed": 7, "logit_bias": {"1": 1}, "temperature": 0.5})
    assert answer.status == 200, answer
    assert answer.headers["X-Yijian-Dropped"] == "seed,logit_bias"
    body = sent(anthropic)
    assert body["temperature"] == 0.5 and "seed" not in body and "logit_bias" not in body
    plain = agent.post(GW, CHAT, {**ASK, "temperature": 0.5})
    assert "X-Yijian-Dropped" not in plain.headers


@pytest.mark.parametrize("wish", [
    {"n": 2}, {"logprobs": True}, {"modalities": ["text", "audio"]},
    {"response_format": {"type": "json_object"}}])
def test_what_binds_is_refused_by_name_and_never_tried_again(agent, anthropic, wish):
    use_anthropic(agent, anthropic)
    answer = agent.post(GW, CHAT, {**ASK, **wish})
    assert 400 <= answer.status < 500, answer
    assert answer.headers["x-should-retry"] == "false"
    assert next(iter(wish)) in json.dumps(answer.body["error"])
    assert not anthropic.calls()


def test_a_schema_reaches_anthropic(agent, anthropic):
    use_anthropic(agent, anthropic)
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    answer = agent.post(GW, CHAT, {**ASK, "response_format": {
        "type": "json_schema", "json_schema": {"name": "p", "schema": schema}}})
    assert answer.status == 200, answer
    assert sent(anthropic)["output_config"] == {
        "format": {"type": "json_schema", "schema": schema}}


def test_a_developer_is_the_system_at_qwen(agent, aliyun):
    use_aliyun(agent, aliyun)
    answer = agent.post(GW, CHAT, {**ASK, "messages": [
        {"role": "developer", "content": "be brief"}, {"role": "user", "content": "developer"}]})
    assert answer.status == 200, answer
    assert sent(aliyun)["messages"] == [
        {"role": "system", "content": "be brief"}, {"role": "user", "content": "developer"}]


@pytest.mark.parametrize("model, member", [
    ("gpt-5-mini", "max_completion_tokens"), ("o3", "max_completion_tokens"),
    ("gpt-4o", "max_tokens")])
def test_the_longest_answer_by_the_name_the_model_takes(agent, make_vendord, model, member):
    openai = make_vendord()
    put_targets(agent, [vendor_target("openai", "gpt-4", model)])
    agent.add_key(openai.url)
    assert agent.post(GW, CHAT, {**ASK, "max_tokens": 77}).status == 200
    body = sent(openai)
    assert {k: v for k, v in body.items() if k.startswith("max_")} == {member: 77}
