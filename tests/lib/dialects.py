# SPDX-License-Identifier: MIT
"""The callers' dialects, asked and read as their SDKs do, strictly: what an answer says becomes
{"text", "think", "tools": [[id, name, arguments]], "end", "fails"}, whoever gave it."""
import json

NAMES = ("chat", "messages", "responses")
PATHS = {"chat": "/v1/chat/completions", "messages": "/v1/messages", "responses": "/v1/responses"}
HEADERS = {"messages": {"anthropic-version": "2023-06-01"}}
ENDS = {"end_turn": "stop", "tool_use": "tool_calls", "max_tokens": "length",
        "refusal": "content_filter", "model_context_window_exceeded": "length"}
PARAMETERS = {"type": "object", "properties": {}}


def request(dialect, model, text="hello", stream=False, tools=()):
    """A request with one question and tools by name."""
    if dialect == "responses":
        document = {"model": model, "input": text}
        tool = lambda name: {"type": "function", "name": name, "parameters": PARAMETERS}
    elif dialect == "messages":
        document = {"model": model, "max_tokens": 100,
                    "messages": [{"role": "user", "content": text}]}
        tool = lambda name: {"name": name, "input_schema": PARAMETERS}
    else:
        document = {"model": model, "messages": [{"role": "user", "content": text}]}
        tool = lambda name: {"type": "function",
                             "function": {"name": name, "parameters": PARAMETERS}}
    if tools:
        document["tools"] = [tool(name) for name in tools]
    if stream:
        document["stream"] = True
    return document


def ask(agent, dialect, document, timeout=60, **strict):
    """What the answer says; `status` and the raw `body` beside it. strict: see messages_stream."""
    answer = agent.post("api-gateway", PATHS[dialect], document, timeout=timeout,
                        headers=HEADERS.get(dialect, {}))
    body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
    said = {"status": answer.status, "body": body, "headers": answer.headers}
    if answer.status != 200:
        error = json.loads(body)["error"]
        if dialect == "messages":
            assert json.loads(body)["type"] == "error" and error["type"], body
        return {**said, "fails": error.get("code") or error["type"], "why": error["message"]}
    if document.get("stream"):
        assert (answer.headers.get("content-type") or "").startswith("text/event-stream"), answer
        return {**said, **STREAMS[dialect](list(events(body)), **strict)}
    return {**said, **DOCUMENTS[dialect](json.loads(body))}


def events(body):
    """(name, data) by the standard's rules; what has no blank line behind it is no event."""
    for block in body.decode().split("\n\n")[:-1]:
        name, data = None, []
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "data":
                data.append(value)
        if data:
            yield name, "\n".join(data)


def said_of(text, think, tools, end):
    for _, name, _ in tools:
        assert name, tools
    ids = [id for id, *_ in tools]
    assert len(set(ids)) == len(ids) and all(ids), tools
    return {"text": text, "think": think, "tools": [list(tool) for tool in tools], "end": end}


# ---- OpenAI's chat ----

