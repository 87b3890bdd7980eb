"""Everything that can be shown alone: as text to scroll, or as a table."""

from collections.abc import Callable
from typing import Protocol

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import attention, compare, decisions, every_action, feature, features, head, log, methods, runs
from fxwatch.tui.view.panels import PANELS
from fxwatch.tui.view.table import Table
from fxwatch.tui.view.text import Line


class TextView(Protocol):
    """What stands alone as text."""

    def lines(self, snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
        """All of it."""


class TableView(Protocol):
    """What stands alone as a table."""

    NAME: str

    def table(self, snapshot: Snapshot) -> Table:
        """Its rows."""


TEXTS: dict[str, TextView] = {**PANELS, "decisions": decisions, "methods": methods, "feature": feature, "head": head}

TABLES: dict[str, TableView] = {
    "features": features,
    "attention": attention,
    "runs": runs,
    "log": log,
    "compare": compare,
    "every_action": every_action,
}

ABOVE: dict[str, Callable[[Snapshot, int, int], list[Line]]] = {
    "attention": attention.above,
    "runs": runs.above,
    "compare": compare.above,
}
"""What stands above the rows of some tables, for a width and a height of which the rows need a part."""

KEYS = {"features": "6", "attention": "9", "runs": "0", "log": "e", "compare": "c", "every_action": ":"}

OF_AN_ANALYSIS = frozenset({"features", "attention", "compare"})
"""Tables that have nothing to show without one."""

WITHIN = {"feature": "features", "head": "attention"}
"""Where one comes from, and goes back to."""
