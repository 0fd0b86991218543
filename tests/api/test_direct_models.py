# SPDX-License-Identifier: MIT
"""vendor/service as the name of a model: wherever there is a key for it, for whom it is allowed, under
what limits, and where it leads."""
import json

import pytest

GW, CFG, KEYS, ROUTER = "api-gateway", "config-center", "key-manager", "router-engine"
ASK = {"messages": [{"role": "user", "content": "hi"}]}
# What each is asked for, and where that goes; the key's vendor flavour.
SERVICES = {
    "openai/gpt-4": [("/v1/chat/completions", ASK), ("/v1/completions", {"prompt": "hi"}),
                     ("/v1/messages", {**ASK, "max_tokens": 9})],
    "openai/embeddings": [("/v1/embeddings", {"input": "hi"})],
    "openai/dalle": [("/v1/images/generations", {"prompt": "a cat"})],
    "openai/moderations": [("/v1/moderations", {"input": "hi"})],
    "openai/audio": [("/v1/audio/speech", {"input": "hi", "voice": "alloy"})],
    "anthropic/messages": [("/v1/messages", {**ASK, "max_tokens": 9}), ("/v1/chat/completions", ASK)],
    "aliyun/qwen": [("/v1/chat/completions", ASK)],
}
FLAVOURS = {"anthropic": "anthropic", "aliyun": "dashscope"}


def key_for(agent, vendord, name, **more):
    vendor, service = name.split("/")
    return agent.add_key(vendord.base_url, vendor=vendor, service=service,
                         api_key="sk-ant-simulated-00000000000001" if vendor == "anthropic"
                         else "sk-simulated-0000000000000001", **more)


def call(agent, model, path="/v1/chat/completions", body=None, **headers):
    return agent.post(GW, path, {"model": model, **(body or ASK)}, headers=headers)


def listed(agent, **headers):
    return {m["id"] for m in agent.get(GW, "/v1/models", headers=headers).body["data"]}


def client(agent, **more):
    return {"Authorization": "Bearer " + agent.post(KEYS, "/api/v1/clients", {"name": "one", **more}).body["key"]}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_with_a_key_is_a_model(agent, make_vendord, name):
    assert call(agent, name).error == "model_not_found"
    assert name not in listed(agent)
    vendord = make_vendord(flavour=FLAVOURS.get(name.split("/")[0], "openai"))
    key_for(agent, vendord, name)
    assert name in listed(agent)
    found = agent.get(GW, "/v1/models/" + name)
    assert (found.status, found.body["id"], found.body["owned_by"]) == (200, name, name.split("/")[0])
    for path, body in SERVICES[name]:
        answer = call(agent, name, path, body)
        assert answer.status == 200, (path, answer)
        assert answer.headers["X-Yijian-Target"] == name + "#simulated"
        sent = json.loads(vendord.asked()["body"])
        assert sent["model"] and "/" not in sent["model"], sent


def test_it_leads_to_that_service_alone(agent, vendord, make_vendord):
    other = make_vendord(flavour="dashscope")
    key_for(agent, vendord, "openai/gpt-4")
    key_for(agent, other, "aliyun/qwen")
    vendord.fault({"status": 500}, path="/v1/*")
    assert call(agent, "chat").headers["X-Yijian-Target"].startswith("aliyun/qwen#")
    assert call(agent, "openai/gpt-4").status >= 500
    assert call(agent, "aliyun/qwen").headers["X-Yijian-Target"].startswith("aliyun/qwen#")


