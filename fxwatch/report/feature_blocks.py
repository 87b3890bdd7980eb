"""Which features of which branch have room on the page: blocks of rows, in one column or two."""

from dataclasses import dataclass, replace

from fxwatch.records.analysis import Analysis
from fxwatch.report.lettering import Ruler
from fxwatch.report.ranking import Branch, branches_of, dead_in_words

HEAD, AXIS, DEAD, GAP = 28.0, 22.0, 21.0, 16.0
"""Pixels of a block's title, of the axis below its rows, of a line on its dead features, and below it."""

MOST_BRANCHES = 8
ACROSS = 36.0
"""Pixels between two columns."""

_MOST_ROWS = 12
_EMPTY_ROWS = 3
_SHORTEST, _COMFORTABLE, _TALLEST = 20.5, 29.0, 44.0


@dataclass(frozen=True, slots=True)
class Block:
    """A branch as it is shown: so many rows, and lines on its dead features."""

    branch: Branch
    rows: int
    dead: list[str]

    def height(self, row: float) -> float:
        """Pixels at this height of a row."""
        rows = self.rows * row + AXIS if self.rows else _EMPTY_ROWS * row
        return HEAD + rows + len(self.dead) * DEAD + GAP


def wanted_height(analysis: Analysis, ruler: Ruler, width: float) -> float:
    """Pixels that all branches of an analysis fill where they have all that they want."""
    branches = branches_of(analysis)[:MOST_BRANCHES]
    if not branches:
        return 0.0
    sides = 1 if len(branches) == 1 else 2
    columns = arranged(blocks_of(branches, ruler, width / sides - ACROSS / 2), sides)
    return max(_height(column, _COMFORTABLE) for column in columns)


def blocks_of(branches: list[Branch], ruler: Ruler, width: float) -> list[Block]:
    """A block a branch, with as many rows as it may have, `width` pixels wide."""
    return [Block(branch, min(len(branch.living), _MOST_ROWS), _dead(ruler, branch, width)) for branch in branches]


def arranged(blocks: list[Block], sides: int) -> list[list[Block]]:
    """The blocks in their order, cut where the taller column is shortest."""
    if sides == 1:
        return [blocks]
    cuts = [(blocks[:cut], blocks[cut:]) for cut in range(1, len(blocks))]
    left, right = min(cuts, key=lambda cut: max(_height(list(column), 1) for column in cut))
    return [left, right]


def _height(column: list[Block], row: float) -> float:
    return sum(block.height(row) for block in column)


def shrunk(columns: list[list[Block]], room: float) -> tuple[float, list[list[Block]]]:
    """The height of a row, and the columns with no more rows than have room at that height."""
    fitted = []
    for column in columns:
        blocks = list(column)
        while _height(blocks, _SHORTEST) > room + GAP and any(block.rows > 1 for block in blocks):
            longest = max(range(len(blocks)), key=lambda i: blocks[i].rows)
            blocks[longest] = replace(blocks[longest], rows=blocks[longest].rows - 1)
        fitted.append(blocks)
    spare = []
    for blocks in fitted:
        rows = sum(block.rows or _EMPTY_ROWS for block in blocks)
        spare.append((room + GAP - _height(blocks, 0)) / rows)
    return min(max(min(spare), _SHORTEST), _TALLEST), fitted


def _dead(ruler: Ruler, branch: Branch, width: float) -> list[str]:
    """Two lines at most, with as many names as have room."""
    total = sum(map(len, branch.dead.values()))
    for shown in range(min(total, 12), 0, -1):
        lines = ruler.wrap(dead_in_words(branch, shown), width, 2)
        if not lines[-1].endswith("…") or shown == 1:
            return lines
    return []
