"""What every method returns, whatever it computes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject

SEED = 20240501
"""Of every method that draws: a state's draws begin with SEED + its row, whatever the other states are."""


@dataclass(frozen=True, slots=True)
class Attributions:
    """What a method says of N states.

    `units`: (N, units), signed. `time`: signed attribution by time step, averaged over states, each branch
    (time, features), where the method has any. `delta`: (N,) the error of completeness. `distrust`: why it has no vote.
    `steps`, `successive`: mean number of steps on the path, and how far the attribution moved at the last doubling.
    """

    units: Tensor
    time: Branches | None = None
    delta: Tensor | None = None
    distrust: str | None = None
    steps: float | None = None
    successive: float | None = None


Method = Callable[[Subject], Attributions]

_NUMPYS: Any = np.random
"""Captum draws from the global generators of torch and of numpy."""


@contextmanager
def drawing_for(row: int) -> Iterator[None]:
    """Seed the global generators for a state, and put them back: a trainer may live in the same process."""
    numpys = _NUMPYS.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED + row)
        _NUMPYS.seed(SEED + row)
        try:
            yield
        finally:
            _NUMPYS.set_state(numpys)


def by_time(attributions: Branches) -> Branches:
    """Mean over N states by time step: (N, time, features) or (N, features) -> (time, features) or (1, features)."""
    return tuple(part.mean(0) if part.ndim == 3 else part.mean(0, keepdim=True) for part in attributions)
