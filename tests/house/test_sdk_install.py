# SPDX-License-Identifier: MIT
"""SDKs that cannot be had fail a run of tests once and soon, not each of its tests after a wait."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "sdk"))
import install  # noqa: E402


def test_a_registry_that_cannot_be_reached_is_asked_once_a_run(monkeypatch, tmp_path):
    asked = []

    def unreachable():
        asked.append(1)
        raise RuntimeError("npm ci: ETIMEDOUT")
    monkeypatch.setattr(install, "PLACE", tmp_path)
    monkeypatch.setattr(install, "install_all", unreachable)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="ETIMEDOUT"):
            install.install("this run")
    assert len(asked) == 1
    for run in ("the next run", None, None):  # without a name it is tried each time
        with pytest.raises(RuntimeError, match="ETIMEDOUT"):
            install.install(run)
    assert len(asked) == 4
    monkeypatch.setattr(install, "install_all", lambda: asked.append(1))
    install.install("one more run")
    install.install("this run")
    assert len(asked) == 6, "what is there is left as it is"
