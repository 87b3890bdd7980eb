"""Reads the store into snapshots, wherever the user looks."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from fxwatch.records.analysis import SCHEMA_VERSION, Analysis
from fxwatch.records.base import Record
from fxwatch.records.status import DaemonStatus
from fxwatch.records.thresholds import Thresholds
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.read import read_analysis
from fxwatch.tui.place import Intent, Place
from fxwatch.tui.read.files import Files
from fxwatch.tui.read.history import History
from fxwatch.tui.read.once import Once
from fxwatch.tui.read.runs import Runs
from fxwatch.tui.snapshot import Lack, Past, RunNews, Snapshot

_KEPT = 8
_AT_ONCE = 0.25


class StoreReader:
    """Called with the user's wishes since the last call, it gives what to show now. No file makes it raise."""

    def __init__(self, store: Store, watched: Path, thresholds: Thresholds, clock: Callable[[], float]) -> None:
        self._store, self._watched, self._thresholds, self._clock = store, watched, thresholds, clock
        self._runs, self._files = Runs(store), Files(store)
        self._status = Once(store.status, _read_status, missing=None)
        self._place = Place()
        self._history: tuple[str, History] | None = None
        self._analyses: OrderedDict[str, Analysis | str] = OrderedDict()

    def __call__(self, intents: Sequence[Intent] = ()) -> Snapshot:
        """The snapshot after some wishes."""
        now = self._clock()
        runs = self._runs.news(now)
        snapshot = Snapshot(
            now=now,
            watched=str(self._watched),
            store=str(self._store.root),
            daemon=self._status(),
            runs=runs,
            files=self._files.news(),
            thresholds=self._thresholds,
        )
        if not runs:
            self._place, self._history = Place(), None
            return replace(snapshot, lack=lack_of(self._store, self._watched), empty=_is_empty(self._watched))
        names = [run.name for run in runs]
        if self._place.run not in names:
            self._place = Place(names[0])
        reading = self._look(intents, names)
        news = next(run for run in runs if run.name == self._place.run)
        past, latest = self._where(news, reading=reading)
        found = self._analysis(self._store.run(news.name), latest)
        return replace(
            snapshot,
            run=news.name,
            held=self._place.held,
            past=past,
            analysis=found if isinstance(found, Analysis) else None,
            trouble=found if isinstance(found, str) else None,
            png=_png(self._store.run(news.name), latest),
        )

    def _look(self, intents: Sequence[Intent], names: Sequence[str]) -> bool:
        """Move to where the user wishes to look; whether the history there is still being read."""
        reading = self._follow()
        for intent in intents:
            turned = self._place.turned(intent, names)
            if turned.run != self._place.run:
                self._place = turned
                reading = self._follow()
            first, count = (self._history[1].first, self._history[1].count) if self._history else (0, 0)
            self._place = self._place.moved(intent, first, count)
        if self._history is not None:
            history = self._history[1]
            self._place = self._place.within(history.first, history.count, self._place.index)
        return reading

    def _follow(self) -> bool:
        name = self._place.run or ""
        if self._history is None or self._history[0] != name:
            self._history = (name, History(self._store.run(name)))
        until = time.monotonic() + _AT_ONCE
        return self._history[1].follow(lambda: time.monotonic() > until)

    def _where(self, news: RunNews, *, reading: bool) -> tuple[Past, str]:
        """The place in the history, and the analysis there: live, the newest, even while older ones are still read."""
        history = self._history[1] if self._history else None
        if history is not None and self._place.index is not None:
            return history.past(self._place.index, reading=reading), history.id_of(self._place.index) or news.latest
        if history is None or reading or not history.count:
            return Past(news.analyses, news.analyses, reading=reading), news.latest
        return history.past(history.count - 1), history.id_of(history.count - 1) or news.latest

    def _analysis(self, run: Run, analysis_id: str) -> Analysis | str:
        """An analysis, or why it cannot be read. One that could not be read is tried again the next time."""
        key = f"{run.name}/{analysis_id}"
        found = self._analyses.pop(key, None)
        if not isinstance(found, Analysis):
            found = open_analysis(run, analysis_id)
        self._analyses[key] = found
        while len(self._analyses) > _KEPT:
            self._analyses.popitem(last=False)
        return found


def _png(run: Run, analysis_id: str) -> str | None:
    """The report of an analysis, else the run's newest."""
    try:
        drawn = (path for path in (run.analysis(analysis_id).png, run.png) if path.is_file())
        return next((str(path.absolute()) for path in drawn), None)
    except OSError:
        return None


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
