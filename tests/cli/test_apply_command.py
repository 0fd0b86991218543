# SPDX-License-Identifier: MIT
"""The platform as documents: applied, compared, exported and applied somewhere else."""
import concurrent.futures
import json
import os
import pty
import subprocess

import pytest

from command import YIJIAN, environment, yijian

SECRET = "sk-apply-abcdefghijklmnop-"
FEATURE = """kind: Feature
name: drawing
spec:
  endpoint: chat.completions
  strategy: {strategy}
  display_name: NO
"""
RULE = {"kind": "AlertRule", "name": "slow", "spec": {"metric": "p95_ms", "threshold": 2000}}
CLIENT = {"kind": "Client", "name": "shop", "spec": {"limits": {"rpm": 60}}}


def apply(agent, text, *more, **options):
    return yijian(agent, "apply", "-f", "-", *more, stdin=text if isinstance(text, str) else json.dumps(text), **options)


def results(done):
    assert done.returncode == 0, done.stderr
    return {(i["kind"], i["name"]): i["result"] for i in json.loads(done.stdout)["items"]}


def export(agent, *kinds):
    done = yijian(agent, "export", *kinds, "-o", "json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["documents"]


def diff(agent, text, *more):
    return yijian(agent, "diff", "-f", "-", *more, stdin=text if isinstance(text, str) else json.dumps(text))


# ---- apply and diff ----

def test_apply_then_diff_is_empty(agent):
    text = FEATURE.format(strategy="weighted") + "---\n" + json.dumps(RULE) + "\n---\n" + json.dumps(CLIENT)
    dry = apply(agent, text, "--dry-run", "-o", "json")
    created = {("Feature", "drawing"): "created", ("AlertRule", "slow"): "created", ("Client", "shop"): "created"}
    assert results(dry) == created
    assert yijian(agent, "feature", "get", "drawing").returncode == 3, "a dry run changes nothing"
    assert "yj_c_" not in dry.stdout
    assert diff(agent, text).returncode == 1
    done = apply(agent, text, "-o", "json")
    assert results(done) == created
    same = diff(agent, text)
    assert (same.returncode, same.stdout) == (0, ""), same.stdout
    before = export(agent)
    again = apply(agent, text)
    assert again.returncode == 0 and "0 created, 0 configured, 3 unchanged" in again.stdout
    assert export(agent) == before
    assert yijian(agent, "feature", "get", "drawing", "--field", "display_name").stdout.strip() in ("NO", '"NO"')


def test_diff_shows_what_would_change(agent):
    apply(agent, FEATURE.format(strategy="weighted"))
    done = diff(agent, FEATURE.format(strategy="cost"))
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0].startswith("--- Feature/drawing") and lines[1].startswith("+++ Feature/drawing")
    assert "-strategy: weighted" in lines and "+strategy: cost" in lines
    assert [l for l in lines if l[0] in "+-"][2:] == ["-strategy: weighted", "+strategy: cost"]
    machine = diff(agent, FEATURE.format(strategy="cost"), "-o", "json")
    assert machine.returncode == 1 and json.loads(machine.stdout)["items"][0]["result"] == "configured"


def test_a_key_that_comes_with_a_client_is_shown_once(agent):
    done = apply(agent, CLIENT)
    assert done.returncode == 0, done.stderr
    assert [l for l in done.stdout.splitlines() if l.startswith("yj_c_")]
    assert "yj_c_" not in apply(agent, CLIENT).stdout


def test_all_or_nothing(agent):
    bad = dict(RULE, spec={"metric": "p95_ms", "threshold": "much"})
    for words in ([], ["--dry-run"]):
        done = apply(agent, [json.loads(json.dumps(CLIENT)), bad], *words)
        assert done.returncode == 6 and "threshold" in done.stderr, done.stderr
        assert "invalid" in done.stdout
    assert yijian(agent, "client", "list", "-o", "name").stdout == ""
    assert yijian(agent, "validate", "-f", "-", stdin=json.dumps(bad)).returncode == 6
    assert yijian(agent, "validate", "-f", "-", stdin=json.dumps(RULE)).returncode == 0


def test_two_at_once_are_one_after_the_other(agent):
    """Each either did all of it or says that the platform moved; what is there is one of them."""
    def one(strategy):
        return apply(agent, FEATURE.format(strategy=strategy)).returncode
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            codes = list(pool.map(one, ["weighted", "cost"]))
            assert set(codes) <= {0, 5} and 0 in codes, codes
    assert export(agent, "Feature")[0]["kind"] == "Feature"


# ---- secrets ----

def key_documents(agent, vendord):
    done = yijian(agent, "key", "add", "openai/gpt-4/prod", "--base-url", vendord.base_url, "--api-key", "-",
                  stdin=SECRET + "1")
    assert done.returncode == 0, done.stderr
    return export(agent, "Key")


def test_no_secret_is_exported(agent, vendord):
    assert SECRET not in json.dumps(key_documents(agent, vendord))


def test_a_new_key_without_a_secret_is_named(make_agent, vendord):
    documents = key_documents(make_agent(), vendord)
    other = make_agent()
    done = apply(other, documents)
    assert done.returncode == 6 and documents[0]["name"] in done.stderr, done.stderr
    assert "from" in done.stderr and "terminal" in done.stderr
    assert export(other, "Key") == []
    dry = apply(other, documents, "--dry-run")
    assert dry.returncode == 0 and "created" in dry.stdout


