# SPDX-License-Identifier: MIT
"""service-registry: registration, probes, heartbeats, drain, the address policy."""
import pytest

from waiting import wait_for

REG = "service-registry"
FAST = {"interval_s": 1, "timeout_ms": 1000, "fall": 2, "rise": 2}
PLATFORM = ["api-gateway", "config-center", "key-manager", "service-registry", "router-engine"]


@pytest.fixture
def vendord(make_vendord):
    """A simulated engine: its /health takes no key."""
    return make_vendord(flavour="vllm")


def path_of(service="sim", id="gpu1"):
    return f"/api/v1/services/{service}/instances/{id}"


def instance(agent, **where):
    return agent.get(REG, path_of(**where)).body


def wait_state(agent, state, **where):
    return wait_for(lambda: instance(agent, **where).get("state") == state,
                    what=f"state {state}: {instance(agent, **where)}")


def register(agent, url, service="sim", id="gpu1", **more):
    more.setdefault("check", FAST)
    more.setdefault("engine", "openai-compatible")
    return agent.request(REG, "PUT", path_of(service, id), {"url": url, **more})


def health_events(agent):
    items = agent.get("api-gateway", "/api/v1/events?kinds=health&limit=100").body["items"]
    return [(item["instance"], item["from"], item["to"]) for item in items]


def test_fresh_start_lists_the_platform(agent):
    answer = agent.get(REG, "/api/v1/services")
    assert answer.status == 200
    assert [item["service"] for item in answer.body["items"]] == PLATFORM
    for item in answer.body["items"]:
        assert item["kind"] == "platform" and item["state"] == "OK"
        port = agent.address(item["service"])[1]
        assert item["url"] == f"http://127.0.0.1:{port}"
    one = agent.get(REG, "/api/v1/services/key-manager")
    assert one.status == 200 and one.body["service"] == "key-manager"
    assert agent.get(REG, "/api/v1/services/none").status == 404


def test_register_probe_fall_and_rise(agent, vendord):
    answer = register(agent, vendord.url, features=["chat"], check={**FAST, "path": "/health"})
    assert answer.status == 201 and answer.body["state"] == "UNKNOWN"
    assert answer.body["joins"] == ["chat"]
    assert answer.headers["ETag"] == '"%d"' % answer.body["revision"]
    vendord.faults([])
    wait_state(agent, "OK")
    assert instance(agent)["probe_ms"] > 0
    vendord.fault({"status": 503}, path="/health")
    wait_state(agent, "DOWN")
    assert instance(agent)["last_error"] == "upstream_bad_response"
    doc = agent.post("router-engine", "/api/v1/route/chat", {}).body
    assert doc["candidates"][0]["skips"][0]["code"] == "unhealthy"
    vendord.faults([])
    wait_state(agent, "OK")
    assert agent.post("router-engine", "/api/v1/route/chat", {}).body["chosen"]["target"] == \
        "self/sim#gpu1"
    assert [e for e in health_events(agent)] == [
        ("sim/gpu1", "unknown", "passing"), ("sim/gpu1", "passing", "critical"),
        ("sim/gpu1", "critical", "passing")]
    group = agent.get(REG, "/api/v1/services/sim").body
    assert (group["kind"], group["state"], group["passing"], group["total"]) == \
        ("model", "OK", 1, 1)


def test_nobody_listens(agent, vendord):
    vendord.stop()
    register(agent, vendord.url)
    wait_state(agent, "DOWN")
    checked = agent.request(REG, "POST", path_of() + "/check")
    assert checked.status == 200 and checked.body["probe"]["ok"] is False
    assert checked.body["probe"]["status"] is None


def test_check_on_demand(agent, vendord):
    register(agent, vendord.url, check={"interval_s": 3600, "path": "/health"})
    checked = agent.request(REG, "POST", path_of() + "/check")
    assert checked.status == 200 and checked.body["probe"]["ok"] is True
    assert checked.body["probe"]["status"] == 200 and checked.body["probe"]["ms"] > 0
    assert checked.body["state"] == "OK"
    assert agent.request(REG, "POST", path_of(id="none") + "/check").status == 404


def test_a_redirect_is_not_followed_and_a_body_not_believed(agent, vendord):
    vendord.fault({"redirect": vendord.url + "/v1/models"}, path="/health")
    register(agent, vendord.url, check={**FAST, "path": "/health"})
    wait_state(agent, "DOWN")


