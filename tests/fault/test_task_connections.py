# SPDX-License-Identifier: MIT
"""Image tasks and kept connections: what is asked about a task and meets one that its upstream just
closed is asked again on a fresh connection; a submit has one of its own and is sent once."""
import http.server
import json
import pathlib
import threading
import time

import pytest

from waiting import wait_for

GW = "api-gateway"
IMAGES = "/v1/images/generations"
ASYNC = {"Prefer": "respond-async"}


class Closing(http.server.BaseHTTPRequestHandler):
    """Plays DashScope. A cancel that comes on a connection that was used before meets its end."""
    protocol_version = "HTTP/1.1"
    after_s = 0
    seen = []  # (what, how many came before it on its connection)

    def setup(self):
        super().setup()
        self.before = 0

    def answer(self, document, status=200):
        body = json.dumps({"request_id": "r", **document}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def noted(self):
        what = {"GET": "poll"}.get(self.command, "cancel" if self.path.endswith("/cancel") else "submit")
        self.seen.append((what, self.before))
        self.before += 1
        return what

    def do_GET(self):
        self.noted()
        self.answer({"output": {"task_id": "t1", "task_status": "PENDING"}})

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        used = self.before > 0
        if self.noted() == "cancel" and used:
            time.sleep(self.after_s)  # a crossing takes no longer than a tenth of a second
            self.close_connection = True
        else:
            self.answer({"output": {"task_id": "t1", "task_status": "PENDING"}})

    def log_message(self, *_):
        pass


@pytest.fixture
def closing():
    kind = type("Closing", (Closing,), {"seen": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kind.url = f"http://127.0.0.1:{server.server_port}"
    yield kind
    server.shutdown()
    server.server_close()


def polled(agent, closing):
    """A task whose polls go over a kept connection."""
    agent.add_key(closing.url, vendor="aliyun", service="wanx", key_name="wanx", limits={"rpm": 60000, "concurrency": 8})
    answer = agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": "a cat"}, headers=ASYNC)
    assert answer.status == 202, answer
    wait_for(lambda: [s for s in closing.seen if s[0] == "poll" and s[1] > 0], what="a second poll")
    return answer.body["id"]


def came(closing, what):
    return [before for kind, before in closing.seen if kind == what]


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


def test_what_met_the_end_of_a_connection_is_asked_again(agent, closing):
    id = polled(agent, closing)
    answer = agent.request(GW, "DELETE", f"/api/v1/tasks/{id}")
    assert (answer.status, answer.body["state"]) == (200, "canceled"), answer
    first, again = came(closing, "cancel")
    assert first > 0 and again == 0, "once more, on a fresh connection"
    assert came(closing, "submit") == [0], "one, and on a connection of its own"


def test_what_the_upstream_had_time_to_work_on_is_not(agent, closing):
    closing.after_s = 0.3
    id = polled(agent, closing)
    answer = agent.request(GW, "DELETE", f"/api/v1/tasks/{id}")
    assert (answer.status, answer.error) == (409, "not_cancelable"), answer
    assert len(came(closing, "cancel")) == 1
    doc = agent.get(GW, f"/api/v1/tasks/{id}").body
    assert (doc["state"], doc["attempts"]) == ("running", 1), "it is asked for on"


def test_submits_meet_no_kept_connection(agent, closing):
    """What was sent on one could have been worked on before it ended: nobody could tell."""
    polled(agent, closing)
    for i in range(3):
        assert agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": f"p{i}"}, headers=ASYNC).status == 202
    wait_for(lambda: len(came(closing, "submit")) == 4, what="their submits")
    assert came(closing, "submit") == [0] * 4


def test_submits_leave_no_heap_of_connections(agent, vendord):
    """Each has a connection of its own; one of them is kept for what may come."""
    agent.add_key(vendord.base_url, vendor="openai", service="dalle")

    def paint(n):
        for _ in range(n):
            assert agent.post(GW, IMAGES, {"model": "text_to_image", "prompt": "a cat"}).status == 200

    def open_now():
        return len(list(pathlib.Path(f"/proc/{agent.pid}/fd").iterdir()))
    paint(3)
    before = open_now()
    paint(60)
    assert open_now() < before + 20
