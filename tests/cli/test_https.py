# SPDX-License-Identifier: MIT
"""The console calls an agent over TLS: by whom it is vouched for, which keys are kept and asked about,
what is sent before that is settled (nothing), and what each way to fail says."""
import concurrent.futures
import contextlib
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import stat
import subprocess
import threading
import time

import pytest

import tls
from command import YIJIAN, environment, yijian
from waiting import wait_for

OTHER = "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
TOKEN = "yj_a_aaaaaaaaaa_" + "b" * 39


@pytest.fixture
def agent(make_agent):
    return make_agent(over_tls=True, env={"YIJIAN_MOUNT_ALL": "true"})


@pytest.fixture
def home(tmp_path):
    place = tmp_path / "home"
    place.mkdir()
    return Home(place)


class Home:
    """Of a user who has kept no key yet."""

    def __init__(self, place):
        self.place = place
        self.pins = place / ".config/yijian/pins"
        self.env = {"HOME": str(place), "XDG_CONFIG_HOME": ""}

    def run(self, url, *args, **more):
        env = {**self.env, **more.pop("env", {})}
        return yijian(url, *args, env=env, **more)

    def kept(self):
        return dict(line.split() for line in self.pins.read_text().splitlines())


def ca_file():
    return str(tls.authority().file)


def pin_of(cert):
    key = tls.openssl("x509", "-in", cert, "-pubkey", "-noout")
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=key.encode(),
                         capture_output=True, check=True).stdout
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-binary"], input=der, capture_output=True, check=True)
    text = subprocess.run(["openssl", "base64"], input=digest.stdout, capture_output=True, check=True).stdout
    return "sha256//" + text.decode().strip()


def agents_pin():
    return pin_of(tls.agents_pair().cert)


def address(agent):
    return "%s:%d" % agent.address()


# ---- servers that are no agent ----

