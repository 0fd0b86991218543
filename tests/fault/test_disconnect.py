# SPDX-License-Identifier: MIT
"""Callers that leave: the upstream is stopped each time (it bills as long as it talks), and nothing
of the request stays. 1,000 tries in mid-stream, 200 at the other moments; YIJIAN_DISCONNECTS says
how many at each."""
import asyncio
import json
import os
import socket
import struct

import pytest

from http_engines import TLS
from proc import anonymous_kib, descriptors
from waiting import wait_for

GW = "api-gateway"
TRIES = int(os.environ.get("YIJIAN_DISCONNECTS", "0"))
AT_ONCE = 50
# The rings of events and decisions fill meanwhile; what leaks at all the leak checker tells.
SLACK_KIB = 6 << 10 if not os.environ.get("YIJIAN_BUILD", "").endswith(("asan", "tsan")) else 1 << 20
FEW = 10  # connections of probes, and kept ones: not one per try
LONG = "vendord:tokens:5000;pace_ms:20"
# name: (members of the request, the fault of the upstream, events the caller reads before it goes)
MOMENTS = {
    "first_event": ({"stream": True, "user": LONG}, None, 1),
    "mid_stream": ({"stream": True, "user": "vendord:tokens:5000;pace_ms:20"}, None, 5),
    "before_the_first_event": ({"stream": True}, {"headers_then_hang": True}, 0),
    "before_the_answer": ({}, {"hang": True}, 0),
    "slow_answer": ({}, {"drip": 1}, 0),
}


async def leave(address, request, events, number, upstream_has_it):
    """One caller: asks, reads so many events (or waits for the upstream to have the request), goes;
    every other one with a reset."""
    reader, writer = await asyncio.open_connection(*address, ssl=getattr(address, "tls", None))
    writer.write(request)
    for _ in range(events):
        await reader.readuntil(b"data: ")
    if not events:
        await upstream_has_it()
    if number % 2:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                                   struct.pack("ii", 1, 0))
    writer.transport.abort()


async def leave_all(agent, vendor, body, events, tries):
    data = json.dumps(body).encode()
    request = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
               f"application/json\r\nContent-Length: {len(data)}\r\n\r\n").encode() + data
    for begin in range(0, tries, AT_ONCE):
        count = min(AT_ONCE, tries - begin)

        async def upstream_has_it():
            await asyncio.to_thread(vendor.wait_stats, lambda s: s["in_flight"] >= count)
        arrived = asyncio.ensure_future(upstream_has_it()) if not events else None
        await asyncio.gather(*(leave(agent.address(), request, events, number,
                                     lambda: asyncio.shield(arrived)) for number in range(count)))
        # Seen by every one of them before the next come, or the next would be taken for these.
        await asyncio.to_thread(vendor.wait_stats, lambda s: s["in_flight"] == 0)


def given_up(stats):
    return stats["aborted"] + stats["streams"]["aborted"]


def quiet(agent):
    text = agent.get(GW, "/metrics").body.decode()
    return "yijian_gateway_inflight_requests 0\n" in text


def inflight(agent):
    """Of every candidate and target the live table knows."""
    def walk(value):
        if isinstance(value, dict):
            yield from (member for name, member in value.items() if name == "inflight")
            value = list(value.values())
        if isinstance(value, list):
            for member in value:
                yield from walk(member)
    return list(walk(agent.get("router-engine", "/api/v1/routes/chat").body))


@pytest.mark.parametrize("service", [GW, TLS])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_caller_that_leaves_stops_the_upstream(make_agent, make_vendord, moment, service):
    tries = TRIES or (1000 if moment == "mid_stream" and service is not TLS else 200)
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    # Fifty streams of a chunk a millisecond leave a small machine no time for probes.
    agent.add_instance(vendor.url, capacity={"max_concurrency": 1000},
                       check={"interval_s": 3600, "fall": 100})
    answer = agent.request("config-center", "PATCH", "/api/v1/features/chat", {
        "timeouts": {"first_byte_ms": 120000, "idle_ms": 120000, "total_ms": 600000}})
    assert answer.status == 200, answer
    members, fault, events = MOMENTS[moment]
    body = {"model": "chat", "messages": [{"role": "user", "content": "x"}], **members}
    if fault:
        vendor.fault(fault, path="/v1/chat/*")
    asyncio.run(leave_all(agent, vendor, body, events, 2 * AT_ONCE))  # fills pools and buffers once
    wait_for(lambda: quiet(agent), what="no request under way")
    before = descriptors(agent.pid), anonymous_kib(agent.pid)
    vendor.clear_stats()
    asyncio.run(leave_all(agent, vendor, body, events, tries))
    stats = vendor.wait_stats(lambda s: given_up(s) >= tries, what=f"{tries} given up")
    assert given_up(stats) == stats["by_path"]["/v1/chat/completions"] == tries
    assert stats["streams"]["finished"] == 0
    wait_for(lambda: quiet(agent), what="no request under way")
    assert set(inflight(agent)) == {0}
    wait_for(lambda: descriptors(agent.pid) <= before[0] + FEW, what="descriptors given back")
    assert anonymous_kib(agent.pid) - before[1] < SLACK_KIB
    text = agent.get(GW, "/metrics").body.decode()
    assert f'yijian_gateway_client_gone_total{{feature="chat"}} {tries + 2 * AT_ONCE}\n' in text
    vendor.faults([])
    assert agent.chat().status == 200, "a caller that left says nothing about the upstream"
