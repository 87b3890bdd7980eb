"""What to do, while there is nothing to show."""

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import nothing_to_show
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.shown import Shown


class Instead(Shown):
    """Stands in the place of the panels until there is an analysis to show."""

    def __init__(self) -> None:
        super().__init__(id="instead")

    def view(self, snapshot: Snapshot, width: int, height: int) -> list[Line]:
        """What is missing, and the command to type."""
        return nothing_to_show.lines(snapshot, width, height)
