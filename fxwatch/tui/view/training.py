"""Training itself, as the recorder measured it: gradients of every layer, the trainer's own numbers, attention."""

import math
from collections.abc import Iterator, Sequence

from fxwatch.records.gradients import common_start
from fxwatch.records.training import troubles
from fxwatch.tui.snapshot import Snapshot, Training
from fxwatch.tui.view.text import BLANK, Line, Span, crop, ending, left, line, mark, name, paragraph, quiet, right
from fxwatch.tui.view.trend import trend
from fxwatch.tui.view.words import count, moment, number, whole

_TREND = 24
_FINEST = 0.5
"""Of a decade: what moves less is no news."""


def gradients_table(snapshot: Snapshot, width: int) -> list[Line]:
    """The gradient of the trainer's own loss, a line a layer, with its trend; nothing where nobody recorded it."""
    training = snapshot.training
    last = training.last
    if last is None or not last.layers:
        return []
    ill = _ill(snapshot)
    begin = common_start(last.layers)
    label = max(10, min(60, width - 38 - _TREND))
    over = count(last.steps, "step")
    words = f"training's own gradients, by the recorder, {_where(snapshot)}: norm over the last {over}"
    names = " " * (label + 4) + right("mean", 8) + right("greatest", 10) + right("of weight", 10) + "  log trend"
    found = [BLANK, *paragraph(words, width), line(quiet(names))]
    for layer, span in last.layers.items():
        kind = ill.get(layer)
        numbers = right(number(span.mean), 8) + right(number(span.greatest), 10) + right(number(span.weight_ratio), 10)
        drawn = trend(_logarithms(training.norms.get(layer, ())), _TREND, _FINEST)
        head = (mark("bad" if kind else "ok"), " ", ending(name(layer.removeprefix(begin)), label + 2))
        cells = (Span(numbers, "bad" if kind else "strong"), "  ", Span(drawn, "accent"))
        found.append(line(*head, *cells, Span(f"  {kind or ''}", "bad")))
    return [crop(row, width) for row in found]


def heads_table(snapshot: Snapshot, width: int) -> list[Line]:
    """Attention in training, a line a head, with the trend of its stability; nothing where nobody recorded it."""
    training = snapshot.training
    last = training.last
    if last is None or not last.attention:
        return []
    begin = common_start(last.attention)
    label = max(10, min(60, width - 30 - _TREND))
    words = f"attention in training, by the recorder, {_where(snapshot)}"
    names = " " * (label + 2) + right("head", 6) + right("entropy", 9) + right("stability", 11) + "  trend"
    found = [BLANK, *paragraph(words, width), line(quiet(names))]
    for (layer, head), stability in training.attention.items():
        numbers = right(number(last.attention[layer].entropy[head]), 9) + right(number(stability[-1]), 11)
        shown = ending(name(layer.removeprefix(begin)), label) if head == 0 else " " * label
        drawn = Span(trend(stability, _TREND, 0.1), "accent")
        found.append(line("  ", shown, right(str(head), 6), Span(numbers, "strong"), "  ", drawn))
    return [crop(row, width) for row in found]


def scalars_table(snapshot: Snapshot, width: int) -> list[Line]:
    """The trainer's own numbers, a line each, with their trends; nothing where it logs none."""
    training = snapshot.training
    if not training.scalars:
        return []
    label = max(10, min(40, width - 14 - _TREND))
    found = [BLANK, line(quiet(f"  the trainer's own numbers, {_where(snapshot)}"))]
    for scalar, values in training.scalars.items():
        newest = next((value for value in reversed(values) if value is not None), None)
        cells = (Span(right(number(newest), 10), "strong"), "  ", Span(trend(values, _TREND, 1e-12), "accent"))
        found.append(line("  ", left(name(scalar), label), *cells))
    return [crop(row, width) for row in found]


def training_in_words(snapshot: Snapshot) -> Iterator[str]:
    """How training's own gradients are, and its own numbers, in two sentences."""
    training = snapshot.training
    last = training.last
    if last is None:
        return
    ill = troubles(last, snapshot.thresholds.gradient)
    words = "; ".join(f"{kind} in {', '.join(map(name, layers[:3]))}" for kind, layers in ill.items())
    told = words or "all layers within the limits"
    yield f"  Training's own gradients, {_where(snapshot)}: {told if last.layers else 'none recorded'}"
    newest = [f"{name(scalar)} {number(value)}" for scalar, value in list(last.scalars.items())[:12]]
    if newest:
        yield f"  The trainer's own numbers: {', '.join(newest)}"


def layers_in_words(snapshot: Snapshot) -> Iterator[str]:
    """Every layer's gradient in training, and every attention head, a sentence each."""
    last = snapshot.training.last
    if last is None:
        return
    ill = _ill(snapshot)
    yield f"Training: {count(len(last.layers), 'layer')} recorded, {_where(snapshot)}"
    for layer, span in last.layers.items():
        ends = f"from {number(span.least)} to {number(span.greatest)}"
        trouble = f", {ill[layer]}" if layer in ill else ""
        yield f"  {name(layer)}, norm {number(span.mean)}, {ends}, of weight {number(span.weight_ratio)}{trouble}"
    for layer, heads in last.attention.items():
        for place, entropy in enumerate(heads.entropy):
            stability = heads.stability[place] if place < len(heads.stability) else None
            yield f"  {name(layer)} head {place}, entropy {number(entropy)}, stability {number(stability)}"


def _ill(snapshot: Snapshot) -> dict[str, str]:
    """The trouble of each layer that has one."""
    last = snapshot.training.last
    found = troubles(last, snapshot.thresholds.gradient) if last is not None else {}
    return {layer: kind for kind, layers in found.items() for layer in layers}


def _where(snapshot: Snapshot) -> str:
    """`at step 1,024, attempt 2, 5 min ago`."""
    training: Training = snapshot.training
    last = training.last
    if last is None:
        return ""
    unit = "step" if last.step is not None else "optimizer step"
    attempt = [f"attempt {last.attempt}"] if last.attempt > 1 else []
    return ", ".join([f"at {unit} {whole(training.position)}", *attempt, moment(last.at, snapshot.now)])


def _logarithms(values: Sequence[float | None]) -> list[float | None]:
    return [math.log10(value) if value else None for value in values]