def test_heartbeats_and_their_end(agent):
    answer = register(agent, "http://127.0.0.1:9", ttl_s=1)
    assert answer.body["state"] == "OK"  # registering is the first sign of life
    wait_state(agent, "EXPIRED")
    wait_for(lambda: instance(agent)["health"] == "critical")
    beat = agent.request(REG, "POST", path_of() + "/heartbeat", {"inflight": 2, "queue": 5})
    assert beat.status == 200 and beat.body["state"] == "OK"
    assert (beat.body["told_inflight"], beat.body["told_queue"]) == (2, 5)
    assert beat.body["last_heartbeat_at"]
    wait_for(lambda: ("sim/gpu1", "critical", "passing") in health_events(agent))
    assert agent.request(REG, "POST", path_of() + "/heartbeat").status == 200
    assert agent.request(REG, "POST", path_of(id="none") + "/heartbeat").status == 404
    for body, code in (({"inflight": "2"}, "field_type"), ({"queue": -1}, "field_range"),
                       ({"load": 1}, "field_unknown")):
        assert agent.request(REG, "POST", path_of() + "/heartbeat", body).error == code


def test_drain_is_kept_over_a_registration_and_a_restart(agent):
    register(agent, "http://127.0.0.1:9", ttl_s=600, features=["chat"])
    drained = agent.request(REG, "POST", path_of() + "/drain")
    assert drained.status == 200 and drained.body["state"] == "DRAIN"
    assert agent.request(REG, "POST", path_of() + "/drain").status == 200
    again = register(agent, "http://127.0.0.1:9", ttl_s=600, features=["chat"])
    assert again.status == 200 and again.body["state"] == "DRAIN"
    agent.restart()
    assert instance(agent)["state"] == "DRAIN"
    doc = agent.post("router-engine", "/api/v1/route/chat", {}).body
    assert doc["candidates"][0]["skips"][0]["code"] == "drained"
    undrained = agent.request(REG, "POST", path_of() + "/undrain")
    assert undrained.body["draining"] is False


def test_disabled_by_the_operator_stays_so(agent):
    register(agent, "http://127.0.0.1:9", ttl_s=600, enabled=False)
    again = register(agent, "http://127.0.0.1:9", ttl_s=600)
    assert again.body["enabled"] is False and again.body["state"] == "DISABLED"


def test_delete(agent):
    register(agent, "http://127.0.0.1:9")
    assert agent.request(REG, "DELETE", path_of()).status == 204
    assert agent.get(REG, path_of()).status == 404
    assert agent.request(REG, "DELETE", path_of()).status == 404


def test_post_registers_once(agent):
    body = {"service": "sim", "id": "a1", "url": "http://127.0.0.1:9"}
    first = agent.post(REG, "/api/v1/services", body, headers={"Idempotency-Key": "k1"})
    assert first.status == 201 and first.body["id"] == "a1"
    again = agent.post(REG, "/api/v1/services", body, headers={"Idempotency-Key": "k1"})
    assert again.status == 201 and again.body["revision"] == first.body["revision"]
    other = agent.post(REG, "/api/v1/services", {**body, "id": "a2"},
                       headers={"Idempotency-Key": "k1"})
    assert (other.status, other.error) == (409, "idempotency_mismatch")
    twice = agent.post(REG, "/api/v1/services", body)
    assert (twice.status, twice.error) == (409, "conflict_exists")
    for field in ("service", "id", "url"):
        short = {k: v for k, v in body.items() if k != field}
        answer = agent.post(REG, "/api/v1/services", short)
        assert (answer.status, answer.error) == (422, "field_required"), field
        assert answer.body["error"]["field"] == field


def test_if_match(agent):
    made = register(agent, "http://127.0.0.1:9").body
    stale = agent.request(REG, "PUT", path_of(), {"url": "http://127.0.0.1:10"},
                          headers={"If-Match": '"%d"' % (made["revision"] + 7)})
    assert (stale.status, stale.error) == (412, "precondition_failed")
    fresh = agent.request(REG, "PUT", path_of(), {"url": "http://127.0.0.1:10"},
                          headers={"If-Match": '"%d"' % made["revision"]})
    assert fresh.status == 200 and fresh.body["url"] == "http://127.0.0.1:10"


