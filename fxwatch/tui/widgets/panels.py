"""The panels of the overview, where the arrangement puts them."""

from textual.app import ComposeResult
from textual.geometry import NULL_OFFSET, Region, Size, Spacing
from textual.layout import ArrangeResult, Layout, WidgetPlacement
from textual.widget import Widget

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.arrangement import Box, arrange, column_width
from fxwatch.tui.view.panels import PANELS, needs
from fxwatch.tui.widgets.panel import Panel


class Panels(Widget):
    """Places its panels by a layout of its own; those for which there is no room are not placed."""

    def __init__(self) -> None:
        super().__init__(id="panels")
        self._snapshot: Snapshot | None = None
        self._placed: dict[str, Box] = {}
        self._by_arrangement = ByArrangement(self)

    def compose(self) -> ComposeResult:
        """All panels."""
        for name, view in PANELS.items():
            yield Panel(name, view)

    @property
    def layout(self) -> Layout:
        """The arrangement as Textual wants it."""
        return self._by_arrangement

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot, and move panels where it takes other room."""
        self._snapshot = snapshot
        if self.boxes(self.size) != self._placed:
            self.refresh(repaint=False, layout=True)
        for panel in self.query(Panel):
            panel.show(snapshot)

    def boxes(self, size: Size) -> dict[str, Box]:
        """Where each panel stands in a room."""
        if self._snapshot is None or not size:
            return {}
        return arrange(size.width, size.height, needs(self._snapshot, column_width(size.width)))

    def place(self, size: Size) -> dict[str, Box]:
        """Where each panel stands from now on."""
        self._placed = self.boxes(size)
        return self._placed


class ByArrangement(Layout):
    """Asks the panels where they stand."""

    name = "by_arrangement"

    def __init__(self, panels: Panels) -> None:
        self._panels = panels

    def arrange(self, parent: Widget, children: list[Widget], size: Size, greedy: bool = True) -> ArrangeResult:  # noqa: ARG002, FBT001, FBT002
        """A placement for each panel that has a place."""
        boxes = self._panels.place(size)
        return [
            WidgetPlacement(Region(*boxes[child.id]), NULL_OFFSET, Spacing(), child)
            for child in children
            if child.id in boxes
        ]
