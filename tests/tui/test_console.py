# SPDX-License-Identifier: MIT
"""The full-screen console against a real agent, under tmux and on a bare pty."""
import fcntl
import os
import pathlib
import pty
import select
import signal
import socket
import struct
import termios
import time
import unicodedata

import pytest

import memory
from waiting import wait_for

from process import BUILD

SECRET = "sk-simulated-never-on-a-screen"


def cells(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


@pytest.fixture
def platform(chat_agent, vendord):
    chat_agent.add_instance(vendord.url, display_name="文生图-B")
    return chat_agent


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (40, 12)])
def test_views(screen, platform, size):
    s = screen(platform.url(), size=size)
    s.wait("LIVE", "Dashboard", "req/s")
    for key, words in {"2": ("Routes", "chat"), "3": ("Keys", "openai/dalle"),
                       "4": ("Services", "api-gateway"), "5": ("Metrics", "rate"),
                       "6": ("Traffic",), "7": ("Alerts",)}.items():
        s.keys(key)
        text = s.wait(*words)
        assert all(cells(line) <= size[0] for line in text.splitlines())


def test_the_terminal_knows_its_size_better_than_the_environment(screen, platform):
    """Readline leaves LINES and COLUMNS behind for whatever its program starts."""
    s = screen(platform.url(), size=(60, 18), env={"LINES": "24", "COLUMNS": "80"})
    text = s.wait("LIVE", "Dashboard", "req/s", "1-9 view")
    assert text.splitlines()[-1].startswith(" 1-9 view"), "the last of its 18 lines"


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (40, 12)])
def test_refused_callers_are_on_the_first_screen(screen, platform, size):
    assert platform.post("key-manager", "/api/v1/clients", {"name": "shop"}).status == 201
    s = screen(platform.url(), size=size)
    assert "refused" not in s.wait("LIVE", "req/s")
    assert platform.chat().status == 401
    s.wait("refused", "401 no key")
    s.keys("6")
    s.wait("Traffic", "401", *(["key_missing"] if size[0] > 40 else []))


@pytest.mark.parametrize("size", [(100, 30), (40, 12), (20, 6)])
def test_why_it_is_degraded_is_on_the_first_screen(screen, platform, size):
    s = screen(platform.url(), size=size)
    assert "degraded" not in s.wait("LIVE", "req/s")
    database = platform.state_dir / "yijian.db"
    database.rename(database.with_name("elsewhere.db"))
    key = {"vendor": "openai", "service": "gpt-4", "key_name": "late", "api_key": SECRET}
    assert platform.post("key-manager", "/api/v1/keys", key).status == 503
    s.wait("! store degraded" if size[0] > 20 else "! store", *["the database file"][:size[0] >= 40])


@pytest.mark.parametrize("size", [(60, 18), (40, 12), (20, 6)])
def test_what_has_no_room_is_left_out(screen, platform, size):
    """No heading over the hint line, none without a row below it, none cut."""
    assert platform.post("key-manager", "/api/v1/clients", {"name": "shop"}).status == 201
    assert platform.chat().status == 401
    s = screen(platform.url(), size=size)
    rows = s.wait("LIVE", "! refused").rstrip("\n").split("\n")
    body, below = rows[:size[1] - 3], rows[size[1] - 3:]
    assert "SERVICES" not in "".join(below) and "ROUTES" not in "".join(below), rows
    for at, row in enumerate(body):
        if "2 ROUTES" in row or "4 SERVICES" in row:
            assert "…" not in row and body[at + 1].strip(" -"), rows
    assert size[0] < 40 or "3/3" in "".join(body) or "1/1" in "".join(body), rows


def test_unpriced_requests_are_told_in_whole(screen, platform):
    removed = {"remove": ["openai/gpt-5.4-mini"]}  # of the chat feature's first target
    assert platform.post("key-manager", "/api/v1/prices", removed).status == 200
    assert platform.chat().status == 200
    s = screen(platform.url(), size=(80, 24))
    assert "…" not in s.wait("LIVE", "9 TODAY", "at an unknown price: 1")


