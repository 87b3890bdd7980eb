"""Where the panels stand: one column on a narrow screen, two on a wide one, three on a very wide one.

Where there is no room for all of them, they leave in this order: training progress, gradient flow, warnings, model
internals; PPO metrics stay. A panel that stays has at least the lines that are of use; what is left over goes to those
that have more to say.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

LEAVING = ("training_progress", "gradient_flow", "warnings", "model_internals", "ppo_metrics")

_COLUMNS: dict[int, tuple[tuple[str, ...], ...]] = {
    1: (("ppo_metrics", "model_internals", "warnings", "gradient_flow", "training_progress"),),
    2: (("ppo_metrics", "gradient_flow", "training_progress"), ("model_internals", "warnings")),
    3: (("ppo_metrics", "gradient_flow"), ("model_internals",), ("warnings", "training_progress")),
}
_GROWING = ("warnings", "ppo_metrics", "model_internals", "gradient_flow", "training_progress")
_GAP = 3


class Need(NamedTuple):
    """The lines that a panel cannot do without, those that show all but details, and all that it could fill."""

    least: int
    good: int
    full: int


class Box(NamedTuple):
    """A place on the screen, in cells."""

    x: int
    y: int
    width: int
    height: int


def columns_for(width: int) -> int:
    """How many columns a screen has."""
    return 1 if width < 104 else 2 if width < 168 else 3


def column_width(width: int) -> int:
    """How wide each of them is."""
    columns = columns_for(width)
    return (width - _GAP * (columns - 1)) // columns


def arrange(width: int, height: int, needs: Mapping[str, Need]) -> dict[str, Box]:
    """A place for each panel that has one. Nothing overlaps."""
    each = column_width(width)
    placed: dict[str, Box] = {}
    for index, names in enumerate(_COLUMNS[columns_for(width)]):
        heights = _heights([name for name in names if name in needs], height, needs)
        spare = height - sum(heights.values())
        gap = 1 if heights and spare >= len(heights) - 1 and height >= 24 else 0
        y = 0
        for name, lines in heights.items():
            placed[name] = Box(index * (each + _GAP), y, each, lines)
            y += lines + gap
    return placed


def _heights(names: Sequence[str], height: int, needs: Mapping[str, Need]) -> dict[str, int]:
    staying = list(names)
    for leaving in LEAVING:
        if len(staying) > 1 and leaving in staying and sum(needs[name].least for name in staying) > height:
            staying.remove(leaving)
    given = {name: min(needs[name].least, height) for name in staying}
    gaps = len(staying) - 1 if height >= 24 else 0
    spare = height - sum(given.values()) - gaps
    ranked = [name for name in _GROWING if name in given]
    for level in ("good", "full"):
        for name in ranked:
            more = min(max(0, spare), max(0, getattr(needs[name], level) - given[name]))
            given[name] += more
            spare -= more
    return given
