"""Everything at one glance."""

from collections.abc import Sequence

from textual.widget import Widget

from fxwatch.tui.screens.page import Page
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.widgets.instead import Instead
from fxwatch.tui.widgets.panels import Panels


class Overview(Page):
    """The panels, or what to do while there is nothing to show in them."""

    def body(self) -> Sequence[Widget]:
        """Both; one of them is displayed."""
        panels, instead = Panels(), Instead()
        panels.display = False
        return [panels, instead]

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        super().show(snapshot)
        panels, instead = self.query_one(Panels), self.query_one(Instead)
        panels.display, instead.display = snapshot.analysis is not None, snapshot.analysis is None
        if snapshot.analysis is None:
            instead.show(snapshot)
        else:
            panels.show(snapshot)
