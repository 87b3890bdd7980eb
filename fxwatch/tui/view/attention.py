"""Attention: every head of every layer, by entropy, stability and effect."""

from fxwatch.records.gradients import common_start
from fxwatch.records.internals import AttentionHead
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Bar, Column, Row, Table
from fxwatch.tui.view.text import Line, Span, joined, name, paragraph
from fxwatch.tui.view.words import count, number

NAME = "Attention"
_COLUMNS = (
    Column("layer", 36, most=48, text=True),
    Column("head", 4),
    Column("entropy", 7),
    Column("focused to even", 15, 2, most=24, text=True),
    Column("stability", 9),
    Column("effect", 7),
    Column("", 6, 1, most=24, text=True),
)


def table(snapshot: Snapshot) -> Table:
    """A row a head, in the order of the layers."""
    if snapshot.analysis is None:
        return Table(_COLUMNS, ())
    attention = snapshot.analysis.attention
    start = common_start(attention.layers)
    most = max((head.effect or 0.0 for heads in attention.layers.values() for head in heads), default=0.0) or 1.0
    rows = [
        _row(layer, name(layer.removeprefix(start)), place, head, most)
        for layer, heads in attention.layers.items()
        for place, head in enumerate(heads)
    ]
    return Table(_COLUMNS, rows, name(attention.reason or "the model has no attention"), noun="head")


def above(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """The means over all heads."""
    if snapshot.analysis is None or not snapshot.analysis.attention.layers:
        return []
    attention = snapshot.analysis.attention
    parts: list[str | Span] = [
        f"stability {number(attention.stability)}",
        f"entropy {number(attention.entropy)}",
        f"{count(sum(map(len, attention.layers.values())), 'head')} in {count(len(attention.layers), 'layer')}",
    ]
    found = [(Span("  "), *joined(parts, width - 2))]
    if height > 12 and all(head.effect is None for heads in attention.layers.values() for head in heads):
        words = attention.effect_reason or "effects are measured where [analysis] track_layers = true"
        found += paragraph(name(words), width)[:2]
    return found


def _row(layer: str, shown: str, place: int, head: AttentionHead, most: float) -> Row:
    cells = (
        Span(shown),
        Span(str(place)),
        Span(number(head.entropy), "strong"),
        Bar(head.entropy),
        Span(number(head.stability)),
        Span(number(head.effect)),
        Bar(None if head.effect is None else head.effect / most),
    )
    return Row((layer, str(place)), cells, (layer, place, head.entropy, None, head.stability, head.effect, None))
