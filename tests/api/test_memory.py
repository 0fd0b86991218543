# SPDX-License-Identifier: MIT
"""Secrets in the agent's memory: once a call is over, none stands anywhere but in locked pages."""
import base64
import os

import pytest

import memory
import unix_call
from network import Authority, tls_front
from test_tokens import bearer, make_client, make_token
from waiting import wait_for

KEYS, PATH = "key-manager", "/api/v1/keys"
HEAD = b"POST /api/v1/keys HTTP/1.1\r\nHost: localhost\r\n"

SANITIZED = os.environ.get("YIJIAN_BUILD", "").endswith(("asan", "tsan"))

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="reading a process's memory needs root")


class Canaries:
    """Secrets of one agent, and whether they are still to be found."""

    def __init__(self, agent):
        self.agent, self.known = agent, {}

    def new(self, name):
        secret = f"sk-canary-{base64.b32encode(os.urandom(20)).decode().lower()}"
        self.watch(name, secret.encode()[12:36])
        return secret

    def watch(self, name, part):
        assert len(part) >= 16
        self.known[name] = part

    def gone(self, what):
        """Soon: the thread that has answered may still be about to put its memory away."""
        def left():
            found = {name: memory.find(self.agent.pid, part) for name, part in self.known.items()}
            self.found = {name: places for name, places in found.items() if places}
            return not self.found
        try:
            wait_for(left, 10, what)
        except AssertionError:
            raise AssertionError(f"after {what}: {self.found}") from None


@pytest.fixture
def canaries(agent):
    return Canaries(agent)


def document(secret, **more):
    return {"vendor": "openai", "service": "gpt-4", "key_name": "k", "api_key": secret, **more}


def test_what_is_no_secret_is_found(agent, vendord):
    agent.add_key(vendord.base_url, key_name="a-name-that-is-no-secret")
    assert memory.find(agent.pid, b"a-name-that-is-no-secret"), "the search works"


def test_a_vendor_key(agent, vendord, canaries):
    key = agent.add_key(vendord.base_url, api_key=canaries.new("added"))
    canaries.gone("adding")
    agent.post(KEYS, f"{PATH}/{key['id']}/test")
    agent.post(KEYS, PATH + "/fingerprint", {"api_key": canaries.new("fingerprinted")})
    agent.post(KEYS, PATH + "/test", document(canaries.new("tested"), base_url=vendord.base_url))
    canaries.gone("testing")
    assert agent.chat().status == 200
    with agent.stream("/v1/chat/completions", {"model": "chat", "stream": True, "messages": [
            {"role": "user", "content": "hello"}]}) as stream:
        assert list(stream.events())
    canaries.gone("using")
    agent.post(KEYS, f"{PATH}/{key['id']}/rotate", {"api_key": canaries.new("rotated")})
    assert agent.chat().status == 200
    answer = agent.request(KEYS, "PATCH", f"{PATH}/{key['id']}", {
        "base_url": "http://127.0.0.1:9", "api_key": canaries.new("moved")})
    assert answer.status == 200, answer
    canaries.gone("rotating and moving")
    assert unix_call.request(agent, "POST", PATH, document(canaries.new("socket"))).status == 201
    canaries.gone("the socket")


def test_what_goes_wrong_leaves_none_either(agent, canaries):
    for name, send in {
            "another name": lambda s: agent.post(KEYS, PATH, {**document(s), "apikey": s}),
            "no such path": lambda s: agent.post("api-gateway", "/v1/keys", {"api_key": s}),
            "not JSON": lambda s: agent.post(KEYS, PATH, body='{"api_key":"%s"' % s),
            "no such method": lambda s: agent.request(KEYS, "PUT", PATH, document(s)),
            "too long": lambda s: agent.post(KEYS, PATH, document(s + "x" * 600)),
            "too many": lambda s: agent.post(KEYS, PATH, {**document(s), "note": "x" * 70000})}.items():
        answer = send(canaries.new(name))
        assert answer.status >= 400, (name, answer)
    canaries.gone("refusals")


