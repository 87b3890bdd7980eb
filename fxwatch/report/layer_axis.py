"""Where layers stand on the horizontal axis: in groups, each with a name, as evenly apart as the names leave room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from fxwatch.report.layers import Group, grouped, labels
from fxwatch.report.lettering import SMALL, Ruler

_GAP = 12.0
_NARROWEST = 16.0
_CLOSEST = 5.0
_LONGEST = 150.0
_BETWEEN = 12.0
_HANG = 4.0


class Label(NamedTuple):
    """The name of a group: its bracket from `left` to `right`, and where its text starts, in row 0 or below it in 1."""

    words: str
    left: float
    right: float
    row: int
    start: float

    @property
    def middle(self) -> float:
        """Half-way along the bracket."""
        return (self.left + self.right) / 2


@dataclass(frozen=True, slots=True)
class LayerAxis:
    """The pixel of each layer, and the names of the groups."""

    x: dict[str, float]
    labels: list[Label]


def layer_axis(names: Sequence[str], left: float, right: float, ruler: Ruler) -> LayerAxis:
    """Lay out layers between two pixels."""
    least = min(_CLOSEST, (right - left) / max(len(names), 1) * 0.7)
    groups = grouped(list(names), lambda found: _lay_out(found, least, left, right, ruler) is not None)
    found = _lay_out(groups, least, left, right, ruler)
    placed = found if found is not None else [Label("", left, right, 0, left)]
    x: dict[str, float] = {}
    for group, label in zip(groups, placed, strict=True):
        pitch = (label.right - label.left - _GAP) / len(group.names)
        for i in range(len(group.names)):
            x[names[group.first + i]] = label.left + _GAP / 2 + pitch * (i + 0.5)
    return LayerAxis(x, placed)


def _lay_out(groups: list[Group], least: float, left: float, right: float, ruler: Ruler) -> list[Label] | None:
    """Labels that do not touch, or None where layers would stand closer than `least` pixels."""
    words = [ruler.fit(label, min(_LONGEST, right - left), SMALL) for label in labels(groups)]
    wide = [ruler.width(word, SMALL) for word in words]
    rows = _rows(groups, wide, (right - left) / sum(len(group.names) for group in groups))
    needs = [need if row == 0 else _NARROWEST for need, row in zip(wide, rows, strict=True)]
    widths = _widths(groups, needs, least, right - left)
    if widths is None:
        return None
    placed: list[Label] = []
    for word, need, row, width in zip(words, wide, rows, widths, strict=True):
        edge = placed[-1].right if placed else left
        start = min(max(edge + (width - need) / 2, left), right - need)
        placed.append(Label(word, edge, edge + width, row, start))
    lower = [i for i, row in enumerate(rows) if row]
    starts = _apart([placed[i].start for i in lower], [wide[i] for i in lower], right)
    for i, start in zip(lower, starts, strict=True):
        if not start + _HANG <= placed[i].middle <= start + wide[i] - _HANG or start < left:
            return None  # the line down from the bracket would miss its name
        placed[i] = placed[i]._replace(start=start)
    return placed


def _apart(starts: list[float], wide: list[float], right: float) -> list[float]:
    """The starts of texts in a line, moved as little as keeps them apart: to the right, and back from the end."""
    moved = list(starts)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + wide[i - 1] + _BETWEEN)
    end = right
    for i in reversed(range(len(moved))):
        moved[i] = min(moved[i], end - wide[i])
        end = moved[i] - _BETWEEN
    return moved


def _rows(groups: list[Group], wide: list[float], pitch: float) -> list[int]:
    """Row 1 for every second of neighbouring groups that are narrower than their names."""
    rows: list[int] = []
    for group, need in zip(groups, wide, strict=True):
        narrow = need > pitch * len(group.names)
        rows.append(1 if narrow and not (rows and rows[-1]) else 0)
    return rows


def _widths(groups: list[Group], needs: list[float], least: float, room: float) -> list[float] | None:
    """A width a group: at least what it needs, and the same pitch for the layers of all others."""

    def at(pitch: float) -> list[float]:
        return [max(need, pitch * len(group.names)) + _GAP for need, group in zip(needs, groups, strict=True)]

    if sum(at(least)) > room:
        return None
    low, high = least, room
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if sum(at(middle)) <= room else (low, middle)
    spare = (room - sum(at(low))) / len(groups)
    return [width + spare for width in at(low)]
