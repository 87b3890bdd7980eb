"""Write the report on a run as a whole: its history as a picture, and one HTML file to mail."""

from datetime import UTC, datetime
from pathlib import Path

from fxwatch import __version__
from fxwatch.records.history import HistoryLine
from fxwatch.report.html.page import page
from fxwatch.report.html.stored import part_of
from fxwatch.report.past_page import draw_past
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.lines import last_line


def write_run_report(run: Run) -> Path:
    """Write `run_history.png` and `report.html` into the folder of a run, up to its newest analysis; the picture.

    Raises StoreError where there is none or it cannot be read, OSError where a file cannot be written.
    """
    newest = last_line(run.history, HistoryLine)
    if newest is None:
        raise StoreError(f"run {run.name} has no analysis in {run.history}")
    part = part_of(run, newest.id)
    write_atomic(run.history_png, draw_past(part.past))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_atomic(run.html, page([part], now, __version__).encode())
    return run.history_png
