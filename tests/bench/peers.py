# SPDX-License-Identifier: MIT
"""The programs the bench compares: nginx, the agent, the simulated vendor, the bare hello."""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

from measure import BIN, ROOT

WAIT_S = 10


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_true(what, test, process=None):
    end = time.monotonic() + WAIT_S
    while not test():
        if time.monotonic() > end or (process and process.poll() is not None):
            raise RuntimeError(f"{what} did not come up")
        time.sleep(0.002)


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def request(method, url, document=None):
    data = json.dumps(document).encode() if document is not None else None
    call = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(call, timeout=10) as answer:
            return json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as bad:
        raise RuntimeError(f"{method} {url}: {bad.code} {bad.read()[:300]!r}") from None


class Program:
    """A child process with a scratch directory; a context manager that ends it."""

    def __init__(self, scratch, name):
        self.dir = pathlib.Path(scratch) / name
        self.dir.mkdir(parents=True, exist_ok=True)
        self.process = None
        self.port = 0

    def spawn(self, command, **env):
        log = open(self.dir / "log", "a")
        self.process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ, **env),
                                        stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        log.close()

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(WAIT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


class Vendor(Program):
    """The simulated vendor both proxies speak to."""

    def start(self):
        port_file = self.dir / "port"
        self.spawn([str(ROOT / "build/vendord"), "--listen", "127.0.0.1:0",
                    "--port-file", str(port_file), "--no-auth", "--record", "0"])
        await_true("vendord", lambda: port_file.exists() and port_file.read_text().strip(),
                   self.process)
        self.port = int(port_file.read_text())
        return self


class Nginx(Program):
    """proxy_pass with a keep-alive upstream and buffering off for streams, as an operator would."""

    CONF = """daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log warn;
events {{ worker_connections 20000; }}
http {{ access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
 fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
 keepalive_requests 100000000; keepalive_timeout 300s; client_body_buffer_size 64k;
 upstream vendor {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 100000000; }}
 server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://vendor;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering {buffering}; }} }} }}
"""

    def __init__(self, scratch, name, upstream, buffering="on"):
        super().__init__(scratch, name)
        self.upstream, self.buffering = upstream, buffering

    @staticmethod
    def binary():
        return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")

    def start(self):
        self.port = free_port()
        conf = self.dir / "conf"
        conf.write_text(self.CONF.format(dir=self.dir, port=self.port, upstream=self.upstream,
                                         buffering=self.buffering))
        self.spawn([self.binary(), "-c", str(conf), "-e", str(self.dir / "error.log")])
        await_true("nginx", lambda: connects(self.port), self.process)
        return self


def connects(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


class Agent(Program):
    """yijiand on its own state; with a vendor it gets one key for the feature chat."""

    SERVICES = ("API_GATEWAY", "CONFIG_CENTER", "KEY_MANAGER", "SERVICE_REGISTRY",
                "ROUTER_ENGINE")

    def __init__(self, scratch, name, vendor=None):
        super().__init__(scratch, name)
        self.vendor = vendor
        self.ports = {}
        self.start_ms = 0.0

    def start(self):
        state = self.dir / "state"
        state.mkdir(mode=0o700, exist_ok=True)
        listing = state / "ports.json"
        listing.unlink(missing_ok=True)
        env = {f"YIJIAN_LISTEN_{s}": f"127.0.0.1:{free_port()}" for s in self.SERVICES}
        url = f"http://{env['YIJIAN_LISTEN_API_GATEWAY']}/healthz"
        began = time.monotonic()
        self.spawn([str(ROOT / "build/yijiand")], YIJIAN_STATE_DIR=str(state),
                   YIJIAN_LOG_LEVEL="warn", YIJIAN_ALLOW_LOOPBACK_UPSTREAMS="1",
                   YIJIAN_SIMULATED="1", **env)
        await_true("yijiand", lambda: answers(url), self.process)
        self.start_ms = (time.monotonic() - began) * 1000
        ports = json.loads(listing.read_text())
        self.ports = {name: int(v[0].rsplit(":", 1)[1]) for name, v in ports.items()}
        self.port = self.ports["api-gateway"]
        return self

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def add_key(self):
        request("POST", self.url("/api/v1/keys"), {
            "vendor": "openai", "service": "gpt-4", "key_name": "simulated bench key",
            "api_key": "sk-simulated-bench-0000000000000000", "tier": "primary",
            "base_url": f"http://127.0.0.1:{self.vendor.port}/v1"})


class Hello(Program):
    """libmicrohttpd answering as many bytes from memory, and nothing else."""

    def __init__(self, scratch, name, size):
        super().__init__(scratch, name)
        self.size = size

    def start(self):
        self.spawn([str(BIN / "hello"), str(self.size)])
        log = self.dir / "log"
        await_true("hello", lambda: log.read_text().strip(), self.process)
        self.port = int(log.read_text())
        return self
