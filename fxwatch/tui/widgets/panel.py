"""One subject of the overview."""

from textual.message import Message

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.panels import PanelView
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.shown import Shown


class Panel(Shown):
    """Draws a panel's view."""

    class Clicked(Message):
        """It is to be shown in full."""

        def __init__(self, subject: str) -> None:
            super().__init__()
            self.subject = subject

    def __init__(self, name: str, subject: PanelView) -> None:
        super().__init__(id=name)
        self._subject = subject

    def view(self, snapshot: Snapshot, width: int, height: int) -> list[Line]:
        """As much as fits."""
        return self._subject.lines(snapshot, width, height)

    def on_click(self) -> None:
        """Ask to be shown in full."""
        self.post_message(self.Clicked(self.id or ""))
