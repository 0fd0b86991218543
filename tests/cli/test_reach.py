# SPDX-License-Identifier: MIT
"""What answers, where it is asked, and how soon a wait can be left."""
import http.server
import json
import os
import pty
import signal
import subprocess
import threading
import urllib.parse

import pytest

from command import YIJIAN, environment, yijian
from waiting import wait_for


class Told(http.server.BaseHTTPRequestHandler):
    """Answers every GET by its server's function, and remembers what it was asked."""
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers))
        body = self.server.answer(self)
        if body is None:
            return
        body = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(200)
        self.send_header("Content-Type", "application/json" if body[:1] in b"{[" else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def told():
    servers = []

    def make(answer):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
        server.answer, server.asked, server.left = answer, [], threading.Event()
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server
    yield make
    for server in servers:
        server.left.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("words", [["status"], ["health"], ["health", "--live"], ["key", "list"], ["key", "get", "key_x"],
                                   ["feature", "get", "chat"], ["route", "explain", "chat"], ["usage"]],
                         ids="-".join)
def test_an_empty_document_is_no_agents(told, words):
    server = told(lambda _: {})
    done = yijian(server.url, *words)
    assert done.returncode == 7, done.stdout + done.stderr
    assert server.url in done.stderr and "is not a yijian agent" in done.stderr and "hint: " in done.stderr


def test_a_list_is_all_its_pages(told):
    def page(request):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(request.path).query)
        at = int(query.get("cursor", ["0"])[0])
        answer = {"items": [{"id": f"key_{i}", "vendor": "v", "service": "s", "slug": f"n{i}"}
                            for i in range(at, at + 1000)], "total": 2500, "revision": 1}
        return answer | ({"next": str(at + 1000)} if at < 2000 else {})
    server = told(page)
    done = yijian(server.url, "key", "list", "-o", "json")
    document = json.loads(done.stdout)
    assert len(document["items"]) == 3000 and document["total"] == 2500 and "next" not in document
    assert len(server.asked) == 3
    assert len(yijian(server.url, "key", "list", "-o", "name").stdout.splitlines()) == 3000


def test_a_log_says_that_it_goes_on(told):
    server = told(lambda r: {"items": [{"id": f"c-{i}"} for i in range(100)], "total": 900, "revision": 1, "next": "x"})
    done = yijian(server.url, "change", "list")
    assert done.returncode == 0 and "more: --limit" in done.stderr
    assert len(done.stdout.splitlines()) == 101
    assert len(json.loads(yijian(server.url, "change", "list", "-n", "150", "-o", "json").stdout)["items"]) == 150


@pytest.mark.parametrize("words", [["key", "list"], ["traffic", "tail"], ["try", "chat", "x"], ["feature", "list", "--watch"]],
                         ids=lambda w: "-".join(w[:2]))
def test_an_interrupt_ends_a_wait_at_once(told, words):
    """The agent never answers: only the signal ends it."""
    server = told(lambda request: request.server.left.wait() and None)
    child = subprocess.Popen([YIJIAN, "--timeout", "10m", *words], env=environment(server.url),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: server.asked)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert child.returncode == 130


def test_an_address_of_an_answer_is_no_place_to_go(told, tmp_path):
    """Of a service's address the port is taken, the host is the agent's; its token stays with it."""
    other = told(lambda _: b"yijian_other 1\n")
    port = other.server_address[1]

    def answer(request):
        if request.path.startswith("/metrics"):
            return b"yijian_own 1\n"
        return {"items": [{"service": "api-gateway", "url": "http://192.0.2.1:9"},
                          {"service": "key-manager", "url": f"http://192.0.2.1:{port}"}], "total": 2, "revision": 1}
    server = told(answer)
    token = tmp_path / "token"
    token.write_text("yj_a_secret\n")
    done = yijian(server.url, "metrics", "list", "-o", "json", "--token-file", str(token))
    assert {row["name"] for row in json.loads(done.stdout)["items"]} == {"yijian_own", "yijian_other"}
    assert all(headers["Authorization"] for _, headers in server.asked)
    assert [headers["Authorization"] for _, headers in other.asked] == [None]


def test_who_asks_for_no_proxy_gets_none(told):
    """A name that only a proxy could find: with the user's NO_PROXY nobody asks it."""
    proxy = told(lambda _: b"from the proxy")
    env = {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url}
    url = "http://agent.invalid:1"
    assert yijian(url, "key", "list", env=env).returncode == 7
    assert len(proxy.asked) == 1
    for name in ("NO_PROXY", "no_proxy"):
        for said in ("agent.invalid", "other.invalid, agent.invalid", "*"):
            done = yijian(url, "key", "list", env={**env, name: said})
            assert done.returncode == 7 and "cannot reach" in done.stderr
    assert len(proxy.asked) == 1


def test_an_error_names_the_request(agent):
    done = yijian(agent, "feature", "get", "nothing", "-o", "json")
    assert done.returncode == 3
    told = json.loads(done.stderr.splitlines()[-1])["error"]
    assert told["request_id"] and told["request_id"] in done.stderr.splitlines()[-2]
    assert "request" not in yijian("http://127.0.0.1:1", "status").stderr.replace("yijian", "")


def test_a_terminal_narrows_by_weight(agent):
    """Until two columns are left, the state is one of them."""
    for cells in (200, 80, 40, 24):
        master, slave = pty.openpty()
        child = subprocess.Popen([YIJIAN, "route", "list", "--color", "never"], stdout=slave, stderr=slave,
                                 env=environment(agent.url(), {"COLUMNS": str(cells)}))
        os.close(slave)
        text = b""
        while True:
            try:
                piece = os.read(master, 65536)
            except OSError:
                break
            if not piece:
                break
            text += piece
        os.close(master)
        assert child.wait(60) == 0
        lines = text.decode().splitlines()
        assert all(len(line) <= cells for line in lines), (cells, lines)
        assert "STATE" in lines[0] and "NO_KEY" in lines[1], (cells, lines)
        assert ("columns: " in lines[-1]) == (cells < 80)


def test_letters_follow_the_charset(chat_agent):
    for env, ascii_only in (({"LC_ALL": "C"}, True), ({"LC_ALL": "zh_CN.none"}, False), ({"LC_ALL": "C.UTF-8"}, False)):
        done = yijian(chat_agent, "key", "list", env=env)
        assert done.stdout.isascii() == ascii_only, (env, done.stdout)
        assert ("sk-..." if ascii_only else "sk-\u2026") in done.stdout and "?" not in done.stdout
        assert "\u2026" in json.loads(yijian(chat_agent, "key", "list", "-o", "json", env=env).stdout)["items"][0][
            "api_key_masked"]
    said = yijian(chat_agent, "doctor", env={"LC_ALL": "zh_CN.none"}).stdout
    assert "not installed" in said


def test_a_wait_is_told_on_a_terminal_alone(told):
    """While nothing answers; the line goes again when something does."""
    server = told(lambda request: {"items": [], "total": 0, "revision": 1} if request.server.left.wait() else None)
    main, side = pty.openpty()
    child = subprocess.Popen([YIJIAN, "key", "list", "-o", "name"], env=environment(server.url),
                             stdout=subprocess.PIPE, stderr=side)
    os.close(side)
    said = b""
    while b"waiting for " + server.url.encode() not in said:
        said += os.read(main, 4096)
    server.left.set()
    assert child.communicate(timeout=60)[0] == b"" and child.returncode == 0
    os.close(main)
    assert yijian(server.url, "key", "list").stderr == ""
