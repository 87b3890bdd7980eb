"""A rectangle of the page, in pixels from its upper left corner."""

from typing import NamedTuple


class Box(NamedTuple):
    """Where something stands."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.bottom - self.top

    @property
    def middle(self) -> float:
        """Half-way down."""
        return (self.top + self.bottom) / 2

    @property
    def centre(self) -> float:
        """Half-way across."""
        return (self.left + self.right) / 2

    def split_down(self, height: float, gap: float = 0.0) -> "tuple[Box, Box]":
        """The uppermost `height` pixels, and what lies below it and a gap."""
        edge = min(self.top + height, self.bottom)
        return self._replace(bottom=edge), self._replace(top=min(edge + gap, self.bottom))

    def split_across(self, width: float, gap: float = 0.0) -> "tuple[Box, Box]":
        """The leftmost `width` pixels, and what lies right of it and a gap."""
        edge = min(self.left + width, self.right)
        return self._replace(right=edge), self._replace(left=min(edge + gap, self.right))

    def columns(self, count: int, gap: float) -> "list[Box]":
        """`count` equal columns from the left, with a gap between."""
        width = (self.width - (count - 1) * gap) / count
        lefts = [self.left + column * (width + gap) for column in range(count)]
        return [self._replace(left=left, right=left + width) for left in lefts]

    def rows(self, count: int, tallest: float) -> "list[Box]":
        """`count` equal rows from the top, none taller than `tallest`."""
        height = min(self.height / max(count, 1), tallest)
        return [
            self._replace(top=self.top + height * row, bottom=self.top + height * (row + 1)) for row in range(count)
        ]
