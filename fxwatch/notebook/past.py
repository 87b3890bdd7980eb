"""What the analyses of a live model leave for the next one: what the store holds for the daemon."""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fxwatch.attribution import Arrays, Context, Previous
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.report.png import LONGEST_HISTORY
from fxwatch.store.shares import shares_of


@dataclass(slots=True)
class Past:
    """The analyses so far. `shares`: those of all units, oldest first; `lines`: their headlines; `probe`: the first
    states, over which rankings are compared.
    """

    last: Analysis | None = None
    arrays: Arrays = field(default_factory=dict)
    probe: States | None = None
    shares: list[NDArray[np.float32]] = field(default_factory=list)
    lines: deque[HistoryLine] = field(default_factory=lambda: deque(maxlen=LONGEST_HISTORY))
    count: int = 0

    def context(self, states: States, settings: AnalysisSettings) -> Context:
        """What is known before these states are analysed. Other features or shapes begin a new past."""
        previous = None
        if self.probe is None or not self.probe.like(states):
            self.probe, self.shares = states, []
        elif self.last is not None and "probe" in self.arrays:
            previous = Previous.of(self.last, self.arrays)
        wanted = settings.dead_min_history - 1
        recent = np.stack(self.shares[-wanted:]) if wanted and self.shares else None
        return Context(None if self.probe.same(states) else self.probe, previous, recent)

    def add(self, analysis: Analysis, arrays: Arrays) -> None:
        """An analysis was made."""
        self.last, self.arrays = analysis, arrays
        if found := shares_of(analysis.units):
            self.shares.append(np.array(found, np.float32))
        self.lines.append(HistoryLine.of(analysis, self.count))
        self.count += 1
