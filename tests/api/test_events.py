# SPDX-License-Identifier: MIT
"""The event ring: as a list, as a stream, by kind, from a cursor."""
import http_call

GW = "api-gateway"
EVENTS = "/api/v1/events"


def make_event(agent, n=1):
    """Config events: registrations."""
    for i in range(n):
        agent.add_instance("http://127.0.0.1:9", service="sim", id=f"gpu{i}", ttl_s=600)


def stream(agent, query="", accept="text/event-stream"):
    return http_call.Stream(agent.address(), "GET", EVENTS + query, headers={"Accept": accept})


def test_list_and_cursor(agent):
    make_event(agent, 3)
    page = agent.get(GW, EVENTS + "?kinds=config&since=0").body
    assert [item["object"] for item in page["items"] if item["action"] == "register"] == [
        "sim/gpu0", "sim/gpu1", "sim/gpu2"]
    assert all(item["kind"] == "config" and item["seq"] and item["at"] for item in page["items"])
    assert page["lost"] == 0
    assert agent.get(GW, EVENTS + f"?kinds=config&since={page['next']}").body["items"] == []
    newest = agent.get(GW, EVENTS + "?kinds=config&limit=1").body["items"]
    assert [item["object"] for item in newest] == ["sim/gpu2"]


def test_bad_queries(agent):
    for query in ("?limit=0", "?limit=100000", "?since=-1"):
        answer = agent.get(GW, EVENTS + query)
        assert (answer.status, answer.error) == (422, "field_range"), query
    for query in ("?kinds=weather", "?since=x"):
        answer = agent.get(GW, EVENTS + query)
        assert (answer.status, answer.error) == (400, "param_invalid"), query


def test_stream_tells_what_happens(agent):
    with stream(agent, "?kinds=config") as events:
        assert events.status == 200
        assert events.headers["Content-Type"].startswith("text/event-stream")
        make_event(agent)
        event = next(e for e in events.events() if e.get("action") == "register")
        assert event["object"] == "sim/gpu0" and event["kind"] == "config"


def test_stream_from_a_cursor_and_by_query(agent):
    make_event(agent, 2)
    with stream(agent, "?since=0&kinds=config&stream=1", accept="*/*") as events:
        found = []
        for event in events.events():
            if event.get("action") == "register":
                found.append(event["object"])
            if len(found) == 2:
                break
        assert found == ["sim/gpu0", "sim/gpu1"]


def test_traffic_events(chat_agent):
    with stream(chat_agent, "?kinds=traffic") as events:
        assert chat_agent.chat().status == 200
        event = next(events.events())
        assert event["kind"] == "traffic" and event["feature"] == "chat"
        assert event["status"] == 200 and event["target"].startswith("openai/gpt-4#")
        assert "hello" not in str(event)


def test_streams_do_not_hold_up_a_stop(agent):
    with stream(agent) as events:
        assert events.status == 200
        agent.stop()


def test_a_reader_that_left_is_forgotten(agent):
    for _ in range(20):
        with stream(agent) as events:
            assert events.status == 200
    make_event(agent)
    assert agent.alive()