def test_what_a_feature_says_of_the_target_holds(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")

    def says(model):
        done = agent.request(CFG, "PATCH", "/api/v1/features/chat", {"targets": [
            {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": model}]})
        assert done.status == 200, done
        assert call(agent, "openai/gpt-4").status == 200
        return json.loads(vendord.asked()["body"])["model"]
    assert [says("gpt-5.4"), says("gpt-5.4-nano")] == ["gpt-5.4", "gpt-5.4-nano"]
    assert agent.request(CFG, "DELETE", "/api/v1/features/chat").status == 204
    assert call(agent, "openai/gpt-4").status == 200


def test_keys_come_and_go(agent, vendord):
    name = "openai/gpt-4"
    key = key_for(agent, vendord, name)
    assert call(agent, name).status == 200
    agent.post(KEYS, f"/api/v1/keys/{key['id']}/disable")
    assert (call(agent, name).error, name in listed(agent)) == ("model_not_found", False)
    agent.post(KEYS, f"/api/v1/keys/{key['id']}/enable")
    assert call(agent, name).status == 200
    second = key_for(agent, vendord, name, key_name="second")
    agent.request(KEYS, "DELETE", f"/api/v1/keys/{key['id']}")
    assert call(agent, name).headers["X-Yijian-Target"] == f"{name}#{second['slug']}"
    agent.request(KEYS, "DELETE", f"/api/v1/keys/{second['id']}")
    assert (call(agent, name).error, name in listed(agent)) == ("model_not_found", False)


def test_a_key_that_only_a_person_can_mend_is_not_offered(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    vendord.fault({"status": 401})
    answer = call(agent, "openai/gpt-4")
    assert answer.status in (502, 503), answer
    assert "openai/gpt-4" not in listed(agent)
    assert agent.get(GW, "/v1/models/openai/gpt-4").error == "model_not_found"
    assert call(agent, "openai/gpt-4").status in (502, 503), "the reason is told, not that it is unknown"


def test_it_is_there_after_a_restart(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    agent.restart()
    assert call(agent, "openai/gpt-4").status == 200


@pytest.mark.parametrize("features, direct, chat", [
    ([], 200, 200), (["chat"], 403, 200), (["openai/gpt-4"], 200, 403), (["chat", "openai/gpt-4"], 200, 200)])
def test_a_clients_list_of_features_names_it(agent, vendord, features, direct, chat):
    key_for(agent, vendord, "openai/gpt-4")
    key = client(agent, features=features)
    assert call(agent, "openai/gpt-4", **key).status == direct
    assert call(agent, "chat", **key).status == chat
    assert ("openai/gpt-4" in listed(agent, **key)) == (direct == 200)
    assert agent.get(GW, "/v1/models/openai/gpt-4", headers=key).status == (200 if direct == 200 else 404)


def test_it_stands_under_the_clients_limits_and_budget(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    key = client(agent, limits={"rpm": 1, "burst": 1})
    answers = [call(agent, "openai/gpt-4", **key) for _ in range(4)]
    assert (answers[0].status, answers[-1].status, answers[-1].error) == (200, 429, "rate_limited")


def test_a_budget_that_is_used_up_holds_for_it(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    key = client(agent, budget={"amount_pico": 1, "currency": "USD", "window": "day"})
    answers = [call(agent, "openai/gpt-4", **key) for _ in range(3)]
    assert (answers[0].status, answers[-1].status, answers[-1].error) == (200, 429, "budget_exceeded")


def test_a_local_only_feature_that_has_the_target_closes_it(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    made = agent.post(CFG, "/api/v1/features", {
        "name": "private", "endpoint": "chat.completions", "data_policy": "local_only", "enabled": False, "targets": [
            {"kind": "vendor", "vendor": "openai", "service": "gpt-4", "upstream_model": "gpt-5.4"}]})
    assert made.status == 201, made
    answer = call(agent, "openai/gpt-4")
    assert answer.status in (403, 503) and not vendord.calls()
    assert "openai/gpt-4" not in listed(agent)
    agent.request(CFG, "DELETE", "/api/v1/features/private")
    assert call(agent, "openai/gpt-4").status == 200


def test_the_callers_own_policy_holds(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    assert call(agent, "openai/gpt-4", **{"X-Yijian-Data": "local_only"}).status in (403, 503)
    assert not vendord.calls()


def test_a_setting_closes_it(make_agent, vendord):
    agent = make_agent(env={"YIJIAN_DIRECT_MODELS": "off"})
    key_for(agent, vendord, "openai/gpt-4")
    assert (call(agent, "openai/gpt-4").error, call(agent, "chat").status) == ("model_not_found", 200)
    assert "openai/gpt-4" not in listed(agent)
    assert agent.post(ROUTER, "/api/v1/route/openai%2Fgpt-4", {}).status == 404


def test_an_alias_of_that_name_leads_to_its_feature(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    agent.request(CFG, "PATCH", "/api/v1/features/chat", {"aliases": ["openai/gpt-4"]})
    key = client(agent, features=["chat"])
    assert call(agent, "openai/gpt-4", **key).status == 200
    ids = [m["id"] for m in agent.get(GW, "/v1/models", headers=key).body["data"]]
    assert ids.count("openai/gpt-4") == 1
    assert agent.post(ROUTER, "/api/v1/route/openai%2Fgpt-4", {"messages": []}).body["feature"] == "chat"


def test_images_are_made_and_edited_by_a_services_name(agent, vendord):
    key_for(agent, vendord, "openai/dalle")
    async_call = call(agent, "openai/dalle", "/v1/images/generations", {"prompt": "a cat"}, Prefer="respond-async")
    assert async_call.status == 202, async_call
    form = (b'--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nopenai/dalle\r\n'
            b'--b\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na hat\r\n'
            b'--b\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
            b'\x89PNG\r\n\x1a\n\r\n--b--\r\n')
    edited = agent.post(GW, "/v1/images/edits", body=form, headers={"Content-Type": "multipart/form-data; boundary=b"})
    assert edited.status == 200 and edited.body["data"], edited
    assert {"/v1/images/edits"} <= {r["path"] for r in vendord.requests()}


def test_keys_of_engines_are_no_models(agent, vendord):
    agent.add_key(vendord.url, vendor="vllm", service="local", api_key="x")
    assert (call(agent, "vllm/local").error, "vllm/local" in listed(agent)) == ("model_not_found", False)


def test_decisions_and_explanations_know_it(agent, vendord):
    key_for(agent, vendord, "openai/gpt-4")
    decision = call(agent, "openai/gpt-4").headers["X-Yijian-Decision"]
    found = agent.get(GW, f"/api/v1/decisions/{decision}")
    assert found.status in (200, 410)
    foreseen = agent.post(ROUTER, "/api/v1/route/openai%2Fgpt-4", {"messages": []})
    assert (foreseen.body["feature"], foreseen.body["chosen"]["target"]) == ("openai/gpt-4", "openai/gpt-4#simulated")
    table = agent.get(ROUTER, "/api/v1/routes/openai%2Fgpt-4").body["items"]
    assert [row["target"] for row in table] == ["openai/gpt-4#simulated"]
    asked = agent.post(GW, "/api/v1/invoke/openai%2Fgpt-4", ASK)
    assert asked.status == 200, asked
    rows = agent.get(GW, "/api/v1/usage?by=feature&window=1h").body["items"]
    assert "openai/gpt-4" in {row["feature"] for row in rows}


def test_its_breaker_is_the_keys_and_outlives_changes(agent, vendord):
    """Figures of it stay when a key beside it changes."""
    key_for(agent, vendord, "openai/gpt-4")
    for _ in range(3):
        call(agent, "openai/gpt-4")
    key_for(agent, vendord, "openai/gpt-4", key_name="second", tier="backup")
    agent.request(CFG, "PATCH", "/api/v1/features/chat", {"description": "changed"})
    table = agent.get(ROUTER, "/api/v1/routes/openai%2Fgpt-4").body["items"]
    assert next(r for r in table if r["target"].endswith("#simulated"))["rate"] > 0


def test_a_key_says_which_features_it_joined(agent, vendord, make_vendord):
    assert key_for(agent, vendord, "openai/gpt-4")["joins"] == ["chat", "text_generation"]
    alone = key_for(agent, make_vendord(flavour="anthropic"), "anthropic/messages")
    assert alone["joins"] == []
    agent.request(CFG, "PATCH", "/api/v1/features/chat", {"targets": [
        {"kind": "vendor", "vendor": "anthropic", "service": "messages", "upstream_model": "claude-x"}]})
    assert agent.get(KEYS, f"/api/v1/keys/{alone['id']}").body["joins"] == ["chat"]
