# SPDX-License-Identifier: MIT
"""Rows of the platform: its answers from memory, decisions, writes, memory, start, sizes."""
import contextlib
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import tempfile
import time

import measure
from measure import BIN, ROOT
from peers import Agent, Hello, Nginx, free_port
from rows_gateway import CHAT, chat_body
from table import Row

# Where it is asked for, and the most it may cost, in those of the library answering as many bytes.
PLATFORM_GET = {"api-gateway": ("own engine", 1.5), "config-center": ("libmicrohttpd", 1.8)}
WRITES, WRITERS = 5000, 16
STORED = 50000
PRICES, PRICE_ROWS, IDLE_MIB = ROOT / "tests/data/prices", 2900, 8
STREAMS, KEPT, KEPT_RATE = 1000, 10000, 2000
NOTHING_SHED = {"YIJIAN_QUEUE_MAX_MS": "0"}  # they all come at once
FSYNC_BAR_MS, WRITES_BAR = 0.2, 5000  # the write bar is of disks at least this fast


def platform_get(bench):
    """One request on both of the agent's HTTP engines."""
    path = "/api/v1/features/text_to_image"
    size = len(json.dumps(bench.agent.get("config-center", path).body, separators=(",", ":")))
    with Hello(bench.scratch, size) as hello:
        def measured(pid, port):
            return lambda: measure.cpu_per(pid, lambda r: r["requests"],
                                           lambda: measure.load(port, path, 20000))
        ports = {service: bench.agent.port_of(service) for service in PLATFORM_GET}
        seen = measure.interleave(bench.rounds, {
            "hello": measured(hello.pid, hello.port),
            **{service: measured(bench.agent.pid, port) for service, port in ports.items()}})
    for service, (where, bar) in PLATFORM_GET.items():
        yield Row(f"platform GET of a feature, {size} B, {where}", seen[service], bar, "us",
                  seen["hello"], "hello")


def decision(bench):
    run = lambda: float(subprocess.run([str(BIN / "decide")], text=True, check=True,
                                       capture_output=True).stdout.split()[0])
    yield Row("decision, 32 candidates, in process",
              measure.interleave(bench.rounds, {"ours": run})["ours"], 2, "us")
    body = pathlib.Path(bench.scratch) / "route.json"
    body.write_text('{"prompt":"a cat","width":1024,"height":1024}')
    run = lambda: measure.cpu_per(bench.agent.pid, lambda r: r["requests"], lambda: measure.load(
        bench.agent.port_of("router-engine"), "/api/v1/route/text_to_image", 5000, 16, body))
    yield Row("POST /route, CPU per request",
              measure.interleave(bench.rounds, {"ours": run})["ours"], 20, "us")


# ---- acknowledged writes ----

def fsync_ms(directory):
    """Median cost of making one appended log page durable there."""
    took = []
    with tempfile.TemporaryFile(dir=directory) as f:
        for _ in range(300):
            f.write(b"x" * 8240)
            f.flush()
            began = time.perf_counter()
            os.fdatasync(f.fileno())
            took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


def key_writes(agent, scratch, name, count):
    """Acknowledged new keys per second, and microseconds of CPU for each."""
    body = pathlib.Path(scratch) / "key.json"
    body.write_text(json.dumps({
        "vendor": "openai", "service": "gpt-4", "key_name": f"{name} ########", "tier": "primary",
        "api_key": f"sk-{name}-########-000000000000"}))
    before = measure.cpu_ns(agent.pid)
    result = measure.load(agent.port_of("key-manager"), "/api/v1/keys", count, WRITERS, body)
    return (result["requests"] / result["wall_s"],
            (measure.cpu_ns(agent.pid) - before) / 1000 / count)


def writes_row(bench, agent, scratch, title, name, place):
    """fsync is asked on both sides of the rounds: on a shared disk it moves."""
    before = fsync_ms(place)
    rates, cpu = zip(*(key_writes(agent, scratch, f"{name}{n}", WRITES)
                       for n in range(bench.rounds)))
    cost = max(before, fsync_ms(place))
    reached = cost <= FSYNC_BAR_MS
    note = f"fsync {cost:.3f} ms, {statistics.median(cpu):.0f} us CPU a write" + (
        "" if reached else f"; the bar is of {FSYNC_BAR_MS} ms")
    return Row(title, statistics.median(rates), WRITES_BAR if reached else None, "/s", note=note,
               at_least=True)


