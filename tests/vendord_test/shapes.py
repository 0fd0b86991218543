# SPDX-License-Identifier: MIT
"""Comparing an answer with a published example."""


def lacking(want, got, path="$"):
    """What the example has and the answer has not, or has in another type."""
    if isinstance(want, dict) and isinstance(got, dict):
        return [line for key, value in want.items() for line in
                (lacking(value, got[key], f"{path}.{key}") if key in got else [f"{path}.{key}"])]
    if isinstance(want, list) and isinstance(got, list):
        return lacking(want[0], got[0], f"{path}[0]") if want and got else []
    number = (int, float)
    same = isinstance(got, type(want)) or (isinstance(want, number) and isinstance(got, number))
    return [] if same or want is None or got is None else [f"{path}: {type(got)}"]
