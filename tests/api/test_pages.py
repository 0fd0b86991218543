# SPDX-License-Identifier: MIT
"""What every port says about itself."""
import json
import shutil
import subprocess

import pytest

from agent import SERVICES


@pytest.mark.parametrize("service", SERVICES)
def test_root(agent, service):
    answer = agent.get(service, "/")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    text = answer.body.decode()
    assert service in text and "Health: ok" in text and "yijian key add" in text
    assert answer.headers["X-Request-Id"] and answer.headers["Cache-Control"] == "no-store"
    html = agent.get(service, "/", headers={"Accept": "text/html,application/xhtml+xml"})
    assert html.headers["Content-Type"] == "text/html; charset=utf-8"
    assert html.body.startswith(b"<!doctype html>") and b"<script" not in html.body
    assert "default-src 'none'" in html.headers["Content-Security-Policy"]


@pytest.mark.parametrize("service", SERVICES)
def test_healthz(agent, service):
    answer = agent.get(service, "/healthz")
    assert answer.status == 200
    assert answer.body["status"] == "ok" and answer.body["service"] == service
    assert answer.body["reasons"] == [] and "simulated" not in answer.body


def test_simulated_says_so(make_agent):
    agent = make_agent(args=["--simulated"])
    assert agent.get("api-gateway", "/healthz").body["simulated"] is True
    assert b"SIMULATED" in agent.get("api-gateway", "/").body


@pytest.mark.parametrize("service", SERVICES)
def test_api_and_openapi_agree(agent, service):
    listed = agent.get(service, "/api").body
    assert listed["total"] == len(listed["items"]) > 4
    doc = agent.get(service, "/openapi.json").body
    assert doc["openapi"].startswith("3.1") and doc["info"]["title"] == service
    operations = {(method.upper(), path) for path, item in doc["paths"].items() for method in item}
    assert operations == {(i["method"], i["path"].replace("…", "")) for i in listed["items"]}
    text = json.dumps(doc)
    for ref in set(part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]):
        assert ref in doc["components"]["schemas"], ref
    ids = [op["operationId"] for item in doc["paths"].values() for op in item.values()]
    assert len(ids) == len(set(ids))


def test_the_gateway_lists_all(agent):
    everything = {i["name"] for i in agent.get("api-gateway", "/api").body["items"]}
    for service in SERVICES:
        assert {i["name"] for i in agent.get(service, "/api").body["items"]} <= everything


@pytest.mark.parametrize("service", SERVICES)
def test_metrics_are_clean_and_nobody_elses(agent, service):
    for other in SERVICES:
        agent.get(other, "/healthz")
    answer = agent.get(service, "/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    text = answer.body.decode()
    assert f'yijian_build_info{{service="{service}",version=' in text
    for other in set(SERVICES) - {service}:
        assert f'service="{other}"' not in text
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=answer.body,
                              capture_output=True, timeout=60)
        assert done.returncode == 0 and not done.stdout + done.stderr, done


def test_no_series_on_two_ports(agent):
    seen = {}
    for service in SERVICES:
        for line in agent.get(service, "/metrics").body.decode().splitlines():
            if line and line[0] != "#":
                series = line.rpartition(" ")[0]
                assert series not in seen, (series, seen.get(series), service)
                seen[series] = service


def test_requests_are_counted_by_endpoint(agent):
    for _ in range(3):
        agent.get("router-engine", "/api/v1/routes")
    agent.get("router-engine", "/api/v1/nothing")
    text = agent.get("router-engine", "/metrics").body.decode()
    assert 'endpoint="route_list",class="2xx"} 3' in text
    assert 'endpoint="none",class="4xx"} 1' in text


def test_random_paths_make_no_series(agent):
    def series():
        return len(agent.get("router-engine", "/metrics").body.splitlines())
    agent.get("router-engine", "/x")
    before = series()
    for i in range(300):
        agent.get("router-engine", f"/api/v1/routes/none-{i}")
        agent.get("router-engine", f"/none-{i}")
    assert series() <= before + 2
