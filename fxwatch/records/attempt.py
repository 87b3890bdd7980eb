"""How often training of a run began from the beginning, in one folder: what came before must not be mixed with what
comes after.
"""

import re
from typing import NamedTuple

from fxwatch.records.base import Record
from fxwatch.records.history import HistoryLine

_BEST = re.compile(r"(^|/)best", re.IGNORECASE)
"""A copy of an earlier checkpoint, written when it was found to be the best one so far, or kept."""


class Attempt(Record):
    """The attempt that a run is in: its number, from 1; the step of its furthest checkpoint, and when that was written;
    and when the furthest of the attempt before it was. Times are ISO 8601 in UTC, and sort as text.
    """

    number: int = 1
    step: int | None = None
    written_at: str | None = None
    ended_at: str | None = None

    def followed(self, line: HistoryLine) -> "Attempt":
        """The attempt after one more analysis."""
        if line.attempt > self.number:
            return begun(line, ended_at=self.written_at)
        if line.attempt < self.number or line.step is None or (self.step is not None and line.step < self.step):
            return self
        return self.model_copy(update={"step": line.step, "written_at": line.written_at})


class Place(NamedTuple):
    """The attempt of a checkpoint; whether it is one that has ended; and, where it begins one, why, in words."""

    number: int
    ended: bool = False
    reason: str = ""


def begun(line: HistoryLine, ended_at: str | None = None) -> Attempt:
    """The attempt that begins with an analysis."""
    return Attempt(number=line.attempt, step=line.step, written_at=line.written_at, ended_at=ended_at)


def attempt_of(before: Attempt | None, path: str, step: int | None, written_at: str | None) -> Place:
    """To which attempt a checkpoint belongs.

    It begins another one where it was written after the furthest checkpoint and yet its step is less: a new file over
    old ones. Not so a best one, which is often a copy. One written before the attempt before had ended is of that.
    """
    if before is None:
        return Place(1)
    if before.number > 1 and written_at is not None and before.ended_at is not None and written_at <= before.ended_at:
        return Place(before.number - 1, ended=True)
    fell = step is not None and before.step is not None and step < before.step
    if fell and _before(before.written_at, written_at) and not _BEST.search(path):
        number = before.number + 1
        words = f"training began anew: its step fell from {before.step:,} to {step:,}; this is attempt {number}"
        return Place(number, reason=words)
    return Place(before.number)


def _before(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one < other
