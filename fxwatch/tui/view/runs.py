"""Runs: all runs below the folder, worst first, with a metric of each over training on one pair of axes."""

from fxwatch.records.base import SEVERITY
from fxwatch.records.history import HEADLINES
from fxwatch.tui.snapshot import RunNews, Snapshot
from fxwatch.tui.view.chart import overlay
from fxwatch.tui.view.table import Column, Row, Table, Trend
from fxwatch.tui.view.text import MARK, Line, Span, line, name, quiet
from fxwatch.tui.view.words import number, whole

NAME = "Runs"
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def table(snapshot: Snapshot) -> Table:
    """A row a run."""
    metric = _metric_of(snapshot)
    columns = (
        Column("run", 16, most=44, text=True),
        Column("", 1, 2, text=True),
        Column("verdict", 9, text=True),
        Column("step", 11),
        Column("analyses", 8, 1),
        Column(metric or "metric", max(9, len(metric))),
        Column("trend", 12, 3, most=40, text=True),
    )
    rows = [_row(snapshot, place, run) for place, run in enumerate(snapshot.runs)]
    return Table(columns, rows, "no run has an analysis yet", noun="run")


def above(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """The overlay, where it leaves room enough for the table."""
    tall = min(12, height - 8)
    if tall < 4:
        return []
    letters = {run.name: letter(place) for place, run in enumerate(snapshot.runs) if letter(place)}
    curves = {letters[run]: curve for run, curve in snapshot.closer.curves.items() if run in letters}
    metric = _metric_of(snapshot)
    reading = ", still reading" if snapshot.closer.reading else ""
    words = f"  {metric} of all runs over steps, by letter; v and V choose another metric{reading}"
    return [line(quiet(words)), *overlay(curves, width, tall)]


def _metric_of(snapshot: Snapshot) -> str:
    """A number of the history, in words, or the share of a branch."""
    metric = snapshot.closer.metric
    return metric.replace("_", " ") if metric in HEADLINES or not metric else f"share of {name(metric, 20)}"


def letter(place: int) -> str:
    """By which letter a run is drawn; runs beyond the 26th are not."""
    return _LETTERS[place] if place < len(_LETTERS) else ""


def _row(snapshot: Snapshot, place: int, run: RunNews) -> Row:
    values = [value for _, value in snapshot.closer.curves.get(run.name, ())]
    newest = values[-1] if values else None
    here = " ← here" if run.name == snapshot.run else ""
    cells = (
        Span(name(run.name, 60) + here),
        Span(letter(place), "accent"),
        Span(f"{MARK[run.verdict]} {run.verdict.upper()}", run.verdict),
        Span(whole(run.step)),
        quiet(f"{run.analyses:,}"),
        Span(number(newest), "strong"),
        Trend(values, 0.02),
    )
    return Row((run.name,), cells, (run.name, None, SEVERITY[run.verdict], run.step, run.analyses, newest, None))
