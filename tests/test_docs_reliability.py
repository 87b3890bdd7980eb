"""The tables of docs/reliability.md: every test that they name is there, and every fault has its row."""

import ast
import re

from tests.project import ROOT

TEXT = (ROOT / "docs" / "reliability.md").read_text()


def functions(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TEXT)
    assert len(named) > 50
    for path, name in named:
        assert not name or name in functions(path), f"{path}::{name}"


def test_every_fault_of_watching_and_storing_has_a_row() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \|", TEXT, re.MULTILINE)
    found = {int(number) for row in rows for number in row.split(",")}
    assert {*range(1, 30), *range(46, 58)} <= found
