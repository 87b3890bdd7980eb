"""Write the page of the newest analyses that the store holds."""

from collections.abc import Iterable
from pathlib import Path

from fxwatch.records.thresholds import Thresholds
from fxwatch.report.html.page import Part, page
from fxwatch.report.stored import history_until, read_heat
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run, Store
from fxwatch.store.read import read_analysis

NAME = "report.html"


def write_page(
    store: Store, newest: Iterable[tuple[Run, str]], thresholds: Thresholds, made_at: str, version: str
) -> Path:
    """Write `report.html` beside the runs, with one analysis of each; the file.

    Raises StoreError where an analysis cannot be read, OSError where the page cannot be written.
    """
    parts = []
    for run, analysis_id in newest:
        folder = run.analysis(analysis_id)
        analysis = read_analysis(folder.json)
        parts.append(Part(analysis, read_heat(folder.arrays), history_until(run.history, analysis)))
    file = store.root / NAME
    write_atomic(file, page(parts, thresholds, made_at, version).encode())
    return file
