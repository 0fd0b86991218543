# SPDX-License-Identifier: MIT
"""Large requests that are refused before all of them has come: SDKs get the status and its reason, no
broken connection, and do not send it all again; and a service called by its name."""
import pytest

from agent import Agent
from vendord import Vendord

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def gateway(platform):
    agent = platform.add(Agent)
    agent.add_key(platform.add(Vendord).base_url)
    agent.client_key = agent.post("key-manager", "/api/v1/clients", {"name": "one"}).body["key"]
    return agent


def ask(sdk, agent, mib, **more):
    more = {"api_key": agent.client_key, "max_retries": 2, **more}
    args = {"model": "openai/gpt-4", "messages": [{"role": "user", "content": "a" * int(mib * MIB)}]}
    return sdk.call(agent.url() + "/v1", "chat.completions.create", args, **more)


def requests(agent, status):
    text = agent.get("api-gateway", "/metrics").body.decode()
    return sum(float(line.split()[-1]) for line in text.splitlines()
               if line.startswith("yijian_http_requests_total") and f'class="{status}"' in line)


@pytest.mark.parametrize("mib, key, status, code", [
    (21, None, 413, "body_too_large"), (45, None, 413, "body_too_large"), (15, "yj_c_nobodys", 401, "invalid_api_key")])
def test_an_early_refusal_is_an_error_of_the_sdks_own(sdk, gateway, mib, key, status, code):
    before = requests(gateway, "4xx")
    got = ask(sdk, gateway, mib, **({"api_key": key} if key else {}))
    assert not got["ok"] and got["error"]["of_sdk"], got
    assert (got["error"]["status"], got["error"]["code"]) == (status, code)
    assert requests(gateway, "4xx") == before + 1, "sent again"


def test_a_service_is_a_model_for_sdks(sdk, gateway):
    got = ask(sdk, gateway, 0.001)
    assert got["ok"] and got["value"]["choices"][0]["message"]["content"], got
    listed = sdk.call(gateway.url() + "/v1", "models.retrieve", positional=["openai/gpt-4"], api_key=gateway.client_key)
    assert listed["ok"] and listed["value"]["id"] == "openai/gpt-4", listed
