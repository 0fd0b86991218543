# SPDX-License-Identifier: MIT
"""Libraries that are put before libc of a program under test."""
import os
import subprocess

from process import ROOT


def build(name, place):
    """The library of tests/lib/NAME.c; its path."""
    library = place / f"{name}.so"
    subprocess.run(["cc", "-D_GNU_SOURCE", "-shared", "-fPIC", "-O1", "-o", str(library),
                    str(ROOT / "tests" / "lib" / f"{name}.c"), "-ldl"], check=True)
    return library


def environment(library):
    options = [os.environ.get("ASAN_OPTIONS", ""), "verify_asan_link_order=0"]
    return {"LD_PRELOAD": str(library), "ASAN_OPTIONS": ":".join(filter(None, options))}
