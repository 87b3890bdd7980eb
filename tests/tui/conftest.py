"""Folders to watch, and terminals to watch them in."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tui.examples import SICK, beat, fill
from tests.tui.terminal import MONITOR, Terminal, settled


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two runs, of which the worse one is shown first."""
    monkeypatch.chdir(tmp_path)
    folder = Path("outputs")
    fill(folder, range(100, 1700, 100), "good")
    beat(fill(folder, range(100, 1700, 100), "sick", shares=SICK))
    return folder


@pytest.fixture
def live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose daemon lives now; what a monitor of it remembers stays in the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "outputs"
    beat(fill(folder, range(100, 1700, 100)), time.time())
    return folder


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    """Terminals that are closed in the end."""
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


@pytest.fixture
def terminal(live: Path, opened: list[Terminal]) -> Terminal:
    """A monitor that has shown its first screen."""
    opened.append(made := Terminal(MONITOR, str(live)))
    settled(made)
    return made
