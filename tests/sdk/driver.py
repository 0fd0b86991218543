# SPDX-License-Identifier: MIT
"""Runs calls of the official Python SDKs. One JSON object per line comes in, says a call, and one
goes out, says what the caller of the SDK got: a value and its kind, the chunks of a stream, or the
error that was raised. driver.mjs speaks the same with the SDKs of npm."""
import base64
import importlib
import json
import sys


def plain(value):
    """What an SDK object is as JSON."""
    if hasattr(value, "to_dict"):
        return value.to_dict(mode="json")
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def argument(value):
    """{"$file": base64, "name": …} is an upload."""
    if isinstance(value, dict) and "$file" in value:
        return (value["name"], base64.b64decode(value["$file"]))
    if isinstance(value, dict):
        return {name: argument(member) for name, member in value.items()}
    if isinstance(value, list):
        return [argument(item) for item in value]
    return value


def client_of(call):
    if call["sdk"] == "anthropic":
        kind = importlib.import_module("anthropic").Anthropic
    else:
        kind = importlib.import_module("openai").OpenAI
    return kind(api_key=call.get("api_key", "sk-any"), base_url=call["base_url"],
                max_retries=call.get("max_retries", 0), timeout=call.get("timeout_s", 60))


def invoke(client, call):
    args = argument(call.get("args", {}))
    if call["method"] in ("get", "post"):
        more = {"body": args} if call["method"] == "post" else {}
        return getattr(client, call["method"])(call["path"], cast_to=object, **more,
                                               options={"headers": call.get("headers", {})})
    target = client
    for name in call["method"].split("."):
        target = getattr(target, name)
    return target(*argument(call.get("positional", [])), **args)


def failure(error):
    """As plain data; an error of the SDK's own, or `foreign` when it is another library's."""
    of_sdk = type(error).__module__.split(".")[0] in ("openai", "anthropic")
    return {"class": type(error).__name__, "of_sdk": of_sdk,
            "status": getattr(error, "status_code", None), "code": getattr(error, "code", None),
            "type": getattr(error, "type", None), "message": str(error),
            "body": plain(getattr(error, "body", None)),
            "request_id": getattr(error, "request_id", None)}


def result_of(got):
    kind = type(got).__name__
    if got is None:
        return {"kind": "none"}
    if isinstance(got, str):
        return {"kind": "string", "value": got}
    if hasattr(got, "content") and isinstance(getattr(got, "content"), bytes):
        return {"kind": "bytes", "base64": base64.b64encode(got.content).decode()}
    if "Page" in kind:
        return {"kind": "list", "value": [plain(item) for item in got]}
    return {"kind": "object", "value": plain(got), "request_id": getattr(got, "_request_id", None)}


def run(call):
    chunks = []
    try:
        with client_of(call) as client:
            got = invoke(client, call)
            if type(got).__name__ != "Stream":
                return {"ok": True, **result_of(got)}
            for chunk in got:
                chunks.append(plain(chunk))
                if len(chunks) == call.get("leave_after"):
                    got.close()
                    break
        return {"ok": True, "kind": "stream", "chunks": chunks}
    except Exception as error:
        return {"ok": False, "chunks": chunks, "error": failure(error)}


for line in sys.stdin:
    print(json.dumps(run(json.loads(line))), flush=True)
