"""Records of lines that were written since the last time."""

from collections.abc import Iterator
from typing import TypeVar

from fxwatch.records.base import Record
from fxwatch.store.lines import parse_line
from fxwatch.store.tail import Tail

Kind = TypeVar("Kind", bound=Record)


def read_on(tail: Tail, kind: type[Kind]) -> Iterator[tuple[str | None, list[Kind]]]:
    """Piece by piece: why all that was read before is to be forgotten, if it is, and what is new."""
    more = True
    while more:
        piece = tail.read()
        more = piece.more
        yield piece.restarted, [line for raw in piece.lines if (line := parse_line(raw, kind)) is not None]
