# SPDX-License-Identifier: MIT
"""Setting up by the command line: what comes of a key, a name nobody has, a feature that is new."""
import json

import pytest

from command import yijian

SECRET = "sk-simulated-0000000000000001"


def add(agent, what, secret=SECRET, *more):
    return yijian(agent, "key", "add", what, "--api-key", "-", *more, stdin=secret)


def test_key_add_says_which_features_it_joined(agent):
    done = add(agent, "openai/gpt-4/main")
    assert done.returncode == 0 and "joined: chat, text_generation" in done.stdout, done


def test_key_add_says_what_to_do_when_none_has_a_use_for_it(agent, vendord):
    done = add(agent, "anthropic/messages/main", "sk-ant-simulated-000000000001")
    assert done.returncode == 0, done
    assert "joined no feature" in done.stdout and "model anthropic/messages" in done.stdout
    assert "yijian feature set" in done.stdout
    document = json.loads(add(agent, "anthropic/messages/two", "sk-ant-simulated-000000000002", "-o", "json").stdout)
    assert document["joins"] == []


def test_doctor_names_keys_that_no_feature_uses(agent):
    add(agent, "openai/gpt-4/used")
    add(agent, "anthropic/messages/alone", "sk-ant-simulated-000000000001")
    done = yijian(agent, "doctor")
    lines = [line for line in done.stdout.splitlines() if "in no feature" in line]
    assert len(lines) == 1 and "anthropic/messages/alone" in lines[0] and "model anthropic/messages" in lines[0]


def test_a_feature_nobody_has_is_named_when_an_instance_is_registered(agent, vendord):
    done = yijian(agent, "service", "register", "sd", "--id", "gpu7", "--url", vendord.url, "--engine", "sdwebui",
                  "--feature", "no_such", "--feature", "text_to_image")
    assert done.returncode == 0, done
    assert "warning" in done.stderr and "no_such" in done.stderr and "text_to_image" not in done.stderr
    shown = agent.get("service-registry", "/api/v1/services/sd/instances/gpu7").body
    assert (shown["joins"], shown["missing"]) == (["text_to_image"], ["no_such"])
    assert yijian(agent, "feature", "set", "no_such", "--endpoint", "images.generations").returncode == 0
    shown = agent.get("service-registry", "/api/v1/services/sd/instances/gpu7").body
    assert (sorted(shown["joins"]), shown["missing"]) == (["no_such", "text_to_image"], [])


def test_feature_set_creates_and_changes(agent):
    done = yijian(agent, "feature", "set", "fresh", "--strategy", "weighted", "--description", "new here")
    assert done.returncode == 0 and "created" in done.stderr, done
    made = agent.get("config-center", "/api/v1/features/fresh").body
    assert (made["strategy"], made["description"], made["endpoint"]) == ("weighted", "new here", "chat.completions")
    done = yijian(agent, "feature", "set", "fresh", "--strategy", "priority", "-o", "json")
    assert done.returncode == 0 and "created" not in done.stderr
    assert json.loads(done.stdout)["strategy"] == "priority"


def test_feature_set_with_a_condition_makes_nothing(agent):
    done = yijian(agent, "feature", "set", "fresh", "--strategy", "weighted", "--if-match", "7")
    assert done.returncode in (3, 5), done
    assert agent.get("config-center", "/api/v1/features/fresh").status == 404


def test_feature_set_with_a_bad_name_is_invalid(agent):
    assert yijian(agent, "feature", "set", "Not A Name", "--strategy", "weighted").returncode in (3, 6)


@pytest.mark.parametrize("secret, taken", [("x", True), ("none", True), ("a" * 512, True), ("a" * 513, False)])
def test_an_instances_key_may_have_any_length(agent, vendord, secret, taken):
    done = add(agent, "vllm/local/one", secret, "--base-url", vendord.url)
    assert (done.returncode == 0) == taken, done
    if not taken:
        return
    assert "opens instances" in done.stdout and secret not in done.stdout.split()
    done = yijian(agent, "service", "register", "lab", "--id", "one", "--url", vendord.url, "--engine", "vllm",
                  "--feature", "chat", "--auth", "bearer", "--auth-key", "vllm/local/one")
    assert done.returncode == 0, done
    vendord.lock(bearer=secret)
    assert agent.chat().status == 200


@pytest.mark.parametrize("secret", ["x", "short", "1234567"])
def test_a_vendors_key_has_at_least_eight_letters(agent, secret):
    done = add(agent, "openai/gpt-4/short", secret)
    assert done.returncode == 6 and "at least 8" in done.stderr, done
    assert add(agent, "openai/gpt-4/short", "12345678").returncode == 0
    done = yijian(agent, "key", "rotate", "openai/gpt-4/short", "--api-key", "-", stdin=secret)
    assert done.returncode == 6, done


def test_explain_takes_a_services_name(agent, vendord):
    add(agent, "openai/gpt-4/main", SECRET, "--base-url", vendord.base_url)
    done = yijian(agent, "route", "explain", "openai/gpt-4", "-o", "json")
    assert done.returncode == 0, done
    assert json.loads(done.stdout)["chosen"]["target"] == "openai/gpt-4#main"
