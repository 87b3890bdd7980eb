"""Numbers of one layer after another on a logarithmic scale, as braille dots between two limits."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fxwatch.tui.view.braille import blank, braille, set_dot


class LogScale(NamedTuple):
    """Two limits, and the height of the chart in rows, the first and the last of which are for what is beyond them."""

    low: float
    high: float
    height: int

    def dot(self, value: float) -> int:
        """The row of dots for a value, from below; there are four in a row of cells."""
        top = self.height * 4
        low, high = math.log10(max(self.low, 1e-30)), math.log10(max(self.high, self.low * 10, 1e-29))
        place = (math.log10(value) - low) / (high - low) if value > 0 else -1.0
        if place < 0:
            return 0
        return top - 1 if place > 1 else 4 + round(place * (top - 9))

    def row(self, value: float) -> int:
        """The row of cells for a value, from above."""
        return self.height - 1 - self.dot(value) // 4


def dots(values: Sequence[float], scale: LogScale, width: int) -> list[str]:
    """Rows from above, with two values a cell.

    More values than that: each dot is the one of its group that is farthest from 1. Fewer: they are drawn wider. Values
    that are not above nought are drawn at the bottom.
    """
    grid = blank(width, scale.height)
    for column, value in enumerate(_spread(values, width * 2)):
        set_dot(grid, column, scale.dot(value))
    return braille(grid)


def _spread(values: Sequence[float], columns: int) -> list[float]:
    if len(values) <= columns:
        return [values[column * len(values) // columns] for column in range(columns)] if values else []
    edges = [round(index * len(values) / columns) for index in range(columns + 1)]
    return [max(values[begin:end], key=_distance) for begin, end in pairwise(edges)]


def _distance(value: float) -> float:
    return abs(math.log10(value)) if value > 0 else math.inf
