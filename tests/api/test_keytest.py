# SPDX-License-Identifier: MIT
"""The key test: what is wrong with a key, told apart, with the next step."""
import socket
import subprocess
import threading

import pytest

from process import BUILD
from waiting import wait_for

KEYS, CONFIG = "key-manager", "config-center"
PATH = "/api/v1/keys"
SECRET = "sk-simulated-000000000000test"


def tried(agent, key):
    answer = agent.post(KEYS, f"{PATH}/{key['id']}/test")
    assert answer.status == 200, answer
    for check in answer.body["checks"]:
        assert set(check) == {"name", "result", "ms", "detail", "hint"}
        assert check["result"] in ("ok", "warn", "fail")
        assert check["hint"] or check["result"] == "ok"
    assert answer.body["ok"] == all(c["result"] != "fail" for c in answer.body["checks"])
    assert SECRET not in str(answer.body)
    return answer.body


def named(body, name):
    return next((c for c in body["checks"] if c["name"] == name), None)


def state(agent, key):
    return agent.get(KEYS, f"{PATH}/{key['id']}").body["state"]


@pytest.fixture
def regions(make_vendord):
    """A vendor in three regions."""
    return {name: make_vendord(flavour="dashscope")
            for name in ("cn-beijing", "ap-southeast-1", "us-east-1")}


def regional(make_agent, regions):
    return make_agent(env={"YIJIAN_VENDOR_REGIONS": ",".join(
        f"aliyun/{name}={vendor.url}" for name, vendor in regions.items())})


def test_wrong_region(make_agent, regions):
    agent = regional(make_agent, regions)
    for name in ("cn-beijing", "us-east-1"):
        regions[name].fault({"status": 401})
    for service, base in (("qwen", "/compatible-mode"), ("wanx", "")):
        key = agent.add_key(regions["cn-beijing"].url + base, vendor="aliyun", service=service,
                            api_key=SECRET)
        body = tried(agent, key)
        assert body["ok"] is False
        assert "401" in named(body, "key accepted")["detail"]
        found = named(body, "region")
        assert "ap-southeast-1" in found["detail"]
        assert regions["ap-southeast-1"].url in found["hint"]
        assert state(agent, key) == "invalid"


def test_no_region_takes_it(make_agent, regions):
    agent = regional(make_agent, regions)
    for vendor in regions.values():
        vendor.fault({"status": 401})
    key = agent.add_key(regions["us-east-1"].url + "/compatible-mode", vendor="aliyun",
                        service="qwen", api_key=SECRET)
    found = named(tried(agent, key), "region")
    assert found["result"] == "fail" and "no other region" in found["detail"]
    assert all(vendor.stats()["requests"] == 1 for vendor in regions.values())


def test_a_good_key_is_shown_to_nobody_else(make_agent, regions):
    agent = regional(make_agent, regions)
    key = agent.add_key(regions["cn-beijing"].url + "/compatible-mode", vendor="aliyun",
                        service="qwen", api_key=SECRET)
    assert tried(agent, key)["ok"]
    assert [v.stats()["requests"] for v in regions.values()] == [1, 0, 0]


def test_a_vendors_key_goes_to_no_other_vendor(make_agent, regions, vendord):
    agent = regional(make_agent, regions)
    vendord.fault({"status": 401})
    key = agent.add_key(vendord.url, api_key=SECRET)
    assert named(tried(agent, key), "region") is None
    assert all(vendor.stats()["requests"] == 0 for vendor in regions.values())


def test_a_plans_key(make_agent, regions):
    agent = regional(make_agent, regions)
    for vendor in regions.values():
        vendor.fault({"status": 401})
    key = agent.add_key(regions["cn-beijing"].url + "/compatible-mode", vendor="aliyun",
                        service="qwen", api_key="sk-sp-simulated-0000000001")
    assert "plan" in named(tried(agent, key), "key accepted")["hint"]


@pytest.mark.parametrize("text", ["aliyun", "aliyun/x", "aliyun/x=ftp://h", "=http://h"])
def test_regions_are_checked(text, tmp_path):
    done = subprocess.run([BUILD / "yijiand", "--check-config", "--vendor-regions", text],
                          capture_output=True, text=True, env={"HOME": str(tmp_path)}, timeout=60)
    assert done.returncode == 78 and "YIJIAN_VENDOR_REGIONS" in done.stderr + done.stdout


def test_duplicates(agent, vendord):
    first = agent.add_key(vendord.base_url, api_key=SECRET)
    body = tried(agent, first)
    assert body["ok"] and {c["result"] for c in body["checks"]} == {"ok"}
    answer = agent.post(KEYS, PATH + "/test", {
        "vendor": "openai", "service": "dalle", "key_name": "again", "api_key": SECRET,
        "base_url": vendord.base_url}).body
    found = named(answer, "duplicate")
    assert found["result"] == "warn" and "openai/gpt-4/simulated" in found["detail"]


