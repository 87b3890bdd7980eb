"""Numbers in one row: one over the last analyses, or a part of a whole."""

from collections.abc import Sequence

_LEVELS = "▁▂▃▄▅▆▇█"


def trend(values: Sequence[float | None], width: int, least_range: float) -> str:
    """The last `width` values, newest at the right; what is missing is a gap.

    The scale is that of the values, but never finer than `least_range`, so that noise does not look like news.
    """
    shown = list(values[-width:]) if width > 0 else []
    known = [value for value in shown if value is not None]
    if not known:
        return " " * max(0, width)
    low, high = min(known), max(known)
    if high - low < least_range:
        low = (low + high) / 2 - least_range * 4.5 / 8  # in the midst of a level, not on the edge between two
        high = low + least_range
    span = (high - low) or 1.0
    drawn = "".join(" " if value is None else _LEVELS[min(7, int((value - low) / span * 8))] for value in shown)
    return drawn.rjust(width)


def bar(part: float, width: int) -> str:
    """A part of a whole that is `width` cells long, to half a cell."""
    halves = round(part * width * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2)
