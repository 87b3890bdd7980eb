"""What is true of all runs together: the daemon, the files, what was sent; and what is missing where there is none."""

from dataclasses import replace
from pathlib import Path

from fxwatch.store.layout import Store
from fxwatch.store.read import read_status
from fxwatch.tui.read.barred import Barred
from fxwatch.tui.read.deliveries import Deliveries
from fxwatch.tui.read.files import Files
from fxwatch.tui.read.once import Once
from fxwatch.tui.read.runs import Runs
from fxwatch.tui.snapshot import Lack, Snapshot


class AllRuns:
    """Looks at a store, and at the folder that is watched."""

    def __init__(self, store: Store, watched: Path) -> None:
        self._store, self._watched = store, watched
        self._status = Once(store.status, lambda: read_status(store))
        self._runs, self._files, self._deliveries = Runs(store), Files(store), Deliveries(store)
        self._barred = Barred(store)

    def __call__(self, now: float) -> Snapshot:
        """A snapshot in which no run is shown yet."""
        runs = self._runs.news(now)
        seen = Snapshot(
            now=now,
            watched=str(self._watched),
            store=str(self._store.root),
            daemon=self._status(),
            runs=runs,
            files=self._files.news(),
            delivery=self._deliveries.news(runs),
            barred=self._barred.news(self._runs.names, self._runs.barred),
        )
        if runs:
            return seen
        lack = Lack.RIGHTS if seen.barred else _lack_of(self._store, self._watched)
        return replace(seen, lack=lack, empty=_is_empty(self._watched))


def _lack_of(store: Store, watched: Path) -> Lack:
    try:
        if store.exists():
            return Lack.RESULTS
        return Lack.STORE if watched.is_dir() else Lack.FOLDER
    except OSError:
        return Lack.RIGHTS


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
