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
    """The attempt that a run is in: its number, from 1; the `seq` of its first analysis, and when that checkpoint was
    written; and of its furthest checkpoint step and time. Times are ISO 8601 in UTC, and sort as text.
    """

    number: int = 1
    first: int = 0
    began_at: str | None = None
    step: int | None = None
    written_at: str | None = None

    def followed(self, line: HistoryLine) -> "Attempt":
        """The attempt after one more analysis."""
        if line.attempt > self.number:
            return begun(line)
        if line.attempt < self.number or _before(line.written_at, self.began_at):
            return self
        if line.step is None or (self.step is not None and line.step < self.step):
            return self
        return self.model_copy(update={"step": line.step, "written_at": line.written_at})


class Place(NamedTuple):
    """The attempt of a checkpoint, whether it goes on from the analysis before, and why not, in words."""

    number: int
    goes_on: bool
    reason: str = ""


def begun(line: HistoryLine) -> Attempt:
    """The attempt that begins with an analysis."""
    return Attempt(
        number=line.attempt, first=line.seq, began_at=line.written_at, step=line.step, written_at=line.written_at
    )


def place_of(before: Attempt | None, path: str, step: int | None, written_at: str | None) -> Place:
    """To which attempt a checkpoint belongs.

    It begins another one where it was written after the furthest checkpoint and yet its step is less: a new file over
    old ones. Not so a best one, which is often a copy. One written before this attempt began is of an earlier one.
    """
    if before is None:
        return Place(1, goes_on=True)
    if _before(written_at, before.began_at):
        return Place(max(1, before.number - 1), goes_on=False)
    fell = step is not None and before.step is not None and step < before.step
    if fell and _before(before.written_at, written_at) and not _BEST.search(path):
        number = before.number + 1
        words = f"training began anew: its step fell from {before.step:,} to {step:,}; this is attempt {number}"
        return Place(number, goes_on=False, reason=words)
    return Place(before.number, goes_on=True)


def _before(one: str | None, other: str | None) -> bool:
    return one is not None and other is not None and one < other
