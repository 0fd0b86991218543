# SPDX-License-Identifier: MIT
"""The simulated vendor as an object: start, script faults, ask what arrived."""
import json
import socket
import tempfile

import http_call
from process import BUILD, Process
from waiting import wait_for


class Vendord(Process):
    """`options` go to the command line: Vendord(flavour="vllm", pace_ms=5, no_auth=True)."""

    def __init__(self, scratch=None, name="vendord", **options):
        self.own_scratch = None if scratch else tempfile.TemporaryDirectory(prefix="vendord-")
        self.options = options
        # The port stays this one's while it does not listen: the kernel gives it to nobody else.
        self.held = socket.socket()
        self.held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.held.bind(("127.0.0.1", 0))
        self.port = self.held.getsockname()[1]
        super().__init__([], scratch or self.own_scratch.name, name)

    def start(self):
        """Ready when this returns; a second start takes the same port again."""
        self.command = [str(BUILD / "vendord"), "--port", str(self.port)]
        for name, value in self.options.items():
            self.command.append("--" + name.replace("_", "-"))
            if value is not True:
                self.command.append(str(value))
        self.spawn(stdout=-1)
        line = self.child.stdout.readline()
        assert line, f"vendord did not start: {self.log()}"
        assert json.loads(line)["port"] == self.port
        return self

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def url(self):
        """The origin, without a path."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self):
        """As an OpenAI SDK wants it."""
        return self.url + "/v1"

    def request(self, method, path, json=None, body=None, headers=None, timeout=60):
        if headers is None:
            headers = {"Authorization": "Bearer sk-simulated-0001"}
        return http_call.request(self.address, method, path, json, body, headers, timeout)

    def stream(self, path, json, headers=None, timeout=60):
        if headers is None:
            headers = {"Authorization": "Bearer sk-simulated-0001"}
        return http_call.Stream(self.address, "POST", path, json, headers, timeout)

    def control(self, method, path, json=None):
        answer = http_call.request(self.address, method, "/_sim/" + path, json)
        assert answer.status == 200, answer
        return answer.body

    def fault(self, fault, count=-1, skip=0, **match):
        """One more rule: vendord.fault({"status": 429}, count=1, path="/v1/embeddings")."""
        return self.control("POST", "faults",
                            {"match": match, "count": count, "skip": skip, "fault": fault})

    def faults(self, rules):
        """These rules and no others; [] clears."""
        self.control("DELETE", "faults")
        return self.control("POST", "faults", rules) if rules else None

    def lock(self, **credential):
        """Asks for it from now on: basic="user:password", bearer="KEY", or field="X-Key",
        value="…" of a proxy; nothing lifts it."""
        self.control("POST", "lock", credential)

    def stats(self):
        return self.control("GET", "stats")

    def clear_stats(self):
        self.control("DELETE", "stats")

    def requests(self, n=100):
        """The last requests, oldest first; headers are [name, value] pairs as they came."""
        return self.control("GET", f"requests?n={n}")["items"]

    def calls(self):
        """The calls of models among them; an agent's probes come between at any time."""
        return [record for record in self.requests() if record["method"] == "POST"]

    def asked(self):
        return self.calls()[-1]

    def refuse(self, milliseconds):
        """Nobody listens for so long; connections that are open stay."""
        self.control("POST", "refuse", {"ms": milliseconds})

    def close_idle(self):
        """Closes the kept connections, as vendors do between requests."""
        self.control("POST", "close_idle")

    def wait_stats(self, condition, what="stats"):
        """The first stats for which the condition holds."""
        def probe():
            stats = self.stats()
            return stats if condition(stats) else None
        return wait_for(probe, what=what, alive=self.alive)

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            self.stop()
        finally:
            if self.own_scratch:
                self.own_scratch.cleanup()


def header_of(record, name):
    """A header of a recorded request, or None."""
    return next((value for key, value in record["headers"] if key.lower() == name.lower()), None)
