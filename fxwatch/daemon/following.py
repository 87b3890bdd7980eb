"""The history of a run, line by line as it grows."""

from collections.abc import Iterator

from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run
from fxwatch.store.lines import parse_line
from fxwatch.store.tail import Tail


class Following:
    """Gives each line once."""

    def __init__(self, run: Run) -> None:
        self._tail = Tail(run.history)

    def news(self) -> Iterator[HistoryLine]:
        """Lines that were not given before, oldest first."""
        more = True
        while more:
            piece = self._tail.read()
            more = piece.more
            yield from filter(None, (parse_line(raw, HistoryLine) for raw in piece.lines))
