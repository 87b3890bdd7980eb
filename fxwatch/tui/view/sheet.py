"""A table with its title, what stands above it, and the words that it is filtered by."""

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import nothing_to_show
from fxwatch.tui.view.subjects import ABOVE, KEYS, OF_AN_ANALYSIS, TABLES
from fxwatch.tui.view.table import Table, Way, Window, arranged, new_below, sorted_by, table_lines
from fxwatch.tui.view.text import Line, Span, crop, line, name, quiet, title
from fxwatch.tui.view.words import count

_LEAST = 3
"""Lines for headings and rows that nothing above them may take."""


def sheet(subject: str, snapshot: Snapshot, way: Way, width: int, height: int, top: int) -> Window:
    """All lines, and which rows of the table are among them."""
    view = TABLES[subject]
    if subject in OF_AN_ANALYSIS and snapshot.analysis is None:
        return Window(nothing_to_show.lines(snapshot, width, height)[:height], 0, 0)
    table = view.table(snapshot)
    rows = arranged(table, way)
    words = [_filter(way)] if way.filter or way.typing else []
    room = height - 1 - len(words)
    over = ABOVE[subject](snapshot, width, room)[: max(0, room - _LEAST)] if subject in ABOVE else []
    room = max(1, room - len(over))
    window = table_lines(table, way, width, room, top)
    head = title(view.NAME, width, KEYS[subject], _note(table, way, window, len(rows)))
    lines = [head, *words, *over, *window.lines][:height]
    return Window([crop(row, width) for row in lines], window.first, window.end)


def _filter(way: Way) -> Line:
    words = name(way.filter, 200)
    how = quiet("   Enter keeps, Esc drops it" if way.typing else "   / changes, Esc drops it")
    return line(Span("  / ", "key"), Span(f"{words}▏" if way.typing else words, "strong"), how)


def _note(table: Table, way: Way, window: Window, rows: int) -> str:
    parts = []
    if new := new_below(table, way):
        parts.append(f"+{new} new, G follows")
    if (column := sorted_by(table, way)) is not None:
        parts.append(f"by {table.columns[column].name}{', largest first' if way.falling else ''}")
    total = count(len(table.rows), table.noun)
    parts.append(total if rows == len(table.rows) else f"{rows:,} of {total}")
    if window.end - window.first < rows:
        parts.append(f"{window.first + 1}–{window.end} shown")
    return " · ".join(parts)
