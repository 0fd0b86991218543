# SPDX-License-Identifier: MIT
"""Tokens of the platform APIs and client keys of the model traffic: how they are made, what they
reach, how they end, and what a wrong one gets. Each test names the rule it holds."""
import concurrent.futures
import datetime
import json
import os
import re
import socket
import sqlite3
import subprocess
import zlib

import pytest

import http_call
import unix_call
from process import BUILD
from raw import head
from waiting import wait_for

KEYS, GATEWAY, CONFIG = "key-manager", "api-gateway", "config-center"
TOKENS, CLIENTS = "/api/v1/tokens", "/api/v1/clients"
FORM = re.compile(r"yj_[ac]_[a-z2-7]{10}_[0-9A-Za-z]{32}_[0-9A-Za-z]{6}")


def bearer(secret):
    return {"Authorization": f"Bearer {secret}"}


def make_token(agent, name="ci", role="admin", headers=(), **more):
    answer = agent.post(KEYS, TOKENS, {"name": name, "role": role, **more}, headers=headers)
    assert answer.status == 201, answer
    return answer.body


def make_client(agent, name="app", **more):
    answer = agent.post(KEYS, CLIENTS, {"name": name, **more})
    assert answer.status == 201, answer
    return answer.body


def in_time(seconds):
    """RFC 3339 of a time this far from now."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


# ---- how they are made ----

def test_a_token_is_shown_once(agent):
    answer = agent.post(KEYS, TOKENS, {"name": "CI Läufer", "role": "operator"})
    assert answer.status == 201
    token = answer.body["token"]
    assert FORM.fullmatch(token) and token.startswith(answer.body["id"] + "_")
    assert answer.headers["Location"] == f"{TOKENS}/{answer.body['id']}"
    assert answer.headers["ETag"] == f'"{answer.body["revision"]}"'
    secret = token.split("_")[3]
    for path in (TOKENS, f"{TOKENS}/{answer.body['id']}", "/api/v1/audit", "/api/v1/changes",
                 "/api/v1/events"):
        service = GATEWAY
        assert secret not in json.dumps(agent.get(service, path).body)
    agent.stop()
    for file in agent.state_dir.iterdir():
        if file.is_file():
            assert secret.encode() not in file.read_bytes(), file


def test_a_client_key_is_shown_once(agent):
    client = make_client(agent, limits={"rpm": 60, "burst": 6},
                         budget={"amount_pico": 10**12, "currency": "USD", "window": "day"},
                         features=["chat"], expires_at=in_time(3600))
    assert FORM.fullmatch(client["key"]) and client["key"].startswith("yj_c_")
    assert client["limits"]["rpm"] == 60 and client["budget"]["window"] == "day"
    shown = agent.get(KEYS, f"{CLIENTS}/{client['id']}").body
    assert "key" not in shown and shown["name"] == "app" and shown["state"] == "active"
    assert agent.get(KEYS, f"{CLIENTS}/app").error == "not_found"  # a name is no id
    assert shown["spent"] == {"pico": 0, "currency": "USD", "source": "counted"}
    listed = agent.get(KEYS, CLIENTS).body
    assert [c["id"] for c in listed["items"]] == [client["id"]] and listed["total"] == 1


def test_the_same_idempotency_key_makes_one_and_shows_its_secret_once(agent):
    key = {"Idempotency-Key": "once"}
    first = agent.post(KEYS, TOKENS, {"name": "a", "role": "viewer"}, headers=key)
    again = agent.post(KEYS, TOKENS, {"name": "a", "role": "viewer"}, headers=key)
    assert (first.status, again.status) == (201, 201)
    assert first.body["id"] == again.body["id"] and "token" not in again.body
    assert again.headers["Idempotent-Replayed"] == "true"
    assert agent.get(KEYS, TOKENS).body["total"] == 1


@pytest.mark.parametrize("path, body, status, code", [
    (TOKENS, {"role": "admin"}, 422, "field_required"),
    (TOKENS, {"name": "x"}, 422, "field_required"),
    (TOKENS, {"name": "x", "role": "Admin"}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "ADMIN "}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "root"}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "none"}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": 3}, 422, "field_type"),
    (TOKENS, {"name": "  ", "role": "viewer"}, 422, "field_range"),
    (TOKENS, {"name": "x\u202ey", "role": "viewer"}, 422, "field_charset"),
    (TOKENS, {"name": "x", "role": "viewer", "scopes": ["keys:all"]}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "viewer", "cidr": ["10.0.0.0/33"]}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "viewer", "cidr": ["10.0.0.1,0.0.0.0/0"]}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "viewer", "expires_at": "tomorrow"}, 422, "field_range"),
    (TOKENS, {"name": "x", "role": "viewer", "token": "x", "more": 1}, 400, "field_unknown"),
    (CLIENTS, {}, 422, "field_required"),
    (CLIENTS, {"name": "x", "limits": {"rpm": 0}}, 422, "field_range"),
    (CLIENTS, {"name": "x", "limits": {"rps": 1}}, 400, "field_unknown"),
    (CLIENTS, {"name": "x", "budget": {"amount_pico": -1}}, 422, "field_range"),
    (CLIENTS, {"name": "x", "budget": {"window": "week"}}, 422, "field_range"),
    (CLIENTS, {"name": "x", "features": ["A B"]}, 422, "field_charset"),
])
def test_bad_documents(agent, path, body, status, code):
    answer = agent.post(KEYS, path, body)
    assert (answer.status, answer.error) == (status, code), answer
    assert agent.get(KEYS, path).body["total"] == 0


def test_names_are_unique_without_case_and_outer_space(agent):
    make_token(agent, "Deploy")
    make_client(agent, "Shop")
    for path, name in ((TOKENS, "deploy "), (CLIENTS, " SHOP")):
        answer = agent.post(KEYS, path, {"name": name, "role": "viewer"} if path == TOKENS
                            else {"name": name})
        assert (answer.status, answer.error) == (409, "conflict_exists")


def test_the_built_in_clients_name_is_taken(agent):
    assert agent.post(KEYS, CLIENTS, {"name": "Local"}).error == "conflict_exists"
    client = make_client(agent)
    answer = agent.request(KEYS, "PATCH", f"{CLIENTS}/{client['id']}", {"name": "local"})
    assert (answer.status, answer.error) == (409, "conflict_exists")


def test_two_writers_of_one_name(agent):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: agent.post(KEYS, CLIENTS, {"name": "same"}), range(40)))
    assert sorted(a.status for a in answers) == [201] + [409] * 39


# ---- what they reach ----

def test_a_token_is_admin_on_every_port_under_any_host(agent):
    token = make_token(agent)["token"]
    for service, path in ((KEYS, "/api/v1/keys"), (CONFIG, "/api/v1/features"),
                          ("service-registry", "/api/v1/services"),
                          ("router-engine", "/api/v1/routes"), (GATEWAY, "/api/v1/status")):
        assert agent.get(service, path, headers=bearer(token)).status == 200
    answer, raw = agent.raw(KEYS, head("GET", "/api/v1/keys", f"Authorization: bearer {token}",
                                       "X-Forwarded-For: 10.0.0.1", host="gpu-box.lan"))
    raw.close()
    assert answer.status == 200


def test_the_roles(agent, vendord):
    tokens = {role: make_token(agent, role, role)["token"]
              for role in ("viewer", "operator", "service", "admin")}
    body = {"vendor": "openai", "service": "gpt-4", "key_name": "k",
            "api_key": "sk-simulated-000000000001", "base_url": vendord.base_url}
    instance = {"service": "s", "id": "i", "url": "http://10.0.0.1:8000", "engine": "vllm"}
    want = {
        "viewer": {("GET", "/api/v1/keys"): 200, ("POST", "/api/v1/keys"): 403,
                   ("POST", "/api/v1/services"): 403, ("GET", "/api/v1/audit"): 403,
                   ("POST", TOKENS): 403},
        "service": {("GET", "/api/v1/keys"): 403, ("POST", "/api/v1/keys"): 403,
                    ("POST", "/api/v1/services"): 201, ("GET", TOKENS): 403},
        "operator": {("GET", "/api/v1/keys"): 200, ("POST", "/api/v1/keys"): 201,
                     ("GET", "/api/v1/audit"): 200},
        "admin": {("GET", "/api/v1/audit"): 200},
    }
    for role, calls in want.items():
        for (method, path), status in calls.items():
            json = None if method == "GET" else instance if "services" in path else body
            answer = agent.request(GATEWAY, method, path, json, headers=bearer(tokens[role]))
            assert answer.status == status, (role, method, path, answer)
            if status == 403:
                assert answer.error == "role_forbidden"


def test_a_service_touches_its_own_instances_alone(agent):
    first = make_token(agent, "one", "service")
    one, two = first["token"], make_token(agent, "two", "service")["token"]
    path = "/api/v1/services/llm/instances/gpu1"
    body = {"url": "http://10.0.0.1:8000", "engine": "vllm", "ttl_s": 60}

    def call(method, suffix="", json=None, token=None):
        return agent.request("service-registry", method, path + suffix, json,
                             headers=bearer(token) if token else {})
    assert call("PUT", json=body, token=one).status == 201
    assert call("GET").body["owner"] == first["id"]
    for method, suffix, json in (("PUT", "", {**body, "url": "http://10.6.6.6:8000"}),
                                 ("POST", "/heartbeat", None), ("DELETE", "", None)):
        answer = call(method, suffix, json, two)
        assert (answer.status, answer.error) == (403, "scope_exceeded"), method
    assert call("GET").body["url"] == body["url"]
    assert call("POST", "/drain").status == 200  # an operator's hand does not make it the operator's
    assert call("POST", "/heartbeat", token=one).status == 200
    agent.restart()
    assert call("POST", "/heartbeat", token=two).status == 403
    assert call("PUT", json=body, token=one).status == 200
    assert call("DELETE", token=one).status == 204


def test_scopes_narrow_a_role(agent):
    token = make_token(agent, "reader", "operator", scopes=["keys:read", "features:write"])["token"]
    assert agent.get(KEYS, "/api/v1/keys", headers=bearer(token)).status == 200
    assert agent.get(KEYS, "/api/v1/vendors", headers=bearer(token)).status == 200
    for service, method, path in ((KEYS, "POST", "/api/v1/keys"), (CONFIG, "GET", "/api/v1/features"),
                                  (GATEWAY, "GET", "/api/v1/status"), (KEYS, "GET", TOKENS)):
        answer = agent.request(service, method, path, {} if method == "POST" else None,
                               headers=bearer(token))
        assert (answer.status, answer.error) == (403, "scope_exceeded"), (method, path)
    answer = agent.request(CONFIG, "PATCH", "/api/v1/features/chat", {"description": "x"},
                           headers=bearer(token))
    assert answer.status == 200


@pytest.mark.parametrize("body", [
    {"role": "admin"}, {"role": "operator", "scopes": ["*"]}, {"role": "admin", "scopes": ["*"]}])
def test_an_operator_mints_nothing_above_itself(agent, body):
    token = make_token(agent, "op", "operator")["token"]
    answer = agent.post(KEYS, TOKENS, {"name": "more", **body}, headers=bearer(token))
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    for role in ("viewer", "service", "operator"):
        make_token(agent, role, role, headers=bearer(token))
    victim = make_token(agent, "boss")
    answer = agent.request(KEYS, "DELETE", f"{TOKENS}/{victim['id']}", headers=bearer(token))
    assert (answer.status, answer.error) == (403, "scope_exceeded")


def test_a_narrow_token_mints_narrower_ones_alone(agent):
    narrow = make_token(agent, "narrow", "admin", scopes=["tokens:write", "keys:read"],
                        expires_at=in_time(3600))["token"]

    def mint(name, **more):
        return agent.post(KEYS, TOKENS, {"name": name, "role": "viewer", **more},
                          headers=bearer(narrow))
    for more in ({}, {"scopes": ["*"]}, {"scopes": ["keys:read"]},
                 {"scopes": ["keys:write"], "expires_at": in_time(60)},
                 {"scopes": ["keys:read"], "expires_at": in_time(7200)}):
        assert mint("x", **more).error == "scope_exceeded", more
    assert mint("ok", scopes=["keys:read"], expires_at=in_time(60)).status == 201


def test_a_narrow_admin_ends_no_whole_one(agent):
    whole = [make_token(agent, "whole"), make_token(agent, "all", scopes=["*"])]
    other = make_token(agent, "other", scopes=["keys:read"])
    narrow = bearer(make_token(agent, "narrow", scopes=["tokens:write"])["token"])
    for token in whole:
        answer = agent.request(KEYS, "DELETE", f"{TOKENS}/{token['id']}", headers=narrow)
        assert (answer.status, answer.error) == (403, "scope_exceeded"), answer
    assert agent.request(KEYS, "DELETE", f"{TOKENS}/{other['id']}", headers=narrow).status == 204
    # One with every scope is an administrator's like one without any: the last of them stays.
    assert agent.request(KEYS, "DELETE", f"{TOKENS}/{whole[0]['id']}").status == 204
    answer = agent.request(KEYS, "DELETE", f"{TOKENS}/{whole[1]['id']}")
    assert (answer.status, answer.error) == (409, "last_admin"), answer


@pytest.mark.parametrize("end", ["revoked", "expired"])
def test_what_lasts_ends_with_its_token(make_agent, clock, end):
    """A stream of events shows nothing that comes later, and whoever waits for a change is told."""
    agent = make_agent(env=clock.env)
    token = make_token(agent, "reader", "viewer", **(
        {"expires_at": in_time(3600)} if end == "expired" else {}))
    revision = agent.get(CONFIG, "/api/v1/features").body["revision"]
    waiting = concurrent.futures.ThreadPoolExecutor(1)
    watch = waiting.submit(agent.get, CONFIG, f"/api/v1/watch?since={revision}&wait=60s",
                           headers=bearer(token["token"]))
    with http_call.Stream(agent.address(), "GET", "/api/v1/events?stream=true", None,
                          bearer(token["token"]), 60) as stream:
        assert stream.status == 200
        if end == "revoked":
            assert agent.request(KEYS, "DELETE", f"{TOKENS}/{token['id']}").status == 204
        else:
            clock.advance(0, wall_s=3601)
        make_client(agent, "made-afterwards")
        assert "made-afterwards" not in str(list(stream.events()))  # and it has an end
    answer = watch.result(60)
    assert (answer.status, answer.error) == (401, f"token_{end}"), answer


def test_networks(agent):
    inside = make_token(agent, "in", cidr=["127.0.0.0/8", "::1"])["token"]
    outside = make_token(agent, "out", cidr=["10.0.0.0/8"])["token"]
    assert agent.get(KEYS, "/api/v1/keys", headers=bearer(inside)).status == 200
    answer = agent.get(KEYS, "/api/v1/keys", headers=bearer(outside))
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    assert unix_call.request(agent, "GET", "/api/v1/keys", headers=bearer(inside)).status == 403


def test_authorization_wins_over_x_api_key(agent):
    one, two = make_client(agent, "one")["key"], make_client(agent, "two")["key"]
    token, service = make_token(agent)["token"], make_token(agent, "gpu", "service")["token"]

    def call(service, path, authorization, api_key):
        return agent.get(service, path, headers={"x-api-key": api_key,
                                                 "Authorization": authorization})
    for other in (two, "sk-of-somebody-else", token, one[:-1], ""):
        assert call(GATEWAY, "/v1/models", f"Bearer {one}", other).status == 200, other
    for other in (service, "sk-of-somebody-else", one, ""):
        assert call(KEYS, TOKENS, f"Bearer {token}", other).status == 200, other
    # What it says counts when it is wrong, too.
    for wrong in ("Bearer sk-of-somebody-else", "Basic dTpw", "", "Bearer"):
        assert call(GATEWAY, "/v1/models", wrong, one).error == "invalid_api_key", wrong
        assert call(KEYS, TOKENS, wrong, token).error == "token_invalid", wrong


def test_a_credential_on_the_wrong_side(agent):
    token, client = make_token(agent)["token"], make_client(agent)["key"]
    answer = agent.get(KEYS, "/api/v1/keys", headers=bearer(client))
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    answer = agent.get(KEYS, "/api/v1/keys", headers={"x-api-key": client})
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    answer = agent.get(GATEWAY, "/v1/models", headers=bearer(token))
    assert (answer.status, answer.error) == (403, "scope_exceeded")
    assert set(answer.body["error"]) >= {"message", "type", "param", "code"}


# ---- how they end ----

def test_revoked_at_once(agent):
    one, two = make_token(agent, "one"), make_token(agent, "two")
    assert agent.get(KEYS, TOKENS, headers=bearer(one["token"])).body["total"] == 2
    assert agent.request(KEYS, "DELETE", f"{TOKENS}/{one['id']}").status == 204
    answer = agent.get(KEYS, TOKENS, headers=bearer(one["token"]))
    assert (answer.status, answer.error) == (401, "token_revoked")
    assert agent.get(KEYS, TOKENS, headers=bearer(two["token"])).body["total"] == 1
    assert agent.get(KEYS, f"{TOKENS}/{one['id']}").error == "not_found"
    assert agent.request(KEYS, "DELETE", f"{TOKENS}/{one['id']}").error == "not_found"
    make_token(agent, "one")  # the name is free again
    agent.restart()
    assert agent.get(KEYS, TOKENS, headers=bearer(one["token"])).error == "token_revoked"
    assert agent.get(KEYS, TOKENS, headers=bearer(two["token"])).status == 200


def test_expired_and_not_yet_valid(agent):
    late = make_token(agent, "late", expires_at=in_time(-1))
    early = make_token(agent, "early", not_before=in_time(3600))
    for token, state in ((late, "expired"), (early, "pending")):
        answer = agent.get(KEYS, TOKENS, headers=bearer(token["token"]))
        assert (answer.status, answer.error) == (401, "token_expired")
        assert agent.get(KEYS, f"{TOKENS}/{token['id']}").body["state"] == state


def test_the_last_admin_stays_but_for_root_on_the_socket(agent):
    first, second = make_token(agent, "first"), make_token(agent, "second")
    make_token(agent, "old", expires_at=in_time(-1))
    make_token(agent, "narrow", scopes=["keys:read"])
    assert agent.request(KEYS, "DELETE", f"{TOKENS}/{first['id']}").status == 204
    for headers in ({}, bearer(second["token"])):
        answer = agent.request(KEYS, "DELETE", f"{TOKENS}/{second['id']}", headers=headers)
        assert (answer.status, answer.error) == (409, "last_admin")
    if os.geteuid() == 0:
        answer = unix_call.request(agent, "DELETE", f"{TOKENS}/{second['id']}")
        assert answer.status == 204, answer


# ---- what a wrong one gets ----

def spoil(token, at, c):
    return token[:at] + c + token[at + 1:]


def test_wrong_in_every_way(agent):
    token = make_token(agent)["token"]
    other = make_token(agent, "other")["token"]
    wrong = [
        token[:-1], token + "0", spoil(token, 20, "~"), spoil(token, 50, "-"),
        token[:15] + other[15:49] + token[49:], "yj_a_", "x" * 4000, token.upper(),
        "yj_a_" + "a" * 10 + "_" + "0" * 32 + "_" + "000000",
    ]
    for text in wrong:
        answer = agent.get(KEYS, "/api/v1/keys", headers=bearer(text))
        assert (answer.status, answer.error) == (401, "token_invalid"), text
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert text not in json.dumps(answer.body)
    answer = agent.get(KEYS, "/api/v1/keys", headers=bearer("x" * 1000000))
    assert answer.status == 431


def other_secret(token):
    """The same id and another secret, with a checksum that holds."""
    alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    text = token[:16] + "0" * 32
    crc, check = zlib.crc32(text.encode()), ""
    for _ in range(6):
        crc, digit = divmod(crc, 62)
        check = alphabet[digit] + check
    return f"{text}_{check}"


def test_right_id_wrong_secret(agent):
    token, client = make_token(agent)["token"], make_client(agent)["key"]
    answer = agent.get(KEYS, "/api/v1/keys", headers=bearer(other_secret(token)))
    assert (answer.status, answer.error) == (401, "token_invalid")
    answer = agent.get(GATEWAY, "/v1/models", headers=bearer(other_secret(client)))
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    assert agent.get(KEYS, "/api/v1/keys", headers=bearer(token)).status == 200


def test_guesses_are_slowed_down_and_right_ones_are_not(agent):
    token, client = make_token(agent)["token"], make_client(agent)["key"]
    answers = [agent.get(KEYS, "/api/v1/keys", headers=bearer(f"guess-{i}")) for i in range(30)]
    refused = [a for a in answers if a.status == 429]
    assert [a.status for a in answers[:20]] == [401] * 20
    assert len(refused) >= 5 and refused[0].error == "rate_limited"
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 60
    answer = agent.get(GATEWAY, "/v1/models", headers=bearer("yj_c_guess"))
    assert (answer.status, answer.error) == (429, "rate_limited")
    for _ in range(10):
        assert agent.get(KEYS, "/api/v1/keys", headers=bearer(token)).status == 200
        assert agent.get(GATEWAY, "/v1/models", headers=bearer(client)).status == 200
        assert agent.get(KEYS, "/api/v1/keys").status == 200


@pytest.mark.parametrize("name", ["token", "access_token", "api_key", "apikey"])
def test_a_token_in_the_url(agent, name):
    token = make_token(agent)["token"]
    for service, path in ((KEYS, "/api/v1/keys"), (GATEWAY, "/v1/models")):
        answer = agent.get(service, f"{path}?{name}={token}")
        assert (answer.status, answer.error) == (400, "token_in_url")
    assert token not in agent.log()


def test_hostile_text_in_the_credential(agent):
    make_token(agent)
    before = agent.get(KEYS, TOKENS).body
    for text in ("' OR 1=1--", "yj_a_' OR 1=1-_00000000000000000000000000000000_000000", "%00", "*"):
        assert agent.get(KEYS, "/api/v1/keys", headers=bearer(text)).error == "token_invalid"
    assert agent.get(KEYS, TOKENS).body == before


# ---- the data path ----

def test_client_keys_are_asked_for_once_one_exists(agent):
    assert agent.get(GATEWAY, "/v1/models").status == 200
    client = make_client(agent)
    answer = agent.get(GATEWAY, "/v1/models")
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    for headers in (bearer(client["key"]), {"x-api-key": client["key"]},
                    {**bearer(client["key"]), "x-api-key": client["key"]},
                    {**bearer(client["key"]), "x-api-key": "sk-other"},
                    {**bearer(client["key"]), "X-Forwarded-For": "10.0.0.1",
                     "Host": "gateway.example"}):
        assert agent.get(GATEWAY, "/v1/models", headers=headers).status == 200, headers
        assert agent.get(GATEWAY, "/models", headers=headers).status == 200
    for headers in (bearer("sk-any"), {"x-api-key": "sk-any"}, {"Authorization": "Basic dTpw"},
                    {**bearer("sk-other"), "x-api-key": client["key"]}, bearer("")):
        answer = agent.get(GATEWAY, "/v1/models", headers=headers)
        assert (answer.status, answer.error) == (401, "invalid_api_key"), headers
    assert agent.request(KEYS, "DELETE", f"{CLIENTS}/{client['id']}").status == 204
    assert agent.get(GATEWAY, "/v1/models", headers=bearer(client["key"])).error == "invalid_api_key"
    assert agent.get(GATEWAY, "/v1/models").status == 401  # nobody has a key, and it stays closed


def test_disabled_and_expired_clients(agent):
    off = make_client(agent, "off", enabled=False)
    old = make_client(agent, "old", expires_at=in_time(-1))
    for client, state in ((off, "disabled"), (old, "expired")):
        answer = agent.get(GATEWAY, "/v1/models", headers=bearer(client["key"]))
        assert (answer.status, answer.error) == (401, "invalid_api_key")
        assert agent.get(KEYS, f"{CLIENTS}/{client['id']}").body["state"] == state
    answer = agent.request(KEYS, "PATCH", f"{CLIENTS}/{off['id']}", {"enabled": True})
    assert answer.status == 200
    assert agent.get(GATEWAY, "/v1/models", headers=bearer(off["key"])).status == 200


def test_patching_a_client(agent):
    client = make_client(agent, limits={"rpm": 5}, note="first")
    path = f"{CLIENTS}/{client['id']}"
    answer = agent.request(KEYS, "PATCH", path, {"limits": {"rpm": 7}, "note": None})
    assert answer.body["limits"]["rpm"] == 7 and "note" not in answer.body
    stale = agent.request(KEYS, "PATCH", path, {"note": "x"},
                          headers={"If-Match": f'"{client["revision"]}"'})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    assert agent.request(KEYS, "PATCH", path, {"id": "y"}).body["id"] == client["id"]
    make_client(agent, "second")
    assert agent.request(KEYS, "PATCH", path, {"name": "Second"}).error == "conflict_exists"
    assert agent.request(KEYS, "PATCH", f"{CLIENTS}/nobody", {"note": "x"}).error == "not_found"


def test_the_event_names_the_client(chat_agent):
    client = make_client(chat_agent, "Büro App")
    assert chat_agent.chat(headers=bearer(client["key"])).status == 200
    events = chat_agent.get(GATEWAY, "/api/v1/events?kinds=traffic").body["items"]
    assert (events[-1]["client"], events[-1]["client_name"]) == (client["id"], "Büro App")
    shown = chat_agent.get(KEYS, f"{CLIENTS}/{client['id']}").body
    assert shown["last_used_at"]


# ---- what stays ----

def test_they_survive_a_restart_and_the_loss_of_the_database(agent):
    token, client = make_token(agent)["token"], make_client(agent)["key"]
    agent.restart()
    assert agent.get(KEYS, TOKENS, headers=bearer(token)).status == 200
    assert agent.get(GATEWAY, "/v1/models", headers=bearer(client)).status == 200
    agent.stop()
    for file in agent.state_dir.glob("yijian.db*"):
        file.unlink()
    agent.start()
    assert agent.get(KEYS, TOKENS, headers=bearer(token)).status == 200
    assert agent.get(GATEWAY, "/v1/models", headers=bearer(client)).status == 200
    assert agent.get(GATEWAY, "/v1/models").status == 401
    assert agent.post(KEYS, TOKENS, {"name": "x", "role": "admin"}).error == "storage_readonly"


def test_a_row_that_was_tampered_with_lets_nobody_in(agent):
    token = make_token(agent, "small", "viewer")["token"]
    make_token(agent, "boss")
    agent.stop()
    db = sqlite3.connect(agent.state_dir / "yijian.db")
    db.execute("UPDATE caller SET doc=replace(doc,'\"viewer\"','\"admin\"')")
    db.commit()
    db.close()
    agent.start()
    assert agent.get(KEYS, "/api/v1/keys", headers=bearer(token)).error == "token_invalid"
    assert agent.get(KEYS, "/healthz").body["status"] == "degraded"


def test_what_is_audited(agent):
    boss = make_token(agent, "boss")
    token, made = boss["token"], make_token(agent, "made", "viewer", headers=bearer(boss["token"]))
    for _ in range(5):
        agent.get(KEYS, "/api/v1/keys", headers=bearer("nobody"))

    def rows():
        items = agent.get(KEYS, "/api/v1/audit").body["items"]
        return [i for i in items if i["action"] == "denied"] and items
    items = wait_for(rows, what="the denials' audit row")
    denied = [i for i in items if i["action"] == "denied"]
    assert denied[0]["result"] == "token_invalid"
    assert denied[0]["object"] == "key_list from 127.0.0.1, 5 times"
    assert (boss["id"], "boss", "create", "Token made", made["id"]) in {
        (i["actor"], i["actor_name"], i["action"], i["object"], i["object_id"]) for i in items}
    assert token.split("_")[3] not in json.dumps(items)


@pytest.mark.parametrize("service,path,document,said", [
    (KEYS, TOKENS, {"name": "more", "role": "admin"}, "token_create"),
    ("service-registry", "/api/v1/services", {
        "service": "near", "id": "gpu1", "url": "http://93.184.216.34:9"}, "service_create")])
def test_what_a_handler_refuses_is_audited_too(agent, service, path, document, said):
    token = make_token(agent, "small", "operator")["token"]
    answer = agent.post(service, path, document, headers=bearer(token))
    assert answer.status == 403, answer

    def rows():
        items = agent.get(KEYS, "/api/v1/audit").body["items"]
        return [i for i in items if i["action"] == "denied"]
    row = wait_for(rows, what="the denial's audit row")[0]
    assert (row["object"].split()[0], row["result"]) == (said, answer.error)
    assert row["object"].endswith(", 1 times") and "(small)" in row["object"]


# ---- off loopback ----

def own_address():
    """An address of this host that is not loopback; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        try:
            s.connect(("192.0.2.1", 9))
        except OSError:
            return None
        return None if s.getsockname()[0].startswith("127.") else s.getsockname()[0]


