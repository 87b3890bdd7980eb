"""Verdict, place and heartbeat, above everything."""

from textual.geometry import Size

from fxwatch.tui.view import header
from fxwatch.tui.widgets.shown import Shown


class Header(Shown):
    """The lines that are always there."""

    def __init__(self) -> None:
        super().__init__(header.lines, id="header")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002
        """As many as become the screen."""
        return header.height_of(viewport.height)
