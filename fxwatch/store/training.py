"""A run's training.jsonl: what the recorder wrote beside training, carried here line by line, and bounded."""

import functools
import os
from collections.abc import Sequence

from fxwatch.records.recorded import Read
from fxwatch.records.times import seconds
from fxwatch.records.training import TrainingLine, begins_anew, newest_attempt, thinned
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import Run
from fxwatch.store.lines import LineWriter, as_line, mend, read_lines

MOST_LINES = 1000
MOST_BYTES = 4_000_000
"""Beyond either, neighbours are merged until it is half of that."""


def read_training(run: Run) -> list[TrainingLine]:
    """What is known of the newest attempt of a run's training, in the order of its steps; empty where nothing is."""
    return newest_attempt(_known(run))


def training_at(run: Run, instant: str) -> TrainingLine | None:
    """The newest line of a run that was measured by an instant (ISO 8601); None where there is none."""
    until = seconds(instant)
    return None if until is None else next((line for line in reversed(_known(run)) if line.at <= until), None)


def _known(run: Run) -> list[TrainingLine]:
    """All lines of a run's file, read again only when it has changed."""
    try:
        found = run.training.stat()
    except OSError:
        return []
    return _read(run, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=2)
def _read(run: Run, _inode: int, _size: int, _mtime_ns: int) -> list[TrainingLine]:
    return list(read_lines(run.training, TrainingLine))


class TrainingWriter:
    """Carries the lines of one run's recorder, each once, whatever is read twice."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._numbers: dict[str, int] = {}
        self._attempts: dict[str, int] = {}
        self._furthest: TrainingLine | None = None
        self._count = 0
        mend(run.training, TrainingLine, self._take)
        self._lines = LineWriter(run.training)

    def carry(self, found: Sequence[Read], as_of_ns: int) -> list[TrainingLine]:
        """Append what is new of some lines, and note of when the recorder's file was (its time of change, in ns).

        Returns what was new. Raises OSError, and then another writer is to be made.
        """
        new = [self._dated(read.line) for read in found if read.line is not None and self._is_new(read.line)]
        self._lines.append(*new)
        self._lines.sync()
        if self._count > MOST_LINES or self._run.training.stat().st_size > MOST_BYTES:
            self._thin()
        os.utime(self._run.training, ns=(as_of_ns, as_of_ns))
        return new

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _is_new(self, line: TrainingLine) -> bool:
        return line.number > self._numbers.get(line.session, -1)

    def _dated(self, line: TrainingLine) -> TrainingLine:
        """The line with its attempt: another than before where its recorder began with training from its beginning."""
        if line.session not in self._attempts:
            before = self._furthest
            number = 1 if before is None else before.attempt + begins_anew(line, before)
            self._attempts[line.session] = number
        dated = line.model_copy(update={"attempt": self._attempts[line.session]})
        self._take(dated)
        return dated

    def _take(self, line: TrainingLine) -> None:
        self._count += 1
        self._numbers[line.session] = max(line.number, self._numbers.get(line.session, -1))
        self._attempts[line.session] = line.attempt
        before = self._furthest
        if before is None or (line.attempt, line.step or 0, line.optimizer_step) >= (
            before.attempt,
            before.step or 0,
            before.optimizer_step,
        ):
            self._furthest = line

    def _thin(self) -> None:
        kept = list(read_lines(self._run.training, TrainingLine))
        data = [as_line(line) for line in kept]
        while len(data) > MOST_LINES // 2 or sum(map(len, data)) > MOST_BYTES // 2:
            fewer = thinned(kept)
            if len(fewer) == len(kept):  # of each recorder there is but one line: the oldest go
                fewer = kept[len(kept) // 2 :] if len(kept) > 1 else []
            kept = fewer
            data = [as_line(line) for line in kept]
        self._lines.close()
        write_atomic(self._run.training, b"".join(data))
        self._lines = LineWriter(self._run.training)
        self._count = len(kept)