@contextlib.contextmanager
def serving(handle):
    """handle(connection) for each one; the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def loop():
            while not over.is_set():
                try:
                    peer, _ = server.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), peer:
                    peer.settimeout(20)
                    handle(peer)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        try:
            yield "127.0.0.1:%d" % server.getsockname()[1]
        finally:
            over.set()
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            thread.join(30)


class TlsServer:
    """Answers every request alike, and keeps what it was sent inside TLS."""

    def __init__(self, pair, answer=b'{"status":"ok"}', status="200 OK", headers=""):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pair.cert, pair.key)
        self.got, self.connections = b"", 0
        self.answer = (f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n"
                       f"{headers}\r\n").encode() + answer

    def __call__(self, peer):
        self.connections += 1
        with self.context.wrap_socket(peer, server_side=True) as inside:
            while True:
                data = inside.recv(65536)
                if not data:
                    return
                self.got += data
                if data.endswith(b"\r\n\r\n"):
                    inside.sendall(self.answer)


# ---- who vouches ----

def test_a_file_of_authorities_vouches(agent, home):
    url = agent.url()
    assert home.run(url, "--ca-file", ca_file(), "key", "list").returncode == 0
    assert home.run(url, "key", "list", env={"YIJIAN_CA_FILE": ca_file()}).returncode == 0
    config = home.place / ".config/yijian/config"
    config.parent.mkdir(parents=True)
    config.write_text(f"agent={url}\nca_file={ca_file()}\n")
    assert home.run(None, "key", "list").returncode == 0
    assert not home.pins.exists()


def test_the_certificate_itself_may_be_the_authority(make_agent, home, tmp_path):
    own = tls.Authority(tmp_path / "own").make("own", "/CN=own", 30, ["subjectAltName=IP:127.0.0.1"], None)
    agent = make_agent(over_tls=True, env={"YIJIAN_TLS_CERT": str(own.cert), "YIJIAN_TLS_KEY": str(own.key)})
    assert home.run(agent.url(), "--ca-file", str(own.cert), "version").stdout.count("yijiand") == 1


@pytest.mark.parametrize("file, says", [("missing", "No such file"), ("empty", "no certificate")])
def test_a_file_of_authorities_that_is_none(agent, home, tmp_path, file, says):
    (tmp_path / "empty").write_text("nothing\n")
    done = home.run(agent.url(), "--ca-file", str(tmp_path / file), "key", "list")
    assert done.returncode == 78 and says in done.stderr and str(tmp_path / file) in done.stderr, done


@pytest.mark.parametrize("name", ["--pin", "--ca-file"])
@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "unix:/nowhere"])
def test_what_would_judge_nothing_is_refused(home, name, url):
    done = home.run(url, name, OTHER, "key", "list")
    assert done.returncode == 2 and "no TLS" in done.stderr, done


def test_a_pin_of_the_environment_is_not_passed_over(home):
    done = home.run("http://127.0.0.1:1", "key", "list", env={"YIJIAN_PIN": OTHER})
    assert done.returncode == 78 and "environment" in done.stderr and "no TLS" in done.stderr, done


@pytest.mark.parametrize("pin", ["x", "sha256//", OTHER[:-1], OTHER + "A", OTHER.replace("sha256", "sha512")])
def test_a_pin_that_is_none(agent, home, pin):
    assert home.run(agent.url(), "--pin", pin, "key", "list").returncode == 2
    assert home.run(None, "agent", "trust", address(agent), "--pin", pin).returncode == 2


# ---- whom nobody knows, off a terminal ----

def test_an_unknown_agent_is_not_called(agent, home):
    done = home.run(agent.url(), "--yes", "key", "list", "-o", "json")
    assert done.returncode == 7, done
    assert address(agent) in done.stderr and "not trusted" in done.stderr
    assert f"--pin {agents_pin()}" in done.stderr and "--ca-file" in done.stderr
    told = json.loads(done.stderr.splitlines()[-1])["error"]
    assert (told["code"], told["exit_code"]) == ("certificate_untrusted", 7)
    assert not home.pins.exists()


def test_the_pin_it_names_is_the_next_step(agent, home):
    said = home.run(agent.url(), "key", "list").stderr
    pin = re.search(r"--pin (sha256//\S+)", said)[1]
    assert home.run(agent.url(), "--pin", pin, "key", "list").returncode == 0
    assert home.run(agent.url(), "key", "list", env={"YIJIAN_PIN": pin}).returncode == 0
    assert home.run(agent.url(), "key", "list").returncode == 7, "a pin of one call is not kept"


def test_nothing_is_sent_to_who_is_not_trusted(home, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    server = TlsServer(tls.Authority(tmp_path / "a").issue())
    with serving(server) as at:
        for more in (), ("--pin", OTHER):
            done = home.run(f"https://{at}", *more, "--token-file", str(tmp_path / "token"), "key", "add",
                            "openai/gpt-4/x", "--api-key", "-", stdin="sk-secret-0123456789")
            assert done.returncode == (4 if more else 7), done
        assert server.connections >= 2 and server.got == b""
        done = home.run(f"https://{at}", "--pin", pin_of(tmp_path / "a/cert1.pem"), "--token-file",
                        str(tmp_path / "token"), "api", "GET", "/x")
        assert done.returncode == 0 and TOKEN.encode() in server.got


def test_redirects_are_not_followed(home, tmp_path):
    (tmp_path / "token").write_text(TOKEN)
    pair = tls.Authority(tmp_path / "a").issue()
    aim = TlsServer(pair)
    with serving(aim) as elsewhere:
        server = TlsServer(pair, status="302 Found", headers=f"Location: https://{elsewhere}/x\r\n")
        with serving(server) as at:
            done = home.run(f"https://{at}", "--pin", pin_of(pair.cert), "--token-file", str(tmp_path / "token"),
                            "key", "list")
    assert done.returncode == 7 and "not followed" in done.stderr, done
    assert aim.connections == 0


# ---- each reason says itself ----

@pytest.mark.parametrize("reason, says", [
    ("expired", "expired on 20"), ("early", "begins on 20"), ("name", "other names"), ("issuer", "no authority known here"),
    ("self", "self-signed")])
def test_why_it_is_not_trusted(home, tmp_path, reason, says):
    authority = tls.Authority(tmp_path / "a")
    pair, trusted = authority.issue(), str(authority.file)
    if reason == "expired":
        pair = authority.issue(days=-1)
    elif reason == "early":
        pair = early_pair(authority, tmp_path)
    elif reason == "name":
        pair = authority.make("else", "/CN=else", 30, ["subjectAltName=DNS:elsewhere.example"], authority.own)
    elif reason == "issuer":
        trusted = str(tls.Authority(tmp_path / "b", name="b").file)
    elif reason == "self":
        pair = authority.make("self", "/CN=self", 30, ["subjectAltName=IP:127.0.0.1"], None)
    with serving(TlsServer(pair)) as at:
        done = home.run(f"https://{at}", "--ca-file", trusted, "key", "list")
        assert done.returncode == 7 and says in done.stderr and at in done.stderr, done
        assert f"--pin {pin_of(pair.cert)}" in done.stderr
        assert home.run(f"https://{at}", "--ca-file", trusted, "--pin", pin_of(pair.cert), "api", "GET",
                        "/healthz").returncode == 0, "a pin needs nobody who vouches"


def early_pair(authority, tmp_path):
    """Of a time that has not come: openssl ca takes its begin from the command line."""
    (tmp_path / "index").write_text("")
    (tmp_path / "serial").write_text("99\n")
    (tmp_path / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index\nserial={tmp_path}/serial\nnew_certs_dir={tmp_path}\n"
        "default_md=sha256\npolicy=p\nunique_subject=no\nx509_extensions=x\n[p]\ncommonName=supplied\n"
        "[x]\nsubjectAltName=IP:127.0.0.1\n")
    pair = authority.issue(name="early")
    tls.openssl("ca", "-batch", "-config", tmp_path / "ca.cnf", "-in", authority.place / "early.csr", "-notext",
                "-cert", authority.own.cert, "-keyfile", authority.own.key, "-startdate", "20900101000000Z",
                "-enddate", "20910101000000Z", "-out", tmp_path / "early.pem")
    return tls.Pair(tmp_path / "early.pem", pair.key)


def test_plain_http_at_a_port_of_tls(agent, home):
    done = home.run(f"http://{address(agent)}", "key", "list")
    assert done.returncode == 7 and "speaks TLS" in done.stderr, done
    assert f"--agent https://{address(agent)}" in done.stderr


def test_plain_http_at_a_port_of_tls_that_only_hangs_up(home, tmp_path):
    with serving(TlsServer(tls.Authority(tmp_path / "a").issue())) as at:
        done = home.run(f"http://{at}", "key", "list")
        assert done.returncode == 7 and f"--agent https://{at}" in done.stderr, done


def test_tls_at_a_port_of_plain_http(agent, home):
    at = "127.0.0.1:%d" % agent.address("key-manager")[1]
    for more in (), ("--pin", OTHER), ("--ca-file", ca_file()):
        done = home.run(f"https://{at}", *more, "key", "list")
        assert done.returncode == 7 and "plain HTTP, not TLS" in done.stderr, done
        assert f"--agent http://{at}" in done.stderr


@pytest.mark.parametrize("how", [lambda peer: None, lambda peer: peer.recv(10), lambda peer: peer.sendall(b"\x15\x03\x01\0\x02\x02\x28")])
def test_a_handshake_that_fails_is_no_agent_to_reach(home, how):
    with serving(how) as at:
        done = home.run(f"https://{at}", "key", "list")
        assert done.returncode == 7 and "cannot reach the agent at https://" in done.stderr, done


# ---- what is kept ----

def test_trust_keeps_and_judges(agent, home):
    at, pin = address(agent), agents_pin()
    assert home.run(None, "agent", "trust", at, "--pin", pin).returncode == 0
    assert home.kept() == {at: pin}
    assert stat.S_IMODE(home.pins.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.pins.parent.stat().st_mode) == 0o700
    assert home.run(agent.url(), "key", "list").returncode == 0
    assert home.run(f"HTTPS://{at}/", "key", "list").returncode == 0
    listed = json.loads(home.run(None, "agent", "list", "-o", "json").stdout)
    assert listed == {"items": [{"name": at, "pin": pin}], "total": 1}
    assert home.run(None, "agent", "list", "-o", "name").stdout.split() == [at]
    assert home.run(None, "__complete", "agent", "forget", "127").stdout.split() == [at]
    assert home.run(None, "agent", "forget", at).returncode == 0
    assert home.run(None, "agent", "forget", at).returncode == 3
    assert home.run(agent.url(), "key", "list").returncode == 7


@pytest.mark.parametrize("written, kept", [
    ("LAB.Example:8000", "lab.example:8000"), ("https://Lab.example", "lab.example:443"),
    ("https://lab.example:443/any/path", "lab.example:443"), ("lab.example", "lab.example:443"),
    ("https://[FD00:0:0::00A]:8000", "[fd00::a]:8000"), ("[::1]:8000", "[::1]:8000"),
    ("https://10.0.0.1:8000/", "10.0.0.1:8000")])
def test_addresses_are_kept_in_one_form(home, written, kept):
    assert home.run(None, "agent", "trust", written, "--pin", OTHER).returncode == 0
    assert home.kept() == {kept: OTHER}
    assert "unchanged" in home.run(None, "agent", "trust", kept, "--pin", OTHER).stderr
    assert home.kept() == {kept: OTHER}
    assert home.run(None, "agent", "forget", written).returncode == 0


@pytest.mark.parametrize("written", ["", "http://lab.example:80", "unix:/run/x", "https://a:b@lab", "lab:0", "lab:99999",
                                     "lab example", "lab#x", "ftp://lab"])
def test_addresses_that_are_none(home, written):
    done = home.run(None, "agent", "trust", written, "--pin", OTHER)
    assert done.returncode == 2, done
    assert not home.pins.exists()


def test_a_changed_key(agent, home):
    at, pin = address(agent), agents_pin()
    home.run(None, "agent", "trust", at, "--pin", OTHER)
    for more in (), ("--ca-file", ca_file()):
        done = home.run(agent.url(), *more, "--yes", "key", "list", "-o", "json")
        assert done.returncode == 4, done
        assert f"pinned {OTHER}" in done.stderr and f"now {pin}" in done.stderr
        assert json.loads(done.stderr.splitlines()[-1])["error"]["code"] == "certificate_changed"
    command = re.search(r"yijian (agent trust \S+ --pin \S+)", done.stderr)[1]
    assert home.kept() == {at: OTHER}
    assert home.run(None, *command.split()).returncode == 0
    assert home.kept() == {at: pin}
    assert home.run(agent.url(), "key", "list").returncode == 0


def test_a_pin_that_is_said_outranks_a_kept_one(agent, home):
    home.run(None, "agent", "trust", address(agent), "--pin", OTHER)
    assert home.run(agent.url(), "--pin", agents_pin(), "key", "list").returncode == 0
    home.run(None, "agent", "trust", address(agent), "--pin", agents_pin())
    done = home.run(agent.url(), "--pin", OTHER, "key", "list")
    assert done.returncode == 4 and "from flag" in done.stderr and f"--pin {agents_pin()}" in done.stderr, done
    assert "agent trust" not in done.stderr


def test_pins_of_many_writers_are_all_kept(home):
    def trust(i):
        return home.run(None, "agent", "trust", f"host{i}.example:8000", "--pin", OTHER).returncode
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert set(pool.map(trust, range(40))) == {0}
    assert len(home.kept()) == 40 and [p.name for p in home.pins.parent.iterdir()] == ["pins"]


def test_remarks_and_other_rows_stay(home):
    home.pins.parent.mkdir(parents=True)
    home.pins.write_text(f"# of mine\n\na.example:1 {OTHER}\nB.example:2   {OTHER}\n")
    home.pins.chmod(0o644)
    assert home.run(None, "agent", "forget", "b.example:2").returncode == 0
    assert home.pins.read_text() == f"# of mine\n\na.example:1 {OTHER}\n"
    assert stat.S_IMODE(home.pins.stat().st_mode) == 0o600


@pytest.mark.parametrize("line", ["garbage", f"lab:1 {OTHER} more", "lab:1 sha256//x", f"http://lab:1 {OTHER}", "\0"])
def test_a_line_that_is_no_pin(agent, home, line):
    home.pins.parent.mkdir(parents=True)
    home.pins.write_text(f"# one\n{line}\n")
    for args in (["agent", "list"], ["agent", "trust", "a:1", "--pin", OTHER], ["status"]):
        done = home.run(agent.url(), *args)
        assert done.returncode == 78 and f"{home.pins}:2" in done.stderr, done
    assert home.pins.read_text() == f"# one\n{line}\n"


@pytest.mark.parametrize("mode", [0o660, 0o602])
def test_a_file_that_others_may_write(agent, home, mode):
    home.run(None, "agent", "trust", address(agent), "--pin", agents_pin())
    home.pins.chmod(mode)
    for args in (["status"], ["agent", "list"], ["agent", "forget", address(agent)]):
        done = home.run(agent.url(), *args)
        assert done.returncode == 78 and "others may write it" in done.stderr, done


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_of_another_user(agent, home):
    home.run(None, "agent", "trust", address(agent), "--pin", agents_pin())
    os.chown(home.pins, 12345, -1)
    done = home.run(agent.url(), "key", "list")
    assert done.returncode == 78 and "another user" in done.stderr, done


def test_a_place_that_takes_no_file(home):
    (home.place / ".config").write_text("a file")
    done = home.run(None, "agent", "trust", "lab:1", "--pin", OTHER)
    assert done.returncode == 78 and "cannot write" in done.stderr, done
    done = home.run(None, "agent", "trust", "lab:1", "--pin", OTHER, env={"HOME": ""})
    assert done.returncode == 78 and "HOME" in done.stderr, done


def test_read_only_keeps_nothing(home):
    assert home.run(None, "--read-only", "agent", "trust", "lab:1", "--pin", OTHER).returncode == 11
    assert not home.pins.exists()


# ---- on a terminal ----

class Terminal:
    """The command with a terminal for all three descriptors."""

    def __init__(self, home, url, *args):
        self.child, self.master = pty.fork()
        if self.child == 0:
            os.execve(YIJIAN, ["yijian", *args], environment(url, home.env))
        self.said, self.code = "", None

    def read(self, until):
        end = time.monotonic() + 30
        while until not in self.said and time.monotonic() < end:
            if not select.select([self.master], [], [], 1)[0]:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.said += data.decode(errors="replace")
        return self.said

    def end(self):
        self.read("\0")
        if self.code is None:
            try:
                wait_for(lambda: os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOWAIT | os.WNOHANG),
                         what="its end")
            finally:
                os.kill(self.child, signal.SIGKILL)  # nothing to who has ended
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.child, 0)[1])
            os.close(self.master)
        return self.code

    def type(self, text):
        os.write(self.master, text.encode())


@pytest.mark.parametrize("answer, code", [("y\n", 0), ("n\n", 7), ("\n", 7), ("\x04", 7)])
def test_a_terminal_is_asked(agent, home, answer, code):
    at, pin = address(agent), agents_pin()
    seen = Terminal(home, agent.url(), "--yes", "key", "list")
    said = seen.read("[y/N]")
    for part in (at, pin, "subject", "CN", "issuer", "an authority", "valid", "not trusted"):
        assert part in said, said
    seen.type(answer)
    assert seen.end() == code, seen.said
    assert home.pins.exists() == (code == 0)
    if code == 0:
        assert home.kept() == {at: pin}
        assert home.run(agent.url(), "key", "list").returncode == 0


def test_no_input_asks_nobody(agent, home):
    seen = Terminal(home, agent.url(), "--no-input", "key", "list")
    assert seen.end() == 7 and "[y/N]" not in seen.said, seen.said


def test_a_changed_key_is_not_asked_about(agent, home):
    home.run(None, "agent", "trust", address(agent), "--pin", OTHER)
    seen = Terminal(home, agent.url(), "key", "list")
    assert seen.end() == 4 and "[y/N]" not in seen.said, seen.said


def test_trust_without_a_pin_looks_and_asks(agent, home):
    home.run(None, "agent", "trust", address(agent), "--pin", OTHER)
    done = home.run(None, "agent", "trust", address(agent))
    assert done.returncode == 7 and f"--pin {agents_pin()}" in done.stderr, done
    seen = Terminal(home, None, "agent", "trust", address(agent))
    assert agents_pin() in seen.read("[y/N]")
    seen.type("y\n")
    assert seen.end() == 0, seen.said
    assert home.kept() == {address(agent): agents_pin()}
    done = home.run(None, "agent", "trust", "127.0.0.1:1")
    assert done.returncode == 7 and "127.0.0.1:1" in done.stderr and "connect" in done.stderr, done
    plain = "127.0.0.1:%d" % agent.address("key-manager")[1]
    done = home.run(None, "agent", "trust", plain)
    assert done.returncode == 7 and f"{plain} speaks plain HTTP" in done.stderr, done


def test_an_interrupt_is_no_answer(agent, home):
    seen = Terminal(home, agent.url(), "key", "list")
    seen.read("[y/N]")
    seen.type("\x03")
    assert seen.end() == 130 and not home.pins.exists(), seen.said


def test_version_asks_nobody(agent, home):
    seen = Terminal(home, agent.url(), "version")
    assert seen.end() == 0 and "[y/N]" not in seen.said, seen.said


# ---- what else ----

@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "[::1]", "[0:0::1]", "127.0.0.1", "0x7f.1"])
def test_names_of_this_host(agent, home, host):
    url = f"HTTPS://{host}:{agent.address()[1]}//"
    assert home.run(url, "--ca-file", ca_file(), "key", "list").returncode == 0
    home.run(None, "agent", "trust", f"{host}:{agent.address()[1]}", "--pin", agents_pin())
    assert home.run(url, "key", "list").returncode == 0


def test_streams_and_figures(chat_agent, home):
    agent = chat_agent
    home.run(None, "agent", "trust", address(agent), "--pin", agents_pin())
    assert home.run(agent.url(), "try", "chat", "hello", "--stream", "--yes").returncode == 0
    tail = home.run(agent.url(), "traffic", "tail", "--since", "0", "--limit", "1", "-o", "ndjson")
    assert tail.returncode == 0 and json.loads(tail.stdout.splitlines()[0]), tail
    done = home.run(agent.url(), "metrics", "list", "yijian_http_requests_total")
    assert done.returncode == 0 and "api-gateway" in done.stdout and "key-manager" not in done.stdout
    assert "key-manager: its metrics" in done.stderr



def test_doctor_says_how_the_agent_is_judged(agent, home):
    def line(*args, **more):
        done = home.run(*args, "doctor", **more)
        return next((row for row in done.stdout.splitlines() if "judged by" in row), done)
    assert f"an authority of {ca_file()}" in line(agent.url(), "--ca-file", ca_file())
    assert "pin" in line(agent.url(), "--pin", agents_pin()) and "from flag" in line(agent.url(), "--pin", agents_pin())
    home.run(None, "agent", "trust", address(agent), "--pin", agents_pin())
    assert f"kept for {address(agent)}" in line(agent.url())
    assert "unix socket" in line(f"unix:{agent.state_dir / 'agent.sock'}")
    plain = line("http://127.0.0.1:%d" % agent.address("key-manager")[1])
    assert "plain" in plain and "ok" in plain
    done = home.run(agent.url(), "doctor", env={"HOME": "/proc/none"})
    assert done.returncode == 1 and agents_pin() in done.stdout


def test_a_pinned_key_outlives_its_certificate(make_agent, home):
    pair = tls.authority().issue(days=-1)
    agent = make_agent(over_tls=True, env={"YIJIAN_TLS_CERT": str(pair.cert), "YIJIAN_TLS_KEY": str(pair.key)})
    home.run(None, "agent", "trust", address(agent), "--pin", pin_of(pair.cert))
    assert home.run(agent.url(), "version").stdout.count("yijiand") == 1
    done = home.run(agent.url(), "doctor")
    assert re.search(r"warn +agent is judged by .*expired on 20", done.stdout), done


def test_doctor_of_the_agents_host_says_the_pin(agent, home):
    done = home.run(agent.url(), "--ca-file", ca_file(), "doctor")
    assert agents_pin() in done.stdout, done.stdout
