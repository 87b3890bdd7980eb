"""Which reports are still to be drawn."""

from collections.abc import Iterable

from fxwatch.daemon.jobs import DrawJob
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Store
from fxwatch.store.lines import read_lines
from fxwatch.store.write import RunWriter


class Drawings:
    """Reports to draw, the newest analysis first; of each run the newest one becomes the run's own page.

    Begins with the analyses whose report an earlier daemon did not come to draw.
    """

    def __init__(self, store: Store, runs: Iterable[RunWriter]) -> None:
        self._store = store
        self._waiting: list[tuple[str, str]] = []
        self._newest: dict[str, str] = {}
        for writer in runs:
            if writer.newest is not None:
                self._newest[writer.run.name] = writer.newest.id
            for analysis in [entry.id for entry in read_lines(writer.run.history, HistoryLine)]:
                folder = writer.run.analysis(analysis)
                if folder.json.exists() and folder.arrays.exists() and not folder.png.exists():
                    self._waiting.append((writer.run.name, analysis))

    def __len__(self) -> int:
        """How many are waiting."""
        return len(self._waiting)

    def add(self, run: str, analysis: str, newest: str) -> None:
        """A new analysis, and the newest of its run."""
        self._waiting.append((run, analysis))
        self._newest[run] = newest

    def take(self) -> DrawJob | None:
        """The next to draw, if any."""
        return self._job(*self._waiting.pop()) if self._waiting else None

    def take_pages(self, most: int) -> list[DrawJob]:
        """What to draw before the end: of the newest analyses of each run, as many."""
        pages = [one for one in reversed(self._waiting) if self._newest[one[0]] == one[1]][:most]
        self._waiting = [one for one in self._waiting if one not in pages]
        return [self._job(*one) for one in pages]

    def _job(self, run: str, analysis: str) -> DrawJob:
        return DrawJob(
            store=str(self._store.root),
            run=run,
            analysis=analysis,
            newest=self._newest[run] == analysis,
        )
