"""The report on a run as a whole: its history as a picture, and one HTML file to mail."""

from datetime import UTC, datetime
from pathlib import Path

from fxwatch.records.history import HistoryLine
from fxwatch.report.html.page import page
from fxwatch.report.html.stored import part_of
from fxwatch.report.past_page import draw_past
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run, StoreError
from fxwatch.store.lines import last_line


def run_report(run: Run) -> tuple[bytes, bytes]:
    """The picture, as a PNG, and the HTML, up to the newest analysis.

    Raises StoreError where there is none or it cannot be read.
    """
    newest = last_line(run.history, HistoryLine)
    if newest is None:
        raise StoreError(f"run {run.name} has no analysis in {run.history}")
    part = part_of(run, newest.id)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return draw_past(part.past), page([part], now).encode()


def write_run_report(run: Run) -> Path:
    """Write both into the folder of the run; the picture. Raises StoreError, and OSError where it cannot be written."""
    picture, html = run_report(run)
    write_atomic(run.history_png, picture)
    write_atomic(run.html, html)
    return run.history_png
