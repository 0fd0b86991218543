# SPDX-License-Identifier: MIT
"""A stop while streams are under way: nobody new gets in, those who are in get to their end, and
who would take longer than the drain is told."""
import signal
import socket

import pytest

from http_engines import GATEWAY, TLS
from waiting import wait_for

CHAT = "/v1/chat/completions"
STREAM = {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]}
STREAMS = 50
BOTH = pytest.mark.parametrize("service", [GATEWAY, TLS])


def opened(agent, n):
    """Streams that have said something, each with the rest of its events."""
    streams = [agent.stream(CHAT, STREAM) for _ in range(n)]
    events = [stream.events() for stream in streams]
    for each in events:
        next(each)
    return streams, events


def told_to_stop(agent):
    agent.signal(signal.SIGTERM)
    wait_for(lambda: any(r["event"] == "stopping" for r in agent.log_records()), what="stopping")


def nobody_listens(agent):
    try:
        socket.create_connection(tuple(agent.address()), 30).close()
    except ConnectionRefusedError:
        return True
    return False


@BOTH
def test_streams_get_to_their_end(make_agent, make_vendord, service):
    agent, vendor = make_agent(), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url, capacity={"max_concurrency": 100})
    vendor.fault({"tokens": 60, "pace_ms": 50}, path="/v1/*")
    streams, events = opened(agent, STREAMS)
    told_to_stop(agent)
    wait_for(lambda: nobody_listens(agent), what="the port to close")
    assert [list(each)[-1] for each in events] == ["[DONE]"] * STREAMS
    for stream in streams:
        stream.close()
    agent.stop()
    assert vendor.stats()["streams"]["finished"] == STREAMS


@BOTH
def test_what_outlasts_the_drain_is_told(make_agent, make_vendord, service):
    agent, vendor = make_agent(env={"YIJIAN_DRAIN_S": "1"}), make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(vendor.url, capacity={"max_concurrency": 100})
    vendor.fault({"tokens": 100000, "pace_ms": 50}, path="/v1/*")
    streams, events = opened(agent, 5)
    told_to_stop(agent)
    ends = [list(each)[-1] for each in events]
    agent.stop()
    vendor.wait_stats(lambda s: s["streams"]["aborted"] == 5, what="the upstream's streams ended")
    for stream in streams:
        stream.close()
    assert [end["error"]["code"] for end in ends] == ["stream_interrupted"] * 5
