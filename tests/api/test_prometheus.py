# SPDX-License-Identifier: MIT
"""A real Prometheus scrapes the five ports; label sets stay bounded whatever callers name."""
import http.client
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

from waiting import wait_for

SERVICES = ("api-gateway", "config-center", "key-manager", "service-registry", "router-engine")


@pytest.fixture
def prometheus(agent, tmp_path):
    """Started on a free port that the kernel names, with the agent's five ports as targets."""
    assert shutil.which("prometheus"), "Debian's package prometheus is needed"
    targets = [agent.address(service) for service in SERVICES]
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "yijian", "static_configs": [
            {"targets": [f"{host}:{port}" for host, port in targets]}]}]}))
    log = (tmp_path / "prometheus.log").open("w+")
    child = subprocess.Popen(
        ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
         "--web.listen-address=127.0.0.1:0", "--log.level=info"], stdout=log, stderr=log)

    def listening():
        assert child.poll() is None, (tmp_path / "prometheus.log").read_text()
        for entry in open(f"/proc/{child.pid}/net/tcp").readlines()[1:]:
            fields = entry.split()
            if fields[3] == "0A" and inode_of(child.pid, fields[9]):
                return int(fields[1].split(":")[1], 16)
        return None
    port = wait_for(listening, 60, "prometheus listens")

    def ask(path):
        """The answer's data; None while the server is still starting."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as not_yet:
            assert not_yet.code == 503
            return None
    yield ask
    child.terminate()
    child.wait(30)
    log.close()


def inode_of(pid, inode):
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            if os.readlink(f"/proc/{pid}/fd/{fd}") == f"socket:[{inode}]":
                return True
        except OSError:
            continue
    return False


def test_prometheus_scrapes_all_five_ports(agent, prometheus):
    def up():
        targets = (prometheus("/api/v1/targets") or {}).get("activeTargets", [])
        return len(targets) == 5 and all(target["health"] == "up" for target in targets)
    wait_for(up, 60, "five targets up")
    query = urllib.parse.quote("sum(yijian_build_info)")

    def counted():
        result = (prometheus(f"/api/v1/query?query={query}") or {}).get("result")
        return bool(result) and result[0]["value"][1] == "5"
    wait_for(counted, 60, "a sum over five scrapes counts nothing twice")


def test_labels_stay_bounded_under_ten_thousand_model_names(agent, vendord):
    def series():
        text = agent.get("api-gateway", "/metrics").body
        text = text.decode() if isinstance(text, bytes) else text
        return [line for line in text.splitlines() if line and not line.startswith("#")]
    agent.add_key(vendord.base_url, key_name="chat")
    agent.chat()
    before = len(series())
    connection = http.client.HTTPConnection(*agent.address(), timeout=60)
    for i in range(10000):
        connection.request("POST", "/v1/chat/completions",
                           body=json.dumps({"model": f"model-{i:05d}-\u6587",
                                            "messages": [{"role": "user", "content": "x"}]}),
                           headers={"Content-Type": "application/json"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 404
    lines = series()
    assert len(lines) <= before + 40
    assert not any("model-0" in line for line in lines)
