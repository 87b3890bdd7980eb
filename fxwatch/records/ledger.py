"""One line of ledger.jsonl: a file that was seen, and what became of it."""

from dataclasses import dataclass
from typing import Literal

from fxwatch.records.base import Record

FileKind = Literal["checkpoint", "states"]

FileState = Literal[
    "seen",
    "settling",
    "ready",
    "running",
    "done",
    "failed",
    "incomplete",
    "refused",
    "unsupported",
    "superseded",
    "skipped",
    "vanished",
    "quarantined",
]


@dataclass(frozen=True, slots=True)
class Generation:
    """What stat says of a file: it changes whenever the file is written, replaced or touched.

    No Record, as there is one for every file ever seen, and one of pydantic's takes six times the memory.
    """

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class LedgerLine(Record):
    """What became of a file.

    `path` is relative to the watched folder; `sha256` and `step` are known once the file was read; `recipe` is that of
    the settings under which the decision was made; `number` counts the checkpoints of a run from 0, and one that is
    overwritten anew. `gone`: for how many files that are there no longer it stands: for none, for this one, or, where
    the ledger was made anew, for all of its run, kind and state, of which `number` is then the highest.
    """

    schema_version: int = 1
    seq: int
    at: str
    path: str
    state: FileState
    reason: str = ""
    kind: FileKind = "checkpoint"
    run: str = ""
    generation: Generation | None = None
    sha256: str | None = None
    step: int | None = None
    recipe: str | None = None
    analysis: str | None = None
    number: int | None = None
    gone: int = 0
