"""Text that may be longer than the screen."""

from collections.abc import Callable

from fxwatch.tui.view.text import Line, line, quiet
from fxwatch.tui.widgets.rows import Rows

_WHEEL = 3


class Scroll(Rows):
    """Shows a part of the lines that its subject makes for its width."""

    def __init__(self) -> None:
        super().__init__(id="scroll")
        self._subject: Callable[[int], list[Line]] = lambda _: []
        self._top = 0

    def make(self, width: int, height: int) -> list[Line]:
        """The lines from where it was scrolled to."""
        lines = self._subject(width)
        self._top = max(0, min(self._top, len(lines) - height))
        below = len(lines) - self._top - height
        end = [line(quiet(f"  … {below + 1} more below"))] if below > 0 else []
        return lines[self._top : self._top + height - len(end)] + end

    def show(self, subject: Callable[[int], list[Line]]) -> None:
        """Show a subject."""
        self._subject = subject
        self.changed()

    def reveal(self, first: int, end: int) -> None:
        """Scroll so far that some lines are seen, the first of them in any case."""
        room = max(1, self.size.height - 1)
        self._top = min(first, max(self._top, end - room))
        self.changed()

    def scroll_lines(self, stride: int) -> None:
        """Further down, or up."""
        self._top += stride
        self.changed()

    def on_mouse_scroll_down(self) -> None:
        """Some lines down."""
        self.scroll_lines(_WHEEL)

    def on_mouse_scroll_up(self) -> None:
        """Some lines up."""
        self.scroll_lines(-_WHEEL)
