"""Where the user looks: at which run, and at which analysis of it. One cursor for all panels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Intent(StrEnum):
    """A wish to look elsewhere; `pin` keeps what is shown as the one to compare with, or lets go of it."""

    OLDER = "older"
    NEWER = "newer"
    MUCH_OLDER = "much_older"
    MUCH_NEWER = "much_newer"
    OLDEST = "oldest"
    LIVE = "live"
    BEGINNING = "beginning"
    NEXT_RUN = "next_run"
    PREVIOUS_RUN = "previous_run"
    PIN = "pin"


@dataclass(frozen=True, slots=True)
class Look:
    """What is in front: a subject, and what of it: a branch and a feature, a layer and a head, or a metric."""

    subject: str = "overview"
    item: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Visit:
    """A wish to look at a run."""

    run: str


@dataclass(frozen=True, slots=True)
class Since:
    """A wish to look at the analysis at which the finding of a metric began."""

    metric: str


Wish = Intent | Look | Visit | Since

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

    def turned(self, wish: Wish, runs: Sequence[str]) -> "Place":
        """The next or the previous run, or the one that is named, live; other wishes change nothing here."""
        if isinstance(wish, Visit):
            return Place(wish.run) if wish.run in runs and wish.run != self.run else self
        if wish not in {Intent.NEXT_RUN, Intent.PREVIOUS_RUN} or len(runs) < 2:
            return self
        at = runs.index(self.run) if self.run in runs else 0
        stride = 1 if wish is Intent.NEXT_RUN else -1
        return Place(runs[(at + stride) % len(runs)])

    def moved(self, wish: Wish, first: int, count: int, beginning: int | None = None) -> "Place":
        """Along the history of the run, of which the analyses `first` to `count` - 1 are remembered.

        `beginning` is where a finding of the shown analysis began. Whoever moves to the newest is live again.
        """
        if wish is Intent.LIVE or not count:
            return replace(self, index=None)
        if wish is Intent.OLDEST:
            return self.within(first, count, first)
        if (wish is Intent.BEGINNING or isinstance(wish, Since)) and beginning is not None:
            return self.within(first, count, beginning)
        if not isinstance(wish, Intent) or wish not in _STRIDES:
            return self
        here = count - 1 if self.index is None else self.index
        return self.within(first, count, here + _STRIDES[wish])

    def within(self, first: int, count: int, index: int | None) -> "Place":
        """At an analysis that there is."""
        there = None if index is None else max(index, first)
        return replace(self, index=None if there is None or there >= count - 1 else there)
