"""A run as a whole: analyses evenly over it, and what each of its features was worth at them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run
from fxwatch.store.lines import spread_lines
from fxwatch.store.shares import ShareIndex, shares_of

MOST_ANALYSES = 300


class Past(NamedTuple):
    """A run up to its newest analysis: `lines` of analyses, oldest first, at most `MOST_ANALYSES` of all that there
    were, and at each of them the `shares` of the `units` of today, (analyses, units); NaN where it had no such unit.
    """

    analysis: Analysis
    lines: list[HistoryLine]
    units: list[tuple[str, str]]
    shares: NDArray[np.float64]

    @property
    def analyses(self) -> int:
        """How many analyses the run has."""
        return self.lines[-1].seq + 1


def read_past(run: Run, newest: Analysis) -> Past:
    """The run behind its newest analysis. A long one takes no more time than a short one."""
    lines = spread_lines(run.history, HistoryLine, MOST_ANALYSES)
    ids = [line.id for line in lines]
    if newest.id in ids:  # behind it may be what came meanwhile
        lines = lines[: ids.index(newest.id) + 1]
    else:  # not noted yet
        lines.append(HistoryLine.of(newest, lines[-1].seq + 1 if lines else 0))
    return past_of(newest, lines, _shares(run, newest, [line.seq for line in lines]))


def past_of(newest: Analysis, lines: list[HistoryLine], shares: NDArray[np.float64]) -> Past:
    """A past of which the last row of shares is that of the newest analysis itself."""
    layout = newest.layout
    if shares.size:
        shares[-1] = shares_of(newest.units)
    return Past(newest, lines, [(branch, name) for branch, names in layout.items() for name in names], shares)


def _shares(run: Run, newest: Analysis, seqs: list[int]) -> NDArray[np.float64]:
    layout = newest.layout
    try:
        return ShareIndex(run.shares).at(layout, seqs)
    except (OSError, ValueError):  # damaged: the daemon makes it anew at its next start
        return np.full((len(seqs), sum(map(len, layout.values()))), np.nan)
