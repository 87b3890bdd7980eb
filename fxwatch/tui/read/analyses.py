"""Analyses, opened when they are shown, and the last few of them kept."""

from collections import OrderedDict

from fxwatch.records.analysis import Analysis
from fxwatch.store.layout import NewerError, Run, StoreError
from fxwatch.store.read import read_analysis

_KEPT = 8


class Analyses:
    """The analyses that were looked at last. One that could not be read is tried again the next time."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, str], Analysis] = OrderedDict()

    def get(self, run: Run, analysis_id: str) -> Analysis | str:
        """An analysis, or why it cannot be read."""
        found: Analysis | str | None = self._kept.pop((run.name, analysis_id), None)
        if found is None:
            found = open_analysis(run, analysis_id)
        if isinstance(found, Analysis):
            self._kept[run.name, analysis_id] = found
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found


def open_analysis(run: Run, analysis_id: str) -> Analysis | str:
    """An analysis of a run, or a sentence on why it cannot be read; of a newer fxwatch, that it is newer."""
    path = run.analysis(analysis_id).json
    try:
        return read_analysis(path)
    except NewerError as error:
        return str(error).replace(str(path), "it", 1)
    except StoreError as error:
        return str(error)


def png_of(run: Run, analysis_id: str) -> str | None:
    """The path of an analysis's report, else of the run's newest."""
    try:
        drawn = (path for path in (run.analysis(analysis_id).png, run.png) if path.is_file())
        return next((str(path.absolute()) for path in drawn), None)
    except (OSError, ValueError):
        return None