@pytest.mark.parametrize("way", ["file", "stdin", "dir"])
def test_secrets_come_from_where_it_is_said(make_agent, vendord, tmp_path, way):
    documents = key_documents(make_agent(), vendord)
    other = make_agent()
    documents[0]["spec"]["api_key"] = {"from": "stdin" if way == "stdin" else "file:prod.key"}
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "keys.json").write_text(json.dumps(documents))
    place = tmp_path / ("vault" if way == "dir" else "docs")
    place.mkdir(exist_ok=True)
    (place / "prod.key").write_text(SECRET + "1\n")
    more = ["--secret-dir", str(place)] if way == "dir" else []
    done = yijian(other, "apply", str(tmp_path / "docs"), *more, stdin=SECRET + "1")
    assert done.returncode == 0, done.stderr
    assert SECRET not in done.stdout + done.stderr
    same = yijian(other, "diff", str(tmp_path / "docs"), *more, stdin=SECRET + "1")
    assert same.returncode == 0, same.stdout
    (place / "prod.key").write_text(SECRET + "2\n")
    moved = yijian(other, "diff", str(tmp_path / "docs"), *more, stdin=SECRET + "2")
    assert moved.returncode == 1 and SECRET not in moved.stdout + moved.stderr


def test_a_terminal_is_asked_for_secrets(make_agent, vendord, tmp_path):
    documents = key_documents(make_agent(), vendord)
    other = make_agent()
    (tmp_path / "keys.json").write_text(json.dumps(documents))
    main, side = pty.openpty()
    process = subprocess.Popen([YIJIAN, "apply", str(tmp_path / "keys.json")], env=environment(other.url()), stdin=side,
                               stdout=subprocess.PIPE, stderr=side, text=True, start_new_session=True)
    os.close(side)
    said = b""
    while b"(hidden): " not in said:
        said += os.read(main, 4096)
    os.write(main, (SECRET + "1\n").encode())
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0 and "1 created" in out
    assert SECRET.encode() not in said + os.read(main, 4096)
    os.close(main)


# ---- export ----

def test_export_and_apply_make_the_platform_again(make_agent, vendord, make_vendord):
    one, two = make_agent(), make_agent()
    key_documents(one, vendord)
    engine = make_vendord(flavour="vllm")
    yijian(one, "service", "register", "llm", "--id", "n1", "--url", engine.url, "--engine", "vllm", "--feature", "chat")
    apply(one, [RULE, CLIENT])
    apply(one, FEATURE.format(strategy="weighted"))
    yijian(one, "feature", "delete", "embeddings", "--yes")
    documents = export(one)
    for document in documents:
        if document["kind"] == "Key":
            document["spec"]["api_key"] = {"from": "stdin"}
    whole = json.dumps(documents)
    path = one.state_dir / "platform.json"
    path.write_text(whole)
    done = yijian(two, "apply", str(path), "--prune", "Feature,Key,Service,Client,AlertRule", "--yes",
                  "--confirm", "embeddings", stdin=SECRET + "1")
    assert done.returncode == 0, done.stderr
    assert export(two) == export(one)


def test_export_writes_files_and_only_what_is_asked(agent, tmp_path):
    done = yijian(agent, "export", "feature", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    names = sorted(os.listdir(tmp_path / "out"))
    assert "feature-chat.yaml" in names
    assert yijian(agent, "diff", str(tmp_path / "out")).returncode == 0
    assert yijian(agent, "export", "feature", "--out", str(tmp_path / "out")).returncode == 2, "nothing is written over"
    assert yijian(agent, "export", "Pod").returncode == 2
    assert yijian(agent, "export", "-o", "csv").returncode == 2
    yaml = yijian(agent, "export", "Feature")
    assert yaml.stdout.startswith("---\nkind: Feature\n")
    assert apply(agent, yaml.stdout).returncode == 0
    lines = yijian(agent, "export", "Feature", "-o", "ndjson").stdout.splitlines()
    assert len(lines) == len(names) and all(json.loads(l)["kind"] == "Feature" for l in lines)


# ---- what takes away, and whom it hits ----

def test_prune_deletes_what_no_document_holds(agent):
    apply(agent, [RULE, dict(RULE, name="other")])
    shown = diff(agent, RULE, "--prune", "AlertRule")
    assert shown.returncode == 1 and "AlertRule/other" in shown.stdout
    asked = apply(agent, RULE, "--prune", "AlertRule")
    assert asked.returncode == 11 and "AlertRule other" in asked.stderr and "--yes" in asked.stderr
    assert yijian(agent, "alert", "rules", "get", "other").returncode == 0
    done = apply(agent, RULE, "--prune", "AlertRule", "--yes")
    assert done.returncode == 0 and "1 deleted" in done.stdout, done.stderr
    assert yijian(agent, "alert", "rules", "get", "other").returncode == 3
    assert yijian(agent, "feature", "get", "chat").returncode == 0, "of other kinds nothing"
    assert apply(agent, RULE, "--prune", "Pod").returncode == 2


def test_pruned_keys_are_said_by_name(agent, vendord):
    documents = key_documents(agent, vendord)
    name = documents[0]["name"]
    done = apply(agent, RULE, "--prune", "Key", "--yes")
    assert done.returncode == 11 and f"--confirm {name}" in done.stderr, done.stderr
    assert export(agent, "Key") == documents
    assert apply(agent, RULE, "--prune", "Key", "--yes", "--confirm", name).returncode == 0
    assert export(agent, "Key") == []


def test_the_first_client_wants_its_name(chat_agent):
    chat_agent.chat("hello")
    done = apply(chat_agent, CLIENT)
    assert done.returncode == 11 and "--confirm shop" in done.stderr, done.stderr
    assert apply(chat_agent, CLIENT, "--confirm", "other").returncode == 11
    assert apply(chat_agent, CLIENT, "--yes").returncode == 11
    assert apply(chat_agent, CLIENT, "--confirm", "shop").returncode == 0
