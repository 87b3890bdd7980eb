"""Read what the store holds."""

from pathlib import Path

from pydantic import ValidationError

from fxwatch.records.analysis import SCHEMA_VERSION, Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.status import DaemonStatus
from fxwatch.store.layout import NewerError, Run, Store, StoreError
from fxwatch.store.lines import read_lines

_LARGEST = 64 * 1024 * 1024


def read_analysis(path: Path) -> Analysis:
    """An analysis.json. Raises StoreError where it is missing or damaged, NewerError where it is of a newer fxwatch."""
    try:
        if path.stat().st_size > _LARGEST:
            raise StoreError(f"{path} is larger than any analysis")
        analysis = Analysis.model_validate_json(path.read_bytes())
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"{path} is not an analysis of fxwatch's: {place}: {first['msg']}") from None
    if analysis.schema_version > SCHEMA_VERSION:
        raise NewerError(
            f"{path} was written by a newer fxwatch (schema {analysis.schema_version}, "
            f"this one knows {SCHEMA_VERSION}); update fxwatch to read it"
        )
    return analysis


def read_history(run: Run) -> list[HistoryLine]:
    """The history of a run, oldest first."""
    return list(read_lines(run.history, HistoryLine))


def read_status(store: Store) -> DaemonStatus | None:
    """The daemon's heartbeat, dead or alive; None where there never was one or it cannot be read."""
    try:
        return DaemonStatus.model_validate_json(store.status.read_bytes())
    except (OSError, ValidationError):
        return None
