"""Lines of text with roles. A role says what a piece of text means; how that looks is the palette's business."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from rich.cells import cell_len, chop_cells, set_cell_size

from fxwatch.records.base import Verdict
from fxwatch.terminal import clean

Role = Literal["", "quiet", "strong", "accent", "key", "held", "ok", "warn", "bad", "unknown"]

MARK: dict[Verdict, str] = {"ok": "✓", "warn": "!", "bad": "✗", "unknown": "?"}
"""A verdict in one character, so that it is never told by colour alone."""


class Span(NamedTuple):
    """A piece of a line."""

    text: str
    role: Role = ""


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """A line of pieces; a string has no role."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts)


def quiet(text: str) -> Span:
    """Text that is there for those who look for it."""
    return Span(text, "quiet")


def mark(verdict: Verdict) -> Span:
    """The sign of a verdict."""
    return Span(MARK[verdict], verdict)


def name(text: str, longest: int = 200) -> str:
    """A string from a file, made safe to show; it may be of any length and hold anything."""
    return clean(text, longest)


cells = cell_len
"""How many cells of a terminal a text takes."""


def left(text: str, width: int) -> str:
    """A text at the left of a column; one that is too long ends in `…`."""
    size = cells(text)
    if size <= width:
        return text + " " * (width - size)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def right(text: str, width: int) -> str:
    """A text at the right of a column."""
    return " " * max(0, width - cells(text)) + text if cells(text) <= width else left(text, width)


def ending(text: str, width: int) -> str:
    """A text at the left of a column; one that is too long begins with `…`, since its end says most."""
    if cells(text) <= width or width <= 0:
        return left(text, width)
    kept = text[-width:]
    while cells(kept) > width - 1:
        kept = kept[1:]
    return left(f"…{kept}", width)


def width_of(pieces: Iterable[Span]) -> int:
    """The cells of a line."""
    return sum(cells(piece.text) for piece in pieces)


def crop(pieces: Line, width: int) -> Line:
    """A line of at most some cells."""
    if width_of(pieces) <= width:
        return pieces
    kept: list[Span] = []
    for piece in pieces:
        room = width - width_of(kept)
        if cells(piece.text) >= room:
            longer = piece.text if cells(piece.text) > room else piece.text + " "
            kept.append(Span(left(longer, room), piece.role))
            break
        kept.append(piece)
    return tuple(kept)


def merged(pieces: Iterable[Span]) -> Line:
    """Neighbours of one role as one piece."""
    return tuple(
        Span("".join(piece.text for piece in group), role) for role, group in groupby(pieces, lambda p: p.role)
    )


def spread(begin: Line, end: Line, width: int) -> Line:
    """Two pieces at the two ends of a line; where there is no room for both, the first alone."""
    gap = width - width_of(begin) - width_of(end)
    return (*begin, Span(" " * gap), *end) if gap >= 2 and end else crop(begin, width)


def joined(parts: Sequence[str | Span], width: int, between: str = " · ") -> Line:
    """As many parts as there is room for, the first ones first."""
    pieces: Line = ()
    for part in parts:
        piece = part if isinstance(part, Span) else Span(part)
        added = (quiet(between), piece) if pieces else (piece,)
        if pieces and width_of(pieces) + width_of(added) > width:
            continue
        pieces = (*pieces, *added)
    return crop(pieces, width)


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most some cells, broken between words where that is possible."""
    lines, current = [], ""
    for word in text.split(" "):
        before, current = current, f"{current} {word}" if current else word
        if cells(current) <= width:
            continue
        *heads, current = chop_cells(word, width) or [""]
        lines += [before, *heads] if before else heads
    return [*lines, current] if current else lines


def paragraph(text: str, width: int, margin: int = 2, role: Role = "quiet") -> list[Line]:
    """A text in lines of at most some cells, the margin among them."""
    return [line(" " * margin, Span(part, role)) for part in wrapped(text, max(10, width - margin))]


def title(text: str, width: int, key: str = "", note: str = "") -> Line:
    """The rule above a panel, with its name, the key that shows it alone, and a note at its end if there is room."""
    number = (Span(key, "key"), Span(" ")) if key else ()
    head = (*number, Span(text, "strong"), Span(" "))
    rule = width - width_of(head) - (cells(note) + 1 if note else 0)
    if note and rule >= 1:
        return (*head, quiet("─" * rule + " "), Span(note))
    return crop((*head, quiet("─" * max(0, width - width_of(head)))), width)


def plain(lines: Iterable[Line]) -> str:
    """Lines as text."""
    return "\n".join("".join(piece.text for piece in pieces).rstrip() for pieces in lines)
