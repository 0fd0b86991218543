# SPDX-License-Identifier: MIT
"""The agent as an object: a scratch state directory, free ports, requests, stop and kill -9."""
import json
import pathlib
import tempfile

import http_call
import raw
import tls
from process import BUILD, Process

SERVICES = ("api-gateway", "config-center", "key-manager", "service-registry", "router-engine")


class Agent(Process):
    """Agent(state_dir, env={"YIJIAN_…": "…"}, args=["--flag"]). Started again on the same state
    it is the same agent with other ports. before: a command that ends in exec of the rest.
    over_tls: its gateway's port speaks TLS, and it is called so."""

    def __init__(self, state_dir=None, env=None, args=(), scratch=None, name="yijiand", before=(),
                 over_tls=False):
        self.chats = 0
        self.tls = tls.caller_context() if over_tls else None
        self.own_scratch = None if scratch else tempfile.TemporaryDirectory(prefix="yijian-")
        scratch = pathlib.Path(scratch or self.own_scratch.name)
        self.state_dir = pathlib.Path(state_dir or scratch / "state")
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        self.ports = {}
        listen = {"YIJIAN_LISTEN_" + service.upper().replace("-", "_"): "127.0.0.1:0,[::1]:0"
                  for service in SERVICES}
        super().__init__([*before, BUILD / "yijiand", *args], scratch, name, {
            "YIJIAN_STATE_DIR": str(self.state_dir), "YIJIAN_ALLOW_LOOPBACK_UPSTREAMS": "1",
            "YIJIAN_QUEUE_MAX_MS": "0",  # a machine that runs tests in parallel is busy, not the agent
            "YIJIAN_TRAFFIC_LOOPS": "2", # connections meet on different threads, whatever the machine
            "LC_ALL": "C.UTF-8", **listen, **(self.tls_env() if over_tls else {}), **(env or {})})

    @staticmethod
    def tls_env():
        pair = tls.agents_pair()
        return {"YIJIAN_TLS_CERT": str(pair.cert), "YIJIAN_TLS_KEY": str(pair.key)}

    @property
    def ports_path(self):
        return self.state_dir / "ports.json"

    def start(self):
        """Spawns it and waits until all its ports are known."""
        self.ports_path.unlink(missing_ok=True)
        self.spawn()
        self.ports = self.wait("ports.json", self.read_ports)
        return self

    def start_by_log(self):
        """As start(), for a state directory where ports.json may find no room."""
        begun = len(self.log_records())

        def started():
            records = self.log_records()[begun:]
            return any(record["event"] == "started" for record in records) and records
        self.spawn()
        self.ports = {}
        for record in self.wait("the line started", started):
            if record["event"] == "listening":
                self.ports.setdefault(record["service"], []).append(record["address"])
        return self

    def read_ports(self):
        try:
            ports = json.loads(self.ports_path.read_text())
        except (FileNotFoundError, ValueError):
            return None
        return ports if all(ports.get(service) for service in SERVICES) else None

    def address(self, service="api-gateway", family=4):
        """(host, port) of the IPv4 or IPv6 listener."""
        for text in self.ports[service]:
            host, _, port = text.rpartition(":")
            if host.startswith("[") == (family == 6):
                address = host.strip("[]"), int(port)
                over_tls = self.tls and service == "api-gateway"
                return tls.Address(address, self.tls) if over_tls else address
        raise AssertionError(f"{service} does not listen on IPv{family}: {self.ports}")

    def url(self, service="api-gateway"):
        address = self.address(service)
        return "%s://%s:%d" % ("https" if hasattr(address, "tls") else "http", *address)

    def request(self, service, method, path, json=None, body=None, headers=(), timeout=60):
        """(status, headers, parsed JSON or bytes)."""
        return http_call.request(self.address(service), method, path, json, body, headers, timeout)

    def get(self, service, path, **more):
        return self.request(service, "GET", path, **more)

    def post(self, service, path, json=None, **more):
        return self.request(service, "POST", path, json, **more)

    def stream(self, path, json, headers=(), timeout=60):
        """An SSE answer of the gateway; a context manager with .status, .headers, .events()."""
        return http_call.Stream(self.address(), "POST", path, json, headers, timeout)

    def connect(self, service="api-gateway", **more):
        """A raw connection, see raw.Raw."""
        return raw.Raw(self.address(service), **more)

    def raw(self, service, data, timeout=30):
        """Bytes in; (answer or None, the connection)."""
        return raw.exchange(self.address(service), data, timeout)

    def chat(self, content=None, model="chat", headers=(), **more):
        """Each with words of its own, as repeats of one request count once against an upstream."""
        self.chats += 1
        content = f"hello {self.chats:04}" if content is None else content
        return self.post("api-gateway", "/v1/chat/completions", headers=headers, json={
            "model": model, "messages": [{"role": "user", "content": content}], **more})

    def add_key(self, base_url, vendor="openai", service="gpt-4", key_name="simulated",
                api_key="sk-simulated-0000000000000001", tier="primary", **more):
        """Adds a vendor key; the answer's document."""
        answer = self.post("key-manager", "/api/v1/keys", {
            "vendor": vendor, "service": service, "key_name": key_name, "api_key": api_key,
            "tier": tier, "base_url": base_url, **more})
        assert answer.status == 201, answer
        return answer.body

    def add_instance(self, url, service="simulated-vllm", id="gpu1", engine="vllm",
                     features=("chat",), **more):
        """Registers a self-hosted instance; the answer's document."""
        answer = self.request("service-registry", "PUT",
                              f"/api/v1/services/{service}/instances/{id}", {
                                  "url": url, "engine": engine, "features": list(features),
                                  **more})
        assert answer.status in (200, 201), answer
        return answer.body

    def log_records(self):
        """The log lines that are JSON objects."""
        return [json.loads(line) for line in self.log().splitlines() if line.startswith("{")]

    def restart(self):
        """A clean stop, then the same state again."""
        self.stop()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            self.stop()
        finally:
            if self.own_scratch:
                self.own_scratch.cleanup()
