"""Charts over the steps of a run: where each analysis stands, a line with its limits, and the marks of verdicts."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from fxwatch.records.base import Verdict, worst
from fxwatch.records.history import HistoryLine
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import EXPECTED, INK, MARKS, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import Panel
from fxwatch.report.scale import Scale
from fxwatch.report.words import number

LABEL = 154.0
"""Pixels left of a chart, for its name and its limits."""
VALUE = 66.0
"""Pixels right of it, for its last value."""
MARK = 15.0
_APART = 20.0


class Positions(NamedTuple):
    """The pixel of each analysis, the first and the last value of the axis, and what it counts."""

    xs: list[float]
    first: int
    last: int
    unit: str

    def draw_axis(self, panel: Panel, area: Box, y: float) -> None:
        """Write both ends of the axis below an area."""
        draw_ends(panel, area, y, f"{self.unit} {self.first:,}", f"{self.last:,}")


class Curve(NamedTuple):
    """What a chart shows: its values, `None` where there was none, the limits that it is judged by, the least end of
    its axis, a band that is expected, and how a value is written.
    """

    name: str
    values: Sequence[float | None]
    limits: list[tuple[float, Verdict]]
    top: float
    band: tuple[float, float] | None = None
    written: Callable[[float], str] = number


def positions(history: Sequence[HistoryLine], area: Box) -> Positions:
    """Where each analysis stands: by its step where steps grow, else by its number."""
    steps = [line.step for line in history]
    known = [step for step in steps if step is not None]
    grow = len(known) == len(steps) and all(a < b for a, b in pairwise(known))
    values = known if grow else [line.seq for line in history]
    scale = Scale(values[0], values[-1], area.left + 8, area.right - 8)
    return Positions([scale(value) for value in values], values[0], values[-1], "step" if grow else "analysis")


def draw_ends(panel: Panel, area: Box, y: float, first: str, last: str) -> None:
    """What stands below both ends of an area."""
    half = area.width / 2 - 6
    panel.text(area.left, y, first, size=SMALL, colour=MUTED, width=half)
    panel.text(area.right, y, last, size=SMALL, colour=MUTED, align="right", width=half)


def draw_chart(panel: Panel, box: Box, area: Box, xs: list[float], curve: Curve) -> None:
    """A line through `area`, in the row `box`: its name at the left, its last value at the right."""
    known = [value for value in curve.values if value is not None]
    scale = Scale(min([0.0, *known]), max([curve.top, *known]), area.bottom, area.top)
    panel.text(box.left, area.middle, curve.name, size=SMALL, width=area.left - box.left - 40)
    if curve.band is not None:
        low, high = (scale(edge) for edge in curve.band)
        panel.bar(Box(area.left, high, area.right, low), EXPECTED)
    panel.line([area.left, area.right], [area.bottom] * 2, RULE)
    if not known:
        panel.text(area.centre, area.middle, "not computed in any analysis", size=SMALL, colour=MUTED, align="centre")
        return
    _draw_limits(panel, area, scale, curve.limits)
    ys = [float("nan") if value is None else scale(value) for value in curve.values]
    panel.line(xs, ys, NEUTRAL, 2 if len(xs) <= 120 else 1)
    if len(xs) <= 60:
        panel.dots(xs, ys, NEUTRAL, size=6)
    now = curve.values[-1]
    if now is None:
        panel.text(box.right, area.middle, "?", colour=MUTED, align="right")
        return
    panel.dots(xs[-1:], ys[-1:], INK, size=9)
    panel.text(box.right, ys[-1], curve.written(now), bold=True, align="right")


def _draw_limits(panel: Panel, area: Box, scale: Scale, limits: list[tuple[float, Verdict]]) -> None:
    labelled: list[float] = []
    for limit, verdict in limits:
        if scale.holds(limit):
            y = scale(limit)
            panel.line([area.left, area.right], [y, y], MARKS[verdict].line, 1.4, (5, 3))
            if all(abs(y - other) >= _APART for other in labelled):
                panel.text(area.left - 6, y, number(limit), size=SMALL, colour=MUTED, align="right")
                labelled.append(y)


def draw_verdicts(panel: Panel, strip: Box, xs: list[float], verdicts: list[Verdict]) -> None:
    """A mark an analysis; where marks would touch, one mark for the worst of several."""
    places: list[tuple[float, list[Verdict]]] = []
    for x, verdict in zip(xs, verdicts, strict=True):
        if places and x - places[-1][0] < MARK + 1:
            places[-1][1].append(verdict)
        else:
            places.append((x, [verdict]))
    for x, several in places:
        panel.chip(x, strip.middle, worst(*several), MARK)
