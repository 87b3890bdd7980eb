"""What a panel leaves out when it is small: its blocks stand in reading order, and go in the order of their rank."""

from collections.abc import Sequence
from typing import NamedTuple

from fxwatch.tui.view.text import Line, line, quiet


class Block(NamedTuple):
    """Lines that belong together; rank 0 is the last to go. One that can be cut says how many lines are left out."""

    rank: int
    lines: list[Line]
    cut: bool = False


def fitted(blocks: Sequence[Block], height: int | None) -> list[Line]:
    """The lines of as many blocks as there is room for."""
    if height is None:
        return [piece for block in blocks for piece in block.lines]
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
    return [piece for index in sorted(kept) for piece in kept[index]]


def shortened(lines: list[Line], height: int) -> list[Line]:
    """The first lines, and how many more there are."""
    if len(lines) <= height or height <= 1:
        return lines[: max(0, height)]
    return [*lines[: height - 1], line(quiet(f"  … {len(lines) - height + 1} more"))]
