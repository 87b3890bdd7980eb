"""What the monitor remembers from one time to the next: where one looked, and how tables were sorted."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from fxwatch.records.base import Record
from fxwatch.store.atomic import write_atomic

_FILE = "monitor.json"
_COPIED = "copied.txt"
_MOST_FOLDERS = 100
_NO_TEXT = re.compile(r"[\ud800-\udfff]")


class Sorting(Record):
    """How a table was arranged."""

    sort: int | None = None
    falling: bool = False
    wrap: bool = False


class Remembered(Record):
    """The subject that was in front, the arrangement of each table, the metric of all runs, and the run by folder."""

    subject: str = "overview"
    tables: dict[str, Sorting] = {}
    metric: str = "consensus"
    runs: dict[str, str] = {}

    def at(self, watched: Path, run: str | None) -> "Remembered":
        """With the run that was looked at in a folder; of too many folders the first are forgotten.

        Names that are no text (a file system may hold any bytes) cannot be kept.
        """
        here = str(watched.absolute())
        runs = {folder: name for folder, name in self.runs.items() if folder != here}
        if run is not None and not _NO_TEXT.search(here + run):
            runs[here] = run
        return self.model_copy(update={"runs": dict(list(runs.items())[-_MOST_FOLDERS:])})

    def run_of(self, watched: Path) -> str | None:
        """The run that was looked at last in a folder."""
        return self.runs.get(str(watched.absolute()))


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where programs keep what they remember: $XDG_STATE_HOME, else ~/.local/state."""
    given = environment.get("XDG_STATE_HOME", "")
    return (Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state") / "fxwatch"


def recall(folder: Path) -> Remembered:
    """What was remembered; nothing, where there is nothing or it cannot be read."""
    try:
        return Remembered.model_validate_json((folder / _FILE).read_bytes())
    except (OSError, ValidationError):
        return Remembered()


def remember(folder: Path, remembered: Remembered) -> None:
    """Keep it, whole or not at all. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / _FILE, remembered.model_dump_json(indent=1).encode() + b"\n")


def keep_copy(folder: Path, text: str) -> Path:
    """Write what was copied to a file, for terminals that do not take it. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / _COPIED, text.encode("utf-8", "surrogateescape") + b"\n")
    return folder / _COPIED
