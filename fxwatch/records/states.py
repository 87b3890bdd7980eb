"""Dumped states: what the policy saw, by branch. The arrays are numpy's, but nothing here imports it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class States:
    """N states.

    `branches`: name -> (N, time, features) or (N, features), in the order in which the model takes them.
    `features`: name -> names of the columns. `action`: (N,) or (N, heads), integers or, for continuous actions, floats.
    `blurred`: (branch, feature) of the columns that single precision would blur; their branches are held in double.
    """

    branches: Mapping[str, Floats]
    features: Mapping[str, list[str]]
    action: NDArray[np.generic] | None = None
    step: int | None = None
    blurred: frozenset[tuple[str, str]] = frozenset()

    @property
    def count(self) -> int:
        """How many states there are."""
        return len(next(iter(self.branches.values())))

    def shapes(self) -> dict[str, tuple[int, int]]:
        """Each branch's (time, features)."""
        return {
            name: (1 if array.ndim == 2 else array.shape[1], array.shape[-1]) for name, array in self.branches.items()
        }

    def in_order(self, order: list[str]) -> States:
        """The same states with their branches in another order."""
        return replace(
            self,
            branches={name: self.branches[name] for name in order},
            features={name: self.features[name] for name in order},
        )

    def like(self, other: States) -> bool:
        """Whether the other states have the same branches, features and shapes."""
        return self.features == other.features and self.shapes() == other.shapes()

    def same(self, other: States) -> bool:
        """Whether the other states are the same, bit for bit."""
        return self.like(other) and all(
            len(array) == len(other.branches[name]) and bool((array == other.branches[name]).all())
            for name, array in self.branches.items()
        )

    def take(self, rows: NDArray[np.intp]) -> States:
        """Some of the states."""
        return replace(
            self,
            branches={name: array[rows] for name, array in self.branches.items()},
            action=None if self.action is None else self.action[rows],
        )
