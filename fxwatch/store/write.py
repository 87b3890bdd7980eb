"""Write results: the analysis first, which commits it; then its line in the history; then the index."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import IO

from fxwatch.records.analysis import Analysis, Explanation
from fxwatch.records.attempt import Attempt, begun
from fxwatch.records.history import HistoryLine, in_order
from fxwatch.records.status import DaemonStatus
from fxwatch.store.atomic import remove_unfinished, sync_folder, write_atomic
from fxwatch.store.layout import AnalysisFolder, Run, Store, StoreError
from fxwatch.store.lines import LineWriter, as_line, mend, read_lines
from fxwatch.store.read import read_analysis
from fxwatch.store.shares import ShareIndex


class RunWriter:
    """Writes the results of one run. What a crash left unfinished is finished when it is made.

    `newest`: the analysis of the run's latest checkpoint; `count`: how many analyses there are; `attempt`: the one that
    the run is in; `words` say what was wrong with the history, where something was. Raises OSError, and StoreError
    where a newer fxwatch has written to it.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        run.folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(run.folder, "**/")
        self._index = ShareIndex(run.shares)
        self.words: str | None = None
        noted = self._read()
        if self._complete(noted):
            noted = self._read()
        self._lines = LineWriter(run.history)
        if not self._index.holds([seq for seq, _ in noted]):
            self._index.rebuild((seq, found) for seq, name in noted if (found := self._readable(name)) is not None)

    def commit(self, analysis: Analysis, beside: Mapping[Path, IO[bytes]] = MappingProxyType({})) -> None:
        """Publish an analysis, after the files that belong to it, by their places. Raises OSError, and then it is to be
        tried again; what was done is not done twice.
        """
        folder = self.run.analysis(analysis.id)
        noted = analysis.id == self._last or (folder.folder.exists() and self._is_noted(analysis.id))
        if not noted or _readable(folder) is None:  # it may have been damaged since, or removed
            folder.folder.mkdir(parents=True, exist_ok=True)
            for place, file in beside.items():
                write_atomic(place, file)
            write_atomic(folder.json, as_json(analysis))
            self._flush_folders()
        if not noted:
            line = HistoryLine.of(analysis, seq=self.count)
            self._lines.append(line)
            self._follow(line)
        self._lines.sync()
        if analysis.id == self._last:
            self._index.append(self.count - 1, analysis)

    def close(self) -> None:
        """Close the history."""
        self._lines.close()

    def _is_noted(self, analysis_id: str) -> bool:
        return any(line.id == analysis_id for line in read_lines(self.run.history, HistoryLine))

    def _flush_folders(self) -> None:
        """Of the analysis, and, of a run's first one, of the run: their entries in the folders above them."""
        sync_folder(self.run.folder)
        if not self.count:
            for above in self.run.folder.parents[: len(Path(self.run.name).parts) + 1]:
                sync_folder(above)

    def _read(self) -> list[tuple[int, str]]:
        """Follow the history from its beginning. Returns the number and the name of each analysis."""
        self.newest: HistoryLine | None = None
        self.attempt: Attempt | None = None
        self.count = 0
        self._last = ""
        noted: list[tuple[int, str]] = []

        def take(line: HistoryLine) -> None:
            noted.append((line.seq, line.id))
            self._follow(line)

        words = mend(self.run.history, HistoryLine, take)
        self.words = self.words or words
        return noted

    def _follow(self, line: HistoryLine) -> None:
        self.newest = in_order([self.newest, line])[-1] if self.newest is not None else line
        self.attempt = begun(line) if self.attempt is None else self.attempt.followed(line)
        self.count += 1
        self._last = line.id

    def _complete(self, noted: list[tuple[int, str]]) -> bool:
        """Make the history anew with analyses that were committed but are not in it, where there are any: each in a
        place that is free, else at the end. Their numbers are those they had before, as W&B knows them by these.
        """
        known = {name for _, name in noted}
        lost = [folder for folder in self.run.analyses() if folder.folder.name not in known]
        found = [one for one in map(_readable, lost) if one is not None]
        if not found and [seq for seq, _ in noted] == list(range(len(noted))):
            return False
        lines = list(read_lines(self.run.history, HistoryLine))
        total = len(lines) + len(found)
        taken = {line.seq for line in lines}
        free = [number for number in range(total + max(taken, default=0)) if number not in taken]
        ordered = sorted(found, key=lambda one: one.created_at)
        placed = [HistoryLine.of(one, seq) for one, seq in zip(ordered, free, strict=False)]
        merged = sorted([*lines, *placed], key=lambda line: line.seq)
        whole = [line.model_copy(update={"seq": number}) for number, line in enumerate(merged)]
        write_atomic(self.run.history, b"".join(map(as_line, whole)))
        return True

    def _readable(self, analysis_id: str) -> Analysis | None:
        return _readable(self.run.analysis(analysis_id))


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
