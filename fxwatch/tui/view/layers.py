"""The gradient norms of all layers, as a chart and as a table."""

import math
from collections.abc import Mapping

from fxwatch.records.gradients import LayerGradient, common_start
from fxwatch.records.thresholds import GradientLimits
from fxwatch.tui.view.log_chart import LogScale, dots
from fxwatch.tui.view.text import Line, Role, Span, ending, left, line, name, quiet, right
from fxwatch.tui.view.words import number

_AXIS = 6

Layers = Mapping[str, LayerGradient]


def layer_chart(layers: Layers, limits: GradientLimits, width: int, height: int) -> list[Line]:
    """Norms on a logarithmic scale; in the first and the last row stands what is beyond the limits."""
    scale = LogScale(limits.vanishing, limits.exploding, height)
    labels = {scale.row(1.0): "1", 0: _power(limits.exploding), height - 1: _power(limits.vanishing)}
    found: list[Line] = []
    for index, row in enumerate(dots([layer.norm for layer in layers.values()], scale, max(4, width - _AXIS - 2))):
        limit = index in {0, height - 1}
        role: Role = "accent" if not limit else "bad" if row.strip() else "quiet"
        axis = quiet(right(labels.get(index, ""), _AXIS) + (" ┤" if index in labels else " │"))
        found.append(line(axis, Span(row.replace(" ", "┈") if limit else row, role)))
    many = f"{len(layers)} layers, from the inputs to the outputs"
    return [*found, line(quiet(" " * (_AXIS + 2) + many))]


def extremes(layers: Layers, width: int) -> list[Line]:
    """The layers with the largest and the smallest norm."""
    ranked = sorted(layers.items(), key=lambda item: item[1].norm)
    begin = common_start(layers)
    found = []
    for words, (layer_name, layer) in (("largest", ranked[-1]), ("smallest", ranked[0])):
        head = line("  ", quiet(left(words, 9)), Span(right(number(layer.norm), 7), "strong"), "  ")
        found.append((*head, Span(ending(name(layer_name.removeprefix(begin)), max(0, width - 20)))))
    return found


def layer_table(layers: Layers, width: int) -> list[Line]:
    """Every layer; mean and ratio to the weights only where there is room."""
    roomy = width >= 90
    label = max(10, width - 24 - (26 if roomy else 0))
    words = "mean" + right("of weight", 10) if roomy else ""
    found = [line(), line(quiet("  " + left("layer", label) + right("norm", 8) + right(words, 18 if roomy else 0)))]
    norms = [layer.norm for layer in layers.values() if layer.norm > 0]
    low, high = min(norms, default=1.0), max(norms, default=1.0)
    begin = common_start(layers)
    for layer_name, layer in layers.items():
        more = right(number(layer.mean), 8) + right(number(layer.weight_ratio), 10) if roomy else ""
        found.append(
            line(
                "  ",
                ending(name(layer_name.removeprefix(begin)), label),
                Span(right(number(layer.norm), 8), "strong"),
                quiet(more),
                "  ",
                Span(_log_bar(layer.norm, low, high, 12), "accent"),
            )
        )
    return found


def _log_bar(norm: float, low: float, high: float, width: int) -> str:
    if norm <= 0:
        return ""
    span = math.log10(high) - math.log10(low) or 1.0
    return "▪" * max(1, round((math.log10(norm) - math.log10(low)) / span * width))


def _power(limit: float) -> str:
    return f"{limit:.0e}".replace("e+0", "e+").replace("e-0", "e-")