def test_wide_characters_stay_in_line(screen, platform):
    s = screen(platform.url(), size=(100, 30))
    s.keys("4")
    lines = s.wait("文生图-B", "NAME").splitlines()
    head = next(line for line in lines if " NAME" in line)
    row = next(line for line in lines if "文生图-B" in line)
    assert cells(head.split("NAME")[0]) == cells(row.split("文生图-B")[0])


def test_filter_help_and_prompt(screen, platform):
    s = screen(platform.url())
    s.keys("3")
    s.wait("openai/gpt-4/chat")
    s.keys("/")
    s.type("dalle")
    s.keys("Enter")
    assert "gpt-4" not in s.wait("/dalle  1")
    s.keys("?")
    s.wait("delete (type the name)")
    s.keys("q", ":")
    s.type("routes")
    s.keys("Enter")
    s.wait("WEIGHT")


def test_small_screens_keep_what_matters(screen, platform):
    s = screen(platform.url(), size=(40, 12))
    s.keys("2")
    s.wait("TARGET", "STATE", "P95", "OK")
    s.keys("3")
    s.wait("openai/dalle/im", "STATE", "unknown")


def test_views_beyond_the_digits_are_named(screen, platform):
    made = platform.post("key-manager", "/api/v1/clients", {"name": "web app"})
    assert made.status == 201
    s = screen(platform.url())
    for name, words in {"clients": ("web app", "active"), "features": ("chat.completions",),
                        "prices": ("per million", "gpt-4"), "audit": ("create", "web app")}.items():
        s.keys("0")
        s.wait("dashboard", "usage")
        s.type(name)
        s.keys("Enter")
        s.wait(*words)


def test_usage_is_told_apart_by_what_is_asked(screen, platform):
    assert platform.chat().status == 200
    s = screen(platform.url())
    s.keys("9")
    s.wait("Usage", "chat", "REQUESTS")
    s.keys("v")
    s.wait("self/simulated-vllm")
    s.keys("v")
    s.wait("local")


def test_the_sheet_scrolls_and_unfolds(screen, platform):
    s = screen(platform.url(), size=(80, 16))
    s.keys("3")
    s.wait("openai/dalle/images")
    s.keys("Enter")
    s.wait("api_key_masked")
    s.keys("G")
    text = s.wait("requests")
    assert "api_key_masked" not in text
    s.keys("g")
    s.wait("api_key_masked")


def test_charts_change_their_style(screen, platform):
    s = screen(platform.url())
    s.keys("5")
    s.wait("TREND", "rate")
    s.keys("Enter")
    s.wait("Metrics > rate", "unit")
    s.keys("b", "b", "q")
    s.wait("TREND")


def test_explain(screen, platform):
    s = screen(platform.url())
    s.keys("2")
    s.wait("openai/gpt-4#chat")
    s.keys("e")
    s.wait("nothing is billed", "candidates", "chosen")


def test_change_shows_its_command_and_asks(screen, platform):
    s = screen(platform.url())
    s.keys("3")
    s.wait("openai/dalle/images")
    s.keys("x")
    s.wait("yijian key disable", "y/N")
    s.keys("y")
    s.wait("disabled")
    s.keys("D")
    s.wait("yijian key delete", "type ")
    s.keys("Escape")
    assert platform.get("key-manager", "/api/v1/keys").body["total"] == 3


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (40, 12)])
def test_the_way_out_is_on_every_screen(screen, platform, size):
    s = screen(platform.url(), size=size)
    for view in "123456789":
        s.keys(view)
        hints = s.wait("? help  q quit").rstrip().splitlines()[-1]
        assert "…" not in hints, "a hint that is cut tells nothing"


def test_help_scrolls(screen, platform):
    s = screen(platform.url(), size=(40, 12))
    s.keys("3")
    s.wait("openai")
    s.keys("?")
    s.wait("more v")
    s.keys("G")
    last = s.wait("out of the console")
    assert "more v" not in last
    s.keys("g")
    s.wait("more v")


