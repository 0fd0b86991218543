# SPDX-License-Identifier: MIT
"""The README's list of what a build needs is that of packaging/deps/packages."""
import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAMES = {"ncursesw": "ncurses (wide)", "yaml-0.1": "libyaml"}


def test_the_readme_names_every_library():
    rows = [line.split() for line in (ROOT / "packaging/deps/packages").read_text().splitlines()
            if line and not line.startswith("#")]
    libraries = [probe.removeprefix("pc:") for use, probe, *_ in rows
                 if use == "build" and probe.startswith("pc:")]
    assert len(libraries) > 5
    text = " ".join((ROOT / "README.md").read_text().split())
    said = text.split("the development files of ", 1)[1].split(".", 1)[0]
    assert sorted(said.replace(" and ", ", ").split(", ")) == sorted(
        NAMES.get(name, name) for name in libraries)
