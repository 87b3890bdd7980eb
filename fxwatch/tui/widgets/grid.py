"""A table with its title: which row is chosen, and which one is at the top."""

from textual import events

from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.sheet import sheet
from fxwatch.tui.view.subjects import TABLES
from fxwatch.tui.view.table import Row, Table, Way, Window, arranged, chosen, moved
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.shown import Shown

_WHEEL = 3


class Grid(Shown):
    """Draws a subject's table as the user wants it."""

    def __init__(self, subject: str, way: Way) -> None:
        super().__init__(self._draw, id="grid")
        self.way = way
        self._subject = subject
        self._window = Window([], 0, 0)

    def _draw(self, snapshot: Snapshot, width: int, height: int) -> list[Line]:
        self._window = sheet(self._subject, snapshot, self.way, width, height, self._window.first)
        return self._window.lines

    def turn(self, way: Way) -> None:
        """Sort, filter or choose otherwise."""
        self.way = way
        self.changed()

    def choose(self, stride: int) -> None:
        """Another row."""
        self.turn(moved(self._table, self.way, stride))

    def on_mouse_scroll_down(self) -> None:
        """Some rows down."""
        self.choose(_WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Some rows up."""
        self.choose(-_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse; rows stand at the end of all lines."""
        place = event.y - len(self._window.lines) + self._window.end
        if not self.way.wrap and self._window.first <= place < self._window.end:
            self.turn(self.way._replace(chosen=arranged(self._table, self.way)[place].key))

    @property
    def row(self) -> Row | None:
        """The chosen row."""
        rows = arranged(self._table, self.way)
        return rows[chosen(self._table, rows, self.way)] if rows else None

    @property
    def _table(self) -> Table:
        return TABLES[self._subject].table(self._snapshot) if self._snapshot is not None else Table((), ())