def writes(bench):
    places = [bench.scratch]
    if fsync_ms(bench.scratch) > FSYNC_BAR_MS and os.access("/dev/shm", os.W_OK):
        places.append("/dev/shm")  # what the agent itself takes, apart from a slow disk
    for place in places:
        with tempfile.TemporaryDirectory(prefix="yijian-bench-", dir=place) as scratch, \
                Agent(scratch, "writes") as agent:
            yield writes_row(bench, agent, scratch, f"acknowledged key writes, {WRITERS} writers",
                             "w", place)
            left = STORED - WRITES * bench.rounds
            if left > 0:
                key_writes(agent, scratch, "fill", left)
            yield writes_row(bench, agent, scratch, f"  with {STORED} rows stored", "f", place)


# ---- memory ----

def anonymous_mib(agent):
    return measure.memory_kib(agent.pid, "RssAnon") / 1024


def inflight(agent):
    for line in agent.get("api-gateway", "/metrics").body.decode().splitlines():
        if line.startswith("yijian_gateway_inflight_requests "):
            return float(line.split()[-1])
    return 0


def memory_idle(bench):
    with Agent(bench.scratch, "idle") as agent, Nginx(bench.scratch, bench.vendor.port) as nginx:
        time.sleep(1)  # let both finish their start
        yield Row("memory idle, private anonymous", anonymous_mib(agent), IDLE_MIB, "MiB")
        yield Row("memory idle, RSS", measure.memory_kib(agent.pid, "VmRSS") / 1024, 24, "MiB",
                  note=f"nginx here {measure.memory_kib(nginx.pid, 'VmRSS') / 1024:.1f} MiB")


@contextlib.contextmanager
def held(agent, *args):
    """The load generator in the background, its connections open until the end."""
    command = [BIN / "load", "-k", "-H", agent.headers[0], *args, f"127.0.0.1:{agent.port}", CHAT]
    load = subprocess.Popen([str(part) for part in command], text=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE)
    try:
        yield load
    finally:
        load.kill()
        load.communicate()


def memory_busy(bench):
    streams = chat_body(bench, "open", 250, "tokens:2000;pace_ms:50", stream=True)
    small = chat_body(bench, "kept", 250, "tokens:2;bytes:500")
    with Agent(bench.scratch, "memory", **NOTHING_SHED) as agent:
        agent.add_key(bench.vendor.base_url)
        agent.add_client()
        with held(agent, "-n", STREAMS, "-c", STREAMS, "-d", streams) as load:
            agent.wait("streams", lambda: inflight(agent) >= STREAMS or load.poll() is not None)
            time.sleep(2)  # every stream has relayed chunks by then
            assert inflight(agent) >= STREAMS, "the streams did not stay open"
            yield Row(f"memory with {STREAMS} open streams", anonymous_mib(agent), 64, "MiB")
    with Agent(bench.scratch, "kept", **NOTHING_SHED) as agent:
        agent.add_key(bench.vendor.base_url)
        agent.add_client()
        with held(agent, "-n", KEPT, "-c", KEPT, "-r", KEPT_RATE, "-d", small) as load:
            result = json.loads(load.stdout.readline())
            assert result["errors"] == 0 and result["shed"] == 0, f"not all were served: {result}"
            yield Row(f"memory with {KEPT} kept-alive connections", anonymous_mib(agent), 128,
                      "MiB")


# ---- a full price table ----

def fill_prices(agent):
    """Public lists, and their rows again under other models' names, until the table is full."""
    def post(query, body):
        answer = agent.request("key-manager", "POST", f"/api/v1/prices?{query}", body=body,
                               timeout=120)
        assert answer.status == 200, answer
    for vendor, name in {"openai": "openai", "aliyun": "dashscope", "anthropic": "anthropic"}.items():
        post(f"format=portkey&vendor={vendor}", (PRICES / f"portkey-{name}.json").read_text())
    items = agent.get("key-manager", "/api/v1/prices?limit=10000").body["items"]
    stored = len(items)
    for item in items:
        for member in ("id", "revision", "created_at", "updated_at", "updated_by", "shutdown_at"):
            item.pop(member, None)
    more = [{**items[n % stored], "model": f"{items[n % stored]['model']}-v{n // stored + 2}"}
            for n in range(PRICE_ROWS - stored)]
    post("format=yijian", json.dumps({"items": more}))


