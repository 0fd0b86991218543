# SPDX-License-Identifier: MIT
"""Who may call: the kernel's peer uid, page rules, tokens; the answers of each refusal."""
import os
import subprocess
import sys
import tempfile

import pytest

import unix_call
from agent import SERVICES, Agent
from http_engines import PORTS
from raw import head

REGISTRY = "service-registry"
LIST = "/api/v1/services"

# Run as another user: one GET, prints status and body.
CALL = """
import http.client, ssl, sys
address = sys.argv[1], int(sys.argv[2])
c = http.client.HTTPConnection(*address, timeout=30)
if sys.argv[5:]:
    c = http.client.HTTPSConnection(*address, timeout=30, context=ssl._create_unverified_context())
c.request(sys.argv[3], sys.argv[4])
r = c.getresponse()
print(r.status, r.read().decode())
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")


def call_as(uid, agent, service, method, path, family=4):
    address = agent.address(service, family)
    over_tls = ["tls"] if hasattr(address, "tls") else []
    done = subprocess.run(
        ["setpriv", f"--reuid={uid}", "--regid=65534", "--clear-groups", sys.executable, "-c",
         CALL, address[0], str(address[1]), method, path, *over_tls], capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    status, _, body = done.stdout.partition(" ")
    return int(status), body


@pytest.mark.parametrize("service", PORTS)
def test_the_agents_own_user_is_admin(agent, service):
    assert agent.get(service, LIST).status == 200


@pytest.mark.parametrize("service", PORTS)
@needs_root
@pytest.mark.parametrize("family", [4, 6])
def test_another_user_is_refused_with_the_fix(agent, service, family):
    if family == 6 and len(agent.ports[service]) < 2:
        pytest.skip("no IPv6 here")
    status, body = call_as(65534, agent, service, "GET", LIST, family)
    assert status == 403
    assert '"peer_not_allowed"' in body and "yijian-view" in body and "65534" in body


@pytest.mark.parametrize("service", PORTS)
@needs_root
def test_another_user_sees_health_pages_and_figures(agent, service):
    for path in ("/", "/healthz", "/metrics", "/openapi.json", "/api"):
        assert call_as(65534, agent, service, "GET", path)[0] == 200


@needs_root
def test_refused_on_every_port_and_through_the_gateway(agent):
    paths = {"api-gateway": "/api/v1/status", "config-center": "/api/v1/features",
             "key-manager": "/api/v1/keys", REGISTRY: LIST, "router-engine": "/api/v1/routes"}
    for service in SERVICES:
        status, body = call_as(65534, agent, service, "GET", paths[service])
        assert status == 403 and "peer_not_allowed" in body, (service, status, body)
    assert call_as(65534, agent, "api-gateway", "GET", LIST)[0] == 403


FORWARDING = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host",
              "CF-Connecting-IP", "X-Envoy-External-Address", "X-Original-Forwarded-For",
              "True-Client-IP", "Fastly-Client-IP", "X-Client-IP", "X-Cluster-Client-IP",
              "X-ProxyUser-Ip", "WL-Proxy-Client-IP", "Proxy-Client-IP", "X-Azure-ClientIP",
              "Fly-Client-IP", "X-Appengine-User-IP", "CDN-Loop", "X-Amz-Cf-Id", "Remote-Addr",
              "X-Amzn-Trace-Id", "X-Acme-Forwarded-By", "X-Original-URL", "X-Remote-User"]


PLACES = [(REGISTRY, LIST, "auth_required"), ("api-gateway", LIST, "auth_required"),
          ("key-manager", "/api/v1/keys", "auth_required"),
          ("api-gateway", "/v1/models", "invalid_api_key")]


def test_forwarded_calls_need_a_token(agent):
    for name in FORWARDING:
        for spelled in (name, name.upper(), name.replace("-", "_")):
            headers = {spelled: "10.0.0.1"}
            for service, path, code in PLACES:
                answer = agent.get(service, path, headers=headers)
                assert (answer.status, answer.error) == (401, code), (service, spelled)
                assert answer.headers["WWW-Authenticate"] == "Bearer"
            for _, path, code in PLACES[1:]:
                answer = unix_call.request(agent, "GET", path, headers=headers)
                assert (answer.status, answer.error) == (401, code), ("socket", spelled)


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("headers", [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://localhost:1"}])
@pytest.mark.parametrize("method, path", [("GET", LIST), ("POST", LIST), ("GET", "/healthz")])
def test_pages_of_elsewhere(agent, service, headers, method, path):
    if method == "POST":
        headers = {**headers, "Content-Type": "text/plain"}
    answer = agent.request(service, method, path, body="{}" if method == "POST" else None,
                           headers=headers)
    assert (answer.status, answer.error) == (403, "bad_origin")


@pytest.mark.parametrize("service", PORTS)
def test_own_page_may(agent, service):
    host, port = agent.address(service)
    answer = agent.get(service, LIST, headers={"Origin": f"http://{host}:{port}",
                                                "Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200


@pytest.mark.parametrize("service", PORTS)
@pytest.mark.parametrize("value", ["Bearer yj_a_unknown", "Bearer ", "Basic dTpw", "Bearer " + "x" * 4000,
                                   "nonsense"])
def test_a_bad_credential_is_never_forgiven(agent, service, value):
    answer = agent.get(service, LIST, headers={"Authorization": value})
    assert (answer.status, answer.error) == (401, "token_invalid")
    answer = agent.get(service, LIST, headers={"x-api-key": "sk-x"})
    assert (answer.status, answer.error) == (401, "token_invalid")


@pytest.mark.parametrize("service", PORTS)
def test_two_credentials(agent, service):
    answer, raw = agent.raw(service, head("GET", LIST, "Authorization: Bearer a",
                                          "Authorization: Bearer b"))
    raw.close()
    assert (answer.status, answer.code) == (400, "bad_framing")


@pytest.mark.parametrize("service", PORTS)
def test_host_is_not_judged_with_a_token(agent, service):
    answer, raw = agent.raw(service, head("GET", LIST, "Authorization: Bearer a",
                                          host="gpu-box.lan"))
    raw.close()
    assert (answer.status, answer.code) == (401, "token_invalid")


def test_data_path_takes_any_key_of_a_local_caller(agent):
    path = "/v1/models"
    if agent.get("api-gateway", path).status == 404:
        pytest.skip("no data path in this build")
    assert agent.get("api-gateway", path, headers={"Authorization": "Bearer sk-x"}).status == 200
    answer = agent.get("api-gateway", path, headers={"X-Forwarded-For": "10.0.0.1"})
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    answer = agent.get("api-gateway", path, headers={"Authorization": "Bearer sk-x",
                                                     "Origin": "https://evil.example"})
    assert (answer.status, answer.error) == (403, "bad_origin")
    answer, raw = agent.raw("api-gateway", head("GET", path, "Authorization: Bearer sk-x",
                                                host="rebind.example"))
    raw.close()
    assert (answer.status, answer.code) == (403, "bad_host")


@pytest.mark.parametrize("service", PORTS)
def test_peer_trust_can_be_turned_off(make_agent, service):
    agent = make_agent(env={"YIJIAN_PEER_TRUST": "false"})
    answer = agent.get(service, LIST)
    assert (answer.status, answer.error) == (401, "auth_required")
    assert agent.get(service, "/healthz").status == 200


def test_unix_socket(agent):
    import http.client
    import socket

    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.connect(str(agent.state_dir / "agent.sock"))

    for path in (LIST, "/api/v1/routes", "/healthz", "/api/v1/status"):
        connection = Connection("localhost", timeout=30)
        connection.request("GET", path)
        assert connection.getresponse().status == 200, path
        connection.close()


@pytest.mark.parametrize("service", PORTS)
def test_refusals_are_counted(agent, service):
    agent.get(service, LIST, headers={"Origin": "https://evil.example"})
    text = agent.get(service, "/metrics").body.decode()
    assert f'yijian_auth_denied_total{{service="{service}",code="bad_origin"}} 1' in text


def test_insecure_bind_is_refused(tmp_path):
    from process import BUILD
    done = subprocess.run([BUILD / "yijiand", "--check-config"], capture_output=True, text=True,
                          env={"YIJIAN_STATE_DIR": str(tmp_path),
                               "YIJIAN_LISTEN_KEY_MANAGER": "0.0.0.0:8002"}, timeout=60)
    assert done.returncode == 78
    assert "key-manager" in done.stderr and "YIJIAN_INSECURE_BIND" in done.stderr


@needs_root
def test_another_user_on_the_unix_socket(make_agent):
    with tempfile.TemporaryDirectory(prefix="yijian-socket-") as scratch:
        os.chmod(scratch, 0o755)
        path = os.path.join(scratch, "agent.sock")
        make_agent(env={"YIJIAN_SOCKET": path})
        code = ("import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
                "s.sendall(b'GET /api/v1/keys HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'); "
                "print(s.recv(65536).decode())")
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c",
             code, path], capture_output=True, text=True, timeout=60, cwd="/")
        assert " 403 " in done.stdout and '"peer_not_allowed"' in done.stdout, done


@pytest.fixture
def agent_of_groups(tmp_path):
    """An agent on a host where user 65534 is an operator: the group file is its own."""
    group = tmp_path / "group"
    group.write_text(open("/etc/group").read() + "yijian-operator:x:64999:nobody\n")
    mount = f"mount --bind {group} /etc/group"
    if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
        pytest.skip("no mount namespace of one's own here")
    agent = Agent(scratch=tmp_path)
    agent.command = ["unshare", "-m", "sh", "-c", mount + ' && exec "$0"', *agent.command]
    with agent:
        yield agent


@needs_root
def test_a_user_of_the_operators_group(agent_of_groups, vendord):
    agent = agent_of_groups
    key = agent.add_key(vendord.base_url, api_key="sk-simulated-00000000operator")
    path = f"/api/v1/keys/{key['id']}"
    status, body = call_as(65534, agent, "key-manager", "GET", "/api/v1/keys")
    assert status == 200 and key["id"] in body and "00000000operator" not in body
    assert call_as(65534, agent, "key-manager", "POST", path + "/disable")[0] == 200
    assert agent.get("key-manager", path).body["enabled"] is False
    for name in ("boss", "second"):
        token = agent.post("key-manager", "/api/v1/tokens", {"name": name, "role": "admin"}).body
    status, body = call_as(65534, agent, "key-manager", "DELETE", f"/api/v1/tokens/{token['id']}")
    assert status == 403 and '"scope_exceeded"' in body, "what admins made is theirs"
