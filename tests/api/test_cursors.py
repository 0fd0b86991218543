# SPDX-License-Identifier: MIT
"""A place in a list or a stream is told apart from one of another life, at once."""
import itertools
import os
import subprocess

import http_call
import pytest
from process import BUILD

GW, CONFIG, KEYS = "api-gateway", "config-center", "key-manager"
EVENTS = "/api/v1/events"
SOON = 10  # less than a watch waits, and than a stream is silent between keep-alives


def watch(agent, since, wait="60s", **more):
    query = "&".join(f"{k}={v}" for k, v in {"since": since, "wait": wait, **more}.items())
    answer = agent.get(CONFIG, f"/api/v1/watch?{query}", timeout=SOON)
    assert answer.status == 200, answer
    return answer.body


def make_event(agent, id="gpu0"):
    agent.add_instance("http://127.0.0.1:9", service="sim", id=id, ttl_s=600)


def test_a_watch_that_is_ahead_is_told_at_once(agent):
    now = watch(agent, 0)["revision"]
    ahead = watch(agent, now + 1000)
    assert (ahead["revision"], ahead["changed"], ahead["reset"]) == (now, True, True)
    assert "reset" not in watch(agent, now, "0s")
    behind = watch(agent, now - 1)
    assert behind["changed"] is True and "reset" not in behind


def test_a_watch_of_another_life_is_told_at_once(agent):
    first = watch(agent, 0)
    same = watch(agent, first["revision"], "0s", lineage=first["lineage"])
    assert same["changed"] is False and "reset" not in same
    agent.restart()
    again = watch(agent, first["revision"], lineage=first["lineage"])
    assert (again["changed"], again["reset"]) == (True, True)
    assert again["lineage"] != first["lineage"]


@pytest.mark.parametrize("ahead", [1, 10**6, 2**62])
def test_events_ahead_are_reset(agent, ahead):
    make_event(agent)
    head = agent.get(GW, EVENTS).body["next"]
    page = agent.get(GW, f"{EVENTS}?kinds=config&since={head + ahead}").body
    assert page["reset"] is True and page["next"] >= head
    assert [i["object"] for i in page["items"] if i["action"] == "register"] == ["sim/gpu0"]
    with http_call.Stream(agent.address(), "GET", f"{EVENTS}?stream=1&since={head + ahead}",
                          headers={}, timeout=SOON) as stream:
        assert next(stream.events())["reset"] is True


def test_events_of_another_life_are_reset(agent):
    make_event(agent, "before")
    old = agent.get(GW, EVENTS).body["next"]
    assert agent.get(GW, f"{EVENTS}?since={old}").body["reset"] is False
    agent.restart()
    make_event(agent, "after")
    for i in range(20):  # more than there were before
        make_event(agent, f"more{i}")
    page = agent.get(GW, f"{EVENTS}?kinds=config&since={old}").body
    assert page["reset"] is True, "it says nothing of what this life's numbers stand for"
    assert page["items"][0]["object"] == "sim/after", "nothing of this life is passed over"
    again = agent.get(GW, f"{EVENTS}?kinds=config&since={page['next']}").body
    assert again["reset"] is False and not again["items"]


def frames(agent, query="", last=None):
    """(id, event name, data) of each frame of a stream."""
    headers = {"Accept": "text/event-stream", **({"Last-Event-ID": str(last)} if last else {})}
    connection = http_call.Stream(agent.address(), "GET", EVENTS + query, headers=headers,
                                  timeout=SOON)
    frame = {}
    with connection:
        for line in connection.response:
            name, _, value = line.decode().rstrip("\r\n").partition(": ")
            if line.strip():
                frame[name] = value
            else:
                yield frame.get("id"), frame.get("event"), frame.get("data")
                frame = {}


def first(agent, event, **more):
    return next(f for f in frames(agent, **more) if f[1] == event)


def test_a_stream_goes_on_where_its_reader_was(agent):
    for i in range(3):
        make_event(agent, f"gpu{i}")
    seen = list(itertools.islice((f for f in frames(agent, "?since=0&kinds=config") if f[1]), 3))
    assert all(f'"seq":{id}' in data for id, _, data in seen), "its id is its cursor"
    # As a browser does: the URL it began with, and the last id.
    id, _, data = first(agent, "config", query="?since=0&kinds=config", last=seen[0][0])
    assert id == seen[1][0] and data == seen[1][2]


@pytest.mark.parametrize("last", ["nonsense", "99999999999999999", "3"])
def test_a_reader_of_another_life_is_told(agent, last):
    make_event(agent)
    id, name, data = next(f for f in frames(agent, last=last) if f[1])
    assert name == "reset" and '"reset":true' in data and id
    assert first(agent, "config", last=id)[2].find("sim/gpu0") > 0, "and goes on from there"


@pytest.mark.parametrize("service, path", [(KEYS, "/api/v1/audit"), (CONFIG, "/api/v1/changes")])
def test_pages_lead_on_or_say_that_they_do_not(agent, service, path):
    for i in range(5):
        make_event(agent, f"gpu{i}")
    whole = agent.get(service, path).body["items"]
    page = agent.get(service, f"{path}?limit=2").body
    found = page["items"]
    while page.get("next"):
        page = agent.get(service, f"{path}?limit=2&cursor={page['next']}").body
        found += page["items"]
    assert found == whole
    cursor = agent.get(service, f"{path}?limit=2").body["next"]
    number, _, mark = cursor.partition(".")
    for bad in (f"{number}.{int(mark) + 1}", f"{int(number) + 1000}.{mark}", number, "0.0", "x", "1"):
        answer = agent.get(service, f"{path}?limit=2&cursor={bad}")
        assert (answer.status, answer.error) == (400, "cursor_invalid"), bad


def test_a_cursor_of_another_list_is_told(agent):
    """Though both rows of a change have the same number and the same time."""
    make_event(agent)
    lists = (KEYS, "/api/v1/audit"), (CONFIG, "/api/v1/changes")
    cursors = [agent.get(service, f"{path}?limit=1").body["next"] for service, path in lists]
    for (service, path), cursor in zip(lists, reversed(cursors), strict=True):
        answer = agent.get(service, f"{path}?limit=1&cursor={cursor}")
        assert (answer.status, answer.error) == (400, "cursor_invalid"), path


def test_a_page_of_tasks_of_another_life_is_told(agent):
    answer = agent.get(GW, "/api/v1/tasks?cursor=7.1700000000000")
    assert (answer.status, answer.error) == (400, "cursor_invalid")


def test_a_page_of_usage_behind_the_end_is_told(agent):
    answer = agent.get(GW, "/api/v1/usage?by=feature&cursor=50")
    assert (answer.status, answer.error) == (400, "cursor_invalid")


def test_the_console_says_what_was_missed(agent):
    old = agent.get(GW, EVENTS).body["next"]
    agent.restart()
    make_event(agent)
    shown = subprocess.run([BUILD / "yijian", "traffic", "list", "--since", str(old), "--agent",
                            agent.url()], capture_output=True, text=True,
                           env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert shown.returncode == 0 and "started anew" in shown.stderr, shown
