"""The headline numbers and the branches of a run over its steps, each a small chart against its limits."""

from collections.abc import Sequence

from fxwatch.records.history import HistoryLine
from fxwatch.records.quality import QualityMetrics
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.panel import TITLE_HEIGHT, Panel
from fxwatch.report.panels.history import dead_features
from fxwatch.report.panels.over_steps import LABEL, VALUE, Curve, draw_chart, draw_verdicts, positions
from fxwatch.report.past import Past
from fxwatch.report.words import count, named, percent

_CHART, _GAP, _AXIS, _STRIP = 84.0, 20.0, 24.0, 30.0
_TALLEST = 130.0
_WIDER = 18.0
_ACROSS = 34.0
_CURVES = 9
_MOST_BRANCHES = 8


def past_branches_height(past: Past) -> float:
    """Pixels that the panel wants."""
    return TITLE_HEIGHT + _STRIP + max(2, min(len(past.analysis.branches), _MOST_BRANCHES)) * (_CHART + _GAP) + _AXIS


def draw_past_branches(panel: Panel, past: Past) -> None:
    """The verdict on each analysis, and a chart for each branch, over the band that is expected."""
    branches = list(past.analysis.branches.items())
    shown = f", {_MOST_BRANCHES} of {len(branches)}" if len(branches) > _MOST_BRANCHES else ""
    box = panel.title("Health and branches", f"share of all importance{shown}")
    branches = branches[:_MOST_BRANCHES]
    area = Box(box.left + LABEL, box.top, box.right - VALUE, box.bottom - _AXIS)
    places = positions(past.lines, area)
    strip, rest = area.split_down(_STRIP)
    panel.text(box.left, strip.middle, "health", size=SMALL)
    draw_verdicts(panel, strip, places.xs, [line.verdict for line in past.lines])
    curves = []
    for name, branch in branches:
        band = None if branch.expected is None else (branch.expected.low, branch.expected.high)
        values = [line.branches.get(name) for line in past.lines]
        curves.append(Curve(named(name), values, [], band[1] if band else 0.1, band, percent))
    _column(panel, box, rest._replace(top=rest.top + 12), places.xs, curves, len(curves))
    places.draw_axis(panel, area, box.bottom - 9)


def past_numbers_height(columns: int) -> float:
    """Pixels that the panel wants."""
    return TITLE_HEIGHT + _in_rows(columns) * (_CHART + _GAP) + _AXIS


def draw_past_numbers(panel: Panel, past: Past, columns: int) -> None:
    """Whether the explanations could be trusted, and what was wrong with features and gradients."""
    box = panel.title("Numbers over the run", count(past.analyses, "analysis", "analyses"))
    curves = _curves(past.lines, past.analysis.thresholds)
    rows = _in_rows(columns)
    for column, part in enumerate(box.columns(columns, _ACROSS)):
        area = Box(part.left + LABEL + _WIDER, part.top, part.right - VALUE - _WIDER, part.bottom - _AXIS)
        places = positions(past.lines, area)
        _column(panel, part, area, places.xs, curves[column * rows : (column + 1) * rows], rows)
        places.draw_axis(panel, area, part.bottom - 9)


def _in_rows(columns: int) -> int:
    return -(-_CURVES // columns)


def _curves(lines: Sequence[HistoryLine], thresholds: Thresholds) -> list[Curve]:
    curves = []
    for name in ("consensus", *QualityMetrics.model_fields):
        limit = getattr(thresholds, name)
        lowest = min(edge for edge, _ in limit.edges())
        top = 1.0 if name == "consensus" else 1.25 * lowest
        curves.append(Curve(name, [getattr(line, name) for line in lines], limit.edges(), top))
    troubled = [_troubled(line) for line in lines]
    stability = Curve("stability", [line.stability for line in lines], [], 1.0)
    return [*curves, stability, dead_features(lines, thresholds), Curve("layers unwell", troubled, [], 1.0)]


def _troubled(line: HistoryLine) -> float | None:
    """Layers whose gradients vanish, explode or drop."""
    parts = (line.vanishing_gradients, line.exploding_gradients, line.drops)
    known = [part for part in parts if part is not None]
    return float(sum(known)) if known else None


def _column(panel: Panel, box: Box, area: Box, xs: list[float], curves: list[Curve], rows: int) -> None:
    """Charts above each other, in an area of a box that has room for so many."""
    for row, curve in zip(area.rows(rows, _TALLEST), curves, strict=False):
        draw_chart(panel, box, row._replace(top=row.top + _GAP / 2, bottom=row.bottom - _GAP / 2), xs, curve)
