"""Where each method puts a feature among all features, and when that is a disagreement."""

from collections.abc import Collection

from fxwatch.records.base import Record

LISTED = 20
"""Features whose places an analysis keeps."""


class FeatureRanks(Record):
    """The place of a feature among all features of all branches by each method, 1 for the most important.

    Features of equal importance share a place; a method that gives the feature nothing has none for it.
    """

    branch: str
    feature: str
    ranks: dict[str, int]


def outlying(ranks: FeatureRanks, methods: Collection[str], units: int) -> list[str]:
    """The methods that put a feature into the lower half of all, or nowhere, where another has it in the first quarter.

    `methods` are those that have a say.
    """
    places = {method: ranks.ranks.get(method) for method in methods}
    if not any(place is not None and place <= max(1, units // 4) for place in places.values()):
        return []
    return [method for method, place in places.items() if place is None or place > units / 2]
