# SPDX-License-Identifier: MIT
"""The alert about paid models without a price: when it fires, and when it does not."""
import pytest

from waiting import wait_for

GW, KEYS, CONFIG = "api-gateway", "key-manager", "config-center"
RULE = "/api/v1/alerts/rules/unpriced"
MODEL = "openai/gpt-5.4-mini"  # of the chat feature's first target
PRICE = {"vendor": "openai", "model": "gpt-5.4-mini", "input_pico": 1, "output_pico": 1}


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_ALERT_INTERVAL_MS": "20"})


def rule(agent, name="unpriced", **members):
    answer = agent.request(GW, "PATCH", f"/api/v1/alerts/rules/{name}",
                           {"for_s": 0, "clear_for_s": 0, "min_count": 1, **members})
    assert answer.status == 200, answer


def alert(agent, name="unpriced", state="firing"):
    items = agent.get(GW, "/api/v1/alerts?state=all").body["items"]
    return next((a for a in items if a["rule"] == name and a["state"] == state), None)


def prices(agent, body):
    answer = agent.post(KEYS, "/api/v1/prices", body)
    assert answer.status == 200, answer


def nothing_fires(agent):
    """The rules were looked at after what was done: another one, evaluated with them, fires."""
    rule(agent, "route-latency", threshold=0.0001)
    wait_for(lambda: alert(agent, "route-latency"), what="another rule to fire")
    assert alert(agent) is None


def test_a_model_without_a_price(agent, vendord):
    agent.add_key(vendord.base_url)
    prices(agent, {"remove": [MODEL]})
    assert agent.chat().status == 200
    found = wait_for(lambda: alert(agent), what="unpriced to fire")
    assert (found["scope"], found["object"], found["severity"]) == ("agent", "agent", "warning")
    assert found["value"] == 1 and found["message"].startswith("1 calls")
    assert "yijian price import" in found["hint"] and "yijian usage --by model" in found["hint"]
    prices(agent, PRICE)
    assert agent.chat().status == 200  # adds nothing to the one
    rule(agent, threshold=2)
    wait_for(lambda: alert(agent, state="resolved"), what="unpriced to clear")


def test_pictures_without_a_price(agent, make_vendord):
    vendor = make_vendord(flavour="dashscope")
    agent.add_key(vendor.url, vendor="aliyun", service="wanx", key_name="wanx")
    answer = agent.post(GW, "/v1/images/generations", {
        "model": "text_to_image", "prompt": "a cat", "size": "1024x1024"})
    assert answer.status == 200, answer
    found = wait_for(lambda: alert(agent), what="unpriced to fire")
    assert found["value"] == 1


def test_nobody_bills_ones_own_server(agent, make_vendord):
    local = make_vendord(flavour="vllm", no_auth=True)
    agent.add_instance(local.url)
    assert agent.chat().status == 200
    nothing_fires(agent)


def test_a_priced_model_says_nothing(agent, vendord):
    agent.add_key(vendord.base_url)
    assert agent.chat().status == 200
    nothing_fires(agent)


def test_unknown_use_is_no_missing_price(agent, vendord):
    """A call that timed out may have cost something; no price would tell what."""
    agent.request(CONFIG, "PATCH", "/api/v1/features/chat",
                  {"timeouts": {"first_byte_ms": 50}, "retry": {"max_attempts": 1}})
    agent.add_key(vendord.base_url)
    vendord.fault({"hang": True}, count=1, path="/v1/chat/completions")
    assert agent.chat().status == 504
    nothing_fires(agent)
