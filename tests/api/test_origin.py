# SPDX-License-Identifier: MIT
"""A stored secret goes to the address it was stored for. To another one it goes with the secret
itself in the same request, or by an admin; the audit names both addresses."""
import subprocess

import pytest

from process import BUILD
from test_tokens import bearer, make_token
from vendord import header_of
from waiting import wait_for

KEYS, PATH = "key-manager", "/api/v1/keys"
SECRET = "sk-simulated-00000000000moved"


@pytest.fixture
def mine(make_vendord):
    return make_vendord()


@pytest.fixture
def theirs(make_vendord):
    return make_vendord()


@pytest.fixture
def operator(agent):
    return bearer(make_token(agent, "op", role="operator")["token"])


def patch(agent, key, body, headers=()):
    return agent.request(KEYS, "PATCH", f"{PATH}/{key['id']}", body, headers=headers)


def shown(vendord):
    """The last letters of every credential that arrived."""
    return {header_of(r, "Authorization") for r in vendord.requests()} - {None, ""}


def audited(agent):
    items = agent.get(KEYS, "/api/v1/audit?limit=200").body["items"]
    return [i for i in items if i["action"] == "key.origin"]


def refused(answer):
    assert (answer.status, answer.error) == (403, "role_forbidden"), answer
    assert answer.body["error"]["field"] == "base_url"
    assert "api_key" in answer.body["error"]["hint"]
    assert SECRET not in str(answer.body)


@pytest.mark.parametrize("who", [
    {"role": "operator"}, {"role": "operator", "scopes": ["keys:write"]},
    {"role": "admin", "scopes": ["keys:read", "keys:write"]}])  # a narrowed admin is none here
def test_an_operator_does_not_move_a_secret(agent, mine, theirs, who):
    headers = bearer(make_token(agent, "ci", **who)["token"])
    key = agent.add_key(mine.base_url, api_key=SECRET)
    for other in (theirs.base_url, f"http://localhost:{mine.port}", f"http://[::1]:{mine.port}",
                  f"https://127.0.0.1:{mine.port}", f"http://127.0.0.1:{mine.port + 1}", None,
                  "https://api.openai.com", "https://proxy.example/openai"):
        refused(patch(agent, key, {"base_url": other}, headers))
        refused(patch(agent, key, {"base_url": other, "note": "x", "enabled": True}, headers))
    after = agent.get(KEYS, f"{PATH}/{key['id']}").body
    assert after["base_url"] == mine.base_url and after["revision"] == key["revision"]
    assert agent.post(KEYS, f"{PATH}/{key['id']}/test", headers=headers).status in (200, 403)
    assert agent.chat().status == 200
    assert shown(mine) == {SECRET[-4:]} and shown(theirs) == set()
    assert audited(agent) == []

    def denial():
        items = agent.get(KEYS, "/api/v1/audit?limit=200").body["items"]
        return [i for i in items if i["action"] == "denied" and "key_patch" in i["object"]]
    said = wait_for(denial, 30, "the attempts in the audit")
    assert "(ci)" in said[0]["object"] and said[0]["result"] == "role_forbidden"
    assert "127.0.0.1" in said[0]["object"]


def test_an_admin_of_every_scope_moves_it(agent, mine, theirs):
    headers = bearer(make_token(agent, "all", scopes=["*"])["token"])
    key = agent.add_key(mine.base_url, api_key=SECRET)
    assert patch(agent, key, {"base_url": theirs.base_url}, headers).status == 200
    assert len(audited(agent)) == 1


def test_the_vendors_own_address_is_another_one_too(agent, operator):
    key = agent.post(KEYS, PATH, {
        "vendor": "openai", "service": "gpt-4", "key_name": "plain", "api_key": SECRET}).body
    refused(patch(agent, key, {"base_url": "https://api.openai.com.evil.example"}, operator))
    refused(patch(agent, key, {"base_url": "https://api.openai.com:8443"}, operator))
    refused(patch(agent, key, {"base_url": "https://api.openai.com."}, operator))
    for same in ("https://api.openai.com", "https://API.OpenAI.com:443/v1", None):
        assert patch(agent, key, {"base_url": same}, operator).status == 200, same
    assert audited(agent) == []


def test_the_same_address_spelled_otherwise(agent, mine, operator):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    for same in (f"HTTP://127.0.0.1:{mine.port}", f"http://0x7f000001:{mine.port}/v1",
                 f"http://127.1:{mine.port}/v1/", mine.url):
        answer = patch(agent, key, {"base_url": same}, operator)
        assert answer.status == 200, (same, answer)
        assert agent.chat().status == 200
    assert audited(agent) == []


def test_with_the_secret_again(agent, mine, theirs, operator):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    answer = patch(agent, key, {"base_url": theirs.base_url, "api_key": SECRET}, operator)
    assert answer.status == 200, answer
    assert answer.body["fingerprint"] == key["fingerprint"] and SECRET not in str(answer.body)
    assert agent.chat().status == 200
    assert shown(theirs) == {SECRET[-4:]} and shown(mine) == set()
    row = audited(agent)
    assert len(row) == 1 and row[0]["actor_name"] == "op" and row[0]["object_id"] == key["id"]
    assert f"{mine.url} -> {theirs.url}" in row[0]["object"]