def test_a_body_in_pieces(agent, canaries):
    body = (b'{"vendor":"openai","service":"gpt-4","key_name":"w","note":"%s","api_key":"%s"}'
            % (b"x" * 100, canaries.new("chunked").encode()))
    with agent.connect(KEYS) as raw:
        raw.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(body), 7):
            piece = body[at:at + 7]
            raw.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        raw.send(b"0\r\n\r\n")
        assert raw.answer().status == 201
        canaries.gone("chunks")


def test_calls_that_are_never_complete(agent, canaries):
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    heads = [HEAD + b"Authorization: Bearer " + canaries.new("head").encode(),
             whole + HEAD + b"Authorization: Bearer " + canaries.new("second head").encode(),
             HEAD + b"X-Api-Key: " + canaries.new("too large").encode() + b"\r\nX: " + b"y" * 40000,
             HEAD + b"X-Api-Key: " + canaries.new("no header").encode() + b"\r\nno colon\r\n\r\n"]
    begun = [HEAD + b"Content-Length: 500\r\n\r\n{\"api_key\":\"" + canaries.new("body").encode(),
             HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n" + canaries.new("chunk").encode()]
    # A head is wiped by malloc (M_PERTURB), which the sanitizers replace.
    for data in begun + ([] if SANITIZED else heads):
        with agent.connect(KEYS) as raw:
            raw.send(data)
    canaries.gone("hanging up")


def test_a_credential_of_an_instance(agent, make_vendord, canaries):
    engine = make_vendord(flavour="vllm")
    secret = "user:" + canaries.new("plain")
    canaries.watch("basic", base64.b64encode(secret.encode())[16:40])
    key = agent.post(KEYS, PATH, {"vendor": "vllm", "service": "local", "key_name": "g",
                                  "api_key": secret, "base_url": engine.url}).body
    agent.add_instance(engine.url, auth={"type": "basic", "key": key["id"]})
    assert agent.chat().status == 200
    canaries.gone("using it")


def test_keys_and_tokens_of_callers(chat_agent, canaries):
    agent = canaries.agent
    client = make_client(agent)["key"]
    canaries.watch("client key", client[20:40].encode())
    token = make_token(agent)["token"]
    canaries.watch("token", token[20:40].encode())
    canaries.gone("making them")
    assert agent.chat(headers=bearer(client)).status == 200
    assert agent.chat(headers={"x-api-key": client}).status == 200
    assert agent.chat(headers=bearer(client[:-6] + "zzzzzz")).status == 401
    assert agent.get(KEYS, PATH, headers=bearer(token)).status == 200
    assert agent.get("api-gateway", "/v1/models", headers=bearer(client)).status == 200
    assert agent.chat(headers=bearer(token)).status == 403
    canaries.gone("using them")


def test_the_root_key(agent, vendord, canaries):
    text = (agent.state_dir / "root.key").read_text().strip()
    canaries.watch("text", text[8:40].encode())
    canaries.watch("bytes", bytes.fromhex(text)[:16])
    agent.add_key(vendord.base_url)
    canaries.gone("a first start")
    agent.restart()
    assert agent.chat().status == 200
    canaries.gone("a second one")


def test_a_key_shown_over_tls(make_agent, make_vendord, tmp_path):
    authority = Authority(tmp_path)
    agent = make_agent(env={"YIJIAN_UPSTREAM_CA_FILE": authority.file})
    canaries = Canaries(agent)
    vendor = make_vendord(no_auth=True)
    front = tls_front(authority.certificate("good"), vendor.address)
    try:
        agent.add_key(f"https://127.0.0.1:{front.port}", api_key=canaries.new("sent"))
        for _ in range(3):
            assert agent.chat().status == 200
        canaries.gone("using it")
    finally:
        front.close()
