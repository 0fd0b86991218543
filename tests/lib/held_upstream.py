# SPDX-License-Identifier: MIT
"""An upstream whose model calls wait until the test says how each is answered: what an agent learns
late. What is asked by GET is answered with the status in `probes`; None: it waits as well."""
import http.server
import json
import threading

from waiting import PATIENCE_S, wait_for

GOOD = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def refusal(code):
    return {"error": {"message": "no", "type": "invalid_request_error", "code": code}}


class Held:
    """One call that waits."""

    def __init__(self, secret):
        self.secret, self.answered = secret, threading.Event()

    def answer(self, status, body=None, **headers):
        self.status, self.body, self.headers = status, body if body is not None else GOOD, headers
        self.answered.set()


class HeldUpstream:
    def __init__(self):
        self.calls, self.probes, outer = [], 200, self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def reply(self, status, body, headers=()):
                text = json.dumps(body).encode()
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def do_GET(self):
                if outer.probes is None:
                    self.wait()
                else:
                    self.reply(outer.probes, {"object": "list", "data": []})

            def do_POST(self):
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.wait()

            def wait(self):
                call = Held(self.headers.get("authorization", "").removeprefix("Bearer "))
                outer.calls.append(call)
                if call.answered.wait(PATIENCE_S):
                    self.reply(call.status, call.body, call.headers.items())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def call(self, i):
        """The i-th call, once it is there."""
        wait_for(lambda: len(self.calls) > i, what=f"call {i} of the upstream")
        return self.calls[i]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
