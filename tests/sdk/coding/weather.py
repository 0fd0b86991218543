#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A tool for coding clients: MCP on standard input and output, one JSON-RPC message a line."""
import json
import sys

TOOL = {"name": "weather", "description": "The weather in a city.", "inputSchema": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}


def result_of(method, parameters):
    if method == "initialize":
        return {"protocolVersion": parameters["protocolVersion"], "capabilities": {"tools": {}, "resources": {}},
                "serverInfo": {"name": "sim", "version": "1"}}
    if method == "tools/list":
        return {"tools": [TOOL]}
    if method == "tools/call":
        city = parameters["arguments"]["city"]
        return {"content": [{"type": "text", "text": f"sunny-in-{city}"}]}
    if method == "resources/list":
        return {"resources": [{"uri": "sim://sunny-in-Paris", "name": "sunny-in-Paris"}]}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message and "method" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"],
                          "result": result_of(message["method"], message.get("params", {}))}),
              flush=True)
