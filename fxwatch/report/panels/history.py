"""How the run came here: consensus and dead features over its analyses, and the verdict on each."""

from collections.abc import Sequence
from itertools import pairwise

from fxwatch.records.base import Verdict, worst
from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import AtLeast, AtMost, Thresholds
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import INK, MARKS, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import Panel
from fxwatch.report.scale import Scale
from fxwatch.report.words import count, number

_LABEL = 154.0
_VALUE = 66.0
_STRIP = 30.0
_AXIS = 22.0
_MARK = 15.0
_APART = 20.0


def draw_history(panel: Panel, history: Sequence[HistoryLine], thresholds: Thresholds) -> None:
    """Two small charts above each other, the marks of the verdicts below, all over the same steps."""
    about = "" if len(history) < 2 else f"last {count(len(history), 'analysis', 'analyses')}"
    box = panel.title("History of the run", about)
    if len(history) < 2:
        panel.absent(box, "first analysis: no history yet" if history else "no history: this analysis stands alone")
        return
    area = Box(box.left + _LABEL, box.top, box.right - _VALUE, box.bottom - _AXIS)
    xs, first, last, unit = _positions(history, area)
    charts = area._replace(bottom=area.bottom - _STRIP)
    upper, lower = charts.split_down((charts.height - 18) / 2, 18)
    agreement = [line.consensus for line in history]
    _chart(panel, box, upper, "consensus", xs, agreement, _limits(thresholds.consensus), 1.0)
    dead = [None if line.dead_features is None else float(line.dead_features) for line in history]
    highest = max([value for value in dead if value is not None], default=0.0)
    top = highest * 1.15 if highest > thresholds.dead_features.ok else thresholds.dead_features.ok * 1.25
    _chart(panel, box, lower, "dead features", xs, dead, _limits(thresholds.dead_features), max(top, 1.0))
    strip = area._replace(top=charts.bottom + 4)
    panel.text(box.left, strip.middle, "health", size=SMALL)
    _verdicts(panel, strip, xs, [line.verdict for line in history])
    half = area.width / 2 - 6
    panel.text(area.left, box.bottom - 9, f"{unit} {first:,}", size=SMALL, colour=MUTED, width=half)
    panel.text(area.right, box.bottom - 9, f"{last:,}", size=SMALL, colour=MUTED, align="right", width=half)


def _positions(history: Sequence[HistoryLine], area: Box) -> tuple[list[float], int, int, str]:
    """Where each analysis stands: by its step where steps grow, else by its number."""
    steps = [line.step for line in history]
    known = [step for step in steps if step is not None]
    grow = len(known) == len(steps) and all(a < b for a, b in pairwise(known))
    values = known if grow else [line.seq for line in history]
    scale = Scale(values[0], values[-1], area.left + 8, area.right - 8)
    return [scale(value) for value in values], values[0], values[-1], "step" if grow else "analysis"


def _limits(limit: AtLeast | AtMost) -> list[tuple[float, Verdict]]:
    return [(limit.ok, "warn"), (limit.bad, "bad")]


def _chart(
    panel: Panel,
    box: Box,
    area: Box,
    name: str,
    xs: list[float],
    values: Sequence[float | None],
    limits: list[tuple[float, Verdict]],
    top: float,
) -> None:
    known = [value for value in values if value is not None]
    scale = Scale(min([0.0, *known]), max([top, *known]), area.bottom, area.top)
    panel.text(box.left, area.middle, name, size=SMALL, width=_LABEL - 40)
    panel.line([area.left, area.right], [area.bottom] * 2, RULE)
    if not known:
        panel.text(area.centre, area.middle, "not computed in any analysis", size=SMALL, colour=MUTED, align="centre")
        return
    labelled: list[float] = []
    for limit, verdict in limits:
        if scale.holds(limit):
            y = scale(limit)
            panel.line([area.left, area.right], [y, y], MARKS[verdict].line, 1.4, (5, 3))
            if all(abs(y - other) >= _APART for other in labelled):
                panel.text(area.left - 6, y, number(limit), size=SMALL, colour=MUTED, align="right")
                labelled.append(y)
    ys = [float("nan") if value is None else scale(value) for value in values]
    panel.line(xs, ys, NEUTRAL, 2 if len(xs) <= 120 else 1)
    if len(xs) <= 60:
        panel.dots(xs, ys, NEUTRAL, size=6)
    now = values[-1]
    if now is None:
        panel.text(box.right, area.middle, "?", colour=MUTED, align="right")
        return
    panel.dots(xs[-1:], ys[-1:], INK, size=9)
    panel.text(box.right, ys[-1], number(now), bold=True, align="right")


def _verdicts(panel: Panel, strip: Box, xs: list[float], verdicts: list[Verdict]) -> None:
    """A mark an analysis; where marks would touch, one mark for the worst of several."""
    places: list[tuple[float, list[Verdict]]] = []
    for x, verdict in zip(xs, verdicts, strict=True):
        if places and x - places[-1][0] < _MARK + 1:
            places[-1][1].append(verdict)
        else:
            places.append((x, [verdict]))
    for x, several in places:
        panel.chip(x, strip.middle, worst(*several), _MARK)
