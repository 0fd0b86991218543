# SPDX-License-Identifier: MIT
"""Runs conversations of LangChain. One JSON object per line says client, model and question, one
goes out: what the application got. frameworks.mjs speaks the same with the AI SDK of npm."""
import json
import sys

from langchain_anthropic import ChatAnthropic
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

WEATHER = {"name": "weather", "description": "The weather in a city.", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def model_of(call):
    same = {"model": call["model"], "api_key": "sk-any", "max_retries": 0, "timeout": 60}
    if call["client"] == "langchain-anthropic":
        return ChatAnthropic(base_url=call["base_url"], max_tokens=200, **same)
    return ChatOpenAI(base_url=call["base_url"] + "/v1", stream_usage=True,
                      use_responses_api=call["client"] == "langchain-responses", **same)


def text_of(message):
    if isinstance(message.content, str):
        return message.content
    return "".join(part.get("text", "") for part in message.content if part["type"] == "text")


def ask(model, call, messages):
    if not call.get("stream"):
        return model.invoke(messages)
    whole = None
    for chunk in model.stream(messages):
        whole = chunk if whole is None else whole + chunk
    return whole


def converse(call):
    """Calls of the tool are answered until the model only talks."""
    model = model_of(call)
    if call.get("tools"):
        model = model.bind_tools([{"type": "function", "function": WEATHER}])
    messages, calls = [HumanMessage("What is it like in Paris?" + "!" * call.get("more", 0))], []
    while True:
        said = ask(model, call, messages)
        messages.append(said)
        if not said.tool_calls:
            break
        for one in said.tool_calls:
            calls.append([one["name"], one["args"]])
            messages.append(ToolMessage("sunny", tool_call_id=one["id"]))
    usage = said.usage_metadata
    return {"ok": True, "text": text_of(said), "calls": calls, "tokens": usage["total_tokens"]}


def embed(call):
    found = OpenAIEmbeddings(model=call["model"], api_key="sk-any", max_retries=0,
                             base_url=call["base_url"] + "/v1", check_embedding_ctx_length=False)
    return {"ok": True, "vectors": found.embed_documents(["one", "two"])}


def run(call):
    try:
        return embed(call) if call.get("embed") else converse(call)
    except Exception as error:
        return {"ok": False, "class": type(error).__name__, "message": str(error)[:500],
                "status": getattr(error, "status_code", None)}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
