# SPDX-License-Identifier: MIT
"""One HTTP request with full control over its headers."""
import http.client
import json as json_module
import typing


class Answer(typing.NamedTuple):
    status: int
    headers: http.client.HTTPMessage  # .get() folds case, .get_all() for several
    body: typing.Any  # parsed when it is JSON, else bytes

    @property
    def error(self):
        """The error's code, or None."""
        if isinstance(self.body, dict) and isinstance(self.body.get("error"), dict):
            return self.body["error"].get("code")
        return None


def parse_body(headers, raw):
    kind = (headers.get("content-type") or "").split(";")[0]
    if raw and (kind == "application/json" or kind.endswith("+json")):
        return json_module.loads(raw)
    return raw


def send_request(connection, method, path, json=None, body=None, headers=()):
    """headers: a dict, or pairs when one comes twice. Host and Content-Length are added
    unless they are among them; json adds its Content-Type."""
    pairs = list(headers.items()) if hasattr(headers, "items") else list(headers)
    named = {name.lower() for name, _ in pairs}
    if json is not None:
        body = json_module.dumps(json)
        if "content-type" not in named:
            pairs.append(("Content-Type", "application/json"))
    body = body.encode() if isinstance(body, str) else body
    connection.putrequest(method, path, skip_host="host" in named, skip_accept_encoding=True)
    for name, value in pairs:
        connection.putheader(name, value)
    if body is not None and not named & {"content-length", "transfer-encoding"}:
        connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body)


def connection_to(address, timeout):
    context = getattr(address, "tls", None)
    if context:
        return http.client.HTTPSConnection(*address, timeout=timeout, context=context)
    return http.client.HTTPConnection(*address, timeout=timeout)


def request(address, method, path, json=None, body=None, headers=(), timeout=60):
    """One request on its own connection; address is (host, port)."""
    connection = connection_to(address, timeout)
    try:
        send_request(connection, method, path, json, body, headers)
        response = connection.getresponse()
        raw = response.read()
        return Answer(response.status, response.headers, parse_body(response.headers, raw))
    finally:
        connection.close()


class Stream:
    """A streamed answer, read event by event; leaving the context hangs up."""

    def __init__(self, address, method, path, json=None, headers=(), timeout=60):
        self.connection = connection_to(address, timeout)
        send_request(self.connection, method, path, json, None, headers)
        self.response = self.connection.getresponse()
        self.status, self.headers = self.response.status, self.response.headers

    def events(self):
        """Each event's data, parsed when it is JSON; comments are skipped. Ends with the body."""
        data = []
        for raw in iter(self.response.readline, b""):
            line = raw.decode().rstrip("\r\n")
            if line.startswith("data:"):
                data.append(line[5:].lstrip(" "))
            elif line == "" and data:
                text, data = "\n".join(data), []
                yield json_module.loads(text) if text[:1] == "{" else text

    def close(self):
        self.response.close()
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