@pytest.mark.parametrize("url, status, code", [
    ("file:///etc/passwd", 422, "upstream_url_forbidden"),
    ("gopher://127.0.0.1/", 422, "upstream_url_forbidden"),
    ("http://user:pw@127.0.0.1/", 422, "upstream_url_forbidden"),
    ("http://127.0.0.1:0/", 422, "upstream_url_forbidden"),
    ("http://127.0.0.1:99999/", 422, "upstream_url_forbidden"),
    ("http://127.0.0.1/?a=b", 422, "upstream_url_forbidden"),
    ("http://127.0.0.1/#f", 422, "upstream_url_forbidden"),
    ("http://169.254.169.254/", 422, "upstream_url_forbidden"),
    ("http://[fe80::1]/", 422, "upstream_url_forbidden"),
    ("http://0.0.0.0/", 422, "upstream_url_forbidden"),
    ("http://0/", 422, "upstream_url_forbidden"),
    ("http://255.255.255.255/", 422, "upstream_url_forbidden"),
    ("http://[::ffff:a9fe:a9fe]/", 422, "upstream_url_forbidden"),
    ("http://h ost/", 422, None),
])
def test_addresses_that_are_never_dialled(agent, url, status, code):
    answer = register(agent, url)
    assert answer.status == status
    assert code is None or answer.error == code
    assert answer.body["error"]["field"] == "url"
    assert agent.get(REG, path_of()).status == 404


def test_the_agent_itself_is_no_upstream(agent):
    for host in ("127.0.0.1", "localhost", "[::1]", "2130706433", "127.1", "[::ffff:7f00:1]"):
        port = agent.address("key-manager")[1]
        answer = register(agent, f"http://{host}:{port}")
        assert (answer.status, answer.error) == (422, "upstream_loop"), host


def test_loopback_only_where_allowed(make_agent):
    agent = make_agent(env={"YIJIAN_ALLOW_LOOPBACK_UPSTREAMS": "0"})
    answer = register(agent, "http://127.0.0.1:9")
    assert (answer.status, answer.error) == (422, "upstream_url_forbidden")


@pytest.mark.parametrize("body, status, code, field", [
    ({"engine": "abacus"}, 422, "field_range", "engine"),
    ({"weight": -1}, 422, "field_range", "weight"),
    ({"ttl_s": "30"}, 422, "field_type", "ttl_s"),
    ({"display_name": "a\u202eb"}, 422, "field_charset", "display_name"),
    ({"nonsense": 1}, 400, "field_unknown", "nonsense"),
    ({"id": "other"}, 422, "field_range", "id"),
])
def test_bad_documents(agent, body, status, code, field):
    answer = agent.request(REG, "PUT", path_of(), {"url": "http://127.0.0.1:9", **body})
    assert (answer.status, answer.error) == (status, code)
    assert answer.body["error"]["field"] == field


def test_platform_names_are_taken(agent):
    answer = register(agent, "http://127.0.0.1:9", service="key-manager")
    assert (answer.status, answer.error) == (409, "conflict_exists")


def test_engines_bring_their_concurrency(agent):
    answer = register(agent, "http://127.0.0.1:9", engine="sdwebui")
    assert answer.body["capacity"]["max_concurrency"] == 1


def test_health_is_in_the_metrics_and_leaves_with_the_instance(agent):
    register(agent, "http://127.0.0.1:9", ttl_s=600)
    line = b'yijian_instance_up{upstream="sim",id="gpu1"} 1'
    wait_for(lambda: line in agent.get(REG, "/metrics").body)
    agent.request(REG, "DELETE", path_of())
    wait_for(lambda: b'upstream="sim"' not in agent.get(REG, "/metrics").body)


@pytest.mark.parametrize("engine, path", [("vllm", "/health"), ("openai-compatible", "/v1/models")])
def test_a_base_url_with_its_version_is_probed_too(agent, vendord, engine, path):
    register(agent, vendord.base_url, engine=engine)
    wait_state(agent, "OK")
    # vLLM is asked for what it serves and for its queue as well.
    asked = {request["target"] for request in vendord.requests()} - {"/metrics"}
    assert asked | {"/v1/models"} == {path, "/v1/models"}


@pytest.mark.parametrize("path", ["http://127.0.0.1:9/", "//127.0.0.1/x", "@127.0.0.1/x", "x", "/x#y",
                                  "/\\x"])
def test_a_probe_asks_for_a_path_alone(agent, vendord, path):
    """A request line that names another host is one for a proxy, credential included."""
    answer = agent.request(REG, "PUT", path_of(), {"url": vendord.url, "check": {"path": path}})
    assert (answer.status, answer.error) == (422, "field_charset"), answer
    assert answer.body["error"]["field"] == "check.path"
