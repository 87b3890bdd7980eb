"""Thin out a long run: of old analyses the numbers stay, and heatmaps and pictures go, evenly over the run.

Never those of the first, the newest or the best analysis, or of one with a finding.
"""

from collections.abc import Iterable

from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run


class Thinner:
    """Knows of one run which analyses still have all their files."""

    def __init__(self, run: Run, keep: int) -> None:
        self._run, self._keep = run, keep
        self._whole: dict[int, HistoryLine] = {}
        self._best: HistoryLine | None = None

    def add(self, line: HistoryLine) -> None:
        """An analysis of the run, in the order of completion."""
        self._best = line if self._best is None or _quality(line) > _quality(self._best) else self._best
        if self._run.analysis(line.id).arrays.exists():
            self._whole[line.seq] = line

    def thin(self, below: int) -> int:
        """Remove what is too much, of analyses numbered `below` that; how many it was. Raises OSError."""
        ready = {seq: line for seq, line in self._whole.items() if self._run.analysis(line.id).png.exists()}
        chosen = surplus(ready.values(), self._best, self._keep)
        removed = [line for line in chosen if line.seq < below]
        for line in removed:
            folder = self._run.analysis(line.id)
            folder.png.unlink(missing_ok=True)
            folder.arrays.unlink(missing_ok=True)  # last: without it nobody draws the picture again
            del self._whole[line.seq]
        return len(removed)


def surplus(whole: Iterable[HistoryLine], best: HistoryLine | None, keep: int) -> list[HistoryLine]:
    """Which analyses have to go so that `keep` remain beside those that always do: each time the one with the least
    distance between its neighbours, so that what remains is even.
    """
    kept = sorted(whole, key=lambda line: line.seq)
    always = {line.seq for line in (*kept[:1], *kept[-1:], best) if line is not None}
    always |= {line.seq for line in kept if line.findings}
    gone: list[HistoryLine] = []
    excess = len(kept) - sum(line.seq in always for line in kept) - keep
    while excess > len(gone):
        going = _closest(kept, always, excess - len(gone))
        kept = [line for place, line in enumerate(kept) if place not in going]
        gone += going.values()
    return gone


def _closest(kept: list[HistoryLine], always: set[int], most: int) -> dict[int, HistoryLine]:
    """Of all with the least distance between their neighbours the oldest, no two of which are neighbours."""
    places = [place for place in range(1, len(kept) - 1) if kept[place].seq not in always]
    least = min(kept[place + 1].seq - kept[place - 1].seq for place in places)
    going: dict[int, HistoryLine] = {}
    for place in places:
        if len(going) < most and place - 1 not in going and kept[place + 1].seq - kept[place - 1].seq == least:
            going[place] = kept[place]
    return going


def _quality(line: HistoryLine) -> tuple[int, float]:
    return (
        ["bad", "warn", "unknown", "ok"].index(line.verdict),
        line.consensus if line.consensus is not None else -1.0,
    )