def chat_document(document):
    choice = document["choices"][0]
    message = choice["message"]
    tools = [(call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
             for call in message.get("tool_calls") or []]
    text, think = chat_text(message)
    return said_of(text, think, tools, choice["finish_reason"])


def chat_text(message):
    """Clients of this dialect read a list of parts as well, and thinking under two names."""
    parts = message.get("content") or ""
    think = message.get("reasoning_content") or message.get("reasoning") or ""
    if isinstance(parts, str):
        return parts, think
    return ("".join(part["text"] for part in parts if part["type"] == "text"),
            think + "".join(piece["text"] for part in parts if part["type"] == "thinking"
                            for piece in part["thinking"]))


def chat_stream(all_events):
    text, think, calls, end, done, fails = "", "", {}, None, False, None
    for _, data in all_events:
        assert not done, "an event behind [DONE]"
        if data == "[DONE]":
            done = True
            continue
        chunk = json.loads(data)
        if "error" in chunk:
            fails = chunk["error"]["code"]
            continue
        assert not fails, "an event behind the error"
        for choice in chunk["choices"]:
            delta = choice["delta"] or {}
            more = chat_text(delta)
            text, think = text + more[0], think + more[1]
            assert choice.get("finish_reason") != "", "no reason is null"
            end = choice.get("finish_reason") or end
            for call in delta.get("tool_calls") or []:
                own = calls.setdefault(call["index"], {"id": "", "name": "", "arguments": ""})
                function = call.get("function") or {}
                own["id"] = own["id"] or call.get("id") or ""
                own["name"] = own["name"] or function.get("name") or ""
                piece = function.get("arguments") or ""
                assert isinstance(piece, str), chunk
                own["arguments"] += piece
    assert done != bool(fails), "exactly one of [DONE] and an error ends a stream"
    if fails:
        return {"text": text, "think": think, "fails": fails}
    tools = [(own["id"], own["name"], json.loads(own["arguments"])) for own in calls.values()]
    return said_of(text, think, tools, end)


# ---- Anthropic's messages ----

def messages_said(blocks, stop, sequence):
    tools = [(b["id"], b["name"], b["input"]) for b in blocks if b["type"] == "tool_use"]
    end = ["stop", sequence] if stop == "stop_sequence" else ENDS[stop]
    return said_of("".join(b["text"] for b in blocks if b["type"] == "text"),
                   "".join(b["thinking"] for b in blocks if b["type"] == "thinking"), tools, end)


def messages_document(document):
    assert document["type"] == "message" and document["usage"]["output_tokens"] >= 0, document
    return messages_said(document["content"], document["stop_reason"], document["stop_sequence"])


def messages_piece(block, delta):
    key = {"text_delta": ("text", "text"), "thinking_delta": ("thinking", "thinking"),
           "input_json_delta": ("tool_use", "partial_json")}.get(delta["type"])
    if key is None:
        assert delta["type"] == "signature_delta", delta
        return
    assert block["type"] == key[0], (block, delta)
    if key[0] == "tool_use":
        block["json"] += delta[key[1]]
    else:
        block[key[1]] += delta[key[1]]


def messages_stream(all_events, one_by_one=True):
    """one_by_one: a block ends before the next begins, as translated answers have it."""
    blocks, open_at, stop, sequence, ended, fails = [], set(), None, None, False, None
    for name, data in all_events:
        event = json.loads(data)
        assert name == event["type"] and not ended and not fails, event
        if name == "content_block_start":
            assert event["index"] == len(blocks), event
            assert not one_by_one or not open_at, event
            blocks.append({**event["content_block"], "json": ""})
            open_at.add(event["index"])
        elif name == "content_block_delta":
            assert event["index"] in open_at, event
            messages_piece(blocks[event["index"]], event["delta"])
        elif name == "content_block_stop":
            open_at.remove(event["index"])
        elif name == "message_delta":
            stop, sequence = event["delta"]["stop_reason"], event["delta"]["stop_sequence"]
        elif name == "error":
            fails = event["error"]["type"]
        ended = name == "message_stop"
    if fails:
        return {"text": "".join(b.get("text", "") for b in blocks),
                "think": "".join(b.get("thinking", "") for b in blocks), "fails": fails}
    assert ended and (not one_by_one or not open_at), "the stream has no proper end"
    for block in blocks:
        if block["type"] == "tool_use" and block["json"]:
            block["input"] = json.loads(block["json"])
    return messages_said(blocks, stop, sequence)


# ---- OpenAI's responses ----

def responses_document(document):
    text, think, tools = "", "", []
    if document.get("error"):
        return {"text": "", "think": "", "fails": document["error"]["code"]}
    for item in document["output"]:
        if item["type"] == "message":
            text += "".join(part["text"] for part in item["content"]
                            if part["type"] == "output_text")
        elif item["type"] == "reasoning":
            think += "".join(part["text"] for part in (item.get("content") or
                                                       item.get("summary") or []))
        elif item["type"] == "function_call":
            tools.append((item["call_id"], item["name"], json.loads(item["arguments"])))
    if document["status"] == "incomplete":
        end = {"max_output_tokens": "length"}.get(document["incomplete_details"]["reason"],
                                                  "content_filter")
    else:
        assert document["status"] == "completed", document
        end = "tool_calls" if tools else "stop"
    return said_of(text, think, tools, end)


def responses_stream(all_events):
    """The deltas must say what the last event's document says."""
    text, think, calls, last, fails, number = "", "", {}, None, None, -1
    for name, data in all_events:
        if data == "[DONE]":
            continue
        event = json.loads(data)
        assert name == event["type"] and last is None, event
        assert not fails or name == "error", event
        if "sequence_number" in event:
            assert event["sequence_number"] > number, event
            number = event["sequence_number"]
        if name == "response.output_text.delta":
            text += event["delta"]
        elif name in ("response.reasoning_text.delta", "response.reasoning_summary_text.delta"):
            think += event["delta"]
        elif name == "response.output_item.added":
            calls[event["output_index"]] = [event["item"]["type"], ""]
        elif name == "response.function_call_arguments.delta":
            assert calls[event["output_index"]][0] == "function_call", event
            calls[event["output_index"]][1] += event["delta"]
        elif name in ("response.completed", "response.incomplete"):
            last = event["response"]
        elif name == "error":
            fails = event.get("code") or event.get("error", {}).get("code")
        elif name == "response.failed":
            fails = event["response"]["error"]["code"]
    if fails:
        return {"text": text, "think": think, "fails": fails}
    assert last is not None, "the stream has no proper end"
    said = responses_document(last)
    assert said["text"] == text, (said, text)
    streamed = [json.loads(text or "{}") for kind, text in calls.values() if kind == "function_call"]
    assert streamed == [arguments for *_, arguments in said["tools"]], (said, calls)
    return said


DOCUMENTS = {"chat": chat_document, "messages": messages_document, "responses": responses_document}
STREAMS = {"chat": chat_stream, "messages": messages_stream, "responses": responses_stream}
