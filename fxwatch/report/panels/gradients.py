"""The gradient of each layer in the order in which layers run, on a logarithmic axis with the guide's limits."""

import math
from dataclasses import dataclass

from fxwatch.records.analysis import Analysis
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.thresholds import GradientLimits
from fxwatch.report.box import Box
from fxwatch.report.gradient_notes import Note, in_words, notes_of, range_of
from fxwatch.report.layer_axis import LayerAxis, layer_axis
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import HEALTHY, MARKS, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import CHIP, Panel
from fxwatch.report.scale import Scale, decades
from fxwatch.report.words import count, number

HEALTHY_NORMS = (0.01, 10.0)
"""The guide's."""
_AXIS = 72.0
_ZERO = 18.0
_EDGE = 22.0
_LABELS = 48.0
_NOTE = 22.0
_NOTE_ROWS = 3
_DOT = 8.0
_WHOLE_DECADES = 4


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where the layers stand, and how high each norm is."""

    box: Box
    height: Scale
    axis: LayerAxis

    def y(self, norm: float) -> float:
        """The pixel of a norm; nought has a line of its own below the axis."""
        return self.height(math.log10(norm)) if norm > 0 else self.zero

    @property
    def zero(self) -> float:
        """Where norms of nought stand."""
        return self.box.bottom - _EDGE - _DOT / 2


def draw_gradients(panel: Panel, analysis: Analysis) -> None:
    """A dot a layer, the healthy band behind them, and in words what is wrong."""
    flow = analysis.gradient_flow
    about = "norm of each layer's gradient, in running order" if flow.layer_gradients else ""
    box = panel.title("Gradient flow by layer", about, flow.verdict)
    if not flow.layer_gradients:
        panel.absent(box, _why_empty(flow))
        return
    notes = notes_of(flow)
    foot = _NOTE * min(max(len(notes), 1), _NOTE_ROWS)
    area = Box(box.left + _AXIS, box.top, box.right, box.bottom - _LABELS - foot)
    plot = _plot(panel, area, flow)
    _frame(panel, plot, analysis.thresholds.gradient)
    _dots(panel, plot, flow)
    _groups(panel, plot)
    below = box._replace(top=area.bottom + _LABELS)
    if notes:
        _say(panel, below, notes)
    else:
        panel.text(below.left, below.top + _NOTE / 2, range_of(flow), size=SMALL, width=below.width)


def _say(panel: Panel, box: Box, notes: list[Note]) -> None:
    """The notes below each other, in two columns where one does not hold them."""
    wide = box.width / (1 if len(notes) <= _NOTE_ROWS else 2)
    for i, note in enumerate(notes):
        left = box.left + wide * (i // _NOTE_ROWS)
        y = box.top + _NOTE * (i % _NOTE_ROWS + 0.5)
        panel.chip(left + CHIP / 2, y, note.verdict, 18)
        room = wide - CHIP - 20
        panel.text(left + CHIP + 8, y, in_words(panel.ruler, note, room), size=SMALL, width=room)


def _why_empty(flow: GradientFlow) -> str:
    if flow.nonfinite:
        return f"no gradient is finite: {count(len(flow.nonfinite), 'layer')} with NaN or Inf"
    if flow.unused:
        return f"no layer has a gradient: {count(len(flow.unused), 'layer')} reach no output"
    return f"no gradient flow: {flow.reason or 'the analysis holds none'}"


def _plot(panel: Panel, area: Box, flow: GradientFlow) -> _Plot:
    norms = [math.log10(layer.norm) for layer in flow.layer_gradients.values() if layer.norm > 0] or [-2.0, 1.0]
    low, high = min(norms), max(norms)
    if math.ceil(high) - math.floor(low) <= _WHOLE_DECADES:
        low, high = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    bottom = area.bottom - _EDGE - _DOT - (_ZERO if flow.zero else 0)
    height = Scale(low, high, bottom, area.top + _EDGE + _DOT)
    return _Plot(area, height, layer_axis(list(flow.layer_gradients), area.left, area.right, panel.ruler))


def _frame(panel: Panel, plot: _Plot, limits: GradientLimits) -> None:
    box, height = plot.box, plot.height
    healthy = [math.log10(end) for end in HEALTHY_NORMS]
    about = "healthy, 0.01 to 10: off the axis"
    if healthy[0] < height.high and healthy[1] > height.low:
        about = "shaded: healthy, 0.01 to 10"
        top = height(healthy[1]) if height.holds(healthy[1]) else box.top
        bottom = height(healthy[0]) if height.holds(healthy[0]) else box.bottom
        panel.bar(Box(box.left, top, box.right, bottom), HEALTHY)
    for exponent in decades(height.low, height.high, max(2, int((height.start - height.stop) // 24))):
        y = height(exponent)
        panel.line([box.left, box.right], [y, y], RULE)
        panel.text(box.left - 10, y, _power(exponent), size=SMALL, colour=MUTED, align="right")
    if plot.zero > height.start + _DOT:
        panel.line([box.left, box.right], [plot.zero] * 2, RULE)
        panel.text(box.left - 10, plot.zero, "0", size=SMALL, colour=MUTED, align="right")
    _limit(panel, plot, "exploding above", limits.exploding, box.top + _EDGE / 2)
    _limit(panel, plot, "vanishing below", limits.vanishing, box.bottom - _EDGE / 2)
    panel.text(box.left + 8, box.top + _EDGE / 2, about, size=SMALL, colour=MUTED)


def _groups(panel: Panel, plot: _Plot) -> None:
    """Brackets under the layers of a group, and its name; one that is wider than its bracket stands a line lower."""
    bottom = plot.box.bottom
    brackets = []
    for label in plot.axis.labels:
        brackets.append(((label.left + 3, bottom + 3), (label.right - 3, bottom + 3)))
        y = bottom + (15 if label.row == 0 else 35)
        if label.row:
            brackets.append(((label.middle, bottom + 3), (label.middle, y - 9)))
        panel.text(label.start, y, label.words, size=SMALL)
    panel.segments(brackets, NEUTRAL, 1.6)


def _power(exponent: int) -> str:
    return f"{10.0**exponent:g}" if -3 <= exponent <= 3 else f"1e{exponent}".replace("-", "−")


def _limit(panel: Panel, plot: _Plot, words: str, limit: float, edge: float) -> None:
    """A limit as a dashed line; one off the axis is named at the edge that it lies beyond."""
    if limit <= 0:
        return
    box, exponent, colour = plot.box, math.log10(limit), MARKS["bad"].line
    text = f"{words} {number(limit)}"
    if plot.height.holds(exponent):
        y = plot.height(exponent)
        panel.line([box.left, box.right], [y, y], colour, 1.6, (6, 4))
        panel.text(box.right - 6, edge, text, size=SMALL, colour=colour, align="right")
        return
    arrow = "↑" if exponent > plot.height.high else "↓"
    panel.text(box.right - 6, edge, f"{text} {arrow} off the axis", size=SMALL, colour=MUTED, align="right")


def _dots(panel: Panel, plot: _Plot, flow: GradientFlow) -> None:
    ill = {*flow.vanishing_gradients, *flow.exploding_gradients, *flow.zero}
    fallen = {drop.to for drop in flow.drops} - ill
    size = min(9.0, max(3.0, plot.box.width / len(plot.axis.x) * 0.6))
    kinds: list[tuple[set[str], str, str, float]] = [
        (set(plot.axis.x) - ill - fallen, "o", NEUTRAL, size),
        (fallen, "s", MARKS["warn"].fill, max(size, 9)),
        (set(flow.exploding_gradients), "D", MARKS["bad"].fill, max(size, 9)),
        (set(flow.vanishing_gradients), "v", MARKS["bad"].fill, max(size, 11)),
        (set(flow.zero), "X", MARKS["bad"].fill, max(size, 11)),
    ]
    order = list(flow.layer_gradients)
    for names, marker, colour, large in kinds:
        here = [name for name in order if name in names]
        if here:
            ys = [plot.y(flow.layer_gradients[name].norm) for name in here]
            panel.dots([plot.axis.x[name] for name in here], ys, colour, size=large, marker=marker)
