# SPDX-License-Identifier: MIT
"""TLS on the gateway's port: what is spoken, how it begins and ends, which pairs are taken, what a
reload does, and what a client certificate makes of its holder."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess

import pytest

import http_call
import tls
import unix_call
from agent import SERVICES
from http_engines import TLS
from process import BUILD
from raw import Raw, head
from waiting import wait_for

GATEWAY, KEYS = "api-gateway", "key-manager"
HEALTH = head("GET", "/healthz")
LIST = "/api/v1/services"


@pytest.fixture
def agent(make_agent):
    return make_agent(over_tls=True)


@pytest.fixture
def authority(tmp_path):
    return tls.Authority(tmp_path / "authority")


def plain_address(agent):
    return tuple(agent.address())


def over(agent, **how):
    """A raw connection with a context of one's own."""
    return Raw(tls.Address(agent.address(), tls.caller_context(**how)))


def get(agent, path=LIST, method="GET", headers=(), json=None, **how):
    address = tls.Address(agent.address(), tls.caller_context(**how))
    return http_call.request(address, method, path, json, headers=headers)


def failures(agent, reason):
    text = unix_call.request(agent, "GET", "/metrics").body.decode()
    name = f'yijian_tls_handshake_failures_total{{reason="{reason}"}} '
    return sum(int(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name))


# ---- what is spoken ----

@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions(agent, version):
    with over(agent, version=version) as raw:
        assert raw.socket.object.version() == version.name.replace("_", ".")
        for _ in range(3):
            raw.send(HEALTH)
            assert raw.answer().status == 200


def test_older_versions_are_refused(agent):
    done = subprocess.run(["openssl", "s_client", "-connect", "%s:%d" % agent.address(), "-tls1_1",
                           "-cipher", "ALL:@SECLEVEL=0"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    assert "alert protocol version" in done.stderr, done.stderr
    wait_for(lambda: failures(agent, "version") == 1, what="it counted")


@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], []])
def test_protocols(agent, offered):
    with over(agent, alpn=offered) as raw:
        assert raw.socket.object.selected_alpn_protocol() == ("http/1.1" if offered else None)
        raw.send(HEALTH)
        assert raw.answer().status == 200


def test_an_offer_of_h2_alone_gets_the_alert(agent):
    with pytest.raises(ssl.SSLError) as refused:
        over(agent, alpn=["h2"])
    assert "no application protocol" in str(refused.value)
    wait_for(lambda: failures(agent, "protocol") == 1, what="it counted")


def test_a_session_is_taken_up_again(agent):
    context = tls.caller_context()
    with Raw(tls.Address(agent.address(), context)) as raw:
        raw.send(HEALTH)
        assert raw.answer().status == 200
        session = raw.socket.object.session
    again = tls.Socket(socket.create_connection(agent.address(), 30), context)
    again.object = context.wrap_bio(again.incoming, again.outgoing, server_hostname="localhost",
                                    session=session)
    again.handshake()
    assert again.object.session_reused
    again.close()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "FOO"])
def test_plain_http_is_told_to_use_tls(agent, method):
    secret = "yj_a_aaaaaaaaaa_" + "b" * 39
    with Raw(plain_address(agent)) as raw:
        raw.send(head(method, LIST, f"Authorization: Bearer {secret}", "Content-Length: 3", body=b"abc"))
        answer = raw.answer()
        assert (answer.status, answer.code) == (400, "plain_http")
        assert "TLS" in answer.json()["error"]["message"]
        assert answer.header("connection") == "close" and raw.closed(10)
    assert secret not in answer.body.decode() + agent.log()
    assert failures(agent, "plain_http") == 1


