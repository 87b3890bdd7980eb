"""Numbers over training: one as a braille line, several as letters on one pair of axes."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from fxwatch.tui.view.braille import blank, braille, set_dot
from fxwatch.tui.view.text import Line, Span, line, quiet, right
from fxwatch.tui.view.words import number

_AXIS = 8


class Scale(NamedTuple):
    """The values at the bottom and at the top."""

    low: float
    high: float

    def part(self, value: float) -> float:
        """Where a value lies between them, from 0 to 1."""
        return min(1.0, max(0.0, (value - self.low) / ((self.high - self.low) or 1.0)))


def scale_of(values: Sequence[float | None], least_range: float) -> Scale:
    """From the smallest to the largest of some values, but never finer than a range."""
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    middle = (low + high) / 2
    return Scale(min(low, middle - least_range / 2), max(high, middle + least_range / 2))


def curve(values: Sequence[float | None], scale: Scale, width: int, height: int) -> list[Line]:
    """A line through values, oldest at the left, over the whole width."""
    columns = max(1, (width - _AXIS - 2) * 2)
    grid = blank(-(-columns // 2), height)
    before: int | None = None
    for column, value in enumerate(_over(values, columns)):
        dot = None if value is None else round(scale.part(value) * (height * 4 - 1))
        if dot is not None:
            begin = dot if before is None else before
            for filled in range(min(begin, dot), max(begin, dot) + 1):
                set_dot(grid, column, filled)
        before = dot
    return [_with_axis(Span(row, "accent"), place, height, scale) for place, row in enumerate(braille(grid))]


def overlay(curves: Mapping[str, Sequence[tuple[float, float]]], width: int, height: int) -> list[Line]:
    """Each curve drawn by its letter over steps; where several meet stands `*`."""
    points = [point for found in curves.values() for point in found]
    steps, values = Scale(0.0, 1.0), scale_of([value for _, value in points], 1e-9)
    if points:
        steps = Scale(min(step for step, _ in points), max(step for step, _ in points))
    columns = max(1, width - _AXIS - 2)
    grid = [[" "] * columns for _ in range(height)]
    for letter, found in curves.items():
        for step, value in found:
            row = height - 1 - round(values.part(value) * (height - 1))
            column = round(steps.part(step) * (columns - 1))
            grid[row][column] = letter if grid[row][column] in {" ", letter} else "*"
    rows = [_with_axis(Span("".join(row)), place, height, values) for place, row in enumerate(grid)]
    return [*rows, ends(f"step {steps.low:,.0f}", f"{steps.high:,.0f}", width)]


def ends(first: str, last: str, width: int) -> Line:
    """What stands below the two ends of a chart."""
    room = max(0, width - _AXIS - 2 - len(first) - len(last))
    return line(quiet(" " * (_AXIS + 2) + first + " " * room + last))


def _with_axis(row: Span, place: int, height: int, scale: Scale) -> Line:
    label = number(scale.high) if place == 0 else number(scale.low) if place == height - 1 else ""
    return line(quiet(right(label, _AXIS) + (" ┤" if label else " │")), row)


def _over(values: Sequence[float | None], columns: int) -> list[float | None]:
    """As many values as columns: the mean of each group, or each value several times."""
    if not values:
        return []
    if len(values) <= columns:
        return [values[column * len(values) // columns] for column in range(columns)]
    found: list[float | None] = []
    for column in range(columns):
        group = values[column * len(values) // columns : (column + 1) * len(values) // columns]
        known = [value for value in group if value is not None]
        found.append(sum(known) / len(known) if known else None)
    return found
