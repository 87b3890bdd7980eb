"""The keys, below everything."""

from collections.abc import Sequence

from fxwatch.tui.actions import Action
from fxwatch.tui.view import footer
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.rows import Rows


class Footer(Rows):
    """Hints, or a notice until the next key."""

    def __init__(self, actions: Sequence[Action]) -> None:
        super().__init__(id="footer")
        self._actions = actions
        self._notice = ""

    def make(self, width: int, height: int) -> list[Line]:  # noqa: ARG002 - it has one line
        """The notice, or the hints."""
        return footer.lines(self._actions, self._notice, width)

    def notice(self, text: str) -> None:
        """Say what a key has done; an empty text brings the hints back."""
        self._notice = text
        self.changed()
