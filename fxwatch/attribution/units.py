"""Units: a unit is one feature column of one branch. Attributions are summed over time, with their sign, to units."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from fxwatch.attribution.policy import Branches


@dataclass(frozen=True, slots=True)
class Units:
    """The layout of a vector over all units: branch by branch, feature by feature."""

    features: Mapping[str, list[str]]

    def __len__(self) -> int:
        return sum(len(names) for names in self.features.values())

    def names(self) -> list[tuple[str, str]]:
        """(branch, feature) of each unit, in order."""
        return [(branch, name) for branch, names in self.features.items() for name in names]

    def slices(self) -> dict[str, slice]:
        """Where each branch's units stand in the vector."""
        places, start = {}, 0
        for branch, names in self.features.items():
            places[branch] = slice(start, start + len(names))
            start += len(names)
        return places


def sum_over_time(attributions: Branches) -> Tensor:
    """Signed time sum of each unit, which keeps completeness: branches of (N, time, features) -> (N, units).

    Summed in double, as parts of both signs cancel.
    """
    sums = (part.sum(1, dtype=torch.float64).to(part.dtype) if part.ndim == 3 else part for part in attributions)
    return torch.cat(tuple(sums), dim=1)


def spread(branches: Branches) -> Tensor:
    """Standard deviation of each unit over states and time: (units,); nought for a column that never changes.

    A column of one value can show a deviation of rounding size only, which counts as nought.
    """
    deviations = []
    for part in branches:
        column = part.reshape(-1, part.shape[-1]).double()
        deviation = column.std(0, correction=0)
        floor = 1e-6 * column.abs().amax(0)
        deviations.append(torch.where(deviation > floor, deviation, 0.0).to(part.dtype))
    return torch.cat(deviations)


def by_branch(vector: Tensor, like: Branches) -> Branches:
    """Cut a vector over units into branches that broadcast against inputs: (units,) -> (features,) each."""
    return torch.split(vector, [part.shape[-1] for part in like])
