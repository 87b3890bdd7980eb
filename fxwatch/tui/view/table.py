"""A table that is sorted and filtered: which rows there are, and how those that fit are drawn."""

from collections.abc import Sequence
from typing import NamedTuple

from fxwatch.tui.view.text import Line, Role, Span, left, line, quiet, right, width_of, wrapped
from fxwatch.tui.view.trend import bar, trend

_MARK = "▸ "


class Column(NamedTuple):
    """A column of at least `width` cells and at most `most`, where it grows. The highest rank leaves first; 0 stays."""

    name: str
    width: int
    rank: int = 0
    most: int = 0
    text: bool = False


class Bar(NamedTuple):
    """A part of a whole, drawn as long as its column allows."""

    part: float | None
    role: Role = "accent"


class Trend(NamedTuple):
    """Numbers over time, newest last, drawn no finer than `least_range`."""

    values: Sequence[float | None]
    least_range: float


Cell = Span | Bar | Trend


class Row(NamedTuple):
    """`key` tells it from all others; `order` is what its columns are sorted by."""

    key: tuple[str, ...]
    cells: tuple[Cell, ...]
    order: tuple[str | float | None, ...]


class Table(NamedTuple):
    """Rows in their own order. `tail`: the last row is the newest, and is followed."""

    columns: tuple[Column, ...]
    rows: Sequence[Row]
    empty: str = "nothing"
    tail: bool = False
    noun: str = "row"


class Way(NamedTuple):
    """How a user looks at a table: sorted by a column (None: its own order), filtered, with a row chosen."""

    sort: int | None = None
    falling: bool = False
    filter: str = ""
    typing: bool = False
    wrap: bool = False
    chosen: tuple[str, ...] | None = None


def arranged(table: Table, way: Way) -> list[Row]:
    """The rows that hold all words of the filter, in the order of a column; what has no value stands last."""
    words = way.filter.casefold().split()
    rows = [row for row in table.rows if not words or _holds(row, words)]
    column = sorted_by(table, way)
    if column is None:
        return rows
    known = [row for row in rows if row.order[column] is not None]
    known.sort(key=lambda row: _sortable(row.order[column]), reverse=way.falling)
    return known + [row for row in rows if row.order[column] is None]


def sorted_by(table: Table, way: Way) -> int | None:
    """The column, if it is one that the table has: what was remembered may be of another version."""
    return way.sort if way.sort is not None and 0 <= way.sort < len(table.columns) else None


def _holds(row: Row, words: Sequence[str]) -> bool:
    text = words_of(row).casefold()
    return all(word in text for word in words)


def words_of(row: Row, between: str = " ") -> str:
    """What a row says in words."""
    return between.join(cell.text.strip() for cell in row.cells if isinstance(cell, Span))


def _sortable(value: str | float | None) -> tuple[float, str]:
    return (0.0, value.casefold()) if isinstance(value, str) else (value or 0.0, "")


def chosen(table: Table, rows: Sequence[Row], way: Way) -> int:
    """The place of the chosen row; where it is not there: the first, or the newest where that is followed."""
    found = next((place for place, row in enumerate(rows) if row.key == way.chosen), None)
    return found if found is not None else max(0, len(rows) - 1) if table.tail else 0


def moved(table: Table, way: Way, stride: int) -> Way:
    """Another row is chosen; at the end of a table that is followed none is, so that it is followed again."""
    rows = arranged(table, way)
    if not rows:
        return way
    place = min(max(chosen(table, rows, way) + stride, 0), len(rows) - 1)
    follows = table.tail and place == len(rows) - 1 and way.sort is None
    return way._replace(chosen=None if follows else rows[place].key)


def sorted_next(table: Table, way: Way) -> Way:
    """By the next column; behind the last one in the table's own order. Numbers begin with the largest."""
    columns = [column for column in range(len(table.columns)) if _can_sort(table, column)]
    later = [column for column in columns if way.sort is None or column > way.sort]
    column = later[0] if later else None
    numeric = column is not None and any(isinstance(row.order[column], float | int) for row in table.rows)
    return way._replace(sort=column, falling=numeric)


def _can_sort(table: Table, column: int) -> bool:
    return any(column < len(row.order) and row.order[column] is not None for row in table.rows)


def new_below(table: Table, way: Way) -> int:
    """How many rows came after the chosen one in a table that is not being followed."""
    if not table.tail or way.chosen is None:
        return 0
    rows = arranged(table, way)
    return len(rows) - 1 - chosen(table, rows, way)


