# SPDX-License-Identifier: MIT
"""What every fault of an upstream is tried with: four kinds of call, alone and with one healthy
fallback. Nothing hangs, nothing is passed on as an answer that is none, a fault before the first
byte ends in success when another target can answer, and nobody is asked after it."""
import json
import time

MESSAGES = [{"role": "user", "content": "hello"}]
KINDS = {
    "chat": ("/v1/chat/completions", "chat", "gpt-4", {"messages": MESSAGES}),
    "sse": ("/v1/chat/completions", "chat", "gpt-4", {"messages": MESSAGES, "stream": True}),
    "images": ("/v1/images/generations", "text_to_image", "dalle", {"prompt": "a cat"}),
    "embeddings": ("/v1/embeddings", "embeddings", "embeddings", {"input": "hello"}),
}
DEADLINES = {"connect_ms": 700, "first_byte_ms": 700, "idle_ms": 700, "total_ms": 6000,
             "stream_total_ms": 4000}  # comments are no silence
ENDS_WITHIN_S = 20  # deadlines above, and a loaded machine

CODES = {"upstream_rejected", "upstream_auth_failed", "upstream_billing", "upstream_rate_limited",
         "upstream_timeout", "upstream_bad_response", "upstream_too_large", "all_upstreams_failed",
         "no_healthy_target"}


def prepare(agent):
    """Short deadlines, and breakers that stay out of it."""
    for feature in {kind[1] for kind in KINDS.values()}:
        members = {"timeouts": DEADLINES, "cooldown": {"fails": 1000}}
        answer = agent.request("config-center", "PATCH", f"/api/v1/features/{feature}", members)
        assert answer.status == 200, answer


def call(agent, kind):
    """(status, error code, complete, chunks): what a caller sees."""
    path, feature, _, body = KINDS[kind]
    body = {"model": feature, **body}
    if kind != "sse":
        answer = agent.post("api-gateway", path, body, timeout=ENDS_WITHIN_S)
        return answer.status, answer.error, answer.status == 200, 0
    with agent.stream(path, body, timeout=ENDS_WITHIN_S) as stream:
        if not stream.headers["Content-Type"].startswith("text/event-stream"):
            error = json.loads(stream.response.read())["error"]
            return stream.status, error["code"], False, 0
        events = list(stream.events())
    errors = [e["error"]["code"] for e in events if isinstance(e, dict) and "error" in e]
    done = events and events[-1] == "[DONE]"
    assert not (errors and done), events
    chunks = sum(isinstance(e, dict) and bool(e.get("choices")) for e in events)
    return stream.status, errors[0] if errors else None, done, chunks


def well_formed(kind, result):
    status, code, complete, chunks = result
    if complete:
        return code is None
    if status == 200:
        return kind == "sse" and code == "stream_interrupted" and chunks > 0
    return status >= 400 and code in CODES


class Matrix:
    """One agent, one healthy vendor; each trial brings an upstream that is bad in its way."""

    def __init__(self, agent, good):
        self.agent, self.good, self.serial = agent, good, 0
        prepare(agent)

    def trial(self, kind, with_fallback, url, **instance):
        """(what the caller saw, calls of the healthy vendor); checks what holds for every fault."""
        _, feature, service, _ = KINDS[kind]
        self.serial += 1
        # Vectors of another model would be no fallback at all.
        instance.setdefault("models", ["text-embedding-3-small"] if kind == "embeddings" else [])
        key = None
        if with_fallback:
            key = self.agent.add_key(self.good.url, service=service,
                                     key_name=f"{kind} {self.serial}")
        target = self.agent.add_instance(url, service="faulty", id=f"{kind}-{self.serial}",
                                         features=[feature], **instance)
        self.good.clear_stats()
        begin = time.monotonic()
        result = call(self.agent, kind)
        took = time.monotonic() - begin
        assert well_formed(kind, result), (kind, with_fallback, result)
        assert took < ENDS_WITHIN_S, (kind, with_fallback, result)
        asked = sum(count for path, count in self.good.stats()["by_path"].items()
                    if path.startswith("/v1/") and path != "/v1/models")
        if result[3] and not result[2]:
            assert asked == 0, "a second call after the first byte"
        elif with_fallback:
            assert result[2], (kind, result)
            assert asked <= 1, "one call is enough"
        self.forget("service-registry", f"/api/v1/services/faulty/instances/{target['id']}")
        if key:
            self.forget("key-manager", f"/api/v1/keys/{key['id']}")
        return result, asked

    def forget(self, service, path):
        answer = self.agent.request(service, "DELETE", path)
        assert answer.status in (200, 204), answer

    def run(self, url, **instance):
        """All eight trials; what each caller saw."""
        return {(kind, fallback): self.trial(kind, fallback, url, **instance)[0]
                for fallback in (False, True) for kind in KINDS}
