# SPDX-License-Identifier: MIT
"""Model requests that the gateway refuses are traffic: counted by reason, listed, shown, and part of
the errors; a flood of them pushes nothing else out."""
import json
import os
import threading

import pytest

import unix_call
from command import yijian
from waiting import wait_for

GW, CONFIG, KEYS = "api-gateway", "config-center", "key-manager"
CHAT = "/v1/chat/completions"
HELLO = {"model": "chat", "messages": [{"role": "user", "content": "hello"}]}


def events(agent):
    answer = agent.get(GW, "/api/v1/events?kinds=traffic&stream=false&limit=1000")
    assert answer.status == 200
    return answer.body["items"]


def refused_events(agent):
    return [e for e in events(agent) if e.get("outcome") == "refused"]


def counted(agent, reason):
    """Of this reason, over all clients."""
    total = 0
    for line in agent.get(GW, "/metrics").body.decode().splitlines():
        if line.startswith("yijian_gateway_refused_total{") and f'reason="{reason}"' in line:
            total += float(line.rsplit(" ", 1)[1])
    return total


def denied(agent):
    """Credentials that were judged and refused."""
    return sum(float(line.rsplit(" ", 1)[1])
               for line in agent.get(GW, "/metrics").body.decode().splitlines()
               if line.startswith("yijian_auth_denied_total{"))


def refused(agent):
    return agent.get(GW, "/api/v1/status").body["refused"]


def add_client(agent, name="shop", **more):
    answer = agent.post(KEYS, "/api/v1/clients", {"name": name, **more})
    assert answer.status == 201, answer
    return answer.body


def bearer(client):
    return {"Authorization": "Bearer " + client["key"]}


def everywhere(agent, reason, n, status, code):
    """One reason, everywhere it is told; the last event of it."""
    assert counted(agent, reason) == n
    by_reason = {r["reason"]: r for r in refused(agent)["by_reason"]}
    assert by_reason[reason]["requests_5m"] == n and by_reason[reason]["rate_1m"] > 0
    assert by_reason[reason]["status"] == status and by_reason[reason]["text"]
    found = [e for e in refused_events(agent) if e["reason"] == reason]
    assert found and {(e["status"], e["code"]) for e in found} == {(status, code)}
    listed = yijian(agent, "traffic", "list", "--errors", "-o", "json")
    assert listed.returncode == 0, listed.stderr
    assert found[-1]["id"] in {e["id"] for e in json.loads(listed.stdout)["items"]}
    return found[-1]


# ---- every reason ----

def test_no_key_and_a_wrong_one(chat_agent):
    add_client(chat_agent)
    assert chat_agent.chat().status == 401
    wrong = "yj_c_" + "0" * 40
    assert chat_agent.chat(headers={"Authorization": "Bearer " + wrong}).status == 401
    assert chat_agent.chat(headers={"x-api-key": "sk-somebody-elses-secret-0001"}).status == 401
    event = everywhere(chat_agent, "key_missing", 1, 401, "invalid_api_key")
    assert event["caller"].startswith("127.0.0.1") and event["client"] is None
    everywhere(chat_agent, "key_unknown", 2, 401, "invalid_api_key")
    told = json.dumps(events(chat_agent)) + chat_agent.get(GW, "/metrics").body.decode()
    assert wrong not in told and "somebody" not in told


def test_a_disabled_client_an_expired_one_and_a_deleted_one(chat_agent):
    client = add_client(chat_agent)
    path = f"/api/v1/clients/{client['id']}"
    assert chat_agent.request(KEYS, "PATCH", path, {"enabled": False}).status == 200
    assert chat_agent.chat(headers=bearer(client)).status == 401
    event = everywhere(chat_agent, "key_disabled", 1, 401, "invalid_api_key")
    assert event["client_name"] == "shop"
    assert chat_agent.request(KEYS, "PATCH", path, {
        "enabled": True, "expires_at": "2020-01-01T00:00:00Z"}).status == 200
    assert chat_agent.chat(headers=bearer(client)).status == 401
    everywhere(chat_agent, "key_expired", 1, 401, "invalid_api_key")
    add_client(chat_agent, "other")
    assert chat_agent.request(KEYS, "DELETE", path).status == 204
    assert chat_agent.chat(headers=bearer(client)).status == 401
    everywhere(chat_agent, "key_unknown", 1, 401, "invalid_api_key")


