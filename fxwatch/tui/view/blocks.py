"""What a panel leaves out when it is small: its blocks stand in reading order, and go in the order of their rank."""

from collections.abc import Sequence
from typing import NamedTuple

from fxwatch.tui.view.text import Line, crop, line, quiet


class Block(NamedTuple):
    """Lines that belong together; rank 0 is the last to go. One that can be cut says how many lines are left out."""

    rank: int
    lines: list[Line]
    cut: bool = False


def fitted(blocks: Sequence[Block], width: int, height: int | None) -> list[Line]:
    """The lines of as many blocks as there is room for, and of each line as much."""
    kept = _kept(blocks, height) if height is not None else [block.lines for block in blocks]
    return [crop(row, width) for rows in kept for row in rows]


def _kept(blocks: Sequence[Block], height: int) -> list[list[Line]]:
    """What is left of the blocks, in reading order."""
    kept: dict[int, list[Line]] = {}
    room = height
    for index in sorted(range(len(blocks)), key=lambda index: blocks[index].rank):
        block = blocks[index]
        if len(block.lines) <= room:
            kept[index] = block.lines
        elif block.rank == 0 or (block.cut and room >= 2):
            kept[index] = shortened(block.lines, room)
        else:
            continue
        room -= len(kept[index])
    return [kept[index] for index in sorted(kept)]


def shortened(lines: list[Line], height: int) -> list[Line]:
    """The first lines, and how many more there are."""
    if len(lines) <= height or height <= 1:
        return lines[: max(0, height)]
    return [*lines[: height - 1], line(quiet(f"  … {len(lines) - height + 1} more"))]
