# SPDX-License-Identifier: MIT
"""Vectors, ranks, pictures and plain completions in every odd form (tests/vendord/torture_lists.c), of
a target alone and of one with a healthy neighbour: what can be read arrives whole and in its place,
what cannot is told or another answers, and nobody's own fault takes a target from the others."""
import base64
import json
import os
import struct

import pytest

from agent import Agent
from started import Started
from test_forms import FAILS, cuts, matches, refused, target_of
from vendord import Vendord

EVERY_BYTE = bool(os.environ.get("YIJIAN_TEST_EVERY_BYTE"))
PROTOCOLS = {("embed", "vllm"): "openai.embeddings", ("embed", "ollama"): "ollama.embed",
             ("embed", "tei"): "tei.embed", ("embed", "dashscope"): "dashscope.embeddings.native",
             ("rank", "vllm"): "openai.rerank", ("rank", "tei"): "tei.rerank",
             ("image", "openai"): "openai.images", ("image", "sdwebui"): "sdwebui.txt2img",
             ("image", "comfyui"): "comfyui.prompt", ("image", "dashscope"): "dashscope.t2i.legacy",
             ("complete", "vllm"): "openai.completions"}
ENDPOINTS = {"embed": "embeddings", "rank": "rerank", "image": "images.generations",
             "complete": "completions"}
FLAVOURS = {"vllm": "vllm", "openai": "openai", "ollama": "ollama", "tei": "tei", "dashscope": "dashscope",
            "sdwebui": "sdwebui", "comfyui": "comfyui"}
ENGINES = {"ollama": "ollama", "tei": "tei", "sdwebui": "sdwebui", "comfyui": "comfyui"}
CHECKS = {"vllm": "/v1/models", "openai": "/v1/models", "ollama": "/api/tags", "tei": "/info", "dashscope": "/_sim/stats",
          "sdwebui": "/sdapi/v1/memory", "comfyui": "/system_stats"}
WORKFLOW = {"9": {"class_type": "SaveImage", "inputs": {"text": "{{prompt}}", "seed": "{{seed}}"}}}
MADE_OVER_THERE = ((502, 503, 504), False)  # paid for, perhaps: nobody else is asked


class Rig:
    """Each form has a target and a feature of its own, with a healthy target behind it if `pair`, and
    is played to whatever asks while it is tried: one form at a time."""

    def __init__(self, started, pair):
        self.pair = pair
        self.agent = started.add(Agent, env={"YIJIAN_LOG_LEVEL": "error",
                                             "YIJIAN_TASK_POLL_MS": "20"})
        self.odd = {engine: started.add(Vendord, flavour=flavour, no_auth=True)
                    for engine, flavour in FLAVOURS.items()}
        for name, flavour in (("spare", "openai"), ("spare-vllm", "vllm")):
            other = started.add(Vendord, flavour=flavour, no_auth=True)
            self.agent.add_instance(other.url, service=name, id="spare", features=(),
                                    engine="openai-compatible")
        self.agent.add_key(self.odd["dashscope"].url, vendor="aliyun", service="wanx",
                           limits={"rpm": 60000})
        self.forms = [form for form in other.control("GET", "forms")["items"]
                      if form["call"] in ENDPOINTS]
        for form in self.forms:
            self.add(form)

    def add(self, form, **more):
        name, engine, call = form["name"], form["engine"], form["call"]
        model = "wanx2.1-t2i-turbo" if engine == "dashscope" and call == "image" else name
        target = {"kind": "self_hosted", "service": name, "upstream_model": model,
                  "protocol": PROTOCOLS[call, engine]}
        if model != name:  # a vendor that bills
            target.update(kind="vendor", vendor="aliyun", service="wanx")
        else:
            self.agent.add_instance(
                self.odd[engine].url, service=name, id="odd", features=(),
                engine=ENGINES.get(engine, "openai-compatible"), check={"path": CHECKS[engine]},
                **({"meta": {"workflow": WORKFLOW}} if engine == "comfyui" else {}))
        other = {"kind": "self_hosted", "service": "spare-vllm" if call == "rank" else "spare",
                 "upstream_model": model, "order": 9, "protocol": PROTOCOLS.get((call, "vllm"), "openai.images")}
        answer = self.agent.post("config-center", "/api/v1/features", {
            "name": name, "endpoint": ENDPOINTS[call], "auto_join": False,
            "targets": [target, other] if self.pair else [target], **more})
        assert answer.status == 201, answer

    def play(self, form, fault, count=-1):
        match = {"path": form["path"]} if form["path"] else {}
        self.odd[form["engine"]].faults([{"match": {**match, "vendor": FLAVOURS[form["engine"]]},
                                          "count": count, "fault": fault}])

    def calm(self):
        for vendor in self.odd.values():
            vendor.faults([])

    def ask(self, form, variant):
        return ASKED[form["call"]](self.agent, form["name"], form["n"], variant)

    def served(self, form):
        """The target is in use: it answers what is plain."""
        said = self.ask({**form, "n": 0}, VARIANTS[form["call"]][0])
        return said["status"] == 200 and target_of(said) != "spare"