def test_a_client_that_is_deleted_while_its_refused_body_comes(chat_agent):
    client = add_client(chat_agent)
    path = f"/api/v1/clients/{client['id']}"
    assert chat_agent.request(KEYS, "PATCH", path, {"enabled": False}).status == 200
    body = json.dumps(HELLO).encode()
    with chat_agent.connect() as raw:
        raw.send(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "
                 f"{client['key']}\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        wait_for(lambda: denied(chat_agent) == 1, what="the head is judged")
        assert chat_agent.request(KEYS, "DELETE", path).status == 204
        for i in range(20):  # where its document stood others may stand now
            add_client(chat_agent, f"another {i}")
        raw.send(body)
        assert raw.answer().status == 401
    event = everywhere(chat_agent, "key_disabled", 1, 401, "invalid_api_key")
    assert (event["client"], event["client_name"]) == (client["id"], "shop")


def test_a_token_where_a_client_key_is_due(chat_agent):
    token = chat_agent.post(KEYS, "/api/v1/tokens", {"name": "ci", "role": "viewer"}).body["token"]
    assert chat_agent.chat(headers={"Authorization": "Bearer " + token}).status == 403
    everywhere(chat_agent, "wrong_credential", 1, 403, "scope_exceeded")


def test_a_feature_that_is_not_the_clients(chat_agent):
    client = add_client(chat_agent, features=["embeddings"])
    assert chat_agent.chat(headers=bearer(client)).status == 403
    event = everywhere(chat_agent, "feature_denied", 1, 403, "scope_exceeded")
    assert (event["client_name"], event["feature"]) == ("shop", "chat")
    assert event["client"] == client["id"]
    assert f'reason="feature_denied",client="{client["id"]}"' in chat_agent.get(GW, "/metrics").body.decode()


@pytest.mark.parametrize("limits, reason", [
    ({"rpm": 1, "burst": 1}, "limit_rpm"), ({"tpm": 1}, "limit_tpm"),
    ({"concurrency": 1}, "limit_concurrency")])
def test_a_limit_of_the_client(chat_agent, vendord, limits, reason):
    client = add_client(chat_agent, limits=limits)
    vendord.fault({"hang": True}, count=1)
    waiting = threading.Thread(target=chat_agent.chat, kwargs={"headers": bearer(client)},
                               daemon=True)
    waiting.start()
    vendord.wait_stats(lambda s: vendord.requests(), what="the first request")
    assert chat_agent.chat(headers=bearer(client)).status == 429
    event = everywhere(chat_agent, reason, 1, 429, "rate_limited")
    assert event["client_name"] == "shop" and event["limited_by"].startswith("client:")


def test_a_budget_that_is_used_up(chat_agent):
    client = add_client(chat_agent, budget={"amount_pico": 0, "currency": "USD", "window": "total"})
    assert chat_agent.chat(headers=bearer(client)).status == 429
    everywhere(chat_agent, "budget", 1, 429, "budget_exceeded")


def test_limits_of_a_feature_and_of_a_vendor_key(chat_agent):
    answer = chat_agent.request(CONFIG, "PATCH", "/api/v1/features/embeddings",
                                {"limits": {"rpm": 1}})
    assert answer.status == 200, answer
    ask = {"model": "embeddings", "input": "x"}
    statuses = [chat_agent.post(GW, "/v1/embeddings", ask).status for _ in range(4)]
    assert statuses.count(429) > 0
    event = everywhere(chat_agent, "limit_rpm", statuses.count(429), 429, "rate_limited")
    assert (event["feature"], event["limited_by"]) == ("embeddings", "feature:rpm")
    keys = chat_agent.get(KEYS, "/api/v1/keys").body["items"]
    mine = next(k for k in keys if k["key_name"] == "chat")
    assert chat_agent.request(KEYS, "PATCH", f"/api/v1/keys/{mine['id']}",
                              {"limits": {"rpm": 1}}).status == 200
    before = counted(chat_agent, "limit_rpm")
    statuses = [chat_agent.chat().status for _ in range(4)]
    assert statuses.count(429) > 0
    assert counted(chat_agent, "limit_rpm") - before == statuses.count(429)


def test_an_unknown_model_by_every_road(chat_agent):
    assert chat_agent.chat(model="gpt-99").status == 404
    assert chat_agent.post(GW, "/v1/embeddings", {"model": "gpt-99", "input": "x"}).status == 404
    assert chat_agent.post(GW, "/v1/images/generations",
                           {"model": "gpt-99", "prompt": "x"}).status == 404
    assert counted(chat_agent, "model_unknown") == 3
    assert chat_agent.post(GW, "/api/v1/invoke/gpt-99", {"messages": []}).status == 404
    assert counted(chat_agent, "model_unknown") == 4
    assert "gpt-99" not in json.dumps(events(chat_agent))


def test_a_feature_that_is_off(chat_agent):
    assert chat_agent.request(CONFIG, "PATCH", "/api/v1/features/chat",
                              {"enabled": False}).status == 200
    assert chat_agent.chat().status == 503
    event = everywhere(chat_agent, "feature_off", 1, 503, "no_healthy_target")
    assert event["feature"] == "chat"


def test_a_data_policy_that_nothing_satisfies(chat_agent):
    answer = chat_agent.post(GW, CHAT, HELLO, headers={"X-Yijian-Data": "local_only"})
    assert answer.status == 503, answer
    everywhere(chat_agent, "policy_denied", 1, 503, "no_healthy_target")


def test_bodies_that_are_none_and_urls_there_are_not(chat_agent):
    for body in (b"", b"{", b'{"model":1}', b"[]"):
        assert chat_agent.request(GW, "POST", CHAT, body=body,
                                  headers={"Content-Type": "application/json"}).status >= 400
    assert counted(chat_agent, "body_invalid") == 4
    assert chat_agent.request(GW, "POST", CHAT, body=b"x",
                              headers={"Content-Length": str(2**33)}).status == 413
    everywhere(chat_agent, "body_too_large", 1, 413, "body_too_large")
    assert chat_agent.post(GW, "/v1/v1/chat/completions", HELLO).status == 404
    everywhere(chat_agent, "url_unknown", 1, 404, "unknown_url")
    assert chat_agent.get(GW, "/favicon.ico").status == 404
    assert chat_agent.get(GW, "/api/v1/nothing").status == 404
    assert refused(chat_agent)["requests_5m"] == 6


def test_a_caller_from_elsewhere_is_told_apart(chat_agent):
    """What browsers and proxies may not do."""
    assert chat_agent.chat(headers={"Origin": "http://evil.example"}).status == 403
    everywhere(chat_agent, "foreign_page", 1, 403, "bad_origin")


def test_overload_is_counted_without_asking_who(make_agent, vendord):
    agent = make_agent(env={"YIJIAN_INFLIGHT_MAX": "1"})
    agent.add_key(vendord.base_url)
    vendord.fault({"hang": True}, count=1)
    with agent.connect() as first:
        body = json.dumps(HELLO).encode()
        first.send(b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                   b"Content-Length: %d\r\n\r\n%s" % (CHAT.encode(), len(body), body))
        wait_for(lambda: agent.chat().status == 503)
        assert counted(agent, "overload") >= 1
        assert [e for e in refused_events(agent) if e["reason"] == "overload"]


def test_the_caller_on_the_unix_socket_is_its_uid(chat_agent):
    add_client(chat_agent)
    answer = unix_call.request(chat_agent, "POST", CHAT, HELLO)
    assert answer.status == 401
    assert refused_events(chat_agent)[-1]["caller"] == f"unix uid:{os.getuid()}"


# ---- what counts as an error ----

def test_errors_are_not_nought_while_everybody_is_refused(chat_agent):
    add_client(chat_agent)
    for _ in range(3):
        assert chat_agent.chat().status == 401
    traffic = chat_agent.get(GW, "/api/v1/status").body["traffic"]
    assert traffic["error_pct_1m"] == 100 and traffic["rate_1m"] > 0
    assert traffic["p95_ms"] is None  # an answer that cost nothing says nothing of latency
    routes = chat_agent.get(GW, "/api/v1/status").body["routes"]
    assert {r["error_pct"] for r in routes} == {None}


def test_what_an_upstream_says_is_no_refusal(chat_agent, vendord):
    vendord.fault({"status": 500})
    assert chat_agent.chat().status >= 500
    assert refused(chat_agent) == {"rate_1m": 0, "requests_5m": 0, "by_reason": []}
    assert refused_events(chat_agent) == [] and events(chat_agent)[-1]["status"] >= 500


# ---- a flood ----

def test_a_flood_pushes_nothing_out_and_is_not_lost(chat_agent):
    assert chat_agent.chat().status == 200
    add_client(chat_agent)
    head = chat_agent.get(GW, "/api/v1/events?stream=false").body["next"]
    n = 2000
    request = (b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
               % CHAT.encode())
    with chat_agent.connect() as one:
        for _ in range(n // 50):
            one.send(request * 50)
            for _ in range(50):
                assert one.answer("POST").status == 401
    assert counted(chat_agent, "key_missing") == n
    new = chat_agent.get(GW, "/api/v1/events?stream=false").body["next"] - head
    assert new < 50
    assert [e for e in events(chat_agent) if e["status"] == 200]


def test_what_was_grouped_adds_up(make_agent, vendord, clock):
    agent = make_agent(env=clock.env)
    agent.add_key(vendord.base_url)
    add_client(agent)
    for _ in range(30):
        assert agent.chat().status == 401
    clock.pass_until(lambda: sum(1 + e["repeated"] for e in refused_events(agent)) == 30,
                     what="the rest to be told")
    assert len(refused_events(agent)) == 2


# ---- people ----

def test_status_says_it_in_words(chat_agent):
    add_client(chat_agent)
    for _ in range(3):
        assert chat_agent.chat().status == 401
    done = yijian(chat_agent, "status")
    line = next(line for line in done.stdout.splitlines() if "refused" in line)
    assert "401 no key" in line and "/s" in line
    assert "yijian client add" in done.stdout


def test_status_says_nothing_of_what_is_not(chat_agent):
    assert chat_agent.chat().status == 200
    assert "refused" not in yijian(chat_agent, "status").stdout


def test_the_list_shows_who_and_why(chat_agent):
    add_client(chat_agent)
    assert chat_agent.chat().status == 401
    table = yijian(chat_agent, "traffic", "list", "--errors").stdout
    assert "401" in table and "invalid_api_key" in table
    wide = yijian(chat_agent, "traffic", "list", "--errors", "-o", "wide").stdout
    assert "key_missing" in wide and "127.0.0.1" in wide
    heads = yijian(chat_agent, "traffic", "list", "-o", "csv").stdout.splitlines()[0].split(",")
    assert len(heads) == len(set(heads))


def test_the_tail_shows_who_and_how_often(make_agent, vendord, clock):
    agent = make_agent(env=clock.env)
    agent.add_key(vendord.base_url)
    add_client(agent)
    for _ in range(5):
        assert agent.chat().status == 401
    clock.pass_until(lambda: len(refused_events(agent)) == 2, what="the rest to be told")
    done = yijian(agent, "traffic", "tail", "--errors", "--since", "0", "--limit", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all("127.0.0.1" in line and "401" in line for line in lines[1:])
    assert "x4" in lines[2] and "x" not in lines[1].split("invalid_api_key")[1]


def test_bound_beyond_this_host_everybody_needs_a_key(make_agent, vendord):
    """Also before there is one."""
    agent = make_agent(env={"YIJIAN_LISTEN_API_GATEWAY": "0.0.0.0:0", "YIJIAN_INSECURE_BIND": "1"})
    agent.add_key(vendord.base_url)
    assert agent.chat().status == 401
    told = unix_call.request(agent, "GET", "/api/v1/status").body["refused"]
    assert [r["reason"] for r in told["by_reason"]] == ["key_missing"]
