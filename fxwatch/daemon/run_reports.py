"""When the report on a run as a whole is due, by `[report] every`."""

import math
import time
from collections.abc import Mapping
from typing import NamedTuple

from fxwatch.config import ReportSettings
from fxwatch.daemon.jobs import ReportJob
from fxwatch.records.times import seconds
from fxwatch.store.layout import Run, Store
from fxwatch.store.read import read_history
from fxwatch.store.write import RunWriter


class _Made(NamedTuple):
    """The newest report of a run: of so many analyses, at a time in monotonic seconds."""

    analyses: int
    at: float


class RunReports:
    """Which reports are due. What an earlier daemon has made is known by the age of its file."""

    def __init__(self, store: Store, settings: ReportSettings) -> None:
        self._store, self._settings = store, settings
        self._made: dict[str, _Made] = {}

    def take(self, runs: Mapping[str, RunWriter], now: float) -> ReportJob | None:
        """The next that is due, if any; it counts as made. `now`: monotonic seconds."""
        for name, writer in runs.items():
            if writer.count and self._due(writer, now):
                self._made[name] = _Made(writer.count, now)
                return ReportJob(store=str(self._store.root), run=name)
        return None

    def _due(self, writer: RunWriter, now: float) -> bool:
        if writer.run.name not in self._made:
            self._made[writer.run.name] = _found(writer.run, now)
        made = self._made[writer.run.name]
        news = writer.count - made.analyses
        if self._settings.seconds is not None:
            return news > 0 and now - made.at >= self._settings.seconds
        return bool(self._settings.analyses) and news >= (self._settings.analyses or 0)


def _found(run: Run, now: float) -> _Made:
    """Without a report it is as if one had been made with the first analysis. One of a time that is to come, as the
    clock was set back since, tells nothing, and is made anew.
    """
    history = read_history(run)
    try:
        at = run.html.stat().st_mtime
        analyses = sum((seconds(line.created_at) or 0.0) <= at for line in history)
    except OSError:
        at, analyses = seconds(history[0].created_at) or 0.0, 0
    age = time.time() - at
    return _Made(analyses, now - age) if age >= 0 else _Made(0, -math.inf)
