"""One subject of the overview."""

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.panels import PanelView
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.shown import Shown


class Panel(Shown):
    """Draws a panel's view."""

    def __init__(self, name: str, subject: PanelView) -> None:
        super().__init__(id=name)
        self._subject = subject

    def view(self, snapshot: Snapshot, width: int, height: int) -> list[Line]:
        """As much as fits."""
        return self._subject.lines(snapshot, width, height)
