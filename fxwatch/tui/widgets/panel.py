"""One subject of the overview."""

from dataclasses import dataclass

from textual.message import Message

from fxwatch.tui.view.panels import PanelView
from fxwatch.tui.widgets.shown import Shown


class Panel(Shown):
    """Draws a panel's view."""

    @dataclass
    class Clicked(Message):
        """It is to be shown in full."""

        subject: str

    def __init__(self, name: str, subject: PanelView) -> None:
        super().__init__(subject.lines, id=name)

    def on_click(self) -> None:
        """Ask to be shown in full."""
        self.post_message(self.Clicked(self.id or ""))
