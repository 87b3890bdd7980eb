"""What is explained, and what is known of it: what several methods ask for is asked of the model once."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import torch
from torch import Tensor

from fxwatch.attribution.baselines import Baselines
from fxwatch.attribution.engine import Evaluated, Scalar, batches, evaluate
from fxwatch.attribution.policy import Branches, Explained
from fxwatch.attribution.units import Units
from fxwatch.records.settings import AnalysisSettings

Found = TypeVar("Found")

VALUES_HERE = "values at the states"
"""The name under which `Subject.once` keeps them: who knows them already may say so."""


@dataclass(frozen=True)
class Subject:
    """A policy's chosen scalar over N states, and what the states are compared with.

    `inputs`: each branch (N, ...); `choice`: (N,); `deviation`: (units,), the spread of each unit over states and time.
    """

    explained: Explained
    inputs: Branches
    choice: Tensor
    baselines: Baselines
    units: Units
    deviation: Tensor
    settings: AnalysisSettings

    @property
    def count(self) -> int:
        """N."""
        return len(self.choice)

    @property
    def batch(self) -> int:
        """How many samples may go through the model together."""
        return self.explained.meter.batch

    @cached_property
    def at_states(self) -> Evaluated:
        """Values and gradients at the states themselves."""
        return self.evaluate(self.inputs, self.choice)

    @cached_property
    def at_baselines(self) -> Evaluated:
        """Values and gradients of each component that explains a state, at all baselines: (kinds × K, ...)."""
        kinds = self.choice.unique()
        every = tuple(b.repeat(len(kinds), *[1] * (b.ndim - 1)) for b in self.baselines.samples)
        return self.evaluate(every, kinds.repeat_interleave(self.baselines.count))

    @cached_property
    def _known(self) -> dict[Hashable, Any]:
        return {}

    def once(self, name: Hashable, compute: Callable[[], Found]) -> Found:
        """What several ask for under a name, computed for the first that does."""
        if name not in self._known:
            self._known[name] = compute()
        found: Found = self._known[name]
        return found

    @property
    def values_here(self) -> Tensor:
        """Values at the states, without gradients: a model need not have any."""
        return self.once(VALUES_HERE, lambda: self.values(self.inputs, self.choice))

    @cached_property
    def mean_change(self) -> Tensor:
        """What the output of each state is above its mean over the baselines: (N,).

        A baseline is judged by the component that the state is explained by.
        """
        kind = torch.unique(self.choice, return_inverse=True)[1]
        left = self.at_baselines.values.view(-1, self.baselines.count)
        # in double, so that the mean of equal values is none but themselves
        return (self.at_states.values.double() - left.double().mean(1)[kind]).to(left.dtype)

    @cached_property
    def change_from_centre(self) -> Tensor:
        """What the output of each state is above that at the centre of the baselines: (N,)."""
        kinds, kind = torch.unique(self.choice, return_inverse=True)
        centre = tuple(b.expand(len(kinds), *b.shape[1:]) for b in self.baselines.centre)
        return self.values_here - self.values(centre, kinds)[kind]

    def values(self, inputs: Branches, choice: Tensor) -> Tensor:
        """The explained scalar of M samples: (M,)."""
        return self.values_of(len(choice), lambda rows: (rows_of(inputs, rows), choice[rows]))

    def values_of(self, total: int, build: Callable[[slice], tuple[Branches, Tensor]]) -> Tensor:
        """The explained scalar of samples that are built batch by batch, as all of them need not fit the memory."""
        parts = []
        with torch.no_grad():
            for rows in batches(total, self.batch):
                points, choice = build(rows)
                parts.append(self.explained(*points, choice))
        return torch.cat(parts)

    def evaluate(self, inputs: Branches, choice: Tensor) -> Evaluated:
        """Its values and gradients at M samples."""
        policy, meter = self.explained.policy, self.explained.meter
        parts = [
            evaluate(policy, rows_of(inputs, rows), [Scalar(self.explained.target, choice[rows])], meter)[0]
            for rows in batches(len(choice), self.batch)
        ]
        if len(parts) == 1:
            return parts[0]
        return Evaluated(
            torch.cat([part.values for part in parts]),
            tuple(torch.cat(branch) for branch in zip(*(part.gradients for part in parts), strict=True)),
            parts[0].reached,
        )


def rows_of(branches: Branches, rows: slice | Tensor) -> Branches:
    """Some rows of every branch."""
    return tuple(part[rows] for part in branches)
