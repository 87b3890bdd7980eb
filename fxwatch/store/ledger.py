"""The ledger: every file seen and what became of it, appended to by the daemon, and read again when it starts."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.records.ledger import FileKind, FileState, Generation, LedgerLine
from fxwatch.store.atomic import remove_unfinished, write_atomic
from fxwatch.store.lines import LineWriter, mend

COMPACT_FROM = 8 * 1024 * 1024
COMPACT_LINES_A_PATH = 4
_PATH = re.compile(rb'"path":("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True, slots=True)
class Entry:
    """What the newest line of a path says, in as little memory as may be: there is one for every file ever seen."""

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
    """The ledger of a store, and what the newest line of every path says.

    `words` say what was wrong with the file, where something was. A file of many more lines than paths is made anew
    from the newest line of each. Raises OSError, and StoreError where a newer fxwatch has written to it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._newest: dict[str, Entry] = {}
        self._counts: Counter[FileState] = Counter()
        self._checkpoints: Counter[str] = Counter()
        self._seq = self._lines = 0
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
    ) -> None:
        """Append a line, unless it says nothing that the path's newest line does not. Raises OSError."""
        before = self._newest.get(path)
        if before is not None and before.generation == generation:
            same = (before.state, before.reason, before.analysis) == (state, reason, analysis)
            if state == "seen" or (same and before.recipe == recipe):
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
        )
        self._writer.append(line)
        self._take(line)

    def sync(self) -> None:
        """Flush what was noted to disk. Raises OSError."""
        self._writer.sync()

    def newest(self) -> Iterator[Entry]:
        """What the newest line of every path says."""
        return iter(list(self._newest.values()))

    def counts(self) -> dict[FileState, int]:
        """How many paths are in each state."""
        return {state: count for state, count in self._counts.items() if count}

    def get(self, path: str) -> Entry | None:
        """What the newest line of a path says."""
        return self._newest.get(path)

    def checkpoints(self, run: str) -> int:
        """How many checkpoints of a run were ever ready or skipped; a file that is overwritten counts anew."""
        return self._checkpoints[run]

    def close(self) -> None:
        """Close the file."""
        self._writer.close()

    def _take(self, line: LedgerLine) -> None:
        before = self._newest.get(line.path)
        if before is not None:
            self._counts[before.state] -= 1
        self._counts[line.state] += 1
        self._newest[line.path] = Entry(
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
        self._seq = line.seq + 1
        self._lines += 1
        if line.number is not None:
            self._checkpoints[line.run] = max(self._checkpoints[line.run], line.number + 1)
        elif line.kind == "checkpoint" and line.state in {"ready", "skipped"}:  # as an older fxwatch counted
            self._checkpoints[line.run] += 1

    def _compact_where_due(self) -> None:
        """Keep of each path its newest line alone, where most lines are of the past. Raises OSError."""
        if self._lines < COMPACT_LINES_A_PATH * len(self._newest) or self._path.stat().st_size < COMPACT_FROM:
            return
        newest: dict[bytes, bytes] = {}
        with self._path.open("rb") as file:
            for raw in file:
                if (found := _PATH.search(raw)) is not None:
                    newest.pop(found[1], None)
                    newest[found[1]] = raw
        write_atomic(self._path, b"".join(newest.values()))
        self._writer.close()
        self._writer = LineWriter(self._path)
        self._lines = len(newest)
