# SPDX-License-Identifier: MIT
"""The shell of its own, and completion in the shells of others."""
import os
import pathlib
import pty
import shutil
import stat
import subprocess

import pytest

from command import YIJIAN, environment, yijian

ROOT = pathlib.Path(__file__).resolve().parents[2]


def home(place):
    return {"HOME": str(place), "XDG_STATE_HOME": str(place / "state"), "XDG_CONFIG_HOME": str(place / "config")}


def test_it_ends_as_its_last_command(agent, tmp_path):
    assert yijian(agent, "shell", stdin="feature get chat\nfeature get nothing\n").returncode == 3
    assert yijian(agent, "shell", stdin="feature get nothing\nfeature get chat\nexit\nkey lst\n").returncode == 0
    script = tmp_path / "lines"
    script.write_text("# a comment\n\nfeature get chat -o name\n  feature get 'no thing'\n")
    done = yijian(agent, "shell", "-f", str(script))
    assert (done.returncode, done.stdout) == (3, "chat\n")
    assert yijian(agent, "shell", "-f", "-", stdin="key lst\n").returncode == 2
    assert yijian(agent, "shell", "-f", str(tmp_path / "none")).returncode == 2


def test_a_history_is_its_owners_and_grows(agent, tmp_path):
    env = home(tmp_path)
    for line in ("key list", "feature get chat", "key add openai/gpt-4/x --api-key sk-0123456789", "token list"):
        yijian(agent, "shell", stdin=line + "\n", env=env)
    path = tmp_path / "state" / "yijian" / "history"
    assert path.read_text().splitlines() == ["key list", "feature get chat", "token list"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_prompt_tells_the_context(agent, tmp_path):
    env = home(tmp_path)
    assert yijian(None, "context", "add", "lab", "--agent", agent.url(), env=env).returncode == 0
    main, side = pty.openpty()
    full = environment(None, env)
    child = subprocess.Popen([YIJIAN, "--context", "lab", "shell"], env=full, stdin=side, stdout=side, stderr=side)
    os.close(side)
    said = b""
    while b"yijian lab> " not in said:
        said += os.read(main, 4096)
    os.write(main, b"exit\n")
    assert child.wait(60) == 0
    os.close(main)


def bash(agent, line, name="yijian"):
    """What bash would put in place of the last word, after sourcing the script."""
    script = f"""source {ROOT}/completions/yijian.bash
PATH={pathlib.Path(YIJIAN).parent}:$PATH
COMP_LINE={line!r}; COMP_POINT=${{#COMP_LINE}}; _yijian; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(["bash", "-c", script], env=environment(agent.url()), text=True, capture_output=True,
                          timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split()


def test_bash_answers_behind_a_colon(agent, vendord, tmp_path):
    agent.add_key(vendord.base_url, "openai", "gpt-4", "chat")
    (tmp_path / "prices.yaml").write_text("items:\n" + "".join(
        f"- vendor: openai\n  model: llama3:{size}\n  input_pico: 1\n" for size in ("8b", "70b")))
    assert yijian(agent, "price", "import", str(tmp_path / "prices.yaml")).returncode == 0
    assert bash(agent, "yijian key get op") == ["openai/gpt-4/chat"]
    assert "list" in bash(agent, "yijian key ")
    assert bash(agent, "yijian price get openai/llama3") == ["openai/llama3:70b", "openai/llama3:8b"]
    assert bash(agent, "yijian price get openai/llama3:7") == ["70b"], "bash keeps what is before the colon"


def test_words_are_told_with_what_they_are(agent):
    told = dict(line.partition("\t")[::2] for line in yijian(agent, "__describe", "key", "").stdout.splitlines())
    assert told["list"] == "list the vendor keys" and len(told) > 8
    told = dict(line.partition("\t")[::2] for line in yijian(agent, "__describe", "key", "add", "--").stdout.splitlines())
    assert told["--tier"] and told["--api-key"] == "read the secret from standard input"
    assert yijian(agent, "__complete", "key", "add", "--tier", "").stdout.split() == ["primary", "secondary", "backup"]
    assert yijian(agent, "__complete", "feature", "set", "x", "--strategy", "w").stdout.split() == ["weighted"]
    assert "state" in yijian(agent, "__complete", "key", "list", "--sort-by", "").stdout.split()


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_answers(agent):
    done = subprocess.run(["fish", "-c", f"source {ROOT}/completions/yijian.fish; complete -C 'yijian key '"],
                          env=environment(agent.url(), {"PATH": f"{pathlib.Path(YIJIAN).parent}:{os.environ['PATH']}"}),
                          text=True, capture_output=True, timeout=60)
    assert "list\tlist the vendor keys" in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_answers(agent):
    script = f"""compdef() {{ }}; _describe() {{ print -l -- "${{(@P)2}}" }}
source {ROOT}/completions/yijian.zsh; words=(yijian key ''); CURRENT=3; _yijian"""
    done = subprocess.run(["zsh", "-fc", script],
                          env=environment(agent.url(), {"PATH": f"{pathlib.Path(YIJIAN).parent}:{os.environ['PATH']}"}),
                          text=True, capture_output=True, timeout=60)
    assert "list:list the vendor keys" in done.stdout.splitlines(), done.stdout + done.stderr
