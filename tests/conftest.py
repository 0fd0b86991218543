# SPDX-License-Identifier: MIT
"""Fixtures for every suite: a simulated vendor and an agent on free ports with scratch state."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

from agent import Agent  # noqa: E402
from vendord import Vendord  # noqa: E402


class Started:
    """What a test started; stopped in reverse order, and each must end well."""

    def __init__(self, scratch):
        self.scratch, self.programs = scratch, []

    def add(self, kind, **options):
        name = f"{kind.__name__.lower()}{len(self.programs)}"
        program = kind(scratch=self.scratch, name=name, **options)
        self.programs.append(program)
        return program.start()

    def stop(self):
        failures = []
        for program in reversed(self.programs):
            try:
                program.stop()
            except AssertionError as failure:
                failures.append(str(failure))
        assert not failures, "\n".join(failures)


@pytest.fixture
def started(tmp_path):
    started = Started(tmp_path)
    yield started
    started.stop()


@pytest.fixture
def make_vendord(started):
    """make_vendord(flavour="vllm", …): as many as a test needs."""
    return lambda **options: started.add(Vendord, **options)


@pytest.fixture
def make_agent(started):
    """make_agent(env={…}, args=[…], state_dir=…)."""
    count = []

    def make(**options):
        count.append(1)
        options.setdefault("state_dir", started.scratch / f"state{len(count)}")
        return started.add(Agent, **options)
    return make


@pytest.fixture
def vendord(make_vendord):
    """A simulated OpenAI."""
    return make_vendord()


@pytest.fixture
def agent(make_agent):
    """A fresh agent."""
    return make_agent()


@pytest.fixture
def chat_agent(agent, vendord):
    """A fresh agent whose chat, completions, embeddings and images go to the fixture vendord."""
    agent.add_key(vendord.base_url, service="gpt-4", key_name="chat",
                  api_key="sk-simulated-000000000000chat")
    agent.add_key(vendord.base_url, service="embeddings", key_name="embeddings",
                  api_key="sk-simulated-0000000000embed")
    agent.add_key(vendord.base_url, service="dalle", key_name="images",
                  api_key="sk-simulated-00000000000image")
    return agent
