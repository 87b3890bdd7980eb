"""docs/reliability.md: every fault and threat has a row, and every test that it names is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "reliability.md").read_text()
ROWS = re.findall(r"^\| (T?\d+) \| (.+) \| (.+) \| (.+) \|$", TEXT, re.MULTILINE)
FAULTS = {str(number) for number in range(1, 68)}
THREATS = {f"T{number}" for number in range(1, 17)}


def test_every_fault_and_threat_has_one_row() -> None:
    numbers = [row[0] for row in ROWS]
    assert len(numbers) == len(set(numbers))
    assert set(numbers) == THREATS | FAULTS


@pytest.mark.parametrize("number", [row[0] for row in ROWS])
def test_every_row_names_tests_that_are_there_or_a_reason(number: str) -> None:
    shown = next(row[3] for row in ROWS if row[0] == number)
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", shown)
    assert named or "cannot be shown" in shown
    for file, test in named:
        assert re.search(rf"^(async )?def {test}\(", (ROOT / file).read_text(), re.MULTILINE), f"{file}::{test}"
