# SPDX-License-Identifier: MIT
"""What takes service away says so first, and wants the name; names are taken as they are printed."""
import json

import pytest

from command import yijian


@pytest.fixture
def serving(chat_agent, make_vendord):
    """A key for chat and one instance that two features use."""
    engine = make_vendord(flavour="vllm")
    chat_agent.add_instance(engine.url, "lab", "gpu1", features=["chat", "text_generation"])
    return chat_agent


def key(agent, name="chat"):
    return next(k for k in agent.get("key-manager", "/api/v1/keys").body["items"] if k["key_name"] == name)


def drained(agent, feature, target):
    rows = agent.get("router-engine", f"/api/v1/routes/{feature}").body["items"]
    return [row["state"] for row in rows if row["target"].startswith(target)] == ["DRAINED"]


def test_one_of_two_targets_goes_without_a_question(serving):
    assert yijian(serving, "route", "drain", "chat", "openai/gpt-4").returncode == 0
    assert drained(serving, "chat", "openai/gpt-4")


def test_the_last_target_wants_its_name(serving):
    assert yijian(serving, "route", "drain", "chat/openai/gpt-4").returncode == 0
    for words in (["route", "drain", "chat/self/lab#gpu1"], ["route", "drain", "chat", "self/lab"],
                  ["service", "drain", "lab/gpu1"], ["service", "drain", "lab", "gpu1"],
                  ["service", "deregister", "lab/gpu1", "--yes"]):
        done = yijian(serving, *words)
        assert done.returncode == 11, (words, done.stdout, done.stderr)
        assert "0 of 1 targets of chat left" in done.stderr and "req/s will fail" in done.stderr
        name = done.stderr.split("--confirm ")[1].split()[0]
        assert yijian(serving, *words, "--confirm", name + "x").returncode == 11
    assert serving.chat("still there").status == 200
    done = yijian(serving, "route", "drain", "chat", "self/lab", "--confirm", "chat/self/lab")
    assert done.returncode == 0, done.stderr
    assert drained(serving, "chat", "self/lab")
    assert yijian(serving, "route", "undrain", "chat/self/lab").returncode == 0


def test_a_key_goes_by_its_name_alone(serving):
    done = yijian(serving, "key", "delete", "openai/gpt-4/chat", "--yes")
    assert done.returncode == 11
    assert "1 of 2 targets of chat left" in done.stderr and "--confirm openai/gpt-4/chat" in done.stderr
    assert key(serving)
    done = yijian(serving, "key", "delete", key(serving)["id"], "--confirm", "openai/gpt-4/chat", "-o", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "deleted"


def test_several_keys_each_want_theirs(serving, vendord):
    serving.add_key(vendord.base_url, "openai", "gpt-4", "spare")
    both = ["openai/gpt-4/chat", "openai/gpt-4/spare"]
    done = yijian(serving, "key", "delete", *both, "--confirm", both[1])
    assert done.returncode == 9 and key(serving)
    assert yijian(serving, "key", "delete", both[0], "--confirm", ",".join(both)).returncode == 0


def test_the_last_key_is_not_disabled_by_the_way(chat_agent):
    done = yijian(chat_agent, "key", "disable", "openai/gpt-4/chat")
    assert done.returncode == 11 and "0 of 1 targets of chat left" in done.stderr
    assert key(chat_agent)["enabled"]


def test_an_instance_is_known_as_it_is_printed(serving):
    assert yijian(serving, "service", "get", "lab/gpu1", "--field", "id").stdout == "gpu1\n"
    name = yijian(serving, "service", "get", "lab/gpu1", "-o", "name").stdout.strip()
    assert name == "lab/gpu1"
    assert yijian(serving, "service", "check", name).returncode == 0
    assert yijian(serving, "service", "drain", "lab").returncode == 2
    done = yijian(serving, "service", "register", "lab/gpu2", "--url", "http://127.0.0.1:9",
                  "--engine", "vllm", "--feature", "chat,text_generation", "--feature", "embeddings")
    assert done.returncode == 0, done.stderr
    features = yijian(serving, "service", "get", "lab/gpu2", "--field", "features").stdout
    assert json.loads(features) == ["chat", "text_generation", "embeddings"]
