# SPDX-License-Identifier: MIT
"""Gateways the bench compares with, installed into build/peers by their own package managers.
What cannot be had within its time says why; the next run tries again."""
import os
import shutil
import subprocess

from measure import ROOT

PEERS = ROOT / "build/peers"
PORTKEY = "@portkey-ai/gateway@1.15.2"
LITELLM = "litellm[proxy]==1.*"
PATIENCE_S = 300


def run(command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S,
                              cwd=PEERS)
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"{command[0]} did not finish within {PATIENCE_S} s") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise RuntimeError(f"{command[0]} failed: {' '.join(last)[:120]}")


def portkey():
    """The path of its server script."""
    node, npm = shutil.which("node"), shutil.which("npm")
    script = PEERS / "portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
    if not node or not npm:
        raise RuntimeError("node and npm are not installed")
    if not script.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        run([npm, "install", "--no-audit", "--no-fund", "--no-save", "--ignore-scripts",
             "--prefix", str(PEERS / "portkey"), PORTKEY])
    return node, script


def litellm():
    """The path of its program."""
    program = PEERS / "litellm/bin/litellm"
    if not program.exists():
        PEERS.mkdir(parents=True, exist_ok=True)
        if (PEERS / "litellm").exists():
            shutil.rmtree(PEERS / "litellm")  # a run that was cut off
        run(["/usr/bin/python3", "-m", "venv", str(PEERS / "litellm")])
        run([str(PEERS / "litellm/bin/pip"), "install", "-q", LITELLM])
    if not os.access(program, os.X_OK):
        raise RuntimeError("pip installed no litellm program")
    return program
