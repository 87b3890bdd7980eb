"""Dots in cells, two across and four down, as braille has them."""

Grid = list[list[int]]
"""Rows of cells from above, each the sum of its dots."""

_DOTS = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
_BLANK = 0x2800


def blank(width: int, height: int) -> Grid:
    """Cells without dots."""
    return [[0] * width for _ in range(height)]


def set_dot(grid: Grid, x: int, y: int) -> None:
    """A dot, counted from the left and from below."""
    grid[len(grid) - 1 - y // 4][x // 2] |= _DOTS[y % 4][x % 2]


def braille(grid: Grid) -> list[str]:
    """The rows as text; a cell without dots is a space."""
    return ["".join(chr(_BLANK + cell) if cell else " " for cell in row) for row in grid]
