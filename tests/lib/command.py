# SPDX-License-Identifier: MIT
"""The console's command line as scripts meet it: no configuration of whoever runs the tests."""
import os
import subprocess

from process import BUILD

YIJIAN = str(BUILD / "yijian")


def environment(url=None, env=None):
    """Of a command that asks the agent at this URL."""
    full = dict(os.environ, HOME="/proc/none", XDG_CONFIG_HOME="/proc/none", NO_COLOR="1")
    full.pop("YIJIAN_AGENT", None)
    if url:
        full["YIJIAN_AGENT"] = url
    full.update(env or {})
    return full


def yijian(agent, *args, stdin="", env=None, timeout=60, **more):
    """Runs `yijian ARGS` against an agent (or a URL, or None); the finished process."""
    url = agent if agent is None or isinstance(agent, str) else agent.url()
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **more}
    return subprocess.run([YIJIAN, *args], input=stdin, env=environment(url, env),
                          timeout=timeout, **options)
