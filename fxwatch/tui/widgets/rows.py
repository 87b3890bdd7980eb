"""Draws lines, and sends to the terminal only those that changed, up to the last cell that did."""

from rich.segment import Segment
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from fxwatch.terminal import clean
from fxwatch.tui.palette import palette
from fxwatch.tui.view.only_ascii import only_ascii
from fxwatch.tui.view.text import BLANK, Line, cells, crop, width_of


class Rows(Widget):
    """A block of lines. Textual sends whole regions again, so which rows changed is found out here."""

    can_focus = False

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._lines: list[Line] = []
        self._lines_size = Size(0, 0)

    def make(self, width: int, height: int) -> list[Line]:
        """The lines for a room."""
        raise NotImplementedError

    @property
    def lines(self) -> list[Line]:
        """What is drawn, made anew if the room has changed."""
        if self._lines_size != self.size:
            self._lines_size = self.size
            self._lines = self._made()
        return self._lines

    def changed(self) -> None:
        """Make the lines anew, and draw those that are different."""
        if not self.size or self._lines_size != self.size:
            return  # all of it will be drawn as soon as it has its room
        before, self._lines = self._lines, self._made()
        for y in range(self.size.height):
            old, new = _row(before, y), _row(self._lines, y)
            if old != new:
                self.refresh(Region(0, y, changed_width(old, new, self.size.width), 1))

    def render_line(self, y: int) -> Strip:
        """A row as Textual wants it."""
        row = _row(self.lines, y)
        styles = palette(colours=not self.app.no_color, light=not self.app.current_theme.dark)
        drawn = only_ascii if getattr(self.app, "only_ascii", False) else str
        pieces = [Segment(drawn(clean(piece.text)), styles[piece.role]) for piece in row if piece.text]
        return Strip(pieces).adjust_cell_length(self.size.width)

    def _made(self) -> list[Line]:
        width, height = self.size
        return [crop(row, width) for row in self.make(width, height)[:height]] if self.size else []


def changed_width(old: Line, new: Line, width: int) -> int:
    """Where the last cell stands that differs: what is right of it need not be sent again."""
    length = max(width_of(old), width_of(new))
    one, other = _cells(old, length), _cells(new, length)
    if len(one) != len(other) or length > width:  # with characters of two cells it is not worth finding out
        return width
    return next((place for place in range(len(one), 0, -1) if one[place - 1] != other[place - 1]), 1)


def _row(lines: list[Line], y: int) -> Line:
    return lines[y] if y < len(lines) else BLANK


def _cells(row: Line, length: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = [(character, piece.role) for piece in row for character in piece.text]
    if any(cells(character) != 1 for character, _ in found):
        return []
    return found + [(" ", "")] * (length - len(found))
