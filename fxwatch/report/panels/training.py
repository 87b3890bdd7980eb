"""Training's own gradients over its steps: a line a layer on a logarithmic axis, with the guide's limits."""

import math
from collections.abc import Sequence

from fxwatch.records.gradients import common_start
from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import TrainingLine, on_own_steps, troubles
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import HEALTHY, INK, MARKS, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import Panel
from fxwatch.report.panels.gradients import HEALTHY_NORMS
from fxwatch.report.panels.over_steps import draw_ends
from fxwatch.report.scale import Scale, decades
from fxwatch.report.words import count, number, some

_AXIS, _FOOT, _NOTE, _NAMES = 72.0, 26.0, 24.0, 250.0
_APART = 19.0
_MOST_DECADES = 14


def draw_training(panel: Panel, lines: Sequence[TrainingLine], limits: GradientLimits) -> None:
    """Mean norms of all layers; those in trouble now are red, and the highest and lowest bear their names."""
    box = panel.title("Training's own gradients", "mean norm of each layer's gradient, as the optimizer got it")
    series = _series(lines)
    if not series:
        panel.absent(box, "no gradient of training was recorded")
        return
    area = Box(box.left + _AXIS, box.top, box.right - _NAMES, box.bottom - _FOOT - _NOTE)
    steps = [step for points in series.values() for step, _ in points]
    across = Scale(min(steps), max(steps), area.left + 6, area.right - 6)
    exponents = [exponent for points in series.values() for _, exponent in points]
    high = max(exponents) + 0.3
    up = Scale(max(min(exponents) - 0.3, high - _MOST_DECADES), high, area.bottom, area.top)
    _frame(panel, area, up, limits)
    found = troubles(lines[-1], limits)
    ill = {layer for layers in found.values() for layer in layers}
    for name in sorted(series, key=lambda name: name in ill):
        points = series[name]
        xs, ys = [across(step) for step, _ in points], [up(exponent) for _, exponent in points]
        colour = MARKS["bad"].line if name in ill else NEUTRAL
        panel.line(xs, ys, colour, 1.8 if name in ill else 0.9)
        panel.dots(xs[-1:], ys[-1:], colour, size=5)
    _names(panel, area, {name: up(points[-1][1]) for name, points in series.items()}, ill)
    unit = "step" if on_own_steps(lines) else "optimizer step"
    draw_ends(panel, area, box.bottom - _NOTE - _FOOT / 2, f"{unit} {min(steps):,}", f"{max(steps):,}")
    words = "; ".join(f"{kind}: {some(layers, 4)}" for kind, layers in found.items())
    told = words or f"all {count(len(lines[-1].layers), 'layer')} within the limits in the newest line"
    y = box.bottom - _NOTE / 2
    panel.text(box.left, y, told, size=SMALL, colour=MARKS["bad"].line if words else MUTED, width=box.width)


def _series(lines: Sequence[TrainingLine]) -> dict[str, list[tuple[int, float]]]:
    """Of each layer its steps, and the logarithm of its mean norm there; a norm of nought has none."""
    own = on_own_steps(lines)
    found: dict[str, list[tuple[int, float]]] = {}
    for line in lines:
        step = line.position(own=own)
        for name, layer in line.layers.items():
            if step is not None and layer.mean:
                found.setdefault(name, []).append((step, math.log10(layer.mean)))
    return found


def _frame(panel: Panel, area: Box, up: Scale, limits: GradientLimits) -> None:
    low, high = (min(max(math.log10(end), up.low), up.high) for end in HEALTHY_NORMS)
    if high > low:
        panel.bar(Box(area.left, up(high), area.right, up(low)), HEALTHY)
    for exponent in decades(up.low, up.high, max(2, int(area.height // 28))):
        panel.line([area.left, area.right], [up(exponent)] * 2, RULE)
        panel.text(area.left - 10, up(exponent), number(10.0**exponent), size=SMALL, colour=MUTED, align="right")
    for words, limit, y in (
        ("exploding above", limits.exploding, area.top + 12),
        ("vanishing below", limits.vanishing, area.bottom - 12),
    ):
        if limit > 0 and up.holds(math.log10(limit)):
            panel.line([area.left, area.right], [up(math.log10(limit))] * 2, MARKS["bad"].line, 1.6, (6, 4))
        panel.tag(area.right - 8, y, f"{words} {number(limit)}", MARKS["bad"].line)


def _names(panel: Panel, area: Box, ends: dict[str, float], ill: set[str]) -> None:
    """The names of the layers at their ends: those in trouble, then the highest and the lowest, as far as there is
    room between them.
    """
    ranked = sorted(ends, key=lambda name: ends[name])
    edges = [name for pair in zip(ranked, reversed(ranked), strict=True) for name in pair]
    told: dict[str, float] = {}
    for name in dict.fromkeys([*(one for one in ranked if one in ill), *edges]):
        if all(abs(ends[name] - y) >= _APART for y in told.values()):
            told[name] = ends[name]
    start = common_start(ends) if len(ends) > 1 else ""
    for name, y in told.items():
        colour = MARKS["bad"].line if name in ill else INK
        panel.text(area.right + 8, y, name.removeprefix(start), size=SMALL, colour=colour, width=_NAMES - 10)
