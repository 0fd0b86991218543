# SPDX-License-Identifier: MIT
"""One HTTP request over the agent's unix socket."""
import http.client
import json as json_module
import socket

import http_call


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def request(agent, method, path, json=None, headers=()):
    connection = Connection(agent.state_dir / "agent.sock")
    try:
        body = json_module.dumps(json) if json is not None else None
        connection.request(method, path, body, dict(headers))
        response = connection.getresponse()
        raw = response.read()
        return http_call.Answer(response.status, response.headers,
                                http_call.parse_body(response.headers, raw))
    finally:
        connection.close()
