# SPDX-License-Identifier: MIT
"""Browser pages of other origins: what a browser asks before it calls, what it is told, and that a
page never calls without a client key."""
import pytest

from raw import head

PAGE, DEV, OTHER = "https://app.example", "http://localhost:5173", "https://evil.example"
CHAT = "/v1/chat/completions"
SDK_HEADERS = ("authorization,content-type,x-api-key,anthropic-version,anthropic-beta,"
               "anthropic-dangerous-direct-browser-access,idempotency-key,openai-organization,"
               "x-stainless-arch,x-stainless-retry-count,x-stainless-runtime-version,x-yijian-data")


@pytest.fixture
def page_agent(make_agent, vendord):
    agent = make_agent(env={"YIJIAN_CORS_ORIGINS": f"{PAGE}, {DEV}"})
    agent.add_key(vendord.base_url, service="gpt-4")
    return agent


def client_key(agent):
    return agent.post("key-manager", "/api/v1/clients", {"name": "page"}).body["key"]


def preflight(agent, path=CHAT, method="POST", origin=PAGE, service="api-gateway", **more):
    asked = {"Access-Control-Request-Method": method, **more}
    return agent.request(service, "OPTIONS", path, headers={"Origin": origin, **asked})


def names(text):
    return {name.strip().lower() for name in (text or "").split(",")}


