# SPDX-License-Identifier: MIT
"""Other users of this host, as root: what the groups of their uid give them on loopback and on
the unix socket. The agent stands in a mount namespace of its own, where /etc/passwd and
/etc/group know users this host does not have."""
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import pytest

from raw import head
from waiting import wait_for

KEYS, GATEWAY = "key-manager", "api-gateway"
SECRET = "sk-simulated-00000000000guard"
USERS = {"operator": 61001, "view": 61002, "admin": 61003, "nobody": 61004}
NEW_KEY = {"vendor": "openai", "service": "gpt-4", "key_name": "theirs", "api_key": SECRET + "2"}
ADMIN_TOKEN = {"name": "more", "role": "admin"}

# Run as another user: one call over TCP (host, port) or a socket (path, ""), prints the answer.
CALL = """
import http.client, json, socket, sys
host, port, method, path, body, headers = sys.argv[1:]
c = http.client.HTTPConnection("localhost" if not port else host, int(port or 1), timeout=60)
if not port:
    c.sock = socket.socket(socket.AF_UNIX)
    c.sock.connect(host)
c.request(method, path, body or None, json.loads(headers))
r = c.getresponse()
print(json.dumps([r.status, dict(r.headers), r.read().decode()]))
"""
INSIDE = 'mount --bind "$0" /etc/passwd && mount --bind "$1" /etc/group && shift && exec "$@"'


def refused_namespace():
    if os.geteuid() != 0:
        return "changing the user needs root"
    done = subprocess.run(["unshare", "-m", "sh", "-c", 'mount --bind /etc/group /etc/group'],
                          capture_output=True, text=True)
    return done.stderr.strip() or "no mount namespace" if done.returncode else None


@pytest.fixture
def platform(make_agent, tmp_path):
    """An agent with one key whose host has a user in each group, and one in none."""
    why = refused_namespace()
    if why:
        pytest.skip(why)
    passwd = [f"yj-{name}:x:{uid}:{61000 if name == 'view' else 65534}::/:/bin/sh"
              for name, uid in USERS.items()]
    # One is in its group by its own entry, the others as members.
    group = ["yijian-view:x:61000:", "yijian-operator:x:61010:yj-operator",
             "yijian-admin:x:61020:someone,yj-admin", "elsewhere:x:61030:yj-nobody"]
    places = []
    for name, lines in (("passwd", passwd), ("group", group)):
        places.append(tmp_path / name)
        places[-1].write_text("\n".join(lines) + "\n" + pathlib.Path("/etc", name).read_text())
    with tempfile.TemporaryDirectory(prefix="yijian-socket-") as scratch:
        os.chmod(scratch, 0o755)
        agent = make_agent(env={"YIJIAN_SOCKET": os.path.join(scratch, "agent.sock"),
                                "YIJIAN_CONNECTIONS_MAX": "16", "YIJIAN_TRAFFIC_LOOPS": "1"},
                           before=["unshare", "-m", "sh", "-c", INSIDE, *map(str, places)])
        agent.socket = os.path.join(scratch, "agent.sock")
        agent.add_key("https://api.openai.com", api_key=SECRET)
        yield agent


@pytest.fixture(params=["loopback", "socket"])
def call(platform, request):
    """call(user, method, path, body, headers): (status, code, headers, text)."""
    def ask(user, method, path, body=None, headers=(), service=KEYS):
        host, port = platform.address(service) if request.param == "loopback" else (
            platform.socket, "")
        # Without groups of its own: what counts is what the host says of the uid.
        done = subprocess.run(
            ["setpriv", f"--reuid={USERS[user]}", "--regid=65534", "--clear-groups",
             sys.executable, "-c", CALL, host, str(port), method, path,
             json.dumps(body) if body is not None else "",
             json.dumps({"Content-Type": "application/json", **dict(headers)})],
            capture_output=True, text=True, timeout=60, cwd="/")
        assert done.returncode == 0, done.stderr
        status, answered, text = json.loads(done.stdout)
        document = json.loads(text) if text else {}
        return status, document.get("error", {}).get("code"), answered, text
    ask.over = request.param
    return ask


def test_an_operator_reads_masked_keys_and_writes(platform, call):
    status, _, _, text = call("operator", "GET", "/api/v1/keys")
    assert status == 200
    shown, = json.loads(text)["items"]
    assert shown["key_name"] == "simulated" and SECRET not in text
    assert shown["api_key_masked"] == f"sk-…{SECRET[-4:]}" and "api_key" not in shown
    status, code, _, text = call("operator", "POST", "/api/v1/keys", NEW_KEY)
    assert status == 201 and NEW_KEY["api_key"] not in text, (code, text)
    made = [row for row in platform.get(KEYS, "/api/v1/audit").body["items"]
            if row["actor"] == f"uid:{USERS['operator']}"]
    assert [row["action"] for row in made] == ["create"]


def test_an_operator_mints_nothing_above_itself(platform, call):
    assert call("operator", "POST", "/api/v1/tokens", ADMIN_TOKEN)[:2] == (403, "scope_exceeded")
    assert platform.get(KEYS, "/api/v1/tokens").body["total"] == 0
    assert call("admin", "POST", "/api/v1/tokens", ADMIN_TOKEN)[0] == 201


def test_a_viewer_reads_alone(platform, call):
    assert call("view", "GET", "/api/v1/keys")[0] == 200
    for method, path, body in (("POST", "/api/v1/keys", NEW_KEY), ("GET", "/api/v1/audit", None),
                               ("POST", "/api/v1/tokens", ADMIN_TOKEN)):
        assert call("view", method, path, body)[:2] == (403, "role_forbidden"), path
    assert platform.get(KEYS, "/api/v1/keys").body["total"] == 1


def test_who_is_in_no_group_is_told_the_fix(call):
    status, code, _, text = call("nobody", "GET", "/api/v1/keys")
    assert (status, code) == (403, "peer_not_allowed")
    assert "yijian-view" in text and str(USERS["nobody"]) in text and SECRET not in text


@pytest.mark.parametrize("user", ["operator", "admin"])
def test_a_group_does_not_reach_through_a_proxy(call, user):
    status, code, headers, _ = call(user, "GET", "/api/v1/keys",
                                    headers={"X-Forwarded-For": "10.0.0.1"})
    assert (status, code) == (401, "auth_required")
    assert headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", [("Origin", "https://evil.example"),
                                    ("Sec-Fetch-Site", "cross-site")])
def test_a_group_does_not_reach_a_page_of_elsewhere(call, header):
    if call.over == "socket":
        pytest.skip("no browser reaches a unix socket")
    assert call("operator", "GET", "/api/v1/keys", headers=[header])[:2] == (403, "bad_origin")


def test_places_are_kept_for_the_admin_group(platform, call):
    """Somebody holds all connections: those who may administer the agent still get in."""
    service = KEYS if call.over == "loopback" else GATEWAY
    with contextlib.ExitStack() as stack:
        held = []

        def hold_one():  # between requests they may stay for a minute
            os.seteuid(USERS["nobody"])
            try:
                raw = stack.enter_context(platform.connect(service))
            finally:
                os.seteuid(0)
            raw.send(head("GET", "/healthz"))
            if raw.answer().status == 200:  # else an earlier connection still ends
                held.append(raw)
            return len(held) == 16
        wait_for(hold_one, what="every place held")
        assert call("nobody", "GET", "/healthz")[0] == 503
        assert call("operator", "GET", "/healthz")[0] == 503
        for _ in range(2):
            assert call("admin", "GET", "/healthz")[0] == 200
            assert call("admin", "GET", "/api/v1/keys")[0] == 200
