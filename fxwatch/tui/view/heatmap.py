"""A table of numbers as shades, each with its sign: two cells a number, or one where there is less room."""

from collections.abc import Sequence

from fxwatch.tui.snapshot import Map
from fxwatch.tui.view.text import Line, Span, ending, line, quiet
from fxwatch.tui.view.words import number

_SHADES = " ░▒▓█"


def heatmap(rows: Map, labels: Sequence[str], width: int, label: int, chosen: int | None = None) -> list[Line]:
    """A line a row. The darkest is the largest number by size; a dot stands where there is none.

    More columns than fit are drawn in groups, each by its member of largest size.
    """
    most = largest(rows)
    columns = max((len(row) for row in rows), default=0)
    room = max(1, width - label - 3)
    signed = any(value is not None and value < 0 for row in rows for value in row)
    each = 2 if columns * 2 <= room else 1
    found = []
    for place, (name, row) in enumerate(zip(labels, rows, strict=False)):
        drawn = "".join(_cell(value, most, each, signed=signed) for value in _grouped(row, room // each))
        head = Span(ending(name, label), "strong" if place == chosen else "")
        found.append(line(Span("▸ ", "key") if place == chosen else "  ", head, " ", Span(drawn, "accent")))
    return found


def legend(rows: Map) -> Span:
    """What the darkest shade stands for."""
    return quiet(f"█ is {number(largest(rows))}; + speaks for the action taken, - against it")


def largest(rows: Map) -> float:
    """The largest number by size."""
    return max((abs(value) for row in rows for value in row if value is not None), default=0.0)


def _cell(value: float | None, most: float, each: int, *, signed: bool) -> str:
    if value is None:
        return "·" * each
    part = abs(value) / most if most else 0.0
    shade = _SHADES[min(4, round(part * 4))]
    if each == 1 or shade == " ":
        return shade * each
    return (("-" if value < 0 else "+") if signed else shade) + shade


def _grouped(row: Sequence[float | None], columns: int) -> list[float | None]:
    if len(row) <= columns:
        return list(row)
    groups = (row[place * len(row) // columns : (place + 1) * len(row) // columns] for place in range(columns))
    return [max(group, key=lambda value: -1.0 if value is None else abs(value)) for group in groups]
