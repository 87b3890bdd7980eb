"""One subject alone, with everything there is to say of it."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from textual.binding import BindingType
from textual.widget import Widget

from fxwatch.tui.actions import Action, of_scope
from fxwatch.tui.screens.page import Page, bindings, lines_of
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view import help as help_view
from fxwatch.tui.view import nothing_to_show
from fxwatch.tui.view.subjects import TEXTS
from fxwatch.tui.view.text import Line
from fxwatch.tui.widgets.scroll import Scroll


class InFull(Page):
    """A panel in full, or the help; it can be scrolled, and follows the cursor like the overview."""

    BINDINGS: ClassVar[list[BindingType]] = bindings(of_scope("in full"))
    ACTIONS: ClassVar[list[Action]] = of_scope("in full", "everywhere")

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject

    def body(self) -> Sequence[Widget]:
        """The text."""
        return [Scroll()]

    def show(self, snapshot: Snapshot) -> None:
        """Show a snapshot."""
        super().show(snapshot)
        self.query_one(Scroll).show(self._lines(snapshot))

    def _lines(self, snapshot: Snapshot) -> Callable[[int], list[Line]]:
        if self.subject not in TEXTS:
            return help_view.lines
        view = nothing_to_show.lines if snapshot.analysis is None else TEXTS[self.subject].lines
        return partial(view, snapshot)

    def scroll_by(self, stride: str) -> None:
        """Scroll by lines or by a `page`."""
        scroll = self.query_one(Scroll)
        scroll.scroll_lines(lines_of(stride, scroll.size.height - 1))