def test_one_account(agent, vendord):
    agent.add_key(vendord.base_url, api_key="sk-simulated-0000000000000a", account="team")
    second = agent.add_key(vendord.base_url, api_key="sk-simulated-0000000000000b",
                           key_name="second", account="team")
    found = named(tried(agent, second), "account")
    assert found["result"] == "warn" and "openai/gpt-4/simulated" in found["detail"]


def test_one_organisation(agent, vendord):
    """Nobody wrote an account down; the vendor names it."""
    first = agent.add_key(vendord.base_url, api_key="sk-simulated-1-0000000000org1")
    second = agent.add_key(vendord.base_url, api_key="sk-simulated-2-0000000000org1",
                           key_name="second")
    other = agent.add_key(vendord.base_url, api_key="sk-simulated-3-0000000000org2",
                          key_name="other")
    assert named(tried(agent, first), "account") is None
    assert "openai/gpt-4/simulated" in named(tried(agent, second), "account")["detail"]
    assert named(tried(agent, other), "account") is None


def test_a_model_it_does_not_see(agent, vendord):
    key = agent.add_key(vendord.base_url, api_key=SECRET)
    agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor", "vendor": "openai", "service": "gpt-4",
         "upstream_model": "gpt-5.4-minni"}]})
    body = tried(agent, key)
    found = named(body, "model")
    assert found["result"] == "warn" and body["ok"]
    assert "chat" in found["detail"] and "gpt-5.4-minni" in found["detail"]
    assert "did you mean gpt-5.4-mini" in found["hint"] and "gpt-4o-mini" in found["hint"]


def test_expiry(agent, vendord):
    key = agent.add_key(vendord.base_url, api_key=SECRET, expires_at="2020-01-01T00:00:00.000Z")
    body = tried(agent, key)
    assert named(body, "expiry")["result"] == "fail" and "2020-01-01" in named(body, "expiry")["detail"]
    assert state(agent, key) == "expired"


def test_no_quota(agent, vendord):
    key = agent.add_key(vendord.base_url, api_key=SECRET)
    vendord.fault({"status": 429, "code": "insufficient_quota"}, count=1)
    found = named(tried(agent, key), "quota")
    assert found["result"] == "fail" and "insufficient_quota" in found["detail"]
    assert state(agent, key) == "no_quota"
    assert tried(agent, key)["ok"] and state(agent, key) == "ok"


def test_rate_limited(agent, vendord):
    key = agent.add_key(vendord.base_url, api_key=SECRET)
    vendord.fault({"status": 429, "retry_after": "120"}, count=1)
    body = tried(agent, key)
    assert named(body, "rate")["result"] == "warn" and "until 2" in named(body, "rate")["detail"]
    wait_for(lambda: state(agent, key) in ("cooling", "ok"))


def closed_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def plain_port():
    """Someone who answers a TLS greeting in words."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with caller:
                caller.recv(4096)
                caller.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()


def test_network_faults(agent, plain_port):
    for url, kind in ((f"http://127.0.0.1:{closed_port()}", "refused"),
                      ("https://no-such-host.invalid", "dns"),
                      (f"https://127.0.0.1:{plain_port}", "tls")):
        body = agent.post(KEYS, PATH + "/test", {
            "vendor": "openai", "service": "gpt-4", "key_name": "x", "api_key": SECRET,
            "base_url": url}).body
        found = named(body, "connect")
        assert body["ok"] is False and found["result"] == "fail"
        assert found["detail"].startswith(kind + ":"), (url, found)
        assert found["hint"]


def test_tests_are_audited(agent, vendord):
    key = agent.add_key(vendord.base_url, api_key=SECRET)
    tried(agent, key)
    vendord.fault({"status": 401})
    tried(agent, key)
    wait_for(lambda: [(a["object"], a["result"])
                      for a in agent.get(KEYS, "/api/v1/audit").body["items"]
                      if a["action"] == "key.test"]
             == [("openai/gpt-4/simulated", "fail"), ("openai/gpt-4/simulated", "ok")])


def test_a_key_is_unknown_until_it_worked(agent, vendord):
    key = agent.add_key(vendord.base_url)
    assert state(agent, key) == "unknown"
    assert agent.get("api-gateway", "/api/v1/status").body["keys"]["problems"] == []
    assert agent.chat().status == 200
    assert state(agent, key) == "ok"
    rotated = agent.post(KEYS, f"/api/v1/keys/{key['id']}/rotate",
                         {"api_key": "sk-simulated-anotheranother00"})
    assert rotated.status == 200 and state(agent, key) == "unknown", "another secret"
    assert tried(agent, key)["ok"] and state(agent, key) == "ok"
