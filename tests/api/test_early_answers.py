# SPDX-License-Identifier: MIT
"""An answer that does not wait for a large body reaches the caller who is still sending it, whatever
client that is; and who asks first, by Expect, gets it at once."""
import json
import os
import re
import resource
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest

import http_call
import tls
from http_engines import TLS, is_over_tls
from raw import head

MIB = 1024 * 1024
CHAT, IMPORT, KEYS = "/v1/chat/completions", "/api/v1/prices", "/api/v1/keys"
GATEWAY, MANAGER = "api-gateway", "key-manager"


def by_curl(url, headers, path, how=()):
    done = subprocess.run(["curl", "-sS", "-X", "POST", *how, "--cacert", tls.authority().file, "-w", "\n%{http_code}", "--data-binary", f"@{path}",
                           *[f"-H{k}: {v}" for k, v in headers.items()], url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    body, _, status = done.stdout.rpartition("\n")
    return int(status), json.loads(body)


def by_curl_that_does_not_ask(url, headers, path):
    return by_curl(url, {**headers, "Expect": ""}, path)


def by_curl_in_chunks(url, headers, path):
    return by_curl(url, {**headers, "Expect": "", "Transfer-Encoding": "chunked"}, path)


def by_urllib(url, headers, path):
    request = urllib.request.Request(url, open(path, "rb").read(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60, context=tls.caller_context()) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def by_http_client_in_chunks(url, headers, path):
    scheme, host, port, rest = re.match(r"(https?)://([^:/]+):(\d+)(.*)", url).groups()
    address = (host, int(port))
    if scheme == "https":
        address = tls.Address(address, tls.caller_context())
    connection = http_call.connection_to(address, 60)
    connection.request("POST", rest, open(path, "rb"), headers, encode_chunked=True)
    answer = connection.getresponse()
    return answer.status, json.load(answer)


def by_node_fetch(url, headers, path):
    script = ("const fs=require('fs');fetch(process.argv[1],{method:'POST',headers:JSON.parse(process.argv[2]),"
              "body:fs.readFileSync(process.argv[3])}).then(async r=>console.log(JSON.stringify([r.status,await r.json()])),"
              "e=>{console.error(e,e.cause);process.exit(1)})")
    done = subprocess.run(["node", "-e", script, url, json.dumps(headers), path], capture_output=True, text=True, timeout=60,
                          env={**os.environ, "NODE_EXTRA_CA_CERTS": str(tls.authority().file)})
    assert done.returncode == 0, done.stderr
    return tuple(json.loads(done.stdout))


CLIENTS = (by_curl, by_curl_that_does_not_ask, by_curl_in_chunks, by_urllib, by_http_client_in_chunks, by_node_fetch)


@pytest.fixture(scope="module")
def upload(tmp_path_factory):
    """upload(MiB): a file of that many."""
    place = tmp_path_factory.mktemp("uploads")

    def make(mib):
        path = place / str(mib)
        if not path.exists():
            path.write_bytes(b'{"model":"chat","messages":[{"role":"user","content":"' + b"a" * (mib * MIB))
        return str(path)
    return make


@pytest.fixture
def locked(make_agent, request):
    """An agent whose model traffic asks for a client key; and a key."""
    what = getattr(request.node, "callspec", None) and request.node.callspec.params.get("what")
    agent = make_agent(over_tls=is_over_tls(request) or bool(what and REFUSALS[what][0] is TLS))
    return agent, agent.post(MANAGER, "/api/v1/clients", {"name": "one"}).body["key"]


# Which port and path, with what, and how many MiB; what the caller is told.
REFUSALS = {
    "larger than the endpoint takes": (GATEWAY, CHAT, "KEY", 21, 413, "body_too_large"),
    "much larger": (GATEWAY, CHAT, "KEY", 70, 413, "body_too_large"),
    "no key": (GATEWAY, CHAT, None, 15, 401, "invalid_api_key"),
    "no key over TLS": (TLS, CHAT, None, 15, 401, "invalid_api_key"),
    "larger over TLS": (TLS, CHAT, "KEY", 21, 413, "body_too_large"),
    "a wrong key": (GATEWAY, CHAT, "Bearer yj_c_nobodys", 15, 401, "invalid_api_key"),
    "no such URL": (GATEWAY, "/v1/no_such", "KEY", 15, 404, "unknown_url"),
    "another method's": (GATEWAY, "/v1/models", "KEY", 15, 405, "method_not_allowed"),
    "not this Host": (GATEWAY, KEYS, "Host", 15, 403, "bad_host"),
    "a document beyond its limit": (MANAGER, KEYS, "none", 3, 413, "body_too_large"),
    "an import beyond its limit": (MANAGER, IMPORT, "none", 12, 413, "body_too_large"),
    "a wrong token": (MANAGER, IMPORT, "Bearer yj_a_nobodys", 7, 401, "token_invalid"),
    "no such path": (MANAGER, "/api/v1/no_such", "none", 7, 404, "not_found"),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("what", REFUSALS)
def test_an_early_refusal_reaches_the_caller(locked, upload, what, client):
    if client is by_node_fetch and (not shutil.which("node") or what == "not this Host"):
        pytest.skip("no such client, or it cannot say that")
    agent, key = locked
    service, path, credential, mib, status, code = REFUSALS[what]
    headers = {"Content-Type": "application/json"}
    if credential == "Host":
        headers["Host"] = "evil.example"
    elif credential not in (None, "none"):
        headers["Authorization"] = f"Bearer {key}" if credential == "KEY" else credential
    answer = client(agent.url(service) + path, headers, upload(mib))
    assert (answer[0], answer[1]["error"]["code"]) == (status, code)


def test_an_early_503_reaches_the_caller(make_agent, upload):
    agent = make_agent(env={"YIJIAN_BUFFERS_MAX_MB": "1"})
    for client in CLIENTS:
        if client is by_node_fetch and not shutil.which("node"):
            continue
        answer = client(agent.url() + CHAT, {"Content-Type": "application/json"}, upload(15))
        assert (answer[0], answer[1]["error"]["code"]) == (503, "overloaded"), client


@pytest.mark.parametrize("service, lines, n, status", [
    (GATEWAY, (f"POST {CHAT}", "KEY"), 30 * MIB, 413), (TLS, (f"POST {CHAT}", "KEY"), 30 * MIB, 413), (GATEWAY, (f"POST {CHAT}",), 10, 401),
    (GATEWAY, ("POST /v1/no_such",), 10, 404), (MANAGER, (f"POST {KEYS}",), MIB, 413),
    (MANAGER, (f"POST {KEYS}", "Authorization: Bearer yj_a_nobodys"), 10, 401)])
def test_who_asks_first_is_told_at_once(locked, service, lines, n, status):
    agent, key = locked
    method, path = lines[0].split()
    more = [f"Authorization: Bearer {key}" if line == "KEY" else line for line in lines[1:]]
    with agent.connect(service) as raw:
        raw.send(head(method, path, *more, f"Content-Length: {n}", "Expect: 100-continue"))
        line = raw.take_line()
        assert line.startswith(b"HTTP/1.1 %d" % status), line


def test_a_caller_that_ends_its_sending_is_answered(locked):
    agent, _ = locked
    with agent.connect() as raw:
        raw.send(head("POST", CHAT, f"Content-Length: {2 * MIB}", body=b"a" * 2 * MIB))
        raw.socket.shutdown(socket.SHUT_WR)
        assert raw.answer().status == 401


@pytest.mark.parametrize("service, path", [(GATEWAY, CHAT), (TLS, CHAT), (MANAGER, IMPORT)])
def test_who_goes_on_for_ever_is_cut_off(locked, service, path):
    """As much as the endpoint takes, and a few seconds more: not without an end."""
    agent, _ = locked
    with agent.connect(service, timeout=60) as raw:
        raw.send(head("POST", path, "Authorization: Bearer yj_c_nobodys", "Transfer-Encoding: chunked"))
        assert raw.answer().status == 401
        piece = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
        sent = 0
        while raw.send(piece):
            sent += len(piece)
        assert sent > 8 * MIB


def test_who_was_answered_holds_no_descriptor_that_others_need(make_agent):
    agent = make_agent(env={"YIJIAN_TRAFFIC_LOOPS": "1"})
    first = agent.connect()
    first.send(head("GET", "/healthz"))
    assert first.answer().status == 200
    highest = max(int(name) for name in os.listdir(f"/proc/{agent.pid}/fd"))
    soft, hard = resource.prlimit(agent.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (highest + 12, hard))
    sending = []
    try:
        for _ in range(40):
            raw = agent.connect()
            raw.send(head("POST", "/v1/no_such", f"Content-Length: {10 * MIB}", body=b"a"))
            assert raw.answer().status == 404
            sending.append(raw)
        assert agent.get(GATEWAY, "/healthz").status == 200
    finally:
        resource.prlimit(agent.pid, resource.RLIMIT_NOFILE, (soft, hard))
        for raw in [first, *sending]:
            raw.close()
