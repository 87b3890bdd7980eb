"""Write the page of the newest analyses that the store holds."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.report.html.page import Part, page
from fxwatch.report.past import read_past
from fxwatch.report.stored import history_until, read_heat
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run, Store
from fxwatch.store.read import read_analysis
from fxwatch.store.training import read_training

NAME = "report.html"


def stored_page(newest: Iterable[tuple[Run, str]]) -> str:
    """The page, made now, with one analysis of each run. Raises StoreError where one cannot be read."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return page([part_of(run, analysis_id) for run, analysis_id in newest], now)


def part_of(run: Run, analysis_id: str) -> Part:
    """A run as the page gets it, with one of its analyses. Raises StoreError where that cannot be read."""
    folder = run.analysis(analysis_id)
    analysis = read_analysis(folder.json)
    history, past = history_until(run.history, analysis), read_past(run, analysis)
    return Part(analysis, read_heat(folder.arrays), history, past, read_training(run))


def write_page(store: Store, newest: Iterable[tuple[Run, str]]) -> Path:
    """Write `report.html` beside the runs; the file.

    Raises StoreError where an analysis cannot be read, OSError where the page cannot be written.
    """
    file = store.root / NAME
    write_atomic(file, stored_page(newest).encode())
    return file