def price_table(bench):
    started, anonymous, resident = [], [], []
    with Agent(bench.scratch, "prices") as agent:
        fill_prices(agent)
        agent.wait("the import's memory given back", lambda: anonymous_mib(agent) <= IDLE_MIB, 30)
        yield Row("memory after importing a full price table", anonymous_mib(agent), IDLE_MIB, "MiB")
    for _ in range(bench.rounds):
        with agent:
            started.append(agent.start_ms)
            time.sleep(1)  # let it finish its start
            anonymous.append(anonymous_mib(agent))
            resident.append(measure.memory_kib(agent.pid, "VmRSS") / 1024)
    note = f"{PRICE_ROWS} rows"
    yield Row("memory idle with a full price table, anonymous", statistics.median(anonymous),
              IDLE_MIB, "MiB", note=note)
    yield Row("memory idle with a full price table, RSS", statistics.median(resident), 24, "MiB",
              note=note)
    yield Row("start with a full price table", statistics.median(started), 50, "ms", note=note)


# ---- start, size, command line ----

def start(bench):
    fresh, known = [], []
    for n in range(bench.rounds):
        with Agent(bench.scratch, f"start-{n}") as agent:
            fresh.append(agent.start_ms)
        with agent:
            known.append(agent.start_ms)
    yield Row("start to first 200, existing state", statistics.median(known), 50, "ms")
    yield Row("start to first 200, fresh state", statistics.median(fresh), 200, "ms")


def binaries(bench):
    for name in ("yijiand", "yijian"):
        stripped = pathlib.Path(bench.scratch) / name
        shutil.copy(ROOT / "build" / name, stripped)
        subprocess.run(["strip", str(stripped)], check=True)
        yield Row(f"{name} stripped", stripped.stat().st_size / 1e6, 1.5, "MB")


def cli(bench):
    url = bench.agent.url("key-manager") + "/api/v1/keys"
    env = dict(os.environ, YIJIAN_AGENT=bench.agent.url())

    def wall(command):
        def run():
            began = time.monotonic()
            for _ in range(20):
                subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL)
            return (time.monotonic() - began) * 50
        return run
    seen = measure.interleave(bench.rounds, {
        "curl": wall(["curl", "-s", url]),
        "ours": wall([str(ROOT / "build/yijian"), "key", "list"])})
    yield Row("yijian key list, wall time", seen["ours"], 1.5, "ms", seen["curl"], "curl")


def contexts(bench):
    """Five agents by name, of which one is dead, beside the slowest of the others alone."""
    home = pathlib.Path(bench.scratch) / "contexts"
    env = {**os.environ, "XDG_CONFIG_HOME": str(home)}
    for name in ("YIJIAN_AGENT", "YIJIAN_CONTEXT"):
        env.pop(name, None)

    def yijian(*args, check=True):
        began = time.monotonic()
        subprocess.run([str(ROOT / "build/yijian"), *args], env=env, check=check, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        return (time.monotonic() - began) * 1000
    with contextlib.ExitStack() as stack:
        live = [stack.enter_context(Agent(bench.scratch, f"context{n}")) for n in range(4)]
        for n, agent in enumerate(live):
            yijian("context", "add", f"live{n}", "--agent", agent.url())
        yijian("context", "add", "dead", "--agent", f"http://127.0.0.1:{free_port()}")

        def median(*args, check=True):
            return statistics.median(yijian(*args, check=check) for _ in range(10))
        seen = measure.interleave(bench.rounds, {
            "alone": lambda: max(median("status", "--context", f"live{n}") for n in range(4)),
            "all": lambda: median("status", "--all-contexts", check=False)})
    yield Row("yijian status of five contexts, one dead", seen["all"], 1.5, "ms", seen["alone"], "slowest")


ROWS = (platform_get, decision, writes, memory_idle, memory_busy, price_table,
        start, binaries, cli, contexts)
