"""docs/notebook.md: its files written and its commands typed, in its own order."""

import re
from pathlib import Path

from fxwatch import AttributionAnalyzer
from tests.docs import follow, text_of

TEXT = text_of("docs/notebook.md")


def test_every_file_and_command_of_it(tmp_path: Path) -> None:
    typed = follow(TEXT, tmp_path)
    assert [line.split()[1] for line in typed] == [
        "explore.py",
        "trainer.py",
        "save.py",
        "compare",
        "compare",
    ]
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")


def test_every_call_of_its_table_exists_with_these_arguments() -> None:
    calls = re.findall(r"^\| `(\w+)\((.*?)\)` \|", TEXT, re.MULTILINE)
    assert len(calls) == 5
    for name, arguments in calls:
        method = getattr(AttributionAnalyzer, name)
        code = method.__code__
        known = [one.split("_")[-1] for one in code.co_varnames[1 : code.co_argcount]]
        assert [one.strip().split("_")[-1] for one in arguments.split(",") if one] == known, name
