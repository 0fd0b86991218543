# SPDX-License-Identifier: MIT
"""Documents of people: what is read of files and folders, and what is refused before anybody is asked."""
import json
import os
import socket
import subprocess

import pytest

from command import YIJIAN, environment, yijian

FEATURE = "kind: Feature\nname: chat\nspec: {endpoint: chat.completions, strategy: weighted}\n"
JSON = {"kind": "Feature", "name": "chat", "spec": {"endpoint": "chat.completions"}}


def validate(*words, stdin="", **more):
    return yijian("http://127.0.0.1:1", "validate", "--offline", *words, stdin=stdin, **more)


def count(done):
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[0])


# ---- forms ----

def named(form):
    docs = [dict(JSON, name=f"f{n}") for n in range(3)]
    yaml = "\n---\n".join(FEATURE.replace("name: chat", f"name: f{n}") for n in range(3))
    return {"list": json.dumps(docs), "object": json.dumps({"documents": docs}), "pretty": json.dumps(docs, indent=2),
            "ndjson": "\n".join(map(json.dumps, docs)), "blank lines": "\n\n".join(map(json.dumps, docs)) + "\n\n",
            "yaml": yaml, "yaml marks": "---\n" + yaml + "\n...\n", "yaml list": "documents:\n" + "".join(
                f"- {{kind: Feature, name: f{n}, spec: {{endpoint: chat.completions}}}}\n" for n in range(3)),
            "flow": "{kind: Feature, name: f0, spec: {endpoint: chat.completions}}\n---\n" + yaml[yaml.index("---") + 4:],
            "crlf": yaml.replace("\n", "\r\n"), "bom": "\ufeff" + yaml}[form]


@pytest.mark.parametrize("form", ["list", "object", "pretty", "ndjson", "blank lines", "yaml", "yaml marks", "yaml list",
                                  "flow", "crlf", "bom"])
def test_every_form_is_read(form):
    assert count(validate("-f", "-", stdin=named(form))) == 3


def test_words_that_other_readers_take_for_something_else(tmp_path):
    """Only true, false, null and numbers are not text."""
    spec = "spec: {endpoint: chat.completions, display_name: NO, targets: [{id: on, kind: vendor, vendor: y, service: off}]}"
    done = validate("-f", "-", stdin=f"kind: Feature\nname: no\n{spec}\n")
    assert "must be text" not in done.stderr and "type" not in done.stderr, done.stderr
    assert validate("-f", "-", stdin="kind: Feature\nname: true\nspec: {}\n").returncode == 6
    assert validate("-f", "-", stdin="kind: Feature\nname: 012\nspec: {}\n").returncode == 6


# ---- folders ----

@pytest.fixture
def folder(tmp_path):
    for name, n in (("b.yaml", 1), ("a.json", 2), ("c.ndjson", 3), ("d.yml", 4), ("sub/e.yaml", 5)):
        path = tmp_path / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(dict(JSON, name=f"f{n}")) + "\n")
    (tmp_path / "docs" / "README.md").write_text("not a document")
    (tmp_path / "docs" / ".hidden.yaml").write_text("neither: this")
    return tmp_path / "docs"


def test_a_folder_is_read_in_order_and_its_folders_when_asked(folder):
    assert count(validate("-f", str(folder))) == 4
    assert count(validate("-f", f"{folder}/", "-R")) == 5
    assert count(validate(str(folder / "a.json"), str(folder / "b.yaml"))) == 2
    assert count(validate("-f", str(folder / "a.json"), "-f", str(folder / "sub"))) == 2
    again = validate("-f", str(folder), "-f", str(folder / "a.json"))
    assert again.returncode == 6 and "both hold the Feature f2" in again.stderr


def test_half_a_folder_is_none(folder, agent):
    """One file that cannot be read, or is no document, and nothing is sent."""
    for fault in ("directory.yaml", "dangling.yaml", "loop.yaml", "bad.yaml", "empty.yaml"):
        path = folder / fault
        if fault.startswith("directory"):
            path.mkdir()
        elif fault.startswith("dangling"):
            path.symlink_to(folder / "nowhere")
        elif fault.startswith("loop"):
            path.symlink_to(path)
        else:
            path.write_text("{" if fault.startswith("bad") else "# nothing\n")
        done = yijian(agent, "validate", "--offline", str(folder))
        expected = 0 if path.is_dir() else 6 if fault in ("bad.yaml", "empty.yaml") else 2
        assert done.returncode == expected, (fault, done.stderr)
        assert expected == 0 or fault in done.stderr
        path.rmdir() if path.is_dir() else path.unlink()


def test_what_is_no_file(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in ("none.yaml", "empty"):
        assert validate(str(tmp_path / path)).returncode == 2
    assert validate("/dev/zero").returncode == 2
    assert validate().returncode == 2
    assert validate("-f", "-", "-f", "-", stdin=FEATURE).returncode == 2
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(tmp_path / "s.yaml"))
    assert validate(str(tmp_path / "s.yaml")).returncode == 2


def test_a_pipe_is_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    process = subprocess.Popen([YIJIAN, "validate", "--offline", str(tmp_path / "pipe")], env=environment(),
                               stdout=subprocess.PIPE, text=True)
    (tmp_path / "pipe").write_text(FEATURE)
    assert process.communicate(timeout=30)[0].startswith("1 ")


# ---- what no document may hold ----

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"


