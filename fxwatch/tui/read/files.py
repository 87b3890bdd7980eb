"""What the newest lines of the ledger say of the files that training writes."""

from collections import deque

from fxwatch.records.ledger import FileState, LedgerLine
from fxwatch.records.times import seconds
from fxwatch.store.layout import Store
from fxwatch.store.tail import Tail
from fxwatch.tui.read.read_on import read_on
from fxwatch.tui.snapshot import FileNews

_BACKLOG = 1 << 20
_MOST_TROUBLES = 20
_MOST_LINES = 2000
_MOST_RUNS = 1000
_TROUBLES: frozenset[FileState] = frozenset({"failed", "incomplete", "refused", "unsupported", "quarantined"})


class Files:
    """Follows the last megabyte of the ledger."""

    def __init__(self, store: Store) -> None:
        self._tail = Tail(store.ledger, backlog=_BACKLOG)
        self._clear()

    def _clear(self) -> None:
        self._news = FileNews()
        self._steps: dict[str, int] = {}
        self._troubles: deque[LedgerLine] = deque(maxlen=_MOST_TROUBLES)
        self._lines: deque[LedgerLine] = deque(maxlen=_MOST_LINES)

    def news(self) -> FileNews:
        """What is known now; the same object while nothing is new."""
        for restarted, lines in read_on(self._tail, LedgerLine):
            if restarted is not None:
                self._clear()
            for line in lines:
                self._take(line)
            if lines:
                at = seconds(lines[-1].at)
                self._news = FileNews(
                    self._news.at if at is None else at,
                    dict(self._steps),
                    tuple(reversed(self._troubles)),
                    tuple(self._lines),
                )
        return self._news

    def _take(self, line: LedgerLine) -> None:
        if line.gone and line.state != "vanished":
            return  # what became of it was said before
        self._lines.append(line)
        known = self._steps.get(line.run)
        if line.step is not None and (known is not None or len(self._steps) < _MOST_RUNS):
            self._steps[line.run] = line.step if known is None else max(known, line.step)
        for old in [trouble for trouble in self._troubles if trouble.path == line.path]:
            self._troubles.remove(old)
        if line.state in _TROUBLES:
            self._troubles.append(line)
