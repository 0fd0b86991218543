# SPDX-License-Identifier: MIT
"""One driver per SDK for the whole run, one platform per file of tests."""
import pytest

from sdk import SDKS, Sdk
from started import Started


@pytest.fixture(scope="session")
def drivers(tmp_path_factory):
    """drivers(name): started when first asked for."""
    place, running = tmp_path_factory.mktemp("sdk"), {}

    def driver(name):
        if name not in running:
            running[name] = Sdk(name, place / f"{name}.log")
        return running[name]
    yield driver
    for one in running.values():
        one.close()


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    """Programs that live as long as the file's tests: platform.add(Agent), …"""
    started = Started(tmp_path_factory.mktemp("platform"))
    yield started
    started.stop()


@pytest.fixture(params=sorted(SDKS))
def sdk(request, drivers):
    return drivers(request.param)
