# SPDX-License-Identifier: MIT
"""Rows of the model traffic: CPU beside peers, latency, overload, a database that is lost."""
import contextlib
import json
import os
import pathlib
import statistics
import subprocess

import instructions
import measure
from peers import Agent, HAProxy, LiteLLM, Nginx, Portkey
from table import Row

CHAT = "/v1/chat/completions"
JSON_REQUESTS = 20000
SSE_STREAMS = 100
RATE = 1000
CROWD = 2560
CROWD_S = 5
LOSS_RATE, LOSS_S = 2000, 6


def chat_body(bench, name, size, shape, **more):
    """A chat request of exactly this size, padded in its prompt; shape is the vendor's answer."""
    document = {"model": "chat", **more, "user": f"vendord:{shape}",
                "messages": [{"role": "user", "content": "hello "}]}
    document["messages"][0]["content"] += "x" * (size - len(json.dumps(document)))
    path = pathlib.Path(bench.scratch) / f"{name}.json"
    path.write_text(json.dumps(document))
    return path


@contextlib.contextmanager
def events_reader(agent):
    """Somebody who reads the event stream all the while."""
    reader = subprocess.Popen(
        ["curl", "-skN", "-o", os.devnull, agent.url() + "/api/v1/events?stream=1"])
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


def cpu_beside(bench, peers, body, requests, connections, count, agent=None, over_tls=False):
    """{name: [CPU per counted thing, one a round]} of ours and of the peers, in turns."""
    def measured(peer):
        run = lambda n: measure.load(peer.port, CHAT, n, connections, body, headers=peer.headers,
                                     over_tls=over_tls)
        run(max(connections, requests // 10))
        return lambda: measure.cpu_per(peer.pid, count, lambda: run(requests))
    return measure.rounds(bench.rounds, {
        name: measured(peer) for name, peer in {**peers, "ours": agent or bench.agent}.items()})


def beside_proxies(bench, what, bar, body, requests, connections, count, buffering="on",
                   worst=None):
    """The row with nginx as its bar, and HAProxy for comparison. worst: the bar of each round."""
    with contextlib.ExitStack() as stack:
        peers = {"nginx": stack.enter_context(
            Nginx(bench.scratch, bench.vendor.port, buffering))}
        if HAProxy.binary():
            peers["HAProxy"] = stack.enter_context(HAProxy(bench.scratch, bench.vendor.port))
        every = cpu_beside(bench, peers, body, requests, connections, count)
    seen = {name: statistics.median(values) for name, values in every.items()}
    ratios = [ours / nginx for ours, nginx in zip(every["ours"], every["nginx"])]
    yield Row(what, seen["ours"], bar, "us", seen["nginx"], "nginx",
              note=f"rounds {min(ratios):.2f}-{max(ratios):.2f}")
    if worst:
        yield Row(f"  the worst of {len(ratios)} rounds, x nginx", max(ratios), worst, "")
    if "HAProxy" in seen:
        yield Row("  beside HAProxy", seen["ours"], None, "us", seen["HAProxy"], "HAProxy")
    else:
        yield "  beside HAProxy: not measured: haproxy is not installed"


def json_small(bench):
    body = chat_body(bench, "small", 250, "tokens:2;bytes:500")
    yield from beside_proxies(bench, "JSON chat 250 B -> 500 B, CPU per request", 1.3, body,
                              JSON_REQUESTS, 32, lambda r: r["requests"], worst=1.4)


def counted(bench):
    """User-space instructions a JSON request takes, all features on, beside nginx."""
    if not instructions.available():
        yield "instructions per JSON chat, 250 B -> 500 B: not measured: valgrind is not installed"
        return
    body = chat_body(bench, "counted", 250, "tokens:2;bytes:500")

    def measured(peer):
        return instructions.per_request(peer, lambda n: measure.load(
            peer.port, CHAT, n, instructions.CONNECTIONS, body, headers=peer.headers))

    with instructions.watch(Agent(bench.scratch, "counted", YIJIAN_QUEUE_MAX_MS="0")) as agent:
        agent.add_key(bench.vendor.base_url)
        agent.add_client()
        with events_reader(agent):
            ours = measured(agent)
    with instructions.watch(Nginx(bench.scratch, bench.vendor.port, more="master_process off;")
                            ) as nginx:
        theirs = measured(nginx)
    yield Row("instructions per JSON chat, 250 B -> 500 B", ours, 36000, "",
              note=f"nginx {theirs:.0f}, {ours / theirs:.2f} times")


def json_large(bench):
    body = chat_body(bench, "large", 10240, "bytes:10240")
    yield from beside_proxies(bench, "JSON chat 10 KB -> 10 KB, CPU per request", 1.4, body,
                              JSON_REQUESTS // 2, 32, lambda r: r["requests"])


def sse(bench):
    body = chat_body(bench, "sse", 250, "tokens:200;pace_ms:10", stream=True)
    yield from beside_proxies(bench, "SSE, CPU per relayed chunk, 100 streams", 1.1, body,
                              SSE_STREAMS * 3, SSE_STREAMS, lambda r: r["events"], "off")


def sse_short(bench):
    """Streams that end soon, each followed by another on its connection."""
    body = chat_body(bench, "short", 250, "tokens:100;pace_ms:5", stream=True)
    yield from beside_proxies(bench, "SSE, streams of 100 chunks, a new one for each", 1.1, body,
                              SSE_STREAMS * 10, SSE_STREAMS, lambda r: r["events"], "off")


def gateways(bench):
    """Other LLM gateways: no bar, for the reader."""
    body = chat_body(bench, "other", 250, "tokens:2;bytes:500")
    ours = measure.cpu_per(bench.agent.pid, lambda r: r["requests"], lambda: measure.load(
        bench.agent.port, CHAT, JSON_REQUESTS, 32, body, headers=bench.agent.headers))
    for name, kind, requests in (("Portkey", Portkey, 3000), ("LiteLLM", LiteLLM, 600)):
        try:
            with kind(bench.scratch, bench.vendor.port) as peer:
                run = lambda n: measure.load(peer.port, CHAT, n, 16, body, headers=peer.headers)
                run(requests // 3)
                theirs = measure.cpu_per(peer.pid, lambda r: r["requests"], lambda: run(requests))
            yield Row(f"  JSON chat beside {name}", ours, None, "us", theirs, name)
        except (AssertionError, RuntimeError, OSError, subprocess.SubprocessError) as why:
            yield f"  JSON chat beside {name}: not measured: {str(why).splitlines()[0]}"


def latency(bench):
    body = chat_body(bench, "rate", 250, "tokens:2;bytes:500")
    with Nginx(bench.scratch, bench.vendor.port) as nginx:
        who = {"direct": (bench.vendor.port, ()), "nginx": (nginx.port, ()),
               "ours": (bench.agent.port, bench.agent.headers)}
        runs = {name: [] for name in who}
        for _ in range(bench.rounds):
            for name, (port, headers) in who.items():
                runs[name].append(measure.load(port, CHAT, RATE * 3, 64, body, RATE, headers))
    median = lambda name, key: statistics.median(r[key] for r in runs[name]) / 1000
    for key, bar in (("p50_us", 0.12), ("p99_us", 0.5)):
        direct = median("direct", key)
        yield Row(f"added latency at {RATE} req/s from due time, {key[:3]}",
                  median("ours", key) - direct, bar, "ms",
                  note=f"direct {direct:.3f} ms, nginx adds {median('nginx', key) - direct:.3f}")


def overload(bench):
    body = chat_body(bench, "crowd", 250, "tokens:2;bytes:500")
    run = lambda connections, polite: measure.load(
        bench.agent.port, CHAT, 1000000, connections, body, headers=bench.agent.headers,
        seconds=CROWD_S, may_fail=True, polite=polite)
    run(CROWD, True)  # as everywhere: connections are opened before it counts
    runs = {"calm": [], "polite": [], "rude": []}
    for _ in range(max(bench.rounds // 2, 1)):
        runs["calm"].append(run(64, False))
        runs["polite"].append(run(CROWD, True))
        runs["rude"].append(run(CROWD, False))
    middle = lambda who, of: statistics.median(of(r) for r in runs[who])
    good = lambda r: (r["requests"] - r["shed"] - r["errors"]) / r["wall_s"]
    for who, what in (("polite", "who heed Retry-After"), ("rude", "who come back at once")):
        shed = sum(r["shed"] for r in runs[who])
        yield Row(f"goodput, {CROWD} callers {what}", middle(who, good), 0.8, "/s",
                  middle("calm", good), "64 callers", at_least=True)
        yield Row("  answered neither well nor with a 503",
                  max(r["errors"] + r["missing"] for r in runs[who]), 0, "")
        yield Row("  time to a 503, p99", middle(who, lambda r: r["shed_p99_us"]) / 1000, 50, "ms",
                  note=f"{shed} shed of {sum(r['requests'] for r in runs[who])}")


def has_served(agent):
    lines = agent.get("api-gateway", "/metrics").body.decode().splitlines()
    return any(line.startswith("yijian_gateway_requests_total") and not line.endswith(" 0")
               for line in lines)


def store_loss(bench):
    """The database is deleted in the middle of traffic; no call may notice."""
    body = chat_body(bench, "loss", 250, "tokens:2;bytes:500")
    with Agent(bench.scratch, "loss") as agent:
        agent.add_key(bench.vendor.base_url)
        agent.add_client()
        command = [measure.BIN / "load", "-n", LOSS_RATE * LOSS_S, "-r", LOSS_RATE, "-c", 64,
                   "-d", body, "-H", agent.headers[0], f"127.0.0.1:{agent.port}", CHAT]
        load = subprocess.Popen([str(part) for part in command], text=True,
                                stdout=subprocess.PIPE)
        agent.wait("traffic", lambda: has_served(agent))
        for path in agent.state_dir.glob("yijian.db*"):
            path.unlink()
        write = agent.post("key-manager", "/api/v1/keys", {
            "vendor": "openai", "service": "gpt-4", "key_name": "late", "api_key": "sk-late-000001"})
        result = json.loads(load.communicate(timeout=120)[0])
        assert write.status == 503, f"a write without a database was answered {write.status}"
    yield Row(f"calls failed of {result['requests']}, database deleted under load",
              result["errors"] + result["missing"], 0, "")


ROWS = (json_small, counted, json_large, sse, sse_short, latency, overload, store_loss, gateways)
