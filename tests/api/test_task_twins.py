# SPDX-License-Identifier: MIT
"""What holds for requests holds for image tasks: who is asked in turn, who is the least bad, how
many agents were passed, what is counted."""
import pytest

from vendord import header_of

GW = "api-gateway"
CONFIG = "config-center"
IMAGES = "/v1/images/generations"
FEATURE = "/api/v1/features/text_to_image"


@pytest.fixture
def agent(make_agent):
    return make_agent(env={"YIJIAN_TASK_POLL_MS": "20"})


def image(agent, **headers):
    return agent.post(GW, IMAGES, headers=headers, json={"model": "text_to_image", "prompt": "a cat"})


def patch(agent, **members):
    assert agent.request(CONFIG, "PATCH", FEATURE, members).status == 200


def submits(vendor, path="/txt2img"):
    return [r for r in vendor.requests(1000) if r["method"] == "POST" and r["path"].endswith(path)]


def drawers(agent, make_vendord, n):
    found = []
    for i in range(n):
        found.append(make_vendord(flavour="sdwebui"))
        agent.add_instance(found[-1].url, service="sd", id=f"gpu{i}", engine="sdwebui", features=["text_to_image"])
    return found


def counted(agent, service, name, **labels):
    """The sum of the samples of a metric that have these labels."""
    want = [f'{k}="{v}"' for k, v in labels.items()]
    lines = [line for line in agent.get(service, "/metrics").body.decode().splitlines() if line.startswith(name + "{")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(w in line for w in want))


def test_an_agent_behind_an_agent_is_told_how_many_were_passed(agent, make_vendord):
    server, = drawers(agent, make_vendord, 1)
    for headers, sent in (({}, "1"), ({"X-Yijian-Hop": "2"}, "3")):
        assert image(agent, **headers).status == 200
        assert header_of(submits(server)[-1], "X-Yijian-Hop") == sent
    answer = image(agent, **{"X-Yijian-Hop": "4"})
    assert (answer.status, answer.error) == (508, "upstream_loop")


def test_round_robin_takes_turns(agent, make_vendord):
    servers = drawers(agent, make_vendord, 3)
    patch(agent, strategy="round_robin")
    for _ in range(6):
        assert image(agent).status == 200
    assert [len(submits(s)) for s in servers] == [2, 2, 2]


def test_one_of_those_that_are_out_is_the_least_bad(agent, make_vendord):
    servers = drawers(agent, make_vendord, 2)
    patch(agent, all_down="least_bad", cooldown={"fails": 1, "window_s": 60, "for_s": 600})
    for server in servers:
        server.fault({"status": 500}, path="/sdapi/*")
    assert image(agent).status >= 500
    before = [len(submits(s)) for s in servers]
    assert before == [1, 1]
    assert image(agent).status >= 500
    assert sum(len(submits(s)) for s in servers) == 3, "one attempt, whose end is told"


def test_what_is_skipped_and_who_falls_back_is_counted(agent, make_vendord):
    first, second = drawers(agent, make_vendord, 2)
    patch(agent, strategy="priority", cooldown={"fails": 1, "window_s": 60, "for_s": 600})
    first.fault({"status": 500}, path="/sdapi/*")
    answers = [image(agent) for _ in range(2)]
    assert [a.status for a in answers] == [200, 200], answers
    assert counted(agent, GW, "yijian_gateway_fallbacks_total", feature="text_to_image") == 1
    assert counted(agent, "router-engine", "yijian_candidate_skips_total", code="breaker_open") >= 1
