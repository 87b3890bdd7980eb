"""What the recorder writes beside training, carried into the store while it is written."""

import os
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fxwatch.records.ledger import FileKind
from fxwatch.records.recorded import NAME, Read, read_recorded
from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import TrainingLine, troubles
from fxwatch.store.layout import Store
from fxwatch.store.tail import Tail
from fxwatch.store.training import TrainingWriter
from fxwatch.watch import run_of
from fxwatch.watch.runs import DEFAULT_RUN

EVERY = 5.0
_AT_ONCE = 1 << 22
_LONGEST = 1 << 22
Say = Callable[[str], None]
Limits = Callable[[str], GradientLimits]


class Recordings:
    """Of all runs. A recording lies in the folder of a run, or beside a dump; one that has not changed since it was
    carried, as that of a run that is finished, is not opened.
    """

    def __init__(self, store: Store, watched: Path, limits: Limits, say: Say) -> None:
        self._store, self._watched, self._limits, self._say = store, watched, limits, say
        self._recordings: dict[str, _Recording] = {}
        self._writers: dict[str, TrainingWriter] = {}
        self._told: dict[str, dict[str, int]] = {}
        self._next = 0.0

    def seen(self, path: str, kind: FileKind) -> None:
        """A checkpoint or a dump, relative to the watched folder."""
        run = run_of(path)
        self.of_run(run)
        if kind == "states":
            self._follow(run, str(PurePosixPath(path).parent))

    def of_run(self, run: str) -> None:
        """A run, of which there may be no file any more."""
        self._follow(run, "." if run == DEFAULT_RUN else run)

    def look(self, now: float) -> bool:
        """Carry what is new, if it is time to look; whether more is left. Raises OSError where it cannot be written."""
        if now < self._next:
            return False
        self._next = now + EVERY
        for recording in self._recordings.values():
            if found := recording.read():
                self._carry(recording, found)
        return any(recording.behind for recording in self._recordings.values())

    def finish(self) -> None:
        """Carry all that is left. Raises OSError where it cannot be written."""
        while self.look(self._next):
            pass

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers.values():
            writer.close()

    def _follow(self, run: str, folder: str) -> None:
        if folder not in self._recordings:
            carried = _time_of(self._store.run(run).training)
            self._recordings[folder] = _Recording(run, self._watched / folder / NAME, carried)

    def _carry(self, recording: "_Recording", found: list[Read]) -> None:
        run = recording.run
        if run not in self._writers:
            target = self._store.run(run)
            target.folder.mkdir(parents=True, exist_ok=True)
            self._writers[run] = TrainingWriter(target)
        try:
            new = self._writers[run].carry(found, recording.as_of_ns)
        except OSError:
            self._writers.pop(run).close()  # what is in the file then is read anew
            raise
        recording.carried()
        if new:
            self._tell(run, new[-1])

    def _tell(self, run: str, line: TrainingLine) -> None:
        """Say aloud which layers have come into trouble, and when none is any more."""
        found = troubles(line, self._limits(run))
        kinds: dict[str, int] = {kind: len(layers) for kind, layers in found.items()}
        if kinds == self._told.get(run, {}):
            return
        self._told[run] = kinds
        words = "; ".join(f"{kind} in {', '.join(layers[:3])}" for kind, layers in found.items())
        step = line.step if line.step is not None else line.optimizer_step
        state = f"is not well: {words}" if words else "is well again"
        self._say(f"at step {step} of run {run} the gradient of training itself {state}")


class _Recording:
    """One recorder's file. `carried_ns`: its time of change when all of it was carried, in an earlier life."""

    def __init__(self, run: str, file: Path, carried_ns: int | None) -> None:
        self.run, self.behind = run, False
        self.as_of_ns = 0
        self._file, self._carried_ns = file, carried_ns
        self._tail = Tail(file, longest=_LONGEST)
        self._place = 0
        self._done: tuple[int, int] | None = None
        self._read: list[Read] = []

    def read(self) -> list[Read]:
        """What is to be carried: what could not be the last time, else what is new, a few megabytes at most."""
        now = self._changed()
        if self._read or now is None:
            return self._read
        size, self.behind = 0, True
        while self.behind and size < _AT_ONCE:
            piece = self._tail.read()
            self.behind = piece.more
            self._place = 0 if piece.restarted is not None else self._place
            for raw in piece.lines:
                self._place += 1
                size += len(raw)
                if (found := read_recorded(raw, self._place)) is not None:
                    self._read.append(found)
        self._done = None if self.behind else now
        self.as_of_ns = 0 if self.behind else now[1]
        return self._read

    def carried(self) -> None:
        """What was read is in the store."""
        self._read = []

    def _changed(self) -> tuple[int, int] | None:
        """Size and time of change of the file, where they are not those that it had when all of it was read."""
        try:
            status = os.lstat(self._file)
        except OSError:
            return None
        now = status.st_size, status.st_mtime_ns
        if not stat.S_ISREG(status.st_mode) or now == self._done:
            return None
        if self._place == 0 and status.st_mtime_ns == self._carried_ns:
            self._done = now
            return None
        return now


def _time_of(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
