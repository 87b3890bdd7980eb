"""What is wrong with gradients, in words, with as many names of layers as have room."""

from typing import NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.gradients import Drop, GradientFlow
from fxwatch.report.layers import short
from fxwatch.report.lettering import SMALL, Ruler
from fxwatch.report.words import count, number, some


class Note(NamedTuple):
    """Layers that something is wrong with."""

    verdict: Verdict
    words: str
    layers: list[str]


def notes_of(flow: GradientFlow) -> list[Note]:
    """What is wrong, worst first."""
    among = [*flow.layer_gradients, *flow.unused, *flow.nonfinite]
    notes = [
        Note("bad", "NaN or Inf", _short(flow.nonfinite, among)),
        Note("bad", "exploding ◆", _short(flow.exploding_gradients, among)),
        Note("bad", "vanishing ▼", _short(flow.vanishing_gradients, among)),
        Note("bad", "zero ✖", _short(flow.zero, among)),
        Note("warn", "unused", _short(flow.unused, among)),
        Note(
            "warn",
            "sharp drop ■" if len(flow.drops) == 1 else "sharp drops ■",
            [_fall(drop, among) for drop in flow.drops],
        ),
    ]
    return [note for note in notes if note.layers]


def in_words(ruler: Ruler, note: Note, room: float) -> str:
    """How many layers, and as many of their names as have room; of a single one too long, both ends."""
    begin = f"{len(note.layers)} {note.words}: "
    for shown in (3, 2):
        words = begin + some(note.layers, shown)
        if ruler.width(words, SMALL) <= room:
            return words
    end = some(note.layers, 1).removeprefix(note.layers[0])
    return begin + ruler.fit(note.layers[0], room - ruler.width(begin + end, SMALL), SMALL) + end


def _short(layers: list[str], among: list[str]) -> list[str]:
    return [short(name, among) for name in layers]


def _fall(drop: Drop, among: list[str]) -> str:
    times = f" ÷{1 / drop.ratio:,.0f}" if drop.ratio > 0 else ""
    return f"{short(drop.from_, among)} → {short(drop.to, among)}{times}"


def range_of(flow: GradientFlow) -> str:
    """The smallest and the largest norm, of gradients that have any."""
    ranked = sorted(flow.layer_gradients.items(), key=lambda item: item[1].norm)
    (least, low), (most, high) = ranked[0], ranked[-1]
    among = list(flow.layer_gradients)
    return (
        f"{count(len(ranked), 'layer')}: {number(low.norm)} ({short(least, among)}) "
        f"to {number(high.norm)} ({short(most, among)})"
    )