def test_a_dumb_terminal_is_told_what_to_do(screen, platform, tmp_path):
    said = tmp_path / "said"
    s = screen(platform.url(), env={"PROGRAM": str(BUILD / "yijian"), "SAID": str(said)},
               program='sh -c \'TERM=dumb "$PROGRAM" console 2>"$SAID"; echo "rc $?" >>"$SAID"\'')
    wait_for(lambda: said.exists() and "rc 2" in said.read_text(), what="the console to refuse")
    assert "yijian status" in said.read_text()
    s.close()


def test_read_only_has_no_changes(screen, platform):
    s = screen(platform.url(), args=["--read-only"])
    s.keys("3")
    s.wait("[RO]", "openai/dalle")
    s.keys("?")
    assert "delete" not in s.wait("this help")


def test_wizard_stores_a_key_and_hides_it(screen, platform):
    s = screen(platform.url())
    s.wait("LIVE")
    s.keys("W")
    s.wait("Nothing has been changed yet", "openai/dalle")
    s.keys("Enter")
    s.type(SECRET)
    text = s.wait("%d characters" % len(SECRET))
    assert SECRET not in text
    s.keys("Enter")
    s.wait("not stored yet")
    s.keys("C-n")
    s.wait("key_name *", "test and save", "limits.rpm")  # not without a name
    s.type("screen key")
    s.keys("Down", "Down", "Right", "C-n")
    s.wait("t test", "secondary")
    s.keys("s")
    assert SECRET not in s.wait("the key is stored", "openai/dalle/screen-key", "secondary")


def console_pid(s):
    """The console itself: tmux may have put a shell before it."""
    pid = int(s.tmux("display-message", "-p", "#{pane_pid}"))
    while os.path.basename(os.readlink(f"/proc/{pid}/exe")) != "yijian":
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            pid = int(children.read().split()[0])
    return pid


@pytest.mark.skipif(os.geteuid() != 0, reason="reading a process's memory needs root")
def test_wizard_forgets_the_key(screen, platform):
    canary = "sk-simulated-4kq9zt2xv7bm1ws8"
    s = screen(platform.url())
    s.wait("LIVE")
    pid = console_pid(s)
    s.keys("W", "Enter")
    s.type(canary)
    s.wait("%d characters" % len(canary))
    s.keys("Enter")
    s.wait("not stored yet")
    s.type("forgotten key")
    s.keys("C-n")
    s.wait("t test")
    assert memory.find(pid, b"forgotten key"), "the search works"
    assert memory.find(pid, canary[14:].encode()) == []
    s.keys("s")
    s.wait("the key is stored")
    wait_for(lambda: not memory.find(pid, canary[14:].encode()), 10, "the key to be forgotten")


def test_wizard_leads_back_to_the_field_at_fault(screen, platform):
    s = screen(platform.url())
    s.wait("LIVE")
    s.keys("W", "Enter")
    s.type(SECRET)
    s.keys("Enter")
    s.wait("not stored yet")
    s.type("faulty")
    s.keys("Down", "Down", "Down")
    s.type("many")  # a weight is a number
    s.keys("C-n")
    s.wait("t test")
    s.keys("s")
    text = s.wait("field_type", "> weight")
    assert SECRET not in text
    assert platform.get("key-manager", "/api/v1/keys").body["total"] == 3


# --- on a bare pty ---

