# SPDX-License-Identifier: MIT
"""Fixtures for every suite: a simulated vendor and an agent on free ports with scratch state."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent / "lib"))

import preload  # noqa: E402
from agent import Agent  # noqa: E402
from clock import Clock  # noqa: E402
from disk import Disk  # noqa: E402
from http_engines import OverTls, is_over_tls  # noqa: E402
from started import Started  # noqa: E402
from vendord import Vendord  # noqa: E402


def pytest_make_parametrize_id(val):
    return "tls" if isinstance(val, OverTls) else None


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
def make_agent(started, request):
    """make_agent(env={…}, args=[…], state_dir=…), over TLS where the test's service is TLS."""
    count = []

    def make(**options):
        count.append(1)
        options.setdefault("state_dir", started.scratch / f"state{len(count)}")
        options.setdefault("over_tls", is_over_tls(request))
        return started.add(Agent, **options)
    return make


@pytest.fixture(scope="session")
def clock_library(tmp_path_factory):
    return preload.build("clock", tmp_path_factory.mktemp("clock"))


@pytest.fixture
def clock(clock_library, tmp_path):
    """Time that passes when the test says so, for agents with clock.env."""
    return Clock(clock_library, tmp_path)


@pytest.fixture(scope="session")
def disk_library(tmp_path_factory):
    return preload.build("disk", tmp_path_factory.mktemp("disk"))


@pytest.fixture
def disk(disk_library, tmp_path):
    """A state directory, disk.place, that fails when the test says so, for agents with disk.env."""
    return Disk(disk_library, tmp_path, tmp_path / "fragile")


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
