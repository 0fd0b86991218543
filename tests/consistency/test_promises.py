# SPDX-License-Identifier: MIT
"""The tables that lead from a promise to its tests (tests/hostile.tsv, tests/field.tsv,
tests/kinds.tsv) name tests that are there, for every row."""
import ast
import functools
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What real use found, by group: every one of these has a row in tests/field.tsv.
FIELD = ["C1", "C2", "C3", "C4", "C5", "S1", "S2", "S3", "I1", "I2", "I3", "I4",
         "R1", "R2", "R3", "R4", "R5", "R6", "T1", "T2", "T8", "T9", "T10", "T11", "T13",
         "X1", "X2", "F1", "F2", "F3", "F4", "F5", "F6", "F7", "N1", "N2"]


def rows_of(name):
    return [line.split("\t") for line in (ROOT / "tests" / name).read_text().splitlines()
            if not line.startswith("#")]


@functools.lru_cache
def names_in(path):
    text = (ROOT / path).read_text()
    if path.endswith(".c"):  # registered, not only written
        return set(re.findall(r"cmocka_unit_test\w*\(\s*(\w+)", text))
    tree = ast.parse(text)
    return {node.name for node in tree.body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("table,columns", [("hostile.tsv", 5), ("field.tsv", 3),
                                           ("kinds.tsv", 2)])
def test_rows_are_whole(table, columns):
    rows = rows_of(table)
    assert rows and all(len(row) == columns and all(row) for row in rows)


@pytest.mark.parametrize("table", ["hostile.tsv", "kinds.tsv"])
def test_ids_are_unique(table):
    ids = [row[0] for row in rows_of(table)]
    assert len(set(ids)) == len(ids)


def test_every_finding_has_a_row():
    assert {row[0] for row in rows_of("field.tsv")} == set(FIELD)


@pytest.mark.parametrize("table", ["hostile.tsv", "field.tsv", "kinds.tsv"])
def test_every_row_names_tests_that_exist(table):
    for row in rows_of(table):
        for node in row[-1].split(" "):
            path, _, name = node.partition("::")
            assert (ROOT / path).is_file(), (row[0], node)
            assert name in names_in(path), (row[0], node)
