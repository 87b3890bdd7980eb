"""The ledger: every file seen and what became of it, appended to by the daemon, and read again when it starts."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.records.ledger import FileKind, FileState, Generation, LedgerLine
from fxwatch.store.lines import LineWriter, read_lines


class Ledger:
    """The ledger of a store, and the newest line of every path."""

    def __init__(self, path: Path) -> None:
        self._newest: dict[str, LedgerLine] = {}
        self._counts: Counter[FileState] = Counter()
        self._checkpoints: Counter[str] = Counter()
        self._seq = 0
        for line in read_lines(path, LedgerLine):
            self._take(line)
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
    ) -> None:
        """Append a line, unless it says nothing that the path's newest line does not. Raises OSError."""
        before = self._newest.get(path)
        if before is not None and before.generation == generation:
            same = (before.state, before.reason, before.analysis) == (state, reason, analysis)
            if state == "seen" or (same and before.recipe == recipe):
                return
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
        )
        self._writer.append(line)
        self._take(line)

    def newest(self) -> Iterator[LedgerLine]:
        """The newest line of every path."""
        return iter(list(self._newest.values()))

    def counts(self) -> dict[FileState, int]:
        """How many paths are in each state."""
        return {state: count for state, count in self._counts.items() if count}

    def get(self, path: str) -> LedgerLine | None:
        """The newest line of a path."""
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
        self._newest[line.path] = line
        self._seq = line.seq + 1
        if line.kind == "checkpoint" and line.state in {"ready", "skipped"}:
            self._checkpoints[line.run] += 1
