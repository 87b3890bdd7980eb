"""Read what the store holds."""

from contextlib import suppress
from pathlib import Path

from pydantic import ValidationError

from fxwatch.records.analysis import SCHEMA_VERSION, Analysis
from fxwatch.records.base import Record
from fxwatch.records.history import HistoryLine, in_order, place_of
from fxwatch.records.status import DaemonStatus
from fxwatch.store.bounded import read_regular
from fxwatch.store.layout import NewerError, Run, Store, StoreError
from fxwatch.store.lines import lines_backwards, read_lines

_LARGEST = 16 << 20
_LARGEST_STATUS = 4 << 20
_LONGEST_PLACE = 200


def read_analysis(path: Path) -> Analysis:
    """An analysis.json. Raises StoreError where it is missing or damaged, NewerError where it is of a newer fxwatch."""
    try:
        data = read_regular(path, _LARGEST)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from None
    try:
        analysis = Analysis.model_validate_json(data)
    except ValidationError as error:
        _check_version(path, data)
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])[:_LONGEST_PLACE]
        raise StoreError(f"{path} is not an analysis of fxwatch's: {place}: {first['msg']}") from None
    if analysis.schema_version != SCHEMA_VERSION:
        _check_version(path, data)
    return analysis


class _Versioned(Record):
    schema_version: int = SCHEMA_VERSION


def _check_version(path: Path, data: bytes) -> None:
    """Of a newer one nothing else need be as it is now. Raises NewerError."""
    with suppress(ValidationError):
        version = _Versioned.model_validate_json(data).schema_version
        if version > SCHEMA_VERSION:
            raise NewerError(
                f"{path} was written by a newer fxwatch (schema {version}, this one knows {SCHEMA_VERSION}); "
                "update fxwatch to read it"
            )


def read_history(run: Run) -> list[HistoryLine]:
    """The history of a run, oldest first."""
    return list(read_lines(run.history, HistoryLine))


def newest_line(run: Run) -> HistoryLine | None:
    """The analysis of the run's latest checkpoint, without reading all of its history; None where there is none."""
    found = []
    for line in lines_backwards(run.history, HistoryLine):
        found.append(line)
        if not line.late:
            break
    return in_order(reversed(found))[-1] if found else None


def lines_before(run: Run, attempt: int, step: int | None, count: int, *, late: bool) -> list[HistoryLine]:
    """At most `count` analyses that come before that of a checkpoint in the same attempt at training, oldest first."""
    found, before = [], 0
    for line in lines_backwards(run.history, HistoryLine):
        found.append(line)
        earlier = not late or (line.step or 0) <= (step or 0)
        before += line.attempt < attempt or (line.attempt == attempt and not line.late and earlier)
        if before >= count:
            break
    ordered = in_order(reversed(found))
    place = place_of(attempt, step, ordered, late=late)
    return [line for line in ordered[max(0, place - count) : place] if line.attempt == attempt]


def read_status(store: Store) -> DaemonStatus | None:
    """The daemon's heartbeat, dead or alive; None where there never was one or it cannot be read."""
    try:
        return DaemonStatus.model_validate_json(read_regular(store.status, _LARGEST_STATUS))
    except (OSError, ValidationError):
        return None