# ---- one request of each kind, and what its answer says ----

def asked(agent, path, document):
    answer = agent.post("api-gateway", path, document, timeout=60)
    status = 200 if answer.status == 201 else answer.status  # clients make no difference
    said = {"status": status, "headers": answer.headers, "body": answer.body}
    return said if status == 200 else {**said, "fails": answer.error}


def ask_vectors(agent, model, n, form):
    said = asked(agent, "/v1/embeddings", {"model": model, "input": ["one", "two"][:n or 2],
                                           "encoding_format": form})
    if said["status"] != 200:
        return said
    rows = sorted(said["body"]["data"], key=lambda row: row["index"])
    assert [row["index"] for row in rows] == list(range(len(rows))), rows
    vectors = [row["embedding"] for row in rows]
    if form == "base64":
        raw = [base64.b64decode(vector, validate=True) for vector in vectors]
        vectors = [list(struct.unpack(f"<{len(bytes) // 4}f", bytes)) for bytes in raw]
    assert all(isinstance(number, (int, float)) for vector in vectors for number in vector), vectors
    return {**said, "vectors": vectors}


def ask_ranks(agent, model, n, _):
    said = asked(agent, "/v1/rerank", {"model": model, "query": "q", "documents": ["one", "two"]})
    if said["status"] != 200:
        return said
    return {**said, "ranks": [[row["index"], row["relevance_score"]]
                              for row in said["body"]["results"]]}


def ask_pictures(agent, model, n, form):
    said = asked(agent, "/v1/images/generations", {
        "model": model, "prompt": "a cat", **({"n": n} if n else {}),
        **({"response_format": form} if form else {})})
    if said["status"] != 200:
        return said
    for row in said["body"]["data"]:
        url, data = row.get("url"), row.get("b64_json")
        assert (not url if form == "b64_json" else url) if form else url or data, row
        if url and not url.startswith("http"):
            head, _, data = url.partition(",")
            assert head == "data:image/png;base64", url[:80]
        assert not data or base64.b64decode(data, validate=True)[:4] == b"\x89PNG", row
    failed = int(said["headers"].get("X-Yijian-Images-Failed") or 0)
    return {**said, "pictures": len(said["body"]["data"]), **({"failed": failed} if failed else {})}


def ask_text(agent, model, n, _):
    said = asked(agent, "/v1/completions", {"model": model, "prompt": "hello"})
    if said["status"] != 200:
        return said
    choice = said["body"]["choices"][0]
    return {**said, "text": choice["text"], "end": choice["finish_reason"]}


ASKED = {"embed": ask_vectors, "rank": ask_ranks, "image": ask_pictures, "complete": ask_text}
VARIANTS = {"embed": ["float", "base64"], "rank": [None], "image": ["b64_json", "url", None],
            "complete": [None]}


# ---- judging ----

def judge(want, said, pair):
    fails = want.get("fails")
    if not fails:
        return matches(want, said) or (
            f"{said['headers'].get('X-Yijian-Images-Failed')} failed"
            if "failed" in said and "failed" not in want else None) or (
            "the other target answered" if target_of(said) == "spare" else None)
    if pair and fails == "context" and target_of(said) == "spare":
        return None  # whose window is known to be larger
    statuses, moves_on = MADE_OVER_THERE if fails == "doubt" else FAILS[fails]
    if pair and moves_on:
        return None if said["status"] == 200 and target_of(said) == "spare" else f"{said}"
    if said["status"] not in statuses or not said.get("fails"):
        return f"{said['status']} {said.get('fails')} {said['body']}"
    return None


