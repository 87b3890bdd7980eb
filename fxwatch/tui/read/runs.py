"""Which runs there are, and the newest line of each."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from fxwatch.records.base import SEVERITY
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import ANALYSIS_ID, Store
from fxwatch.store.read import newest_line
from fxwatch.tui.read.once import Once
from fxwatch.tui.snapshot import RunNews

_DEEPEST = 12
_LOOK_EVERY = 10.0
_REST = 200.0
_SETTLED = 2.0
"""Seconds after which a folder's time of change is trusted to change with the next entry, whatever the file system."""


class Runs:
    """The runs of a store, worst first.

    The histories are looked at every time; the folders are searched every 10 s, or less often where that takes long.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: dict[str, Once[HistoryLine]] = {}
        self._searched: float | None = None
        self._pause = _LOOK_EVERY
        self._folders = Folders()

    @property
    def names(self) -> list[str]:
        """All runs that have a history, whether it can be read or not."""
        return list(self._newest)

    @property
    def barred(self) -> list[tuple[Path, str]]:
        """Folders that cannot be looked into, and why."""
        return list(self._folders.barred.items())

    def news(self, now: float) -> tuple[RunNews, ...]:
        """The newest analysis of every run that has one."""
        if self._searched is None or not self._newest or not 0 <= now - self._searched < self._pause:
            self._search(now)
        found = [(name, newest()) for name, newest in self._newest.items()]
        news = [
            RunNews(name, line.verdict, line.step, line.seq + 1, line.id) for name, line in found if line is not None
        ]
        return tuple(sorted(news, key=lambda run: (-SEVERITY[run.verdict], run.name)))

    def _search(self, now: float) -> None:
        self._searched, begun = now, time.monotonic()
        names = set(run_names(self._store, self._folders))
        self._pause = max(_LOOK_EVERY, _REST * (time.monotonic() - begun))
        self._newest = {name: self._newest.get(name) or self._newest_line(name) for name in sorted(names)}

    def _newest_line(self, name: str) -> Once[HistoryLine]:
        run = self._store.run(name)
        return Once(run.history, lambda: newest_line(run))


class Folders:
    """Which folders are inside which; those of analyses, of which there may be 100,000, are passed over.

    A folder is listed again only when its time of change says that entries came or went.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.barred: dict[Path, str] = {}
        self._known: dict[Path, tuple[int, list[Path]]] = {}

    def within(self, folder: Path) -> list[Path]:
        """The folders right inside one; none where it cannot be read, which is noted."""
        self.barred.pop(folder, None)
        try:
            changed = folder.stat().st_mtime_ns
            known = self._known.get(folder)
            if known is not None and known[0] == changed:
                return known[1]
            with os.scandir(folder) as entries:
                inner = [
                    Path(entry.path)
                    for entry in entries
                    if not ANALYSIS_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self.barred[folder] = error.strerror or str(error)
            return []
        if self._clock() - changed / 1e9 > _SETTLED:
            self._known[folder] = (changed, inner)
        return inner


def run_names(store: Store, folders: Folders) -> Iterator[str]:
    """The runs that have a history."""
    top = store.root / "runs"
    for folder in _below(top, _DEEPEST, folders):
        try:
            has_history = (folder / "history.jsonl").is_file()
        except OSError as error:
            folders.barred[folder] = error.strerror or str(error)
            continue
        if has_history:
            yield folder.relative_to(top).as_posix()


def _below(top: Path, deepest: int, folders: Folders) -> Iterator[Path]:
    for path in folders.within(top):
        yield path
        if deepest:
            yield from _below(path, deepest - 1, folders)
