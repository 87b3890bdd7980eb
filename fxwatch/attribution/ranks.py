"""The place of each feature by each method."""

from collections.abc import Mapping

import torch
from torch import Tensor

from fxwatch.attribution.units import Units
from fxwatch.records.ranks import LISTED, FeatureRanks


def ranks_by_method(voters: Mapping[str, Tensor], units: Units) -> list[FeatureRanks]:
    """The features that any method puts highest: name -> signed attributions (N, units), the primary method first.

    Importance is the mean of its size over states. In the order of the primary method; the best place of the others
    decides between features to which it gives the same.
    """
    if not voters:
        return []
    importance = {method: signed.double().abs().mean(0) for method, signed in voters.items()}
    places = {method: _places(values) for method, values in importance.items()}
    best = torch.stack(list(places.values())).amin(0)
    listed = best.argsort(stable=True)[:LISTED].tolist()
    primary = next(iter(places.values()))
    names = units.names()
    return [
        FeatureRanks(
            branch=names[unit][0],
            feature=names[unit][1],
            ranks={method: int(places[method][unit]) for method in voters if importance[method][unit] > 0},
        )
        for unit in sorted(listed, key=lambda unit: (int(primary[unit]), int(best[unit])))
    ]


def _places(importance: Tensor) -> Tensor:
    """One more than there are units of greater importance: (units,)."""
    return 1 + (importance[None, :] > importance[:, None]).sum(1)
