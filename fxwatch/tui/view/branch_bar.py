"""A branch's share as a bar, with the band that is expected drawn into it."""

from collections.abc import Iterable

from fxwatch.records.analysis import BranchShare
from fxwatch.tui.view.text import Line, Role, Span

_PARTS = " ▏▎▍▌▋▊▉"


def branch_bar(branch: BranchShare, longest: float, width: int) -> Line:
    """The bar is `█`, within the expected band `▓`; what is left of the band is `░`. A full width is `longest`."""
    share = (branch.share or 0.0) / longest * width
    band = branch.expected
    begin, end = (band.low / longest * width, band.high / longest * width) if band else (-1.0, -1.0)
    drawn = ""
    for cell in range(width):
        inside = begin <= cell + 0.5 < end
        if cell + 1 <= share:
            drawn += "▓" if inside else "█"
        elif cell < share:
            drawn += "▒" if inside else _PARTS[int((share - cell) * 8)]
        else:
            drawn += "░" if inside else " "
    role: Role = branch.verdict if branch.verdict in {"warn", "bad"} else "accent"
    full = min(width, max(0, -int(-share // 1)))
    return tuple(piece for piece in (Span(drawn[:full], role), Span(drawn[full:], "quiet")) if piece.text)


def interval_bar(branch: BranchShare, longest: float, width: int) -> str:
    """The 95 % interval of a share, drawn to the same scale."""
    if branch.low is None or branch.high is None:
        return " " * width
    begin = min(width - 1, int(branch.low / longest * width))
    end = min(width - 1, max(begin, int(branch.high / longest * width)))
    drawn = "╵" if begin == end else f"└{'─' * (end - begin - 1)}┘"
    return (" " * begin + drawn).ljust(width)


def longest_share(branches: Iterable[BranchShare]) -> float:
    """The end of the scale: all of it, or a rounder part where all branches lie far below."""
    most = 0.0
    for branch in branches:
        ends = (branch.share, branch.high, branch.expected.high if branch.expected else None)
        most = max(most, *(end for end in ends if end is not None), 0.0)
    return next((end for end in (0.25, 0.5, 0.75) if most <= end), max(1.0, most))
