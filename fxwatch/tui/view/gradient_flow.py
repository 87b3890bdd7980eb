"""Gradient flow: what is wrong in counts, and the gradient norm of every layer."""

from typing import NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.gradients import GradientFlow, common_start
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted
from fxwatch.tui.view.layers import extremes, layer_chart, layer_table
from fxwatch.tui.view.optimizer import optimizer_table
from fxwatch.tui.view.text import BLANK, Line, Span, ending, joined, left, line, mark, name, paragraph, title
from fxwatch.tui.view.training import gradients_table

NAME = "Gradient flow"


def room(snapshot: Snapshot) -> tuple[int, int]:
    """The fewest lines that are of use, and those for all but details."""
    return 2, 10 if snapshot.analysis is not None and snapshot.analysis.gradient_flow.layer_gradients else 2


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """As much as fits, under a title."""
    head = [title(NAME, width, "3")]
    if snapshot.analysis is None:
        return head
    flow = snapshot.analysis.gradient_flow
    if flow.reason is not None:
        words = paragraph(f"not computed: {name(flow.reason)}", width)
        return fitted([Block(0, head), Block(1, words, cut=True)], width, height)
    blocks = [Block(0, head), Block(0, [counts(flow, width)])]
    layers = flow.layer_gradients
    if layers:
        tall = 5 if height is not None and height < 16 else 8
        blocks.append(Block(1, layer_chart(layers, snapshot.thresholds.gradient, width, tall)))
        blocks.append(Block(2, extremes(layers, width)))
    blocks.append(Block(3, _flagged(flow, width), cut=True))
    blocks.append(Block(4, layer_table(layers, width) if layers else [], cut=True))
    if height is None:
        blocks.append(Block(4, gradients_table(snapshot, width)))
        blocks.append(Block(4, optimizer_table(flow.optimizer, width)))
        blocks.append(Block(5, [BLANK, *paragraph(f"of {name(flow.of)}", width, 0)]))
    return fitted(blocks, width, height)


class Trouble(NamedTuple):
    """A kind of trouble, and the layers that have it."""

    kind: str
    layers: list[str]
    verdict: Verdict


def troubles(flow: GradientFlow) -> list[Trouble]:
    """All kinds, also those that no layer has; NaN only where there is any."""
    start = common_start(flow.layer_gradients)
    drops = [
        f"{drop.from_.removeprefix(start)} → {drop.to.removeprefix(start)}, {drop.ratio:.0e}" for drop in flow.drops
    ]
    found = [
        Trouble("vanishing", flow.vanishing_gradients, "bad"),
        Trouble("exploding", flow.exploding_gradients, "bad"),
        Trouble("zero", flow.zero, "bad"),
        Trouble("unused", flow.unused, "warn"),
        Trouble("drops", drops, "warn"),
    ]
    return [Trouble("NaN or Inf", flow.nonfinite, "bad"), *found] if flow.nonfinite else found


def counts(flow: GradientFlow, width: int) -> Line:
    """How many layers have each kind of trouble."""
    parts: list[str | Span] = [
        Span(f"{len(trouble.layers)} {trouble.kind}", trouble.verdict if trouble.layers else "quiet")
        for trouble in troubles(flow)
    ]
    return (mark(flow.verdict), Span(" "), *joined(parts, width - 2, between="  "))


def _flagged(flow: GradientFlow, width: int) -> list[Line]:
    start = common_start(flow.layer_gradients)
    room = max(0, width - 13)
    return [
        line(mark(trouble.verdict), " ", left(trouble.kind, 11), ending(name(layer.removeprefix(start)), room))
        for trouble in troubles(flow)
        for layer in trouble.layers
    ]
