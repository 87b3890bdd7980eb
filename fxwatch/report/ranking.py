"""The features of a branch as the page shows them: the living best first, the dead by cause."""

from collections.abc import Mapping
from typing import NamedTuple

from fxwatch.records.analysis import Analysis, Unit

CAUSES = {
    "constant_input": "constant input",
    "zero_projection": "not read by the model",
    "no_functional_effect": "no effect on the output",
    "low_importance": "low importance for long",
}


class Ranked(NamedTuple):
    """A feature, its column among those of its branch, and its importance."""

    name: str
    column: int
    unit: Unit


class Branch(NamedTuple):
    """A branch: its window in time steps where known, how many features, the living ones, and the dead by cause."""

    name: str
    steps: int | None
    features: int
    living: list[Ranked]
    dead: Mapping[str, list[str]]


def branches_of(analysis: Analysis) -> list[Branch]:
    """All branches, in the order of the analysis."""
    names = dict.fromkeys([*analysis.states.branches, *analysis.units, *analysis.branches])
    return [_branch(analysis, name) for name in names]


def _branch(analysis: Analysis, name: str) -> Branch:
    units = analysis.units.get(name, {})
    steps, width = analysis.states.branches.get(name, (None, len(units)))
    dead = analysis.dead_features.branches.get(name, [])
    causes = analysis.dead_features.causes.get(name, {})
    by_cause: dict[str, list[str]] = {}
    for feature in dead:
        cause = causes.get(feature, "cause unknown")
        by_cause.setdefault(CAUSES.get(cause, cause), []).append(feature)
    living = [Ranked(feature, i, unit) for i, (feature, unit) in enumerate(units.items()) if feature not in set(dead)]
    living.sort(key=lambda ranked: -ranked.unit.share)
    return Branch(name, steps, max(width, len(units)), living, by_cause)


def dead_in_words(branch: Branch, named: int) -> str:
    """`dead: a, b (constant input); c (…)`, with at most `named` names, and how many more there are."""
    parts, left, total = [], named, sum(map(len, branch.dead.values()))
    for cause, names in branch.dead.items():
        if left > 0:
            parts.append(f"{', '.join(names[:left])} ({cause})")
            left -= len(names)
    more = total - named
    return f"dead: {'; '.join(parts)}" + (f" and {more} more" if more > 0 else "")