def no_leave(answer):
    return not [name for name in answer.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize("path, method", [
    (CHAT, "POST"), ("/chat/completions", "POST"), ("/v1/models", "GET"), ("/v1/models/a%2Fb", "GET"),
    ("/v1/messages", "POST"), ("/v1/no_such", "POST"), ("/v1/v1/models", "GET")])
@pytest.mark.parametrize("origin", [PAGE, DEV])
def test_a_preflight_is_answered_without_identity(page_agent, path, method, origin):
    client_key(page_agent)  # from now on calls need one
    answer = preflight(page_agent, path, method, origin, **{"Access-Control-Request-Headers": SDK_HEADERS})
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["Access-Control-Allow-Origin"] == origin
    assert method in answer.headers["Access-Control-Allow-Methods"]
    assert names(SDK_HEADERS) <= names(answer.headers["Access-Control-Allow-Headers"])
    assert int(answer.headers["Access-Control-Max-Age"]) > 0
    assert names(answer.headers["Vary"]) == {"origin"}
    assert answer.headers["Access-Control-Allow-Credentials"] is None
    assert answer.headers["Access-Control-Allow-Private-Network"] is None


def test_a_page_may_reach_a_private_network_when_it_asks(page_agent):
    answer = preflight(page_agent, **{"Access-Control-Request-Private-Network": "true"})
    assert (answer.status, answer.headers["Access-Control-Allow-Private-Network"]) == (204, "true")


@pytest.mark.parametrize("asked", ["x-a\tb", "x-a;b", "<script>", "a" * 3000])
def test_what_is_no_list_of_names_is_not_said_again(page_agent, asked):
    answer = preflight(page_agent, **{"Access-Control-Request-Headers": asked})
    assert (answer.status, answer.headers["Access-Control-Allow-Headers"]) == (204, None)


@pytest.mark.parametrize("origin", [OTHER, "https://app.example:8443", "http://app.example",
                                    "https://app.example.evil.example", "https://APP.example",
                                    "null", "*", "", "https://app.example, http://localhost:5173"])
def test_another_origin_is_refused_in_so_many_words(page_agent, origin):
    answer = preflight(page_agent, origin=origin)
    assert (answer.status, answer.error) == (403, "bad_origin")
    assert "YIJIAN_CORS_ORIGINS" in answer.body["error"]["message"] and no_leave(answer)


def test_without_the_setting_no_page_may(agent):
    answer = preflight(agent)
    assert (answer.status, answer.error) == (403, "bad_origin")
    assert "YIJIAN_CORS_ORIGINS" in answer.body["error"]["message"] and no_leave(answer)


@pytest.mark.parametrize("service, path, method", [
    ("api-gateway", "/api/v1/keys", "POST"), ("api-gateway", "/api/v1/invoke/chat", "POST"),
    ("api-gateway", "/healthz", "GET"), ("api-gateway", "/", "GET"), ("key-manager", "/api/v1/keys", "POST"),
    ("key-manager", "/v1/models", "GET")])
def test_it_concerns_the_model_traffic_alone(page_agent, service, path, method):
    answer = preflight(page_agent, path, method, service=service)
    assert answer.status in (404, 405) and no_leave(answer)
    answer = page_agent.get(service, path, headers={"Origin": PAGE})
    assert answer.status != 200 and no_leave(answer)


def call(agent, origin=PAGE, path=CHAT, **headers):
    return agent.post("api-gateway", path, {"model": "chat", "messages": [{"role": "user", "content": "hi"}]},
                      headers={"Origin": origin, "Sec-Fetch-Site": "cross-site", **headers})


def test_an_answer_may_be_read_by_the_page(page_agent):
    key = client_key(page_agent)
    for headers in ({"Authorization": f"Bearer {key}"}, {"x-api-key": key}):
        answer = call(page_agent, **headers)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
        assert names(answer.headers["Vary"]) == {"origin"}
        assert answer.headers["Access-Control-Allow-Credentials"] is None
        exposed = names(answer.headers["Access-Control-Expose-Headers"])
        assert {n.lower() for n in answer.headers if n.lower().startswith(("x-yijian", "x-request-id"))} <= exposed
        assert {"retry-after", "x-request-id", "x-yijian-decision"} <= exposed


def test_a_stream_may_be_read_by_the_page(page_agent):
    key = client_key(page_agent)
    with page_agent.stream(CHAT, {"model": "chat", "stream": True, "messages": [{"role": "user", "content": "hi"}]},
                           headers={"Origin": PAGE, "Authorization": f"Bearer {key}"}) as stream:
        assert (stream.status, stream.headers["Access-Control-Allow-Origin"]) == (200, PAGE)
        assert list(stream.events())[-1] == "[DONE]"


@pytest.mark.parametrize("key", [None, "dummy"])
def test_a_page_needs_a_client_key_though_callers_on_this_host_do_not(page_agent, key):
    assert page_agent.chat().status == 200
    answer = call(page_agent, **({"Authorization": f"Bearer {key}"} if key else {}))
    assert (answer.status, answer.error) == (401, "invalid_api_key")
    assert "client key" in answer.body["error"]["message"]
    assert answer.headers["Access-Control-Allow-Origin"] == PAGE  # so that it is seen to be that
    answer = call(page_agent, OTHER)
    assert (answer.status, answer.error) == (403, "bad_origin") and no_leave(answer)


def test_errors_may_be_read_by_the_page(page_agent):
    key = {"Authorization": f"Bearer {client_key(page_agent)}"}
    large = [head("POST", CHAT, f"Origin: {PAGE}", "Authorization: " + key["Authorization"],
                  f"Content-Length: {30 << 20}")]
    answers = [page_agent.raw("api-gateway", data)[0] for data in large]
    assert [(a.status, a.header("access-control-allow-origin")) for a in answers] == [(413, PAGE)]
    for path, status in (("/v1/no_such", 404), ("/v1/models", 405), ("/v1/embeddings", 422), (CHAT + "?key=yj_c_1", 400)):
        answer = call(page_agent, path=path, **key)
        assert answer.headers["Access-Control-Allow-Origin"] == PAGE, (path, answer)
    for path, more, status in (("/v1/models/a%5Cb", {}, 400), ("/v1/models", {"X-Long": "a" * 9000}, 431)):
        answer = page_agent.get("api-gateway", path, headers={"Origin": PAGE, **key, **more})
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, PAGE)


def test_an_unlisted_page_with_a_key_is_answered_as_before(page_agent):
    answer = call(page_agent, OTHER, Authorization=f"Bearer {client_key(page_agent)}")
    assert answer.status == 200 and no_leave(answer)