@pytest.fixture
def public_agent(make_agent):
    address = own_address()
    if not address:
        pytest.skip("this host has no address beyond loopback")
    names = {f"YIJIAN_LISTEN_{s}": "0.0.0.0:0" for s in ("API_GATEWAY", "KEY_MANAGER")}
    agent = make_agent(env={**names, "YIJIAN_INSECURE_BIND": "true"})

    def call(service, method, path, json=None, headers=()):
        port = int(agent.ports[service][0].rpartition(":")[2])
        return http_call.request((address, port), method, path, json, headers=headers)
    agent.remote = call
    return agent


def test_remote_callers(public_agent):
    agent = public_agent
    answer = agent.remote(KEYS, "GET", "/api/v1/keys")
    assert (answer.status, answer.error) == (401, "auth_required")
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    answer = agent.remote(GATEWAY, "GET", "/v1/models")
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    assert unix_call.request(agent, "GET", "/v1/models").status == 200
    token = unix_call.request(agent, "POST", TOKENS, {"name": "r", "role": "admin"}).body["token"]
    client = unix_call.request(agent, "POST", CLIENTS, {"name": "r"}).body["key"]
    assert agent.remote(KEYS, "GET", "/api/v1/keys", headers=bearer(token)).status == 200
    assert agent.remote(GATEWAY, "GET", "/v1/models", headers=bearer(client)).status == 200


def test_bound_beyond_loopback_everybody_needs_a_client_key(public_agent):
    port = int(public_agent.ports[GATEWAY][0].rpartition(":")[2])
    answer = http_call.request(("127.0.0.1", port), "GET", "/v1/models")
    assert (answer.status, answer.error) == (401, "invalid_api_key")


def test_a_public_bind_says_the_fix_and_is_shown(public_agent, tmp_path):
    done = subprocess.run([BUILD / "yijiand", "--check-config"], capture_output=True, text=True,
                          env={"YIJIAN_STATE_DIR": str(tmp_path),
                               "YIJIAN_LISTEN_API_GATEWAY": "0.0.0.0:8000"}, timeout=60)
    assert done.returncode == 78
    assert "YIJIAN_INSECURE_BIND" in done.stderr and "token" in done.stderr
    lines = [r for r in public_agent.log_records() if r["event"] == "public_bind"]
    assert {r["service"] for r in lines} == {GATEWAY, KEYS}
    assert all("yijian token create" in r["detail"] for r in lines)
    text = public_agent.get("config-center", "/metrics").body.decode()
    assert 'yijian_listen_public{service="config-center"} 0' in text