@pytest.mark.parametrize("text,says", [
    (BOMB, "anchors"), ("a: *b\n", "aliases"), ("kind: !!python/object x\n", "tags"),
    (FEATURE + "name: twice\n", "twice"), ('{"kind":"Feature","kind":"Key"}', "twice"),
    ("[" * 40 + "]" * 40, "deep"), ("- " * 40 + "x", "deep"), ("{kind: Feature", "line"),
    ("kind: Feature\nname: [", "line"), ("\tkind: x", "line"), ("%YAML 9.9\n---\nkind: x", "line"),
    ("3", "object"), ("[3]", "object"), ("text", "object"), ("kind: Feature", "name"), ("name: chat", "kind"),
    ("kind: 3\nname: x", "kind"), ("kind: Feature\nname: x\nspec: 3", "spec"), ("kind: Feature\nname: x\nextra: 3", "extra"),
    ("documents: {}", "list"), ('{"documents":[],"more":1}', "list"), ("documents: [[]]", "object"),
    ("kind: Pod\nname: x\nspec: {}", "kind"), ("kind: Feature\nname: x\nspec: {colour: red}", "colour"),
    ("kind: Feature\nname: x\nspec: {endpoint: chat.completions, enabled: 3}", "enabled"), ("a: .inf", ""), ("a: \"\\0\"", "NUL"),
    ("\xff\xfe", ""), ("", "no document"), ("---\n", "no document"), ("null", "no document"),
])
def test_what_no_document_may_hold(text, says, tmp_path):
    path = tmp_path / "doc.yaml"
    path.write_bytes(text.encode("latin-1"))
    done = validate("-f", str(path))
    assert done.returncode == 6 and says in done.stderr and "doc.yaml" in done.stderr, done.stderr
    assert "\x1b" not in done.stderr
    sent = yijian("http://127.0.0.1:1", "apply", "-f", str(path))
    if says not in ("kind", "colour", "enabled"):
        assert sent.returncode == 6, "before anybody is asked"


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_values_are_counted_before_a_tree_is_built(form, tmp_path):
    path = tmp_path / f"big.{form}"
    path.write_text(json.dumps(dict(JSON, spec={"x": [1] * 200_000})))
    done = validate(str(path))
    assert done.returncode == 6 and "200000 values" in done.stderr, done.stderr


def test_many_files_are_counted_together(tmp_path):
    """Each within the limit, all of them not: what would be sent is too much."""
    for n in range(3):
        (tmp_path / f"{n}.json").write_text(json.dumps(dict(JSON, name=f"f{n}", spec={"x": [1] * 90_000})))
    done = yijian("http://127.0.0.1:1", "apply", str(tmp_path))
    assert done.returncode == 6 and "200000 values" in done.stderr, done.stderr


def test_nine_megabytes_are_not_read(tmp_path):
    (tmp_path / "big.yaml").write_text("# " + "x" * (9 << 20))
    done = validate(str(tmp_path / "big.yaml"))
    assert done.returncode == 6 and "8 MiB" in done.stderr
    both = tmp_path / "both"
    both.mkdir()
    for n in range(2):
        (both / f"{n}.yaml").write_text(FEATURE.replace("chat\n", f"f{n}\n", 1) + "# " + "x" * (5 << 20))
    assert validate(str(both)).returncode == 6


# ---- secrets ----

def key(secret):
    return json.dumps({"kind": "Key", "name": "openai/gpt-4/a", "spec": {"vendor": "openai", "service": "gpt-4",
                       "key_name": "a", "api_key": secret}})


@pytest.mark.parametrize("secret,says", [
    ({"from": "file:../out"}, "leads out"), ({"from": "file:link"}, "leads out"), ({"from": "file:dir/../../out"}, "leads out"),
    ({"from": "file:/etc/hostname"}, "relative"), ({"from": "file:"}, "relative"), ({"from": "file:none"}, "No such file"),
    ({"from": "file:dir"}, "no file"), ({"from": "file:fifo"}, "no file"), ({"from": "file:empty"}, "empty"),
    ({"from": "file:long"}, "too long"), ({"from": "file:two lines"}, "no key has"), ({"from": "file:latin"}, "no key has"), ({"from": "env:X"}, "stdin"), ({"from": 3}, "from"), ({"file": "x"}, "from"),
    ({"from": "stdin", "more": 1}, "from"), ([1], "from"), ({"from": "file:dirlink/out"}, "leads out"),
])
def test_secrets_lie_below_their_document(tmp_path, secret, says):
    docs = tmp_path / "docs"
    (docs / "dir").mkdir(parents=True)
    (tmp_path / "out").write_text("sk-out-0123456789abcdef")
    (docs / "link").symlink_to(tmp_path / "out")
    (docs / "dirlink").symlink_to(tmp_path)
    (docs / "empty").write_text("\n")
    (docs / "long").write_text("x" * 5000)
    (docs / "two lines").write_text("sk-out-1\nsk-out-2\n")
    (docs / "latin").write_bytes(b"sk-out-\xe9\n")
    os.mkfifo(docs / "fifo")
    (docs / "key.json").write_text(key(secret))
    done = yijian("http://127.0.0.1:1", "apply", str(docs / "key.json"))
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert "sk-out" not in done.stdout + done.stderr


def test_another_folder_for_secrets_is_said(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "vault").mkdir()
    (tmp_path / "vault" / "a").write_text("sk-vault-0123456789abcdef")
    (tmp_path / "docs" / "key.json").write_text(key({"from": "file:a"}))
    nobody = "http://127.0.0.1:1"
    assert yijian(nobody, "apply", str(tmp_path / "docs")).returncode == 2
    assert yijian(nobody, "apply", str(tmp_path / "docs"), "--secret-dir", str(tmp_path / "vault")).returncode == 7
    assert yijian(nobody, "apply", "-f", "-", stdin=key({"from": "file:a"}), cwd=tmp_path / "vault").returncode == 2
    taken = yijian(nobody, "apply", "-f", "-", stdin=key({"from": "stdin"}))
    assert taken.returncode == 2 and "standard input" in taken.stderr
