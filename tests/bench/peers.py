# SPDX-License-Identifier: MIT
"""The programs the bench compares: the agent, nginx, HAProxy, other gateways, the bare hello."""
import os
import pathlib
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request

import install
from measure import BIN, ROOT

sys.path.insert(0, str(ROOT / "tests/lib"))
import agent as lib_agent  # noqa: E402
import process  # noqa: E402
from vendord import Vendord  # noqa: E402,F401


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def scratch_dir(parent, name):
    path = pathlib.Path(parent) / name
    path.mkdir(exist_ok=True)
    return path


class Peer(process.Process):
    """A context manager around a child; its scratch directory is its own."""

    headers = ()  # what a request needs to be let through

    def __init__(self, parent, name, command, env=None):
        super().__init__(command, scratch_dir(parent, name), name, env)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill9()


class Nginx(Peer):
    """proxy_pass with a keep-alive upstream and buffering off for streams, as an operator would."""

    CONF = """daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log warn;
{more}
events {{ worker_connections 20000; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
 fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
 keepalive_requests 100000000; keepalive_timeout 300s; client_body_buffer_size 64k;
 upstream vendor {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port}{tls}; location / {{ proxy_pass http://vendor;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering {buffering}; }} }} }}
"""

    def __init__(self, parent, upstream, buffering="on", more="", pair=None):
        self.port = free_port()
        tls = (f" ssl; ssl_certificate {pair.cert}; ssl_certificate_key {pair.key};"
               " ssl_protocols TLSv1.2 TLSv1.3") if pair else ""
        name = f"nginx-{self.port}"
        home = scratch_dir(parent, name)
        conf = home / "conf"
        conf.write_text(self.CONF.format(dir=home, port=self.port, upstream=upstream,
                                         buffering=buffering, more=more, tls=tls))
        super().__init__(parent, name, [self.binary(), "-c", conf, "-e", home / "error.log"])

    @staticmethod
    def binary():
        return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def start(self):
        self.spawn()
        self.wait("nginx", lambda: connects(self.port))
        return self

    def __exit__(self, *_):
        self.stop()  # the master takes its worker along


class HAProxy(Peer):
    """One thread, a keep-alive upstream, and no delay for streams."""

    CONF = """global
 nbthread 1
 maxconn 4000
defaults
 mode http
 option http-no-delay
 http-reuse always
 timeout connect 5s
 timeout client 300s
 timeout server 300s
frontend in
 bind 127.0.0.1:{port}
 default_backend vendor
backend vendor
 server vendor 127.0.0.1:{upstream}
"""

    def __init__(self, parent, upstream):
        self.port = free_port()
        name = f"haproxy-{self.port}"
        conf = scratch_dir(parent, name) / "conf"
        conf.write_text(self.CONF.format(port=self.port, upstream=upstream))
        if not self.binary():
            raise RuntimeError("haproxy is not installed")
        super().__init__(parent, name, [self.binary(), "-db", "-f", conf])

    @staticmethod
    def binary():
        return shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def start(self):
        self.spawn()
        self.wait("haproxy", lambda: connects(self.port))
        return self


class Portkey(Peer):
    """The gateway of npm's @portkey-ai/gateway, told by headers where to go."""

    def __init__(self, parent, upstream):
        node, script = install.portkey()
        self.port = free_port()
        self.headers = ("x-portkey-provider: openai", "Authorization: Bearer sk-simulated",
                        f"x-portkey-custom-host: http://127.0.0.1:{upstream}/v1")
        super().__init__(parent, "portkey", [node, script, f"--port={self.port}", "--headless"])

    def start(self):
        self.spawn()
        self.wait("portkey", lambda: connects(self.port))
        return self


class LiteLLM(Peer):
    """PyPI's litellm proxy with one worker and no database."""

    CONF = """model_list:
  - model_name: chat
    litellm_params:
      model: openai/gpt-4
      api_base: http://127.0.0.1:{upstream}/v1
      api_key: sk-simulated
"""

    def __init__(self, parent, upstream):
        program = install.litellm()
        self.port = free_port()
        conf = scratch_dir(parent, "litellm") / "conf.yaml"
        conf.write_text(self.CONF.format(upstream=upstream))
        # It listens on loopback for this run alone, so its own warning about a key does not apply.
        super().__init__(parent, "litellm", [
            program, "--config", conf, "--host", "127.0.0.1", "--port", self.port,
            "--num_workers", "1", "--telemetry", "False"], {
                "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"})

    def start(self):
        self.spawn()
        self.wait("litellm", lambda: answers(f"http://127.0.0.1:{self.port}/health/liveliness"),
                  timeout=120)
        return self


class Agent(lib_agent.Agent):
    """yijiand on its own state and ports chosen before, so that its start can be timed."""

    headers = ()

    def __init__(self, parent, name, over_tls=False, **settings):
        self.start_ms = 0.0
        listen = {"YIJIAN_LISTEN_" + service.upper().replace("-", "_"): f"127.0.0.1:{free_port()}"
                  for service in lib_agent.SERVICES}
        super().__init__(scratch=scratch_dir(parent, name), over_tls=over_tls, env={
            "YIJIAN_LOG_LEVEL": "warn", "YIJIAN_SIMULATED": "1", "YIJIAN_QUEUE_MAX_MS": "250",
            "YIJIAN_TRAFFIC_LOOPS": "0", **listen, **settings})

    def start(self):
        url = f"http://{self.env['YIJIAN_LISTEN_API_GATEWAY']}/healthz"
        self.ports_path.unlink(missing_ok=True)
        began = time.monotonic()
        self.spawn()
        while not (connects(self.env_port()) if self.tls else answers(url)):
            if not self.alive() or time.monotonic() > began + 30:
                raise RuntimeError(f"yijiand did not start: {self.log()[-300:]}")
            time.sleep(0.0005)
        self.start_ms = (time.monotonic() - began) * 1000
        self.ports = self.wait("ports.json", self.read_ports)
        return self

    def add_client(self):
        """From now on requests are a client's, with limits and a budget that do not bind."""
        answer = self.post("key-manager", "/api/v1/clients", {
            "name": "bench", "limits": {"rpm": 1000000, "burst": 1000000, "tpm": 1000000000,
                                        "concurrency": 20000},
            "budget": {"amount_pico": 10**18, "currency": "USD", "window": "month"}})
        assert answer.status == 201, answer
        self.headers = (f"Authorization: Bearer {answer.body['key']}",)

    def port_of(self, service):
        return self.address(service)[1]

    def env_port(self):
        return int(self.env["YIJIAN_LISTEN_API_GATEWAY"].rpartition(":")[2])

    @property
    def port(self):
        return self.port_of("api-gateway")


class Hello(Peer):
    """libmicrohttpd answering as many bytes from memory, and nothing else."""

    def __init__(self, parent, size):
        super().__init__(parent, "hello", [BIN / "hello", size])
        self.port = 0

    def start(self):
        self.spawn()
        self.port = int(self.wait("hello", self.log))
        return self