def test_another_secret_for_another_address(agent, mine, theirs, operator):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    new = "sk-simulated-00000000000newer"
    answer = patch(agent, key, {"base_url": theirs.base_url, "api_key": new}, operator)
    assert answer.status == 200 and answer.body["fingerprint"] != key["fingerprint"]
    assert agent.chat().status == 200
    assert shown(theirs) == {new[-4:]} and shown(mine) == set()


def test_a_secret_alone_is_still_rotated(agent, mine, operator):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    answer = patch(agent, key, {"api_key": SECRET}, operator)
    assert answer.error == "field_forbidden"
    answer = patch(agent, key, {"api_key": SECRET, "base_url": mine.url}, operator)
    assert answer.error == "field_forbidden"


def test_an_admin_moves_it_and_the_audit_names_both(agent, mine, theirs):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    assert patch(agent, key, {"base_url": theirs.base_url}).status == 200
    assert agent.chat().status == 200
    assert shown(theirs) == {SECRET[-4:]}
    assert patch(agent, key, {"base_url": None}).status == 200
    to_vendor, moved = audited(agent)
    assert f"{mine.url} -> {theirs.url}" in moved["object"]
    assert f"{theirs.url} -> https://api.openai.com:443" in to_vendor["object"]
    assert all("openai/gpt-4/simulated" in row["object"] for row in (moved, to_vendor))
    assert agent.get(KEYS, "/api/v1/audit/verify").body.get("ok", True)


def test_keys_of_engines_as_well(agent, make_vendord, operator):
    here, there = make_vendord(flavour="vllm"), make_vendord(flavour="vllm")
    key = agent.post(KEYS, PATH, {"vendor": "vllm", "service": "local", "key_name": "gpu",
                                  "api_key": SECRET, "base_url": here.url}).body
    refused(patch(agent, key, {"base_url": there.url}, operator))
    instance = {"url": there.url, "engine": "vllm", "features": ["chat"],
                "auth": {"type": "bearer", "key": key["id"]}}
    answer = agent.request("service-registry", "PUT", "/api/v1/services/own/instances/gpu",
                           instance, headers=operator)
    assert (answer.status, answer.error) == (400, "field_forbidden"), answer
    assert shown(there) == set()


def test_an_operators_key_test_stays_at_its_address(make_agent, make_vendord):
    regions = {name: make_vendord(flavour="dashscope")
               for name in ("cn-beijing", "us-east-1", "ap-southeast-1")}
    agent = make_agent(env={"YIJIAN_VENDOR_REGIONS": ",".join(
        f"aliyun/{name}={vendor.url}" for name, vendor in regions.items())})
    here, there, third = regions.values()
    here.fault({"status": 401})
    third.fault({"status": 401})
    key = agent.add_key(here.url + "/compatible-mode", vendor="aliyun", service="qwen",
                        api_key=SECRET)
    headers = bearer(make_token(agent, "op", role="operator")["token"])
    tried = agent.post(KEYS, f"{PATH}/{key['id']}/test", headers=headers)
    assert tried.status == 200
    region = [c for c in tried.body["checks"] if c["name"] == "region"]
    assert len(region) == 1 and region[0]["result"] == "warn" and "admin" in region[0]["detail"]
    assert there.stats()["requests"] == 0
    tried = agent.post(KEYS, PATH + "/test", {
        "vendor": "aliyun", "service": "qwen", "key_name": "k", "api_key": SECRET,
        "base_url": here.url + "/compatible-mode"}, headers=headers)
    assert any(there.url in c["detail"] for c in tried.body["checks"]), "shown again, it may go"
    assert there.stats()["requests"] == 1
    agent.post(KEYS, f"{PATH}/{key['id']}/test")
    items = agent.get(KEYS, "/api/v1/audit").body["items"]
    row = next(i["object"] for i in items if i["action"] == "key.test")
    assert f"{here.url} ->" in row and there.url in row


def test_another_order_of_services_keeps_the_secret(agent, mine):
    key = agent.post(KEYS, PATH, {"vendor": "openai", "services": ["gpt-4", "embeddings"],
                                  "key_name": "both", "api_key": SECRET,
                                  "base_url": mine.base_url}).body
    answer = patch(agent, key, {"services": ["embeddings", "gpt-4"]})
    assert answer.status == 200, answer
    assert agent.chat().status == 200
    assert shown(mine) == {SECRET[-4:]}


def test_from_the_command_line(agent, mine, theirs, tmp_path):
    key = agent.add_key(mine.base_url, api_key=SECRET)
    token = tmp_path / "token"
    token.write_text(make_token(agent, "op", role="operator")["token"])
    token.chmod(0o600)

    def key_set(*more, given=""):
        return subprocess.run(
            [BUILD / "yijian", "--agent", agent.url(), "--token-file", str(token), "key", "set",
             key["id"], "--base-url", theirs.base_url, *more], input=given, capture_output=True,
            text=True, timeout=60, env={"LC_ALL": "C.UTF-8", "HOME": str(tmp_path)})
    done = key_set()
    assert done.returncode == 4 and "api_key" in done.stderr, done
    done = key_set("--api-key", "-", given=SECRET)
    assert done.returncode == 0 and SECRET not in done.stdout + done.stderr, done
    assert agent.chat().status == 200
    assert shown(theirs) == {SECRET[-4:]} and shown(mine) == set()
