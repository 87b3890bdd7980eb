"""What of a run was sent, noted on disk: all else waits."""

import hashlib
from pathlib import Path

from pydantic import ValidationError

from fxwatch.records.alerts import AlertState
from fxwatch.records.base import Record
from fxwatch.records.history import HistoryLine
from fxwatch.store.atomic import write_atomic
from fxwatch.store.bounded import read_regular
from fxwatch.store.layout import Run, Store
from fxwatch.store.lines import last_line, lines_since, read_lines
from fxwatch.sync.trainer import OURS, trainers_run

_LARGEST = 1 << 20


class Outbox(Record):
    """A run of ours as W&B knows it.

    `sent`: the first so many analyses have arrived; `filed`: of these, the first so many are not in this run itself,
    but in offline files, of which there are `files`, or in the trainer's; `writing`: the folder of an offline file that
    is not complete, and is written anew. `alerts`: what was told; a file that is written anew tells it anew.
    `sent_at`: when something was sent last (ISO 8601).
    """

    schema_version: int = 1
    id: str
    group: str
    sent: int = 0
    sent_at: str | None = None
    filed: int = 0
    files: int = 0
    writing: str | None = None
    alerts: AlertState = AlertState()
    trouble: str | None = None


def outbox_file(store: Store, run: Run) -> Path:
    """Where it is noted."""
    return store.root / "sync" / f"{run.name}.json"


def read_outbox(store: Store, run: Run) -> Outbox | None:
    """What is noted of a run; None where nothing is, or where it cannot be read."""
    try:
        return Outbox.model_validate_json(read_regular(outbox_file(store, run), _LARGEST))
    except (OSError, ValidationError):
        return None


def new_outbox(watched: Path, run: Run, group: str | None) -> Outbox | None:
    """That of a run of which nothing was sent yet; None where it has no analysis.

    The id comes from the first analysis, so that it is the same if the note is lost, and W&B tells what it has.
    """
    first = next(read_lines(run.history, HistoryLine), None)
    if first is None:
        return None
    trainers = trainers_run(watched, run)
    digest = hashlib.sha256(f"{run.name}\n{first.id}\n{first.created_at}".encode()).hexdigest()
    return Outbox(id=f"{OURS}{digest[:12]}", group=group or (trainers.id if trainers else run.name))


def write_outbox(store: Store, run: Run, outbox: Outbox) -> None:
    """Note it. Raises OSError."""
    path = outbox_file(store, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, outbox.model_dump_json(indent=1).encode() + b"\n")


def waiting(store: Store, run: Run) -> int:
    """How many analyses of a run were not sent yet."""
    newest = last_line(run.history, HistoryLine)
    outbox = read_outbox(store, run)
    return max(0, (newest.seq + 1 if newest else 0) - (outbox.sent if outbox else 0))


def unsent(store: Store, run: Run) -> list[HistoryLine]:
    """The analyses of a run that were not sent yet, oldest first."""
    outbox = read_outbox(store, run)
    return lines_from(run, outbox.sent if outbox else 0)


def lines_from(run: Run, seq: int) -> list[HistoryLine]:
    """The analyses of a run from that number on, oldest first."""
    return lines_since(run.history, HistoryLine, lambda line: line.seq < seq)
