"""Features: every feature of every branch, with its share, interval, score and trend; what is dead, and why."""

from fxwatch.records.analysis import Analysis
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Bar, Column, Row, Table, Trend
from fxwatch.tui.view.text import Span, name, quiet
from fxwatch.tui.view.words import ends, number, percent

NAME = "Features"
_COLUMNS = (
    Column("feature", 20, most=34, text=True),
    Column("branch", 9, 4, most=12, text=True),
    Column("share", 7),
    Column("95 %", 11, 3),
    Column("rank", 4, 6),
    Column("score", 6, 5),
    Column("signed", 8, 7),
    Column("trend", 10, 2, most=24, text=True),
    Column("dead because", 14, 1, most=22, text=True),
    Column("", 8, 8, most=40, text=True),
)


def table(snapshot: Snapshot) -> Table:
    """A row a feature, branch by branch, best first."""
    if snapshot.analysis is None:
        return Table(_COLUMNS, ())
    rows = [row for branch in snapshot.analysis.units for row in _rows(snapshot, snapshot.analysis, branch)]
    return Table(_COLUMNS, rows, "this analysis has no shares of features", noun="feature")


def _rows(snapshot: Snapshot, analysis: Analysis, branch: str) -> list[Row]:
    scores = dict(analysis.feature_importance.get(branch, []))
    dead = analysis.dead_features.branches.get(branch, [])
    most = max((unit.share for units in analysis.units.values() for unit in units.values()), default=0.0) or 1.0
    units = sorted(analysis.units[branch].items(), key=lambda item: -item[1].share)
    found = []
    for rank, (feature, unit) in enumerate(units, 1):
        score = scores.get(feature)
        cause = analysis.dead_features.cause_of(branch, feature) if feature in dead else ""
        cells = (
            Span(name(feature)),
            quiet(name(branch)),
            Span(percent(unit.share), "strong"),
            quiet(ends(unit.low, unit.high)),
            Span(str(rank)),
            Span(number(score)),
            Span(signed(unit.signed)),
            Trend(snapshot.closer.trends.get((branch, feature), ()), max(0.005, unit.share / 4)),
            Span(name(cause), "warn"),
            Bar(unit.share / most),
        )
        order = (feature, branch, unit.share, unit.high - unit.low, rank, score, unit.signed, None, cause or None, None)
        found.append(Row((branch, feature), cells, order))
    return found


def signed(value: float) -> str:
    """A number with its sign."""
    return f"+{number(value)}" if value > 0 else number(value)
