"""The gradient of each layer in the order in which layers run, on a logarithmic axis with the guide's limits."""

import math
from dataclasses import dataclass

from fxwatch.records.analysis import Analysis, GradientFlow
from fxwatch.records.base import Verdict
from fxwatch.records.thresholds import GradientLimits
from fxwatch.report.box import Box
from fxwatch.report.layer_axis import LayerAxis, layer_axis
from fxwatch.report.layers import short
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import HEALTHY, INK, MARKS, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import CHIP, Panel
from fxwatch.report.scale import Scale, decades
from fxwatch.report.words import count, number, some

_HEALTHY = (0.01, 10.0)  # the guide's
_AXIS = 64.0
_EDGE = 22.0
_LABELS = 46.0
_NOTE = 22.0


@dataclass(frozen=True, slots=True)
class _Plot:
    """Where the layers stand, and how high each norm is."""

    box: Box
    height: Scale
    axis: LayerAxis

    def y(self, norm: float) -> float:
        return self.height(math.log10(norm)) if norm > 0 else self.height.start


def draw_gradients(panel: Panel, analysis: Analysis, limits: GradientLimits) -> None:
    """A dot a layer, the healthy band behind them, and in words what is wrong."""
    flow = analysis.gradient_flow
    about = "norm of each layer's gradient, in running order" if flow.layer_gradients else ""
    box = panel.title("Gradient flow by layer", about)
    panel.chip(box.right - CHIP / 2, panel.box.top + 12, flow.verdict)
    if not flow.layer_gradients:
        panel.absent(box, _why_empty(flow))
        return
    notes = _notes(flow, limits)[:3]
    area = Box(box.left + _AXIS, box.top, box.right, box.bottom - _LABELS - _NOTE * len(notes))
    plot = _plot(panel, area, flow)
    _frame(panel, plot, limits)
    _dots(panel, plot, flow)
    _groups(panel, plot)
    top = area.bottom + _LABELS + _NOTE / 2
    for row, (verdict, words) in enumerate(notes):
        y = top + _NOTE * row
        panel.chip(box.left + CHIP / 2, y, verdict, 18)
        panel.text(box.left + CHIP + 8, y, words, size=SMALL, width=box.width - CHIP - 8)


def _why_empty(flow: GradientFlow) -> str:
    if flow.nonfinite:
        return f"no gradient is finite: {count(len(flow.nonfinite), 'layer')} with NaN or Inf"
    if flow.unused:
        return f"no layer has a gradient: {count(len(flow.unused), 'layer')} reach no output"
    return f"no gradient flow: {flow.reason or 'the analysis holds none'}"


def _plot(panel: Panel, area: Box, flow: GradientFlow) -> _Plot:
    norms = [math.log10(layer.norm) for layer in flow.layer_gradients.values() if layer.norm > 0] or [-2.0, 1.0]
    low, high = min(norms), max(norms)
    margin = max(0.15, (2.0 - (high - low)) / 2)
    height = Scale(low - margin, high + margin, area.bottom - _EDGE, area.top + _EDGE)
    return _Plot(area, height, layer_axis(list(flow.layer_gradients), area.left, area.right, panel.ruler))


def _frame(panel: Panel, plot: _Plot, limits: GradientLimits) -> None:
    box, height = plot.box, plot.height
    healthy = [math.log10(end) for end in _HEALTHY]
    if healthy[0] < height.high and healthy[1] > height.low:
        top = height(healthy[1]) if height.holds(healthy[1]) else box.top
        bottom = height(healthy[0]) if height.holds(healthy[0]) else box.bottom
        panel.bar(Box(box.left, top, box.right, bottom), HEALTHY)
    for exponent in decades(height.low, height.high, max(2, int(box.height // 26))):
        y = height(exponent)
        panel.line([box.left, box.right], [y, y], RULE)
        panel.text(box.left - 10, y, _power(exponent), size=SMALL, colour=MUTED, align="right")
    _limit(panel, plot, "exploding above", limits.exploding, box.top + _EDGE / 2)
    _limit(panel, plot, "vanishing below", limits.vanishing, box.bottom - _EDGE / 2)
    panel.text(box.left + 8, box.top + _EDGE / 2, "shaded: healthy, 0.01 to 10", size=SMALL, colour=MUTED)


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


def _notes(flow: GradientFlow, limits: GradientLimits) -> list[tuple[Verdict, str]]:
    """What is wrong, worst first; where nothing is, the range of norms."""
    among = [*flow.layer_gradients, *flow.unused, *flow.nonfinite]

    def named(layers: list[str]) -> str:
        return some([short(name, among) for name in layers], 3)

    kinds: list[tuple[Verdict, list[str], str]] = [
        ("bad", flow.nonfinite, "with a gradient of NaN or Inf"),
        ("bad", flow.exploding_gradients, f"exploding ◆ (above {number(limits.exploding)})"),
        ("bad", flow.vanishing_gradients, f"vanishing ▼ (below {number(limits.vanishing)})"),
        ("bad", flow.zero, "with a gradient of nought ✖"),
        ("warn", flow.unused, "not used by any output"),
    ]
    notes: list[tuple[Verdict, str]] = []
    for verdict, layers, words in kinds:
        if layers:
            notes.append((verdict, f"{count(len(layers), 'layer')} {words}: {named(layers)}"))
    if flow.drops:
        falls = [f"{short(d.from_, among)} → {short(d.to, among)} (÷ {1 / d.ratio:,.0f})" for d in flow.drops if d.ratio]
        notes.append(("warn", f"{count(len(flow.drops), 'sharp drop')} ■: {some(falls, 2)}"))
    return notes or [("ok", _range(flow, among))]


def _range(flow: GradientFlow, among: list[str]) -> str:
    ranked = sorted(flow.layer_gradients.items(), key=lambda item: item[1].norm)
    (least, low), (most, high) = ranked[0], ranked[-1]
    layers = count(len(ranked), "layer")
    return f"{layers}: {number(low.norm)} ({short(least, among)}) to {number(high.norm)} ({short(most, among)})"