def run(rig, form, variant, fault, count=-1, want=None):
    rig.play(form, fault, count)
    try:
        said = rig.ask(form, variant)
    except (AssertionError, AttributeError, KeyError, ValueError, TypeError, OSError) as odd:
        return f"not readable: {odd!r}"[:600]
    finally:
        rig.calm()
    return judge(want or form["says"], said, rig.pair)


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "with-another"])
def rig(request, tmp_path_factory):
    started = Started(tmp_path_factory.mktemp("lists"))
    yield Rig(started, request.param)
    started.stop()


POLL_FAULTS = {"500": {"status": 500}, "404": {"status": 404}, "429": {"status": 429},
               "page": {"html": True}, "noise": {"garbage": 99}, "half": {"bad_json": True},
               "empty": {"empty": True}, "gone": {"close": True}, "short": {"truncated": 9},
               "reset": {"reset_mid": 5}, "1xx": {"continue_flood": 3}}
WHOLE = ("vectors", "ollama-vectors", "tei-vectors", "ali-vectors", "ranks", "tei-ranks", "picture",
         "sd-picture", "text")


def named(rig, *names):
    return [form for form in rig.forms if form["name"] in names]


@pytest.mark.parametrize("fault", POLL_FAULTS)
def test_a_poll_that_fails_is_made_again(rig, fault):
    wrong = {}
    for form in named(rig, "comfy-done", "wanx-done"):
        why = run(rig, form, "b64_json", POLL_FAULTS[fault], count=2, want={"pictures": 1})
        if why:
            wrong[form["name"]] = why
    refused(wrong)


def test_cut_off_at_any_byte(rig):
    """Without a length the connection's end is the body's: nobody takes a part for the whole."""
    wrong = {}
    for form in named(rig, *WHOLE):
        cut = {**form, "name": "cut-" + form["name"], "says": {"fails": "target"}}
        rig.add(cut, cooldown={"fails": 1000})
        body = rig.odd[form["engine"]].request(
            "POST", "/" + form["name"], json={}, headers={"X-Sim-Fault": f"form:{form['name']}"})
        length = len(json.dumps(body.body, separators=(",", ":")))
        for at in range(0, length, 1 if EVERY_BYTE else max(1, length // 9)):
            why = run(rig, cut, VARIANTS[form["call"]][0],
                      {"form": form["name"], "close_mid": at, "no_length": True})
            if why:
                wrong[f"{form['name']} at {at} of {length}"] = why
                break
    refused(wrong)


def test_split_at_any_byte(rig):
    """The head and framing come in two pieces as well as the body."""
    wrong = {}
    for form in rig.forms:
        if form["says"].get("fails") or form["name"] == "picture-large":
            continue
        for at in cuts(500, 3):
            why = run(rig, form, VARIANTS[form["call"]][-1], {"form": form["name"], "split": at})
            if why:
                wrong[f"{form['name']} at {at}"] = why
                break
    refused(wrong)


@pytest.mark.parametrize("fault", ["caller", "context", "busy"])
def test_a_fault_of_the_caller_takes_the_target_from_nobody(rig, fault):
    wrong = {}
    for form in rig.forms:
        if form["says"].get("fails") != fault:
            continue
        for _ in range(6):
            run(rig, form, VARIANTS[form["call"]][0], {"form": form["name"]})
        if not rig.served(form):
            wrong[form["name"]] = "the target is no longer in use"
    refused(wrong)


@pytest.mark.parametrize("call", ENDPOINTS)
def test_what_was_said_arrives(rig, call):
    wrong = {}
    for form in rig.forms:
        if form["call"] != call:
            continue
        fails = form["says"].get("fails")
        for variant in VARIANTS[call][:1 if fails in ("rate", "target") else 3]:
            why = run(rig, form, variant, {"form": form["name"]})
            if not why and fails not in ("rate", "target") and not rig.served(form):
                why = "the target is no longer in use"
            if why:
                wrong[f"{form['name']} as {variant}"] = why
    refused(wrong)
