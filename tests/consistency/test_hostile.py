# SPDX-License-Identifier: MIT
"""tests/hostile.tsv names tests that are there, for every row."""
import ast
import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
ROWS = [line.split("\t") for line in (ROOT / "tests" / "hostile.tsv").read_text().splitlines()
        if not line.startswith("#")]


@functools.lru_cache
def names_in(path):
    text = (ROOT / path).read_text()
    if path.endswith(".c"):  # registered, not only written
        return set(re.findall(r"cmocka_unit_test\w*\((test_\w+)", text))
    tree = ast.parse(text)
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_rows_are_whole():
    assert ROWS and all(len(row) == 5 and all(row) for row in ROWS)
    ids = [row[0] for row in ROWS]
    assert len(set(ids)) == len(ids)


def test_every_row_names_tests_that_exist():
    for row in ROWS:
        for node in row[4].split(" "):
            path, _, name = node.partition("::")
            assert name.startswith("test_") and (ROOT / path).is_file(), (row[0], node)
            assert name in names_in(path), (row[0], node)
