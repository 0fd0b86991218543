# SPDX-License-Identifier: MIT
"""The next step that an alert names is a command there is."""
import json
import pathlib
import re
import subprocess

from process import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_alerts_name_commands_there_are():
    text = subprocess.run([str(BUILD / "yijian"), "help", "--json"], text=True, check=True,
                          capture_output=True).stdout
    known = {command["command"] for command in json.loads(text)["commands"]}
    hints = re.sub(r'"\s*\n\s*"', "", (ROOT / "shared/rows/alert.c").read_text())
    named = re.findall(r"\byijian ([a-z]+)(?: ([a-z]+))?", hints)
    assert len(named) >= 10
    assert [pair for pair in named if " ".join(pair).strip() not in known] == []
