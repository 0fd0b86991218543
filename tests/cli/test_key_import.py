# SPDX-License-Identifier: MIT
"""Keys out of files: CSV, documents and NAME=value lines, judged whole before the first is stored."""
import json

import pytest

from command import yijian

SECRET = "sk-import-abcdefghijklmnop-"


def imported(agent, text, *more, place=None, code=0):
    done = yijian(agent, "key", "import", "-", *more, "-o", "json", stdin=text)
    assert done.returncode == code, done.stderr
    assert SECRET not in done.stdout + done.stderr
    return [(i["name"], i["result"]) for i in json.loads(done.stdout)["items"]]


def stored(agent):
    return json.loads(yijian(agent, "key", "list", "-o", "json").stdout)["items"]


def csv(*rows):
    return "vendor,service,key_name,api_key,tier,weight,note\n" + "".join(f"{row}\n" for row in rows)


def test_csv(agent):
    text = csv(f'openai,gpt-4,"Main, the ""first""",{SECRET}1,backup,7,"two\nlines"'.replace("\nlines", " lines"),
               "", f"openai,dalle,pictures,{SECRET}2,,,")
    assert imported(agent, text, "--dry-run") == [
        ('openai/gpt-4/Main, the "first"', "created"), ("openai/dalle/pictures", "created")]
    assert stored(agent) == [], "a dry run stores nothing"
    imported(agent, "\ufeff" + text.replace("\n", "\r\n"))
    main = [k for k in stored(agent) if k["service"] == "gpt-4"][0]
    assert (main["key_name"], main["tier"], main["weight"], main["note"]) == (
        'Main, the "first"', "backup", 7, "two lines")
    assert [r for _, r in imported(agent, text)] == ["unchanged", "unchanged"]


def test_another_secret_under_the_same_name_is_not_stored(agent):
    imported(agent, csv(f"openai,gpt-4,a,{SECRET}1,,,"))
    both = csv(f"openai,gpt-4,a,{SECRET}9,,,", f"openai,gpt-4,b,{SECRET}2,,,")
    assert imported(agent, both, code=9) == [("openai/gpt-4/a", "failed"), ("openai/gpt-4/b", "created")]
    assert imported(agent, csv(f"openai,gpt-4,a,{SECRET}9,,,"), code=5) == [("openai/gpt-4/a", "failed")]


@pytest.mark.parametrize("form", ["list", "items", "keys", "one", "yaml"])
def test_documents(agent, form):
    key = {"vendor": "openai", "services": ["gpt-4", "dalle"], "key_name": "all", "api_key": SECRET + "1",
           "limits": {"rpm": 60}}
    text = {"list": json.dumps([key]), "items": json.dumps({"items": [key]}), "one": json.dumps(key),
            "keys": json.dumps({"keys": [key]}),
            "yaml": f"keys:\n- vendor: openai\n  services: [gpt-4, dalle]\n  key_name: all\n  api_key: {SECRET}1\n"
                    "  limits: {rpm: 60}\n"}[form]
    assert imported(agent, text, "--format", "json") == [("openai/gpt-4/all", "created")]
    assert stored(agent)[0]["limits"]["rpm"] == 60


def test_variables(agent):
    text = (f"# keys\nexport OPENAI_API_KEY={SECRET}1\nDASHSCOPE_API_KEY='{SECRET}2'\nHOME=/root\n"
            f"OPENAI_API_KEY_OLD={SECRET}3\nOPENAI_API_KEYRING={SECRET}4\nANTHROPIC_API_KEY=\n")
    done = yijian(agent, "key", "import", "-", "-o", "json", stdin=text)
    assert done.returncode == 0, done.stderr
    assert [(i["name"].split("/")[0], i["name"].split("/")[2]) for i in json.loads(done.stdout)["items"]] == [
        ("openai", "OPENAI_API_KEY"), ("aliyun", "DASHSCOPE_API_KEY"), ("openai", "OPENAI_API_KEY_OLD")]
    assert "HOME, OPENAI_API_KEYRING, ANTHROPIC_API_KEY" in done.stderr and SECRET not in done.stderr
    services = {s for k in stored(agent) for s in k.get("services") or [k["service"]]}
    assert {"gpt-4", "dalle", "qwen", "wanx"} <= services


@pytest.mark.parametrize("text,form,says", [
    ("", "csv", "holds no key"),
    ("vendor,service,key_name,api_key\n", "csv", "holds no key"),
    ("vendor,colour\n", "csv", "column of the head"),
    ("vendor,vendor\n", "csv", "twice"),
    (csv("openai,gpt-4,a,,,,"), "csv", "line 2: api_key: is missing"),
    (csv(f"openai,,a,{SECRET},,,"), "csv", "line 2: service: is missing"),
    (csv(f'openai,gpt-4,"a,{SECRET},,,'), "csv", "quote is not closed"),
    (csv(f"openai,gpt-4,a,{SECRET},,,,x"), "csv", "more cells"),
    ('[{"vendor":"openai","service":"gpt-4","key_name":"a"}]', "json", "api_key: is missing"),
    ('[{"vendor":"openai","vendor":"x"}]', "json", "twice"),
    ("[3]", "json", "no object"),
    ("&a [*a]", "json", "anchors"),
    ("not a line", "env", "NAME=value"),
    ("HOME=/root\n", "env", "holds no key"),
])
def test_a_file_with_a_fault_stores_nothing(agent, text, form, says):
    done = yijian(agent, "key", "import", "-", "--format", form, stdin=text)
    assert done.returncode == 6 and says in done.stderr, done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert stored(agent) == []


def test_another_encoding_is_no_other_secret(agent, tmp_path):
    for form, text in (("csv", csv(f"openai,gpt-4,a,{SECRET}\xe9,,,")), ("env", f"OPENAI_API_KEY={SECRET}\xe9\n")):
        (tmp_path / "keys").write_bytes(text.encode("latin-1"))
        done = yijian(agent, "key", "import", str(tmp_path / "keys"), "--format", form)
        assert done.returncode == 6 and "not UTF-8" in done.stderr, done.stderr
    assert stored(agent) == []


def test_what_the_agent_refuses_is_told_by_key(agent):
    text = csv(f"openai,gpt-4,a,{SECRET}1,gold,,", f"nobody,nothing,b,{SECRET}2,,,", f"openai,gpt-4,c,{SECRET}3,,,")
    assert [r for _, r in imported(agent, text, code=9)] == ["failed", "failed", "created"]
    assert [k["key_name"] for k in stored(agent)] == ["c"]


def test_a_file_others_may_read_is_warned_of(agent, tmp_path):
    path = tmp_path / "keys.csv"
    path.write_text(csv(f"openai,gpt-4,a,{SECRET}1,,,"))
    path.chmod(0o644)
    done = yijian(agent, "key", "import", str(path))
    assert done.returncode == 0 and "others may read" in done.stderr
    assert yijian(agent, "key", "import", str(tmp_path / "none")).returncode == 2
    assert yijian(agent, "key", "import", str(tmp_path)).returncode == 2
    assert yijian(agent, "key", "import", "-", "--format", "xml").returncode == 2
