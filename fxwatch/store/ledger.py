"""The ledger: every file seen and what became of it, appended to by the daemon, and read again when it starts."""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.records.ledger import FileKind, FileState, Generation, LedgerLine
from fxwatch.store.atomic import remove_unfinished, write_atomic
from fxwatch.store.lines import LineWriter, as_line, mend, parse_line

COMPACT_FROM = 8 * 1024 * 1024
COMPACT_LINES_A_PATH = 4
_PATH = re.compile(rb'"path":("(?:[^"\\]|\\.)*")')
_GONE = re.compile(rb',"gone":[1-9]')


@dataclass(frozen=True, slots=True)
class Entry:
    """What the newest line of a path says, in as little memory as may be: there is one for every file that is there."""

    path: str
    state: FileState
    reason: str
    kind: FileKind
    run: str
    generation: Generation | None
    step: int | None
    recipe: str | None
    analysis: str | None
    number: int | None


class Ledger:
    """The ledger of a store, and what the newest line of every path says, until its file is gone and all is said of it.

    Of files that are gone only their number is kept, by state: a trainer that rotates its files makes millions, and
    whether a content was analysed before is for the results to say. `words` say what was wrong with the file, where
    something was. A file of many more lines than are needed is made anew. Raises OSError, and StoreError where a newer
    fxwatch has written to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, Entry] = {}
        self._counts: Counter[FileState] = Counter()
        self._checkpoints: Counter[str] = Counter()
        self._seq = self._lines = self._needed = 0
        remove_unfinished(path.parent, "")
        self.words = mend(path, LedgerLine, self._take)
        self._writer = LineWriter(path)

    def note(
        self,
        path: str,
        state: FileState,
        reason: str = "",
        *,
        kind: FileKind,
        run: str,
        generation: Generation | None = None,
        sha256: str | None = None,
        step: int | None = None,
        recipe: str | None = None,
        analysis: str | None = None,
        number: int | None = None,
        gone: bool = False,
    ) -> None:
        """Append a line, unless it says nothing that the path's newest line does not. Raises OSError.

        `gone`: the file is there no longer, and this is the last that is said of it: it is forgotten.
        """
        before = self._newest.get(path)
        if before is not None and before.generation == generation:
            same = (before.state, before.reason, before.analysis) == (state, reason, analysis)
            if not gone and (state == "seen" or (same and before.recipe == recipe)):
                return
            number = before.number if number is None else number
        self._compact_where_due()
        line = LedgerLine(
            seq=self._seq,
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
            path=path,
            state=state,
            reason=reason,
            kind=kind,
            run=run,
            generation=generation,
            sha256=sha256,
            step=step,
            recipe=recipe,
            analysis=analysis,
            number=number,
            gone=int(gone),
        )
        self._writer.append(line)
        self._take(line)

    def forget(self, path: str) -> None:
        """A file is gone, and what became of it stands. Raises OSError."""
        one = self._newest[path]
        self.note(
            path,
            one.state,
            one.reason,
            kind=one.kind,
            run=one.run,
            generation=one.generation,
            step=one.step,
            recipe=one.recipe,
            analysis=one.analysis,
            gone=True,
        )

    def sync(self) -> None:
        """Flush what was noted to disk. Raises OSError."""
        self._writer.sync()

    def newest(self) -> Iterator[Entry]:
        """What the newest line of every path says that is not forgotten."""
        return iter(list(self._newest.values()))

    def counts(self) -> dict[FileState, int]:
        """How many files are in each state, or were when they went; one that was gone and comes back counts anew."""
        return {state: count for state, count in self._counts.items() if count}

    def get(self, path: str) -> Entry | None:
        """What the newest line of a path says; None also where it is forgotten."""
        return self._newest.get(path)

    def runs(self) -> list[str]:
        """Runs of which a checkpoint was ever ready or skipped."""
        return list(self._checkpoints)

    def checkpoints(self, run: str) -> int:
        """How many checkpoints of a run were ever ready or skipped; a file that is overwritten counts anew."""
        return self._checkpoints[run]

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _take(self, line: LedgerLine) -> None:
        before = self._newest.pop(line.path, None)
        if before is not None:
            self._counts[before.state] -= 1
        self._counts[line.state] += line.gone or 1
        if not line.gone:
            self._newest[line.path] = _entry(line, before)
        self._seq = line.seq + 1
        self._lines += 1
        if line.number is not None:
            self._checkpoints[line.run] = max(self._checkpoints[line.run], line.number + 1)
        elif not line.gone and line.kind == "checkpoint" and line.state in {"ready", "skipped"}:  # an older fxwatch's
            self._checkpoints[line.run] += 1

    def _compact_where_due(self) -> None:
        """Keep but what is needed, where most lines are of the past. Raises OSError."""
        needed = max(len(self._newest), self._needed)
        if self._lines < COMPACT_LINES_A_PATH * needed or self._path.stat().st_size < COMPACT_FROM:
            return
        with self._path.open("rb") as file:
            kept = _needed(file)
        write_atomic(self._path, b"".join(kept))
        self._writer.close()
        self._writer = LineWriter(self._path)
        self._lines = self._needed = len(kept)


def _entry(line: LedgerLine, before: Entry | None) -> Entry:
    """What a line says; what the one before it says as well is not kept twice."""
    return Entry(
        path=line.path,
        state=line.state,
        reason=sys.intern(line.reason),
        kind=line.kind,
        run=sys.intern(line.run),
        generation=before.generation if before and before.generation == line.generation else line.generation,
        step=line.step,
        recipe=sys.intern(line.recipe) if line.recipe is not None else None,
        analysis=line.analysis,
        number=line.number,
    )


def _needed(lines: Iterable[bytes]) -> list[bytes]:
    """The newest line of each file that is there, and one for those of a run, a kind and a state that are gone."""
    kept: dict[object, bytes] = {}
    gone: dict[tuple[str, FileKind, FileState], LedgerLine] = {}
    for raw in lines:
        if (path := _PATH.search(raw)) is None:
            continue
        kept.pop(path[1], None)
        if _GONE.search(raw) is None:
            kept[path[1]] = raw
        elif (line := parse_line(raw, LedgerLine)) is not None:
            group = line.run, line.kind, line.state
            gone[group] = _together(gone.get(group), line)
            kept.pop(group, None)
            kept[group] = as_line(gone[group])
    return list(kept.values())


def _together(before: LedgerLine | None, line: LedgerLine) -> LedgerLine:
    if before is None:
        return line
    numbers = [one.number for one in (before, line) if one.number is not None]
    return line.model_copy(update={"gone": before.gone + line.gone, "number": max(numbers, default=None)})
