"""All actions by what they do, to be found by typing and done by Enter."""

from fxwatch.tui.actions import ACTIONS
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Column, Row, Table
from fxwatch.tui.view.text import Span

NAME = "Commands"
_COLUMNS = (Column("what it does", 40, most=76, text=True), Column("keys", 14, 1, most=30, text=True))


def table(snapshot: Snapshot) -> Table:  # noqa: ARG001 - all tables are asked the same
    """A row an action, in the order of the help."""
    rows = [
        Row((action.name,), (Span(action.help), Span(action.shown, "key")), (action.help, action.shown))
        for action in ACTIONS
    ]
    return Table(_COLUMNS, rows, noun="command")
