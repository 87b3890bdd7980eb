"""Write results: the analysis first, which commits it; then its line in the history; then the index."""

import json

from fxwatch.records.analysis import Analysis, Explanation
from fxwatch.records.attempt import Attempt, begun
from fxwatch.records.history import HistoryLine
from fxwatch.records.status import DaemonStatus
from fxwatch.store.atomic import TEMPORARY_PREFIX, write_atomic
from fxwatch.store.layout import AnalysisFolder, Run, Store, StoreError
from fxwatch.store.lines import LineWriter
from fxwatch.store.read import read_analysis, read_history
from fxwatch.store.shares import ShareIndex


class RunWriter:
    """Writes the results of one run. What a crash left unfinished is finished when it is made."""

    def __init__(self, run: Run) -> None:
        self.run = run
        run.folder.mkdir(parents=True, exist_ok=True)
        for stale in run.folder.rglob(f"{TEMPORARY_PREFIX}*.tmp"):
            stale.unlink(missing_ok=True)
        self.history = read_history(run)
        self.attempt: Attempt | None = None
        for line in self.history:
            self._follow(line)
        self._lines = LineWriter(run.history)
        self._index = ShareIndex(run.shares)
        self._recover()

    def commit(self, analysis: Analysis) -> HistoryLine:
        """Publish an analysis. Raises OSError, and then nothing happened."""
        if self.history and self.history[-1].id == analysis.id:  # a second try, after the disk was full
            return self.history[-1]
        path = self.run.analysis(analysis.id).json
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, as_json(analysis))
        return self._note(analysis)

    def close(self) -> None:
        """Close the history."""
        self._lines.close()

    def _note(self, analysis: Analysis) -> HistoryLine:
        line = HistoryLine.of(analysis, seq=self.history[-1].seq + 1 if self.history else 0)
        self._lines.append(line)
        self.history.append(line)
        self._follow(line)
        self._index.append(line.seq, analysis)
        return line

    def _follow(self, line: HistoryLine) -> None:
        self.attempt = begun(line) if self.attempt is None else self.attempt.followed(line)

    def _recover(self) -> None:
        """Add analyses that were committed but not noted, and rows of the index that are missing."""
        noted = {line.id for line in self.history}
        lost = [folder for folder in self.run.analyses() if folder.folder.name not in noted]
        for analysis in sorted(map(_readable, lost), key=lambda found: found.created_at if found else ""):
            if analysis is not None:
                self._note(analysis)
        if self.history and self._index_is_behind():
            numbered = ((line.seq, _readable(self.run.analysis(line.id))) for line in self.history)
            self._index.rebuild((seq, analysis) for seq, analysis in numbered if analysis is not None)

    def _index_is_behind(self) -> bool:
        try:
            newest = self._index.newest()
        except (ValueError, OSError):
            return True
        return newest is None or newest < self.history[-1].seq


def as_json(analysis: Analysis) -> bytes:
    """An analysis as it stands in analysis.json: its origin first, and in ASCII, as names may hold anything."""
    data = analysis.model_dump(mode="json")
    first = [name for name in Analysis.model_fields if name not in Explanation.model_fields]
    ordered = {name: data[name] for name in dict.fromkeys([*first, *data])}
    return json.dumps(ordered, indent=1, allow_nan=False).encode("ascii") + b"\n"


def write_status(store: Store, status: DaemonStatus) -> None:
    """Replace the heartbeat. Raises OSError."""
    write_atomic(store.status, status.model_dump_json(indent=1).encode() + b"\n")


def _readable(folder: AnalysisFolder) -> Analysis | None:
    try:
        return read_analysis(folder.json)
    except StoreError:
        return None