class Window(NamedTuple):
    """What is drawn of a table: its lines, and the places of the first row and of the one behind the last."""

    lines: list[Line]
    first: int
    end: int


def table_lines(table: Table, way: Way, width: int, height: int, top: int) -> Window:
    """Headings and the rows from `top` on, or from as near to it as shows the chosen row."""
    rows = arranged(table, way)
    shown = fitting(table.columns, width)
    head = _headings(table, way, shown)
    if not rows:
        words = "nothing holds these words" if way.filter and table.rows else table.empty
        return Window([head, *(line("  ", quiet(part)) for part in wrapped(words, max(10, width - 4)))][:height], 0, 0)
    at, room = chosen(table, rows, way), max(1, height - 1)
    drawn = _row(rows[at], table.columns, shown, way, chosen=True)[:room]
    first, end = at, at + 1
    for lowest in (min(max(0, top), at), 0):  # down to the end before it scrolls up
        while first > lowest:
            above = _row(rows[first - 1], table.columns, shown, way, chosen=False)
            if len(above) + len(drawn) > room:
                break
            drawn, first = above + drawn, first - 1
        while end < len(rows):
            below = _row(rows[end], table.columns, shown, way, chosen=False)
            if len(below) + len(drawn) > room:
                break
            drawn, end = drawn + below, end + 1
    return Window([head, *drawn], first, end)


def fitting(columns: Sequence[Column], width: int) -> list[tuple[int, int]]:
    """The columns that there is room for, by place, with their widths."""
    kept = list(range(len(columns)))
    ranks = sorted((place for place in kept if columns[place].rank), key=lambda place: -columns[place].rank)
    for leaving in ranks:
        if len(_MARK) + sum(columns[place].width + 1 for place in kept) - 1 <= width:
            break
        kept.remove(leaving)
    widths = {place: columns[place].width for place in kept}
    spare = width - len(_MARK) - sum(widths.values()) - len(kept) + 1
    for place in kept:
        more = min(max(0, spare), max(0, columns[place].most - widths[place]))
        widths[place] += more
        spare -= more
    if kept and spare < 0:  # the first is cut where even what stays is too much
        widths[kept[0]] = max(8, widths[kept[0]] + spare)
    return [(place, widths[place]) for place in kept]


def _headings(table: Table, way: Way, shown: Sequence[tuple[int, int]]) -> Line:
    words = []
    for place, width in shown:
        column = table.columns[place]
        arrow = ("▼" if way.falling else "▲") if sorted_by(table, way) == place else ""
        words.append((left if column.text else right)(column.name + arrow, width))
    return line(quiet(" " * len(_MARK) + " ".join(words)))


def _row(
    row: Row, columns: Sequence[Column], shown: Sequence[tuple[int, int]], way: Way, *, chosen: bool
) -> list[Line]:
    pieces = [Span(_MARK, "key") if chosen else Span(" " * len(_MARK))]
    for place, width in shown:
        pieces += [*([Span(" ")] if len(pieces) > 1 else []), _drawn(row.cells[place], columns[place], width)]
    if chosen and len(pieces) > 1 and not pieces[1].role:
        pieces[1] = Span(pieces[1].text, "strong")
    place, width = shown[-1] if shown else (0, 0)
    last = row.cells[place]
    if not way.wrap or width < 8 or not isinstance(last, Span):
        return [tuple(pieces)]
    parts = wrapped(last.text, width) or [""]
    margin = " " * width_of(pieces[:-1])
    begin = (*pieces[:-1], Span(left(parts[0], width), last.role))
    return [begin, *(line(margin, Span(part, last.role)) for part in parts[1:])]


def _drawn(cell: Cell, column: Column, width: int) -> Span:
    if isinstance(cell, Bar):
        return Span(bar(min(1.0, max(0.0, cell.part or 0.0)), width).ljust(width), cell.role)
    if isinstance(cell, Trend):
        return quiet(trend(cell.values, width, cell.least_range))
    return Span((left if column.text else right)(cell.text, width), cell.role)


def in_words(table: Table) -> list[str]:
    """All rows in plain sentences: the first cell, and the others by their headings."""
    found = []
    for row in table.rows:
        cells = zip(table.columns, row.cells, strict=True)
        told = [
            (column.name, cell.text.strip()) for column, cell in cells if isinstance(cell, Span) and cell.text.strip()
        ]
        found.append(", ".join(f"{name} {text}" if name else text for name, text in told))
    return found
