"""What Adam's moments in the checkpoint tell of training's own gradients, layer by layer."""

from collections.abc import Mapping

from fxwatch.records.gradients import OptimizerLayer, common_start
from fxwatch.tui.view.text import BLANK, Line, Span, ending, line, name, paragraph, quiet, right
from fxwatch.tui.view.words import number


def optimizer_table(layers: Mapping[str, OptimizerLayer], width: int) -> list[Line]:
    """A line a layer; nothing where the checkpoint holds no moments."""
    if not layers:
        return [BLANK, line(quiet("  no optimizer's moments in this checkpoint"))]
    label = max(10, min(60, width - 36))
    words = "training's own gradients, from Adam's moments: usual norm, mean over scatter, next update over weights"
    head = " " * (label + 2) + right("gradient", 10) + right("signal", 10) + right("update", 10)
    found = [BLANK, *paragraph(words, width), line(quiet(head))]
    start = common_start(layers)
    for layer, moments in layers.items():
        numbers = (moments.gradient_rms, moments.signal_to_noise, moments.update_ratio)
        cells = "".join(right(number(value), 10) for value in numbers)
        found.append(line("  ", ending(name(layer.removeprefix(start)), label), Span(cells, "strong")))
    return found
