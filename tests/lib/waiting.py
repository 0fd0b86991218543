# SPDX-License-Identifier: MIT
"""Waiting is polling a condition against a deadline; no test sleeps for luck."""
import time

PATIENCE_S = 30  # generous: a loaded machine is no failure


def wait_for(condition, timeout=PATIENCE_S, what=None, alive=None):
    """The condition's first true value. `alive` says whether waiting still makes sense."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if alive is not None and not alive():
            raise AssertionError(f"gone while waiting for {what or condition}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or condition}")
        time.sleep(0.01)
