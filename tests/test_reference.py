"""docs/reference.md is what the program is, and cannot change in silence."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fxwatch
from fxwatch import exit_codes
from fxwatch.cli import app
from fxwatch.config import Config
from fxwatch.records.history import HistoryLine
from tests.project import ROOT

sys.path.insert(0, str(ROOT / "docs"))

from write_reference import _MARK, PAGE, reference, renewed  # type: ignore[import-not-found]


def test_it_is_what_the_program_is() -> None:
    written = PAGE.read_text(encoding="utf-8").partition(f"\n{_MARK}")[0]
    assert written == reference(), "say in CHANGELOG.md what changes for users, then `python docs/write_reference.py`"


def test_it_changes_only_with_the_changelog() -> None:
    before = renewed("", "a command\n", "one entry")
    with pytest.raises(ValueError, match=r"say in CHANGELOG\.md"):
        renewed(before, "a command, and an option\n", "one entry")
    after = renewed(before, "a command, and an option\n", "two entries")
    assert after.startswith("a command, and an option\n")


def test_writing_it_again_changes_nothing_but_the_mark() -> None:
    before = renewed("", "a command\n", "one entry")
    assert renewed(before, "a command\n", "one entry") == before
    assert renewed(before, "a command\n", "two entries") != before


@pytest.fixture(scope="module")
def now() -> str:
    """The page, of the program as it is."""
    made: str = reference()
    return made


class Longer(HistoryLine):
    """One of tomorrow."""

    mood: str | None = None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("fxwatch.__all__", fxwatch.__all__[1:]),
        ("fxwatch.exit_codes.MEANINGS", {**exit_codes.MEANINGS, 7: "tired"}),
        ("fxwatch.cli.app.registered_commands", app.registered_commands[1:]),
        ("fxwatch.config.Config.model_fields", {"daemon": Config.model_fields["daemon"]}),
        ("write_reference.HistoryLine", Longer),
        ("write_reference.Overview", Longer),
    ],
)
def test_it_sees_every_change(place: str, value: Any, now: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, value)
    assert reference() != now


def test_every_exit_code_has_its_meaning() -> None:
    codes = {value for value in vars(exit_codes).values() if isinstance(value, int)}
    assert codes == exit_codes.MEANINGS.keys()


def test_docs_are_a_site(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Exit codes" in (tmp_path / "site" / "reference" / "index.html").read_text(encoding="utf-8")
