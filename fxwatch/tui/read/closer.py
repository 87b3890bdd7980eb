"""What one subject alone shows, read while it is in front and no longer."""

import time
from collections.abc import Sequence
from typing import NamedTuple

from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HEADLINES
from fxwatch.store.layout import Run, Store
from fxwatch.tui.place import Look
from fxwatch.tui.read.analyses import Analyses
from fxwatch.tui.read.history import History
from fxwatch.tui.read.inside import feature_news, feature_trends, head_news
from fxwatch.tui.snapshot import Closer

_AT_ONCE = 0.02
"""Seconds for which histories of other runs are read before a key is answered."""
_POINTS = 240
_BETWEEN = 1.0
"""Seconds between two drawings while they are read: each is sent over the line."""


class Shown(NamedTuple):
    """The analysis that is shown, and its place in the history of its run."""

    run: Run
    id: str
    analysis: Analysis | None
    history: History
    place: int


class CloserReader:
    """Remembers the histories of all runs from the first time that they are asked for."""

    def __init__(self, store: Store, analyses: Analyses) -> None:
        self._store, self._analyses = store, analyses
        self._histories: dict[str, History] = {}
        self._last: tuple[object, Closer] | None = None
        self._drawn: tuple[float, Closer] = (-_BETWEEN, Closer())

    def __call__(self, look: Look, shown: Shown, pinned: tuple[str, str] | None, runs: Sequence[str]) -> Closer:
        """What the subject in front shows beside the snapshot."""
        if look.subject == "runs":
            return self._curves(look, runs)
        key = (look, shown.run.name, shown.id, shown.history.count, pinned)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._read(look, shown, pinned))
        return self._last[1]

    def _read(self, look: Look, shown: Shown, pinned: tuple[str, str] | None) -> Closer:
        if shown.analysis is None:
            return Closer()
        if look.subject == "features":
            return Closer(trends=feature_trends(shown.run, shown.analysis, shown.place))
        if look.subject == "feature" and len(look.item) == 2:
            branch, feature = look.item
            return Closer(
                feature=feature_news(shown.run, shown.analysis, shown.place, branch, feature, shown.history.step_of)
            )
        if look.subject == "head" and len(look.item) == 2 and look.item[1].isdecimal():
            return Closer(head=head_news(shown.run, shown.id, look.item[0], int(look.item[1])))
        return self._against(shown, pinned) if look.subject == "compare" else Closer()

    def _against(self, shown: Shown, pinned: tuple[str, str] | None) -> Closer:
        """The analysis that was pinned, else the one before."""
        before = shown.history.id_of(shown.place - 1)
        if pinned is None and before is None:
            return Closer(trouble="there is no analysis before this one")
        run, analysis_id = pinned or (shown.run.name, before or "")
        found = self._analyses.get(self._store.run(run), analysis_id)
        if isinstance(found, str):
            return Closer(trouble=found, pinned=pinned is not None)
        return Closer(against=found, pinned=pinned is not None)

    def _curves(self, look: Look, runs: Sequence[str]) -> Closer:
        until, reading = time.monotonic() + _AT_ONCE, False
        for name in runs:
            history = self._histories.setdefault(name, History(self._store.run(name)))
            reading = history.follow(lambda: time.monotonic() > until) or reading
        metric = next((name for name in look.item if self._knows(name)), HEADLINES[0])
        at, drawn = self._drawn
        if reading and drawn.metric == metric and time.monotonic() - at < _BETWEEN:
            return drawn
        curves = {name: self._histories[name].points(metric, _POINTS) for name in runs}
        self._drawn = (time.monotonic(), Closer(metric=metric, curves=curves, reading=reading))
        return self._drawn[1]

    def _knows(self, metric: str) -> bool:
        """Whether it is a number of the history, or a branch of any run."""
        return metric in HEADLINES or any(metric in history.branches for history in self._histories.values())
