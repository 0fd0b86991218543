# SPDX-License-Identifier: MIT
"""Answers in every odd form that servers are known to write (tests/vendord/torture.c), cut at any
byte, asked for in each dialect, of a target alone and of one with a healthy neighbour: what arrived
is what was said, nothing hangs, and a caller's own fault takes the target from nobody."""
import os

import pytest

import dialects
from agent import Agent
from started import Started
from vendord import Vendord

EVERY_BYTE = bool(os.environ.get("YIJIAN_TEST_EVERY_BYTE"))
PROTOCOLS = {"vllm": "openai.chat", "ollama": "ollama.chat", "anthropic": "anthropic.messages",
             "dashscope": "dashscope.chat.native"}
CHECKS = {"ollama": "/api/tags", "dashscope": "/_sim/stats"}
SAID = ("text", "think", "tools", "end")
# The statuses a caller may see for what failed, and whether another target is asked.
FAILS = {"caller": ((400, 422), False), "context": ((400, 413), False), "busy": ((429, 503), True),
         "rate": ((429,), True), "target": ((502, 503), True), "wish": ((400,), True)}


class Rig:
    """Each form has a target of its own, as the feature NAME alone and as NAME-pair with a
    healthy one behind it, and is played to its model."""

    def __init__(self, started):
        self.agent = started.add(Agent, env={"YIJIAN_LOG_LEVEL": "error"})
        self.odd = {engine: started.add(Vendord, flavour=flavour, no_auth=True) for engine, flavour
                    in (("vllm", "openai"), ("ollama", "ollama"), ("anthropic", "anthropic"),
                        ("dashscope", "dashscope"))}
        spare = started.add(Vendord, flavour="openai", no_auth=True)
        self.agent.add_instance(spare.url, service="spare", id="spare", features=(),
                                engine="openai-compatible")
        self.forms = [form for form in spare.control("GET", "forms")["items"]
                      if form["call"] in ("plain", "stream")]
        for form in self.forms:
            self.add(form)
        self.calm()

    def add(self, form):
        name, engine = form["name"], form["engine"]
        ollama = engine == "ollama"
        self.agent.add_instance(self.odd[engine].url, service=name, id=name, features=(),
                                engine="ollama" if ollama else "openai-compatible",
                                check={"path": CHECKS.get(engine, "/v1/models")})
        target = {"kind": "self_hosted", "service": name, "upstream_model": name,
                  "protocol": PROTOCOLS[engine]}
        other = {"kind": "self_hosted", "service": "spare", "upstream_model": "m", "order": 9}
        for feature, targets in ((name, [target]), (name + "-pair", [target, other])):
            answer = self.agent.post("config-center", "/api/v1/features", {
                "name": feature, "endpoint": "chat.completions", "auto_join": False,
                "targets": targets})
            assert answer.status == 201, answer

    def play(self, form, **more):
        self.odd[form["engine"]].faults([{"match": {"model": form["name"]},
                                          "fault": {"form": form["name"], **more}}])

    def calm(self):
        for vendor in self.odd.values():
            vendor.faults([])

    def ask(self, dialect, form, model):
        untouched = dialect == "messages" and form.get("engine") == "anthropic"
        return dialects.ask(self.agent, dialect, dialects.request(
            dialect, model, stream=form["call"] == "stream", tools=("first", "second")),
            **({"one_by_one": False} if untouched else {}))

    def served(self, form):
        """The target is in use: it answers what is plain."""
        said = self.ask("chat", {"call": "plain"}, form["name"])
        return said["status"] == 200


def target_of(said):
    name = said["headers"].get("X-Yijian-Target") or ""
    return "spare" if name.startswith("self/spare") else name


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    started = Started(tmp_path_factory.mktemp("torture"))
    yield Rig(started)
    started.stop()


def meant(want, dialect):
    """What a form says, as this dialect can tell it."""
    want = dict(want)
    if isinstance(want.get("text"), int):
        want["text"] = "x" * want["text"]
    if isinstance(want.get("end"), list) and dialect != "messages":
        want["end"] = want["end"][0]
    return want


