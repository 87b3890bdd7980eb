"""Lines that are made of a snapshot."""

from collections.abc import Callable

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.rows import Rows


class Shown(Rows):
    """Draws a snapshot by a view, in whatever room it has."""

    def __init__(self, view: Callable[[Snapshot, int, int], list[Line]], *, id: str) -> None:  # noqa: A002 - Textual's
        super().__init__(id=id)
        self._view = view
        self._snapshot: Snapshot | None = None

    def make(self, width: int, height: int) -> list[Line]:
        """The lines of the newest snapshot, if there is one yet."""
        return self._view(self._snapshot, width, height) if self._snapshot is not None else []

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        self._snapshot = snapshot
        self.changed()
