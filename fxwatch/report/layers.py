"""Layers in groups that have room for their names: long lists of dotted names, by the parts that they share."""

from collections.abc import Callable, Iterator
from typing import NamedTuple


class Group(NamedTuple):
    """Layers that run one after the other and share the first parts of their names."""

    first: int
    names: list[list[str]]

    @property
    def shared(self) -> list[str]:
        """The parts of the names that all layers of the group share."""
        return self.names[0] if len(self.names) == 1 else self.names[0][: _shared(self.names)]


def grouped(names: list[str], fits: Callable[[list[Group]], bool]) -> list[Group]:
    """The finest groups that fit: split from the root on, the largest first, as long as there is room.

    Groups of about the same size are split together or not at all, so that branches of the same build look alike.
    """
    groups = [Group(0, [name.split(".") for name in names])]
    while True:
        for least, most in _tiers(max(len(group.names) for group in groups)):
            finer = [part for g in groups for part in (_split(g) if least < len(g.names) <= most else [g])]
            if len(finer) > len(groups) and fits(finer):
                groups = finer
                break
        else:
            return groups


def _tiers(largest: int) -> Iterator[tuple[float, float]]:
    """Sizes from the largest down to 2, each tier half of the one before."""
    most = float(largest)
    while most > 1:
        yield max(most / 2, 1.0), most
        most /= 2


def labels(groups: list[Group]) -> list[str]:
    """A short name for each group: its last part, and one more before it where that is a number or not enough."""
    shared = [group.shared or ["all layers"] for group in groups]
    taken = [_telling(parts, 1) for parts in shared]
    words = [".".join(parts) for parts in taken]
    return [
        ".".join(_telling(parts, 2)) if words.count(word) > 1 else word
        for parts, word in zip(shared, words, strict=True)
    ]


def short(name: str, among: list[str]) -> str:
    """The last parts of a layer's name: two, or as many as no other layer ends in."""
    parts = name.split(".")
    for kept in range(2, len(parts)):
        tail = ".".join(parts[-kept:])
        if not parts[-kept].isdigit() and not any(other != name and other.endswith(f".{tail}") for other in among):
            return tail
    return name


def _telling(parts: list[str], least: int) -> list[str]:
    kept = least
    while kept < len(parts) and parts[-kept].isdigit():
        kept += 1
    return parts[-kept:]


def _split(group: Group) -> list[Group]:
    """A group cut where the part after the shared ones changes."""
    depth = _shared(group.names)
    cuts: list[Group] = []
    for offset, name in enumerate(group.names):
        part = name[depth : depth + 1]
        if cuts and cuts[-1].names[-1][depth : depth + 1] == part:
            cuts[-1].names.append(name)
        else:
            cuts.append(Group(group.first + offset, [name]))
    return cuts


def _shared(names: list[list[str]]) -> int:
    shortest = min(len(name) for name in names)
    return next((i for i in range(shortest) if len({name[i] for name in names}) > 1), shortest)
