"""Log: what the daemon has seen, and what became of it, newest last."""

from fxwatch.records.ledger import LedgerLine
from fxwatch.records.times import seconds
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Column, Row, Table
from fxwatch.tui.view.text import Role, Span, name, quiet
from fxwatch.tui.view.words import moment

NAME = "Log"
_TODAY, _DATED = 9, 20
"""Cells of a time of today, and of one with its date."""
_COLUMNS = (
    Column("state", 11, text=True),
    Column("file", 20, most=44, text=True),
    Column("what became of it", 14, most=400, text=True),
)
_ROLES: dict[str, Role] = {
    "done": "ok",
    "failed": "bad",
    "refused": "bad",
    "quarantined": "bad",
    "incomplete": "warn",
    "unsupported": "warn",
    "vanished": "warn",
}


def table(snapshot: Snapshot) -> Table:
    """The newest lines of the ledger."""
    rows = [_row(entry, snapshot.now) for entry in snapshot.files.lines]
    long = any(len(row.cells[0].text) > _TODAY for row in rows if isinstance(row.cells[0], Span))
    time = Column("time", _DATED if long else _TODAY, 1, text=True)
    return Table((time, *_COLUMNS), rows, "nobody has noted anything yet", tail=True, noun="line")


def _row(entry: LedgerLine, now: float) -> Row:
    at = seconds(entry.at)
    notes = [name(entry.reason)] if entry.reason else []
    notes += [name(entry.analysis)] if entry.analysis else []
    notes += [f"step {entry.step:,}"] if entry.step is not None and not entry.analysis else []
    cells = (
        quiet("" if at is None else moment(at, now)),
        Span(entry.state, _ROLES.get(entry.state, "")),
        Span(name(entry.path)),
        Span(", ".join(notes)),
    )
    return Row((str(entry.seq), entry.at), cells, (at, entry.state, entry.path, entry.reason or None))
