"""What is explained, and the two ways to ask it: values and gradients, in batches that fit the memory."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from fxwatch.attribution.baselines import Baselines
from fxwatch.attribution.policy import Branches, Explained
from fxwatch.attribution.units import Units
from fxwatch.records.settings import AnalysisSettings

BATCH = 64
"""Samples that go through the model together: enough to keep a core busy, few enough for a graph of some hundred MB."""


@dataclass(frozen=True, slots=True)
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

    def values(self, inputs: Branches, choice: Tensor) -> Tensor:
        """The explained scalar of M samples: (M,)."""
        with torch.no_grad():
            parts = [self.explained(*(x[rows] for x in inputs), choice[rows]) for rows in batches(len(choice))]
        return torch.cat(parts)

    def gradients(self, inputs: Branches, choice: Tensor) -> Branches:
        """Its gradient by the inputs at M samples, in the inputs' shapes."""
        parts = []
        for rows in batches(len(choice)):
            here = tuple(x[rows].detach().requires_grad_() for x in inputs)
            with torch.enable_grad():
                total = self.explained(*here, choice[rows]).sum()
            found: tuple[Tensor | None, ...] = torch.autograd.grad(total, here, allow_unused=True)
            parts.append(tuple(torch.zeros_like(x) if g is None else g for x, g in zip(here, found, strict=True)))
        return tuple(torch.cat(branch) for branch in zip(*parts, strict=True))


def batches(total: int, size: int = BATCH) -> Iterator[slice]:
    """Consecutive slices of at most `size` rows."""
    return (slice(start, start + size) for start in range(0, total, size))


def rows_of(branches: Branches, rows: slice | Tensor) -> Branches:
    """Some rows of every branch."""
    return tuple(part[rows] for part in branches)
