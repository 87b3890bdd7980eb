"""Where the user looks: at which run, and at which analysis of it. One cursor for all panels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Intent(StrEnum):
    """A wish to look elsewhere."""

    OLDER = "older"
    NEWER = "newer"
    MUCH_OLDER = "much_older"
    MUCH_NEWER = "much_newer"
    OLDEST = "oldest"
    LIVE = "live"
    NEXT_RUN = "next_run"
    PREVIOUS_RUN = "previous_run"


_STRIDES = {Intent.OLDER: -1, Intent.NEWER: 1, Intent.MUCH_OLDER: -10, Intent.MUCH_NEWER: 10}


@dataclass(frozen=True, slots=True)
class Place:
    """`index` counts the analyses of the run from 0; None is live: always the newest."""

    run: str | None = None
    index: int | None = None

    @property
    def held(self) -> bool:
        """Whether it stays where it is when new analyses come."""
        return self.index is not None

    def turned(self, intent: Intent, runs: Sequence[str]) -> "Place":
        """The next or the previous run, live; other wishes change nothing here."""
        if intent not in {Intent.NEXT_RUN, Intent.PREVIOUS_RUN} or len(runs) < 2:
            return self
        at = runs.index(self.run) if self.run in runs else 0
        stride = 1 if intent is Intent.NEXT_RUN else -1
        return Place(runs[(at + stride) % len(runs)])

    def moved(self, intent: Intent, first: int, count: int) -> "Place":
        """Along the history of the run, of which the analyses `first` to `count` - 1 are remembered.

        Whoever moves to the newest is live again.
        """
        if intent is Intent.LIVE or not count:
            return replace(self, index=None)
        if intent is Intent.OLDEST:
            return self.within(first, count, first)
        if intent not in _STRIDES:
            return self
        here = count - 1 if self.index is None else self.index
        return self.within(first, count, here + _STRIDES[intent])

    def within(self, first: int, count: int, index: int | None) -> "Place":
        """At an analysis that there is."""
        there = None if index is None else max(index, first)
        return replace(self, index=None if there is None or there >= count - 1 else there)
