"""Reads the store into snapshots, wherever the user looks."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from fxwatch.records.analysis import Analysis
from fxwatch.store.layout import Store
from fxwatch.tui.place import Intent, Look, Place, Since, Wish
from fxwatch.tui.read.all_runs import AllRuns
from fxwatch.tui.read.analyses import Analyses, png_of
from fxwatch.tui.read.closer import CloserReader, Shown
from fxwatch.tui.read.history import History
from fxwatch.tui.read.training import TrainingReader
from fxwatch.tui.snapshot import Past, RunNews, Snapshot

_AT_ONCE = 0.25
"""Seconds for which a long history is read before what is there is shown."""


class StoreReader:
    """Called with the user's wishes since the last call, it gives what to show now. No file makes it raise.

    It begins with `run`, where there is such a run, else with the worst.
    """

    def __init__(self, store: Store, watched: Path, clock: Callable[[], float], *, run: str | None = None) -> None:
        self._store, self._clock, self._all_runs = store, clock, AllRuns(store, watched)
        self._analyses, self._training = Analyses(), TrainingReader()
        self._closer = CloserReader(store, self._analyses)
        self._place, self._look = Place(run), Look()
        self._pinned: tuple[str, str] | None = None
        self._history: tuple[str, History] | None = None

    def __call__(self, wishes: Sequence[Wish] = ()) -> Snapshot:
        """The snapshot after some wishes."""
        snapshot = self._all_runs(self._clock())
        if not snapshot.runs:
            self._place, self._history = Place(self._place.run), None
            return snapshot
        history, reading = self._move(wishes, snapshot.runs)
        news = next(run for run in snapshot.runs if run.name == self._place.run)
        past, analysis_id = _where(self._place, history, news, reading=reading)
        run = self._store.run(news.name)
        found = self._analyses.get(run, analysis_id)
        shown = Shown(run, analysis_id, found if isinstance(found, Analysis) else None, history, past.number - 1)
        return replace(
            snapshot,
            run=news.name,
            held=self._place.held,
            past=past,
            analysis=found if isinstance(found, Analysis) else None,
            trouble=found if isinstance(found, str) else None,
            png=png_of(run, analysis_id),
            training=self._training(run),
            closer=self._closer(self._look, shown, self._pinned, [run.name for run in snapshot.runs]),
        )

    def _move(self, wishes: Sequence[Wish], runs: Sequence[RunNews]) -> tuple[History, bool]:
        """Move to where the user wishes to look. The history there, and whether it is still being read."""
        names = [run.name for run in runs]
        if self._place.run not in names:
            self._place = Place(names[0])
        history, reading = self._follow(self._place.run or "")
        for wish in wishes:
            if isinstance(wish, Look):
                self._look = wish
            turned = self._place.turned(wish, names)
            if turned.run != self._place.run:
                history, reading = self._follow(turned.run or "")
            beginning = self._beginning(history, wish)
            self._place = turned.moved(wish, history.first, history.count, beginning)
            if wish is Intent.PIN:
                self._pin(history, runs[names.index(self._place.run or "")], reading=reading)
        self._place = self._place.within(history.first, history.count, self._place.index)
        return history, reading

    def _pin(self, history: History, news: RunNews, *, reading: bool) -> None:
        kept = news.name, _where(self._place, history, news, reading=reading)[1]
        self._pinned = None if self._pinned == kept else kept

    def _beginning(self, history: History, wish: Wish) -> int | None:
        """Where the wish leads, if it is one for a beginning."""
        index = history.newest if self._place.index is None else self._place.index
        if wish is Intent.BEGINNING:
            return history.beginning(index)
        if not isinstance(wish, Since):
            return None
        found = self._analyses.get(self._store.run(self._place.run or ""), history.id_of(index) or "")
        findings = found.health.findings if isinstance(found, Analysis) else []
        since = next((one.since_step for one in findings if one.metric == wish.metric), None)
        return history.beginning_of(index, wish.metric, since)

    def _follow(self, name: str) -> tuple[History, bool]:
        if self._history is None or self._history[0] != name:
            self._history = (name, History(self._store.run(name)))
        until = time.monotonic() + _AT_ONCE
        return self._history[1], self._history[1].follow(lambda: time.monotonic() > until)


def _where(place: Place, history: History, news: RunNews, *, reading: bool) -> tuple[Past, str]:
    """The place in the history, and the analysis there: live, the newest, even while older ones are still read."""
    if place.index is not None:
        return history.past(place.index, reading=reading), history.id_of(place.index) or news.latest
    if reading or not history.count:
        return Past(news.analyses, news.analyses, reading=reading), news.latest
    return history.past(history.newest), history.id_of(history.newest) or news.latest
