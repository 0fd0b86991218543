# SPDX-License-Identifier: MIT
"""The official SDKs as objects: each is a driver program that is told calls line by line."""
import json
import os
import subprocess
import sys

from process import ROOT

PLACE = ROOT / "tests" / "sdk"
sys.path.insert(0, str(PLACE))
import install  # noqa: E402

# name → (command, packages of PyPI it sees, SDKs it speaks)
SDKS = {
    "python-2.8": (["/usr/bin/python3", "driver.py"], "2", {"openai"}),
    "python-3.57": (["/usr/bin/python3", "driver.py"], "3", {"openai", "anthropic"}),
    "node-6.49": (["node", "driver.mjs", "openai"], None, {"openai", "anthropic"}),
    "node-7.57": (["node", "driver.mjs", "openai-7"], None, {"openai"}),
}

# Frameworks over them; what they are told: see frameworks.py.
FRAMEWORKS = {
    "langchain": (["/usr/bin/python3", "frameworks.py"], "langchain", set()),
    "ai": (["node", "frameworks.mjs"], None, set()),
}


class Sdk:
    def __init__(self, name, log):
        command, packages, self.speaks = {**SDKS, **FRAMEWORKS}[name]
        install.install(os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process {os.getpid()}"))
        # What the caller's own environment says about vendors is not for the tests.
        env = {key: value for key, value in os.environ.items()
               if not key.startswith(("OPENAI_", "ANTHROPIC_", "LANGCHAIN_", "LANGSMITH_"))}
        if packages:
            env["PYTHONPATH"] = str(install.python_path(packages))
        self.name, self.log = name, log
        with open(log, "ab") as errors:
            self.child = subprocess.Popen(command, cwd=PLACE, env=env, text=True, stderr=errors,
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def call(self, base_url, method, args=None, sdk="openai", **more):
        """One call; what the caller of the SDK got, see driver.py."""
        return self.tell({"base_url": base_url, "sdk": sdk, "method": method, "args": args or {},
                          **more})

    def tell(self, call):
        self.child.stdin.write(json.dumps(call) + "\n")
        self.child.stdin.flush()
        line = self.child.stdout.readline()
        assert line, f"{self.name}: {self.log.read_text()[-2000:]}"
        return json.loads(line)

    def close(self):
        self.child.stdin.close()
        self.child.stdout.close()
        self.child.wait(30)
