# SPDX-License-Identifier: MIT
"""The table of what the two HTTP engines say differently: every row is of a case that is asked."""
import pathlib

import http_engines

TESTS = pathlib.Path(__file__).resolve().parents[1]


def test_every_row_is_of_a_case_there_is():
    asked = "".join(path.read_text() for path in TESTS.glob("*/test_*.py")
                    if "from http_engines import" in path.read_text())
    for row in http_engines.DIFFERENCES:
        assert f'"{row.what}"' in asked or f"'{row.what}'" in asked, row


def test_every_row_has_its_reason():
    seen = set()
    for row in http_engines.DIFFERENCES:
        assert set(row.engines) <= {"mhd 0.9", "mhd 1.0"} and row.engines and row.why, row
        for engine in row.engines:
            assert (engine, row.what) not in seen, row
            seen.add((engine, row.what))


def test_the_library_that_is_written_for_is_the_one_that_runs():
    """Its rows then say that the platform's ports answer through it."""
    written = any("<microhttpd.h>" in path.read_text()
                  for path in (TESTS.parent / "agent").glob("*/*.c"))
    assert not written or http_engines.engine(http_engines.REGISTRY) in ("mhd 0.9", "mhd 1.0")