def test_plain_http_that_comes_in_pieces_and_goes_on(agent):
    """Read to its end, so that the answer is not lost by a reset."""
    with Raw(plain_address(agent)) as raw:
        raw.send(b"P")
        raw.send(b"OST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000)
        assert raw.answer().code == "plain_http"


def test_the_other_ports_and_the_socket_stay_plain(agent):
    for service in SERVICES[1:]:
        assert agent.get(service, "/healthz").status == 200
    assert unix_call.request(agent, "GET", LIST).status == 200
    answer, raw = agent.raw(KEYS, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64 + b"\r\n\r\n")
    raw.close()
    assert answer.status == 400


def test_noise_is_no_request(agent):
    with Raw(plain_address(agent)) as raw:
        raw.send(bytes(range(128, 256)) * 10)
        while raw.more():
            pass
        assert raw.got[:1] in (b"", b"\x15"), "an alert at most"
    assert agent.get(GATEWAY, "/healthz").status == 200


# ---- how it begins and ends ----

def records(data):
    """(type, length) of each whole record."""
    found = []
    while len(data) >= 5:
        kind, _, length = struct.unpack(">BHH", data[:5])
        found.append((kind, length))
        data = data[5 + length:]
    return found


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_head_and_small_body_are_one_record(agent, version):
    with over(agent, version=version) as raw:
        raw.send(HEALTH)
        assert raw.answer().status == 200  # and its ticket has come
        raw.send(HEALTH)
        assert len(records(raw.socket.plain.recv(65536))) == 1


@pytest.mark.parametrize("sent", [0, 1, 5, 60])
def test_a_handshake_that_stops_is_cut_like_a_head(make_agent, clock, sent):
    agent = make_agent(over_tls=True, env={**clock.env, "YIJIAN_TRAFFIC_LOOPS": "1"})
    mute = socket.create_connection(agent.address(), 30)
    side = tls.Socket(mute, tls.caller_context())
    with pytest.raises(ssl.SSLWantReadError):
        side.object.do_handshake()
    hello = side.outgoing.read()
    mute.sendall(hello[:sent])
    wait_for(lambda: unix_call.request(agent, "GET", "/metrics").body.count(
        b'yijian_http_connections{service="api-gateway"} 2') == 1, what="it taken in")
    mute.settimeout(0.01)

    def cut():
        assert unix_call.request(agent, "GET", "/healthz").status == 200  # what was sent was seen
        try:
            return mute.recv(100) == b""
        except TimeoutError:
            return False
    begun = clock.mono_us
    clock.pass_until(cut, step_s=1, what="it cut")
    assert 8 < (clock.mono_us - begun) / 10**6 < 14
    assert failures(agent, "timeout") == (1 if sent else 0), "a connection without a word is none"
    mute.close()


@pytest.mark.parametrize("framing", ["Content-Length: 40", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("end", ["cut", "said"])
def test_an_end_amid_a_body_is_no_end_of_it(agent, framing, end):
    body = b'{"name":"half"}'
    sent = b"%x\r\n%s\r\n" % (len(body), body) if "chunked" in framing else body
    with agent.connect() as raw:
        raw.send(head("POST", "/api/v1/clients", framing, body=sent))
        if end == "said":
            raw.socket.say_end()
        raw.socket.cut()
    wait_for(lambda: unix_call.request(agent, "GET", "/metrics").body.count(
        b'yijian_http_connections{service="api-gateway"} 1\n') == 1, what="it gone")
    assert unix_call.request(agent, "GET", "/api/v1/clients").body["items"] == []


def test_an_end_is_said(agent):
    with agent.connect() as raw:
        raw.send(head("GET", "/healthz", "Connection: close"))
        assert raw.answer().status == 200
        assert raw.closed(10) and not raw.cut


def test_a_refusal_is_not_lost_to_who_sends_on(agent):
    with agent.connect() as raw:
        raw.send(head("POST", LIST, "Content-Length: 99999999", body=b"x" * 3000000))
        assert raw.answer().status == 413
        assert raw.closed(10) and not raw.cut


def test_a_stop_says_the_end_to_idle_connections(agent):
    with agent.connect() as raw:
        raw.send(HEALTH)
        assert raw.answer().status == 200
        agent.signal(signal.SIGTERM)
        assert raw.closed(30) and not raw.cut


def test_a_stop_waits_for_who_has_just_come(agent):
    """A handshake is made for a request, which may be on its way."""
    raw = agent.connect()
    agent.signal(signal.SIGTERM)
    wait_for(lambda: "stopping" in agent.log(), what="stopping")
    raw.send(head("GET", LIST))
    answer = raw.answer()
    assert (answer.status, answer.header("connection")) == (200, "close")
    assert raw.closed(30) and not raw.cut
    raw.close()


@pytest.mark.parametrize("service", [GATEWAY, TLS])
def test_a_stream_that_breaks_is_cut(make_agent, make_vendord, service):
    """Where the end of the connection is the end of the answer, only a whole one is said."""
    agent, local = make_agent(), make_vendord(no_auth=True)
    agent.add_instance(local.url)
    body = json.dumps({"model": "chat", "stream": True, "messages": [{"role": "user", "content": "x"}]})
    call = (f"POST /v1/chat/completions HTTP/1.0\r\nHost: localhost\r\nContent-Length: {len(body)}"
            f"\r\n\r\n{body}")
    with agent.connect(service) as raw:
        raw.send(call)
        assert raw.answer().body.endswith(b"data: [DONE]\n\n") and not raw.cut
    local.fault({"tokens": 200000}, path="/v1/*")
    with agent.connect(service) as raw:
        raw.send(call)
        raw.take(2000)
        agent.child.kill()
        while raw.more():
            raw.got = b""
        assert raw.cut or service == GATEWAY
    agent.child.wait()
    agent.child = None


def test_much_in_both_directions(agent):
    """Answers beyond what the socket takes while requests go on coming."""
    with agent.connect(receive_buffer=4096) as raw:
        raw.send(head("GET", "/openapi.json") * 30)
        sizes = {len(raw.answer().body) for _ in range(30)}
        assert len(sizes) == 1
        raw.send(head("POST", LIST, "Content-Length: 60000", body=b" " * 60000) + HEALTH)
        assert raw.answer().status == 400
        assert raw.answer().status == 200


@pytest.mark.parametrize("command", ["K", "k"], ids=["asked back", "its own"])
def test_keys_may_be_renewed_amid_a_connection(agent, command):
    """By openssl's client, which takes a command where a line of its input begins with one."""
    client = subprocess.Popen(
        ["openssl", "s_client", "-connect", "%s:%d" % agent.address(), "-tls1_3", "-crlf"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seen = b""

    def say(text, until):
        nonlocal seen
        client.stdin.write(text)
        client.stdin.flush()
        while until not in seen:
            more = os.read(client.stdout.fileno(), 65536)
            assert more, seen
            seen += more
        seen = seen.split(until, 1)[1]
    with client:
        for path, status in (("/healthz", b"200 OK"), ("/api/v1/nothing", b"404 ")):
            say(command.encode() + b"\n", b"KEYUPDATE")
            say(f"GET {path} HTTP/1.1\nHost: localhost\n\n".encode(), b"HTTP/1.1 " + status)
        client.kill()


def test_beyond_its_connections_a_port_says_so_by_an_alert(make_agent):
    """An answer would cost the handshake."""
    agent = make_agent(over_tls=True, env={"YIJIAN_CONNECTIONS_MAX": "16", "YIJIAN_TRAFFIC_LOOPS": "1"})
    with contextlib.ExitStack() as stack:
        for _ in range(24):  # eight are for who may administer the agent
            raw = stack.enter_context(agent.connect())
            raw.send(HEALTH)
            assert raw.answer().status == 200
        with pytest.raises(ssl.SSLError) as refused:
            agent.connect()
        assert "internal error" in str(refused.value)
        raw.send(HEALTH)
        assert raw.answer().status == 200


def test_handshakes_under_way_have_a_maximum(make_agent):
    """Each costs more than a connection that is greeted; whoever finishes none holds up nobody."""
    most = 2048
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < most + 200:
        pytest.skip("too few descriptors for so many callers")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, most + 200), hard))
    agent = make_agent(over_tls=True)
    side = tls.Socket(None, tls.caller_context())
    with pytest.raises(ssl.SSLWantReadError):
        side.object.do_handshake()
    hello = side.outgoing.read()
    with contextlib.ExitStack() as stack:
        begun = [stack.enter_context(socket.create_connection(agent.address(), 30)) for _ in range(most)]
        for one in begun:
            one.sendall(hello)
        assert all(one.recv(1) == b"\x16" for one in begun)
        with pytest.raises(ssl.SSLError):
            agent.connect()
        assert failures(agent, "overloaded") == 1
        begun[0].close()
        wait_for(lambda: failures(agent, "cut") == 1, what="it gone")
        with agent.connect() as raw:
            raw.send(HEALTH)
            assert raw.answer().status == 200
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# ---- pairs ----

def run(place, *args, **env):
    listen = {f"YIJIAN_LISTEN_{s.upper().replace('-', '_')}": "127.0.0.1:0" for s in SERVICES}
    return subprocess.run([BUILD / "yijiand", *args], capture_output=True, text=True, timeout=60,
                          env={"LC_ALL": "C.UTF-8", "YIJIAN_STATE_DIR": str(place / "state"),
                               **listen, **{key: str(value) for key, value in env.items()}})


def refused(place, says, **env):
    """By a start and by --check-config, in the same words."""
    checked, started = run(place, "--check-config", **env), run(place, **env)
    assert checked.returncode == started.returncode == 78, checked.stderr + started.stderr
    last = started.stderr.splitlines()[-1]
    reason = json.loads(last)["detail"] if last.startswith("{") else started.stderr.splitlines()[0][9:]
    assert says in reason and reason in checked.stderr, (reason, checked.stderr)
    return checked.stderr


def pair_env(pair):
    return {"YIJIAN_TLS_CERT": pair.cert, "YIJIAN_TLS_KEY": pair.key}


@pytest.mark.parametrize("names, says", [
    (["CERT"], "YIJIAN_TLS_CERT is of no use without YIJIAN_TLS_KEY"),
    (["KEY"], "YIJIAN_TLS_KEY is of no use without YIJIAN_TLS_CERT"),
    (["CERT", "KEY", "CLIENT_CA"], "without YIJIAN_TLS_CLIENT_MAP"),
    (["CERT", "KEY", "CLIENT_MAP"], "without YIJIAN_TLS_CLIENT_CA"),
    (["CLIENT_CA", "CLIENT_MAP"], "without YIJIAN_TLS_CERT")])
def test_one_without_the_other(tmp_path, names, says):
    refused(tmp_path, says, **{"YIJIAN_TLS_" + name: "/dev/null" for name in names})


@pytest.mark.parametrize("which", ["cert", "key"])
@pytest.mark.parametrize("what, says", [
    ("missing", "No such file"), ("a directory", "not a regular file"), ("a fifo", "not a regular file"),
    ("empty", "is empty"), ("noise", "(PEM)"), ("relative", "absolute path"), ("large", "too large")])
def test_files_that_are_none(tmp_path, authority, which, what, says):
    path = tmp_path / "odd"
    if what == "a directory":
        path.mkdir()
    elif what == "a fifo":
        os.mkfifo(path)
    elif what != "missing":
        path.write_bytes({"noise": bytes(range(256)), "large": b"#" * 2000000}.get(what, b""))
        path.chmod(0o600)
    pair = authority.issue()
    value = "some/relative.pem" if what == "relative" else path
    said = refused(tmp_path, says, **pair_env(pair._replace(**{which: value})))
    assert f"YIJIAN_TLS_{which.upper()}" in said


def test_chain_and_key_may_be_one_file(tmp_path, authority, make_serving):
    pair, both = authority.issue(), tmp_path / "both.pem"
    both.write_text(pair.key.read_text() + pair.cert.read_text() + authority.file.read_text())
    both.chmod(0o600)
    with over(make_serving(tls.Pair(both, both)), trusted=authority) as raw:
        raw.send(HEALTH)
        assert raw.answer().status == 200


def test_a_key_of_another_certificate(tmp_path, authority):
    one, other = authority.issue(), authority.issue()
    refused(tmp_path, "does not belong", **pair_env(one._replace(key=other.key)))
    chain = tmp_path / "turned.pem"
    chain.write_text(authority.file.read_text() + one.cert.read_text())
    refused(tmp_path, "does not belong to the first certificate", **pair_env(one._replace(cert=chain)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o666])
def test_a_key_that_others_may_read(tmp_path, authority, mode):
    pair = authority.issue()
    pair.key.chmod(mode)
    assert f"chmod 600 {pair.key}" in refused(tmp_path, "by others than its owner", **pair_env(pair))


def test_an_encrypted_key(tmp_path, authority):
    pair = authority.issue()
    locked = tmp_path / "locked.key"
    tls.openssl("pkey", "-in", pair.key, "-out", locked, "-aes256", "-passout", "pass:secret")
    locked.chmod(0o600)
    assert "openssl pkey" in refused(tmp_path, "is encrypted", **pair_env(pair._replace(key=locked)))


def test_a_key_that_is_too_weak(tmp_path, authority):
    pair = authority.issue(key="rsa:1024")
    refused(tmp_path, "too small", **pair_env(pair))


def test_a_credential_of_the_service(tmp_path, authority, make_agent):
    pair = authority.issue()
    folder = tmp_path / "credentials"
    folder.mkdir()
    for name, file in (("tls.cert", pair.cert), ("tls.key", pair.key)):
        (folder / name).write_bytes(file.read_bytes())
        (folder / name).chmod(0o440)  # as systemd leaves them, with a list for its service
    env = {"YIJIAN_TLS_CERT": "tls.cert", "YIJIAN_TLS_KEY": "tls.key"}
    refused(tmp_path, "credential", **env)
    agent = make_agent(over_tls=True, env={**env, "CREDENTIALS_DIRECTORY": str(folder)})
    assert get(agent, trusted=authority).status == 200
    (folder / "tls.key").chmod(0o444)
    refused(tmp_path, "by others", **env, CREDENTIALS_DIRECTORY=folder)


@pytest.fixture
def make_serving(make_agent):
    """An agent with this pair, whose files may be written over."""
    def make(pair, **env):
        return make_agent(over_tls=True, env={
            key: str(value) for key, value in {**pair_env(pair), **env}.items()})
    return make


def test_an_expired_certificate_serves_and_is_told(tmp_path, authority, make_serving):
    pair = authority.issue(days=-1)
    checked = run(tmp_path, "--check-config", **pair_env(pair))
    assert checked.returncode == 0 and "has expired" in checked.stdout
    agent = make_serving(pair)
    told = wait_for(lambda: [r for r in agent.log_records() if r["event"] == "tls_certificate"], what="told")
    assert told[0]["level"] == "warn" and "has expired" in told[0]["detail"]
    with pytest.raises(ssl.SSLCertVerificationError):
        over(agent, trusted=authority)
    wait_for(lambda: failures(agent, "refused_by_caller") == 1, what="it counted")
    assert unix_call.request(agent, "GET", "/healthz").status == 200


def expires_at(agent):
    text = unix_call.request(agent, "GET", "/metrics").body.decode()
    name = "yijian_tls_certificate_expiry_timestamp_seconds "
    return next((float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)), None)


def test_the_certificates_end_is_a_figure(agent, make_agent):
    cert = ssl._ssl._test_decode_cert(str(tls.agents_pair().cert))
    assert expires_at(agent) == ssl.cert_time_to_seconds(cert["notAfter"])
    assert expires_at(make_agent(over_tls=False)) is None


def socket_url(agent):
    return f"unix:{agent.state_dir / 'agent.sock'}"


def yijian(agent, *args):
    return subprocess.run([BUILD / "yijian", *args], capture_output=True, text=True, timeout=60, env={
        "YIJIAN_AGENT": socket_url(agent), "HOME": str(agent.state_dir), "LC_ALL": "C.UTF-8"}).stdout


def the_alert(agent):
    items = unix_call.request(agent, "GET", "/api/v1/alerts").body["items"]
    return next((item for item in items if item["rule"] == "certificate-expiry"), None)


@pytest.mark.parametrize("days, doctor", [(-1, "fail"), (3, "warn"), (60, "ok")])
def test_its_end_is_told_wherever_one_looks(authority, make_serving, days, doctor):
    agent = make_serving(authority.issue("/CN=told", days=days), YIJIAN_ALERT_INTERVAL_MS="20")
    shown = unix_call.request(agent, "GET", "/api/v1/status").body["agent"]["tls"]
    assert (shown["subject"], shown["good"]) == ("CN=told", days > 0)
    assert shown["pin"].startswith("sha256//") and ("has expired" in (shown["reason"] or "")) == (days < 0)
    assert re.search(rf"{doctor} +certificate", yijian(agent, "doctor"))
    assert ("! TLS: " in yijian(agent, "status")) == (days < 0)
    if days < 14:
        alert = wait_for(lambda: the_alert(agent), what="the alert")
        assert "certificate" in alert["message"] and "reload" in alert["hint"]
    else:
        assert the_alert(agent) is None


def test_of_a_plain_port_nothing_is_told(make_agent):
    agent = make_agent(over_tls=False, env={"YIJIAN_ALERT_INTERVAL_MS": "20"})
    assert agent.get(GATEWAY, "/api/v1/status").body["agent"]["tls"] is None
    assert "certificate" not in yijian(agent, "doctor") and the_alert(agent) is None


def test_its_urls_are_https(agent):
    items = agent.get(GATEWAY, LIST).body["items"]
    urls = {item["service"]: item["url"] for item in items if item["kind"] == "platform"}
    assert urls[GATEWAY].startswith("https://127.0.0.1:") and urls[KEYS].startswith("http://127.0.0.1:")
    page = agent.get(GATEWAY, "/").body.decode()
    assert "https://localhost:%d/api" % agent.address()[1] in page
    assert "http://localhost:%d/api/v1/keys" % agent.address(KEYS)[1] in page


# ---- reload ----

def reload(agent, event):
    seen = len([r for r in agent.log_records() if r["event"] == event])
    agent.signal(signal.SIGHUP)
    wait_for(lambda: len([r for r in agent.log_records() if r["event"] == event]) > seen, what=event)
    return [r for r in agent.log_records() if r["event"] == event][-1]


def served(agent, authority):
    """The serial number that new connections are shown."""
    with over(agent, trusted=authority) as raw:
        return raw.socket.object.getpeercert()["serialNumber"]


def put(fresh, pair):
    pair.cert.write_bytes(fresh.cert.read_bytes())
    pair.key.write_bytes(fresh.key.read_bytes())


def config_events(agent):
    return unix_call.request(agent, "GET", "/api/v1/events?kinds=config").body["items"]


def test_a_reload_greets_new_connections_with_the_new_pair(authority, make_serving):
    pair = authority.issue(name="served")
    agent = make_serving(pair)
    before = served(agent, authority)
    with over(agent, trusted=authority) as kept:
        put(authority.issue("/CN=second"), pair)
        reload(agent, "reloaded")
        after = served(agent, authority)
        assert after != before
        kept.send(HEALTH)
        assert kept.answer().status == 200, "the old connection goes on"
    event = config_events(agent)[-1]
    assert (event["action"], event["object"]) == ("certificate.reload", "CN=second")
    told = [r for r in agent.log_records() if r["event"] == "tls_certificate"]
    assert [r["subject"] for r in told] == ["CN=localhost", "CN=second"] and told[0]["pin"] != told[1]["pin"]


@pytest.mark.parametrize("what, says", [
    ("mismatched", "does not belong"), ("noise", "(PEM)"), ("gone", "No such file"),
    ("readable", "by others"), ("expired", "has expired")])
def test_a_bad_reload_changes_nothing(authority, make_serving, what, says):
    pair = authority.issue(name="served")
    agent = make_serving(pair, YIJIAN_LOG_LEVEL="info")
    before = served(agent, authority)
    if what == "mismatched":
        pair.key.write_bytes(authority.issue().key.read_bytes())
    elif what == "noise":
        pair.cert.write_text("nothing")
    elif what == "gone":
        pair.cert.unlink()
    elif what == "readable":
        put(authority.issue(), pair)
        pair.key.chmod(0o644)
    else:
        put(authority.issue(days=-1), pair)
    told = reload(agent, "reload_failed")
    assert says in told["detail"] and "YIJIAN_TLS_" in told["detail"]
    event = config_events(agent)[-1]
    assert event["action"] == "certificate.refuse" and says in event["why"]
    assert served(agent, authority) == before


def test_whether_it_is_tls_takes_a_restart(tmp_path, make_agent):
    file = tmp_path / "agent.env"
    file.write_text("")
    agent = make_agent(over_tls=False, args=["--config", str(file)])
    file.write_text("".join(f"{key}={value}\n" for key, value in pair_env(tls.agents_pair()).items()))
    assert "restart" in reload(agent, "reload_failed")["detail"]
    assert agent.get(GATEWAY, "/healthz").status == 200


def test_with_an_expired_pair_the_rest_may_still_be_changed(authority, make_serving, tmp_path):
    rows = tmp_path / "rows"
    rows.write_text("CN=ops -> role admin\n")
    rows.chmod(0o600)
    agent = make_serving(authority.issue(days=-1), YIJIAN_TLS_CLIENT_CA=authority.file,
                         YIJIAN_TLS_CLIENT_MAP=rows)
    rows.write_text("# nobody any more\n")
    reload(agent, "reloaded")


# ---- beyond loopback ----

def test_the_gateway_may_be_reached_from_elsewhere_and_no_other_port(tmp_path, authority):
    pair = pair_env(authority.issue())
    assert run(tmp_path, "--check-config", **pair, YIJIAN_LISTEN_API_GATEWAY="0.0.0.0:0").returncode == 0
    for service in ("CONFIG_CENTER", "KEY_MANAGER", "SERVICE_REGISTRY", "ROUTER_ENGINE"):
        done = run(tmp_path, "--check-config", **pair, **{f"YIJIAN_LISTEN_{service}": "0.0.0.0:0"})
        assert done.returncode == 78 and "YIJIAN_INSECURE_BIND" in done.stderr


@pytest.mark.parametrize("mounted", [False, True])
def test_callers_from_elsewhere_need_a_token(make_agent, mounted):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this host has no address beyond loopback")
        address = s.getsockname()[0]
    agent = make_agent(over_tls=True, env={"YIJIAN_LISTEN_API_GATEWAY": f"{address}:0",
                                           "YIJIAN_MOUNT_ALL": str(mounted).lower()})
    token = unix_call.request(agent, "POST", "/api/v1/tokens", {"name": "t", "role": "admin"}).body["token"]
    client = unix_call.request(agent, "POST", "/api/v1/clients", {"name": "c"}).body["key"]
    context = tls.caller_context()
    context.check_hostname = False
    port = int(agent.ports[GATEWAY][0].rpartition(":")[2])

    def call(path, *credential):
        headers = {"Authorization": f"Bearer {credential[0]}"} if credential else {}
        return http_call.request(tls.Address((address, port), context), "GET", path, headers=headers)
    assert call("/v1/models").error == "invalid_api_key"
    assert call("/v1/models", client).status == 200
    assert call(LIST).error == ("auth_required" if mounted else "not_found")
    assert call(LIST, token).status == (200 if mounted else 404)


# ---- client certificates ----

@pytest.fixture
def callers(tmp_path, authority, make_serving, clock):
    """An agent that asks for certificates of `authority`; `callers.map(text)` writes who is who."""
    class Callers:
        def __init__(self):
            self.file = tmp_path / "callers"
            self.file.write_text("# nobody yet\n")
            self.file.chmod(0o600)
            self.authorities = tmp_path / "authorities.pem"
            self.authorities.write_bytes(authority.file.read_bytes())
            self.agent = make_serving(authority.issue(name="served"), **clock.env,
                                      YIJIAN_TLS_CLIENT_CA=self.authorities,
                                      YIJIAN_TLS_CLIENT_MAP=self.file)

        def map(self, text):
            self.file.write_text(text)
            reload(self.agent, "reloaded")

        def call(self, path=LIST, method="GET", pair=None, headers=(), json=None):
            return get(self.agent, path, method, headers, json, trusted=authority, pair=pair)
    return Callers()


PROXIED = {"X-Forwarded-For": "10.0.0.1"}  # voids what the kernel says of a caller
KEY = {"vendor": "openai", "service": "gpt-4", "key_name": "k", "api_key": "sk-simulated-0000000000000001"}


def test_a_certificate_is_never_more_than_its_row(callers, authority):
    viewer = authority.issue("/O=Example/CN=viewer")
    callers.map("CN=viewer,O=Example -> role viewer\n")
    for headers in ({}, PROXIED):
        assert callers.call(pair=viewer, headers=headers).status == 200
        answer = callers.call("/api/v1/keys", "POST", viewer, headers, KEY)
        assert (answer.status, answer.error) == (403, "role_forbidden"), "though the kernel says admin"
    assert callers.call().status == 200, "nobody has to have one"
    assert callers.call(headers=PROXIED).error == "auth_required"
    callers.map("O = Example, CN = viewer -> role admin\n")
    assert callers.call("/api/v1/keys", "POST", viewer, PROXIED, KEY).status == 201
    audit = unix_call.request(callers.agent, "GET", "/api/v1/audit").body["items"]
    row = next(item for item in audit if item["action"] == "create")
    assert row["actor"].startswith("cert:") and row["actor_name"] == "CN=viewer,O=Example"


def test_authorization_wins_over_a_certificate(callers, authority):
    viewer, agent = authority.issue("/CN=viewer"), callers.agent
    callers.map("CN=viewer -> role viewer\n")
    token = unix_call.request(agent, "POST", "/api/v1/tokens", {"name": "t", "role": "admin"}).body["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert callers.call("/api/v1/keys", "POST", viewer, bearer, KEY).status == 201
    torn = token[:-1] + ("y" if token[-1] == "x" else "x")
    for wrong in ("Bearer nonsense", f"Bearer {torn}", "Basic dTpw"):
        assert callers.call(pair=viewer, headers={"Authorization": wrong}).error == "token_invalid"


@pytest.mark.parametrize("what", ["of another authority", "expired", "in no row", "of a longer subject"])
def test_a_certificate_that_is_nobodys(callers, authority, tmp_path, what):
    other = tls.Authority(tmp_path / "other")
    pair = {"of another authority": lambda: other.issue("/CN=ops"),
            "expired": lambda: authority.issue("/CN=ops", days=-1),
            "in no row": lambda: authority.issue("/CN=somebody"),
            "of a longer subject": lambda: authority.issue("/CN=ops/O=Example")}[what]()
    callers.map("CN=ops -> role admin\n")
    answer = callers.call(pair=pair, headers=PROXIED)
    assert (answer.status, answer.error) == (401, "auth_required")
    assert "certificate" in answer.body["error"]["message"]
    assert callers.call(pair=pair).status == 200, "the kernel's word holds as without one"


def test_a_certificate_of_a_client(callers, authority):
    pair, agent = authority.issue("/CN=billing"), callers.agent
    client = unix_call.request(agent, "POST", "/api/v1/clients", {"name": "billing"}).body
    assert callers.call("/v1/models").error == "invalid_api_key"
    callers.map(f"CN=billing -> client {client['id']}\n")
    assert callers.call("/v1/models", pair=pair).status == 200
    asked = {"model": "chat", "messages": [{"role": "user", "content": "x"}]}
    assert callers.call("/v1/chat/completions", "POST", pair, json=asked).status == 503
    event = unix_call.request(agent, "GET", "/api/v1/events?kinds=traffic&limit=1").body["items"][-1]
    assert event["client"] == client["id"]
    assert callers.call(pair=pair).error == "scope_exceeded", "a client's, though the kernel says admin"
    wrong = {"Authorization": "Bearer sk-something"}
    assert callers.call("/v1/models", pair=pair, headers=wrong).error == "invalid_api_key"
    page = {"Origin": "https://evil.example"}
    assert callers.call("/v1/models", pair=pair, headers=page).status == 403
    assert unix_call.request(agent, "PATCH", f"/api/v1/clients/{client['id']}",
                             {"enabled": False}).status == 200
    assert callers.call("/v1/models", pair=pair).error == "invalid_api_key"
    assert unix_call.request(agent, "DELETE", f"/api/v1/clients/{client['id']}").status in (200, 204)
    assert callers.call("/v1/models", pair=pair).error == "invalid_api_key"


def test_a_page_of_elsewhere_does_not_use_a_browsers_certificate(callers, authority):
    pair = authority.issue("/CN=ops")
    callers.map("CN=ops -> role admin\n")
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert callers.call(pair=pair, headers=headers).error == "bad_origin"


def test_a_row_taken_away_holds_for_kept_connections(callers, authority):
    pair = authority.issue("/CN=ops")
    callers.map("CN=ops -> role admin\n")
    request = head("GET", LIST, "X-Forwarded-For: 10.0.0.1")
    with over(callers.agent, trusted=authority, pair=pair) as kept:
        kept.send(request)
        assert kept.answer().status == 200
        callers.map("CN=other -> role admin\n")
        kept.send(request)
        assert kept.answer().code == "auth_required"
        callers.map("CN=ops -> role viewer\n")
        kept.send(request)
        assert kept.answer().status == 200


def test_a_row_taken_away_ends_what_is_still_being_told(callers, authority):
    pair = authority.issue("/CN=ops")
    callers.map("CN=ops -> role viewer\n")
    with over(callers.agent, trusted=authority, pair=pair) as feed:
        feed.send(head("GET", "/api/v1/events?stream=1", "X-Forwarded-For: 10.0.0.1"))
        assert feed.take_line().startswith(b"HTTP/1.1 200")
        callers.map("CN=ops -> role viewer\n# the same\n")
        while b"certificate.reload" not in feed.got:
            assert feed.more()
        callers.map("# nobody any more\n")
        while not feed.got.endswith(b"\r\n0\r\n\r\n"):
            assert feed.more()


def test_an_authority_taken_away_holds_for_kept_connections(callers, authority, tmp_path):
    pair, other = authority.issue("/CN=ops"), tls.Authority(tmp_path / "other")
    callers.map("CN=ops -> role admin\n")
    request = head("GET", LIST, "X-Forwarded-For: 10.0.0.1")
    with over(callers.agent, trusted=authority, pair=pair) as kept:
        kept.send(request)
        assert kept.answer().status == 200
        callers.authorities.write_bytes(other.file.read_bytes())
        reload(callers.agent, "reloaded")
        kept.send(request)
        assert kept.answer().code == "auth_required"


def test_a_certificate_that_was_taken_back(callers, authority):
    lost, good = authority.issue("/CN=ops"), authority.issue("/CN=ops")
    callers.map("CN=ops -> role admin\n")
    assert callers.call(pair=lost, headers=PROXIED).status == 200
    callers.authorities.write_text(callers.authorities.read_text() + authority.revoke(lost))
    reload(callers.agent, "reloaded")
    assert callers.call(pair=lost, headers=PROXIED).error == "auth_required"
    assert callers.call(pair=good, headers=PROXIED).status == 200


def test_a_certificate_that_expires_amid_a_connection(callers, authority, clock):
    pair = authority.issue("/CN=ops", days=1)
    callers.map("CN=ops -> role admin\n")
    request = head("GET", LIST, "X-Forwarded-For: 10.0.0.1")
    with over(callers.agent, trusted=authority, pair=pair) as kept:
        kept.send(request)
        assert kept.answer().status == 200
        clock.advance(1, wall_s=2 * 86400)
        kept.send(request)
        assert kept.answer().code == "auth_required"


@pytest.mark.parametrize("text, says", [
    ("CN=ops role admin", "line 1"), ("\n# a\nCN=ops -> role boss", "line 3"), ("ops -> role admin", "subject"),
    ("CN=ops -> admin", "role ROLE"), ("CN=ops -> client billing", "id"), ("CN=ops ->", "role ROLE"),
    ("CN=a -> role admin\nCN = a -> role viewer", "earlier line")])
def test_rows_that_cannot_be_read(tmp_path, authority, text, says):
    rows = tmp_path / "rows"
    rows.write_text(text)
    rows.chmod(0o600)
    said = refused(tmp_path, says, **pair_env(authority.issue()), YIJIAN_TLS_CLIENT_CA=authority.file,
                   YIJIAN_TLS_CLIENT_MAP=rows)
    assert "YIJIAN_TLS_CLIENT_MAP" in said


def test_rows_that_others_may_write(tmp_path, authority):
    rows = tmp_path / "rows"
    rows.write_text("CN=ops -> role admin\n")
    rows.chmod(0o646)
    refused(tmp_path, "may be written by others", **pair_env(authority.issue()),
            YIJIAN_TLS_CLIENT_CA=authority.file, YIJIAN_TLS_CLIENT_MAP=rows)
