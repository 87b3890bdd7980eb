"""A table in full: sorted, filtered as one types, with a row chosen."""

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import BindingType
from textual.message import Message
from textual.widget import Widget

from fxwatch.tui.actions import Action, of_scope
from fxwatch.tui.screens.page import Page, bindings, lines_of
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Way, words_of
from fxwatch.tui.widgets.grid import Grid

_QUIT = frozenset({"ctrl+c", "ctrl+q"})


class Listing(Page):
    """One table. While words to filter by are typed, all keys but those that quit belong to them."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(of_scope("in full", "table"))
    ACTIONS: ClassVar[list[Action]] = of_scope("table", "in full", "everywhere")

    class Entered(Message):
        """Words were typed."""

    class Dropped(Message):
        """No words were typed after all."""

    def __init__(self, subject: str, way: Way) -> None:
        super().__init__()
        self.subject = subject
        self.grid = Grid(subject, way)

    def body(self) -> Sequence[Widget]:
        """The table."""
        return [self.grid]

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        super().show(snapshot)
        self.grid.show(snapshot)

    def words(self, snapshot: Snapshot) -> str | None:
        """The chosen row."""
        return super().words(snapshot) if self.grid.row is None else words_of(self.grid.row, "\t")

    @property
    def typing(self) -> bool:
        """Whether words to filter by are being typed."""
        return self.grid.way.typing

    def scroll_by(self, stride: str) -> None:
        """Choose another row, by lines or by a `page`."""
        self.grid.choose(lines_of(stride, self.grid.size.height - 3))

    def on_key(self, event: events.Key) -> None:
        """Type."""
        if not self.typing or event.key in _QUIT:
            return
        event.stop()
        event.prevent_default()
        way = self.grid.way
        if event.key in {"up", "down"}:
            self.grid.choose(-1 if event.key == "up" else 1)
        elif event.key == "enter":
            self.grid.turn(way._replace(typing=False))
            self.post_message(self.Entered())
        elif event.key == "escape":
            self.grid.turn(way._replace(typing=False, filter="", chosen=None))
            self.post_message(self.Dropped())
        elif event.key == "backspace":
            self.grid.turn(way._replace(filter=way.filter[:-1], chosen=None))
        elif event.key == "ctrl+u":
            self.grid.turn(way._replace(filter="", chosen=None))
        elif event.is_printable and event.character:
            self.grid.turn(way._replace(filter=(way.filter + event.character)[:200], chosen=None))