class Pty:
    def __init__(self, url, tmp, under_shell=False):
        self.master, slave = pty.openpty()
        self.slave = slave
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.before = termios.tcgetattr(slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            env = dict(os.environ, TERM="xterm-256color", LC_ALL="C.UTF-8", HOME=str(tmp),
                       PROGRAM=str(BUILD / "yijian"), AGENT=url)
            if under_shell:  # then the shell leads the session, and the kernel signals it alone
                os.execve("/bin/sh", ["sh", "-c", '"$PROGRAM" --agent "$AGENT" console; true'], env)
            os.execve(BUILD / "yijian", ["yijian", "--agent", url, "console"], env)

    def read(self, quiet_s, until=None, limit_s=30):
        out, end = b"", time.monotonic() + limit_s
        while time.monotonic() < end and select.select([self.master], [], [], quiet_s)[0]:
            out += os.read(self.master, 65536)
            if until and until in out:
                break
        return out

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGSEGV, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(platform, tmp_path, sig):
    p = Pty(platform.url(), tmp_path)
    assert b"LIVE" in p.read(30, b"LIVE")
    os.kill(p.pid, sig)
    _, status = os.waitpid(p.pid, 0)
    out = p.read(0.5)
    assert os.WTERMSIG(status) == sig
    assert b"\x1b[?1049l" in out
    assert termios.tcgetattr(p.slave)[:4] == p.before[:4]
    os.close(p.master)
    os.close(p.slave)


def test_a_terminal_that_went_away_ends_the_console(platform, tmp_path):
    p = Pty(platform.url(), tmp_path, under_shell=True)
    assert b"LIVE" in p.read(30, b"LIVE")
    children = pathlib.Path(f"/proc/{p.pid}/task/{p.pid}/children").read_text().split()
    assert len(children) == 1
    os.close(p.master)
    os.close(p.slave)
    os.waitpid(p.pid, 0)
    console = pathlib.Path("/proc", children[0])
    wait_for(lambda: not console.exists() or " Z " in (console / "stat").read_text(), 30,
             "the console ends")


def test_an_idle_screen_writes_nothing(agent, tmp_path):
    p = Pty(agent.url(), tmp_path)
    p.read(30, b"LIVE")
    p.read(3)
    written = p.read(5)
    p.close()
    assert len(written) < 40  # the minute of the clock may turn; 0 otherwise


def test_a_hanging_agent_never_blocks_keys(screen):
    with socket.create_server(("127.0.0.1", 0)) as server:
        s = screen("http://127.0.0.1:%d" % server.getsockname()[1])
        s.wait("CONNECTING")
        s.keys("3")
        s.wait("Keys", "waiting for the agent")
        s.keys("?")
        s.wait("Help")


def test_a_dead_agent_is_shown(screen):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    s = screen("http://127.0.0.1:%d" % port)
    s.wait("DOWN !", "unreachable")


def test_probing_an_instance_says_how_it_went(screen, platform):
    s = screen(platform.url())
    s.keys("4")
    s.wait("simulated-vllm/gpu1")
    s.keys("G", "T")
    s.wait("yijian service check simulated-vllm gpu1", "ok")


def test_remote_text_cannot_steer_the_terminal(screen):
    import http.server
    import threading
    evil = "\\u001b[2J\\u202eevil\\u0007"

    class Fake(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = ('{"items":[{"feature":"%s","target":"t","state":"%s"}],"agent":'
                    '{"version":"%s","state":"ok"}}' % (evil, evil, evil)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Fake)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        s = screen("http://127.0.0.1:%d" % server.server_address[1])
        s.wait("LIVE")
        s.keys("2")
        s.wait("\\x1b[2J", "LIVE", "Routes")
    finally:
        server.shutdown()
        server.server_close()


def test_alerts_are_seen_and_acknowledged(screen, chat_agent, vendord):
    chat_agent.add_key(vendord.base_url, service="gpt-4", key_name="old",
                       api_key="sk-simulated-000000000000old",
                       expires_at="2020-01-01T00:00:00.000Z")
    s = screen(chat_agent.url(), size=(100, 30))
    s.wait("7 ALERTS 1", "key openai/gpt-4/old: expires in")
    s.keys("!")
    s.wait("Alerts", "firing")
    s.keys("a")
    s.wait("yijian alert ack al-", "acked")
    alerts = chat_agent.get("api-gateway", "/api/v1/alerts").body["items"]
    assert [a["state"] for a in alerts] == ["acked"]
