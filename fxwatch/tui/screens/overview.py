"""Everything at one glance."""

from collections.abc import Sequence

from textual.widget import Widget

from fxwatch.tui.screens.page import Page
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import nothing_to_show
from fxwatch.tui.widgets.panels import Panels
from fxwatch.tui.widgets.shown import Shown


class Overview(Page):
    """The panels, or what to do while there is nothing to show in them."""

    def __init__(self) -> None:
        super().__init__()
        self._panels, self._instead = Panels(), Shown(nothing_to_show.lines, id="instead")
        self._panels.display = False

    def body(self) -> Sequence[Widget]:
        """Both; one of them is displayed."""
        return [self._panels, self._instead]

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        super().show(snapshot)
        front, other = (self._instead, self._panels) if snapshot.analysis is None else (self._panels, self._instead)
        front.display, other.display = True, False
        front.show(snapshot)