def matches(want, said):
    """What differs, or None."""
    for name, value in want.items():
        got = said.get(name)
        if name == "tools":
            got = sorted(got or [], key=lambda call: call[1])
            good = [call[1:] for call in value] == [call[1:] for call in got] and all(
                wanted[0] in (None, call[0]) for wanted, call in zip(value, got))
        elif name == "text" and isinstance(value, list):
            good = got in value
        else:
            good = got == value
        if not good:
            return f"{name}: {str(got)[:200]!r} where {str(value)[:200]!r} was said"
    return None


def judge(want, said, pair):
    """None, or how the answer betrays the form."""
    fails = want.get("fails")
    if not fails:
        return matches(want, said) or ("the other target answered"
                                       if target_of(said) == "spare" else None)
    if fails == "broken":
        if pair and target_of(said) == "spare":
            return None  # it broke before anything had been passed on
        if not said.get("fails"):
            return f"no error at the end: {said}"
        return matches({"text": want["text"]}, said) if said["status"] == 200 else None
    statuses, moves_on = FAILS[fails]
    if pair and moves_on:
        return None if said["status"] == 200 and target_of(said) == "spare" else f"{said}"
    if said["status"] not in statuses or not said.get("fails"):
        return f"{said['status']} {said.get('fails')} {said['body']}"
    if fails == "context" and said["fails"] not in ("context_length_exceeded",
                                                    "invalid_request_error"):
        return f"{said['fails']}"
    return None


def run(rig, form, dialect, pair, **more):
    rig.play(form, **more)
    model = form["name"] + ("-pair" if pair else "")
    try:
        said = rig.ask(dialect, form, model)
    except (AssertionError, AttributeError, KeyError, ValueError, TypeError, OSError) as odd:
        return f"not readable: {odd!r}"[:600]
    finally:
        rig.calm()
    return judge(meant(form["says"], dialect), said, pair)


def refused(wrong):
    assert not wrong, "\n".join(f"{name}: {why}" for name, why in wrong.items())


@pytest.mark.parametrize("pair", [False, True], ids=["alone", "with-another"])
@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_what_was_said_arrives(rig, dialect, pair):
    wrong = {}
    for form in rig.forms:
        why = run(rig, form, dialect, pair)
        if not why and form["says"].get("fails") != "rate" and not rig.served(form):
            why = "the target is no longer in use"
        if why:
            wrong[form["name"]] = why
    refused(wrong)


@pytest.mark.parametrize("fault", ["caller", "context", "busy", "wish"])
def test_a_fault_of_the_caller_takes_the_target_from_nobody(rig, fault):
    wrong = {}
    for form in rig.forms:
        if form["says"].get("fails") != fault:
            continue
        for _ in range(6):
            run(rig, form, "chat", False)
        if not rig.served(form):
            wrong[form["name"]] = "the target is no longer in use"
    refused(wrong)


def cuts(length, share):
    """Places to cut an answer at; all of them in the long run."""
    step = 1 if EVERY_BYTE else max(1, length // share)
    return range(1, length, step)


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_cut_at_any_byte(rig, dialect):
    """The head and framing are cut as well as the body."""
    wrong = {}
    for form in rig.forms:
        if form["says"].get("fails") in ("rate", "target") or form["says"].get("text") == 2 << 20:
            continue
        for at in cuts(700, 5):
            why = run(rig, form, dialect, False, split=at)
            if why:
                wrong[f"{form['name']} at {at}"] = why
                break
    refused(wrong)


@pytest.mark.parametrize("dialect", dialects.NAMES)
def test_byte_by_byte(rig, dialect):
    """Small pieces, so that every one is a read of its own."""
    wrong = {}
    names = {"calls-take-turns", "broken-bytes", "letters-of-four-bytes", "line-ends-crlf",
             "half-letters", "ollama-calls", "anthropic-blocks-take-turns", "parts"}
    for form in rig.forms:
        if form["name"] in names:
            why = run(rig, form, dialect, False, piece=1 if EVERY_BYTE else 7)
            if why:
                wrong[form["name"]] = why
    refused(wrong)
