"""What a state is compared with: real background states, their mean, nought, or draws from a normal distribution."""

from dataclasses import dataclass

import torch

from fxwatch.attribution.policy import Branches
from fxwatch.records.settings import BaselineType

BACKGROUND_STATES = 8


@dataclass(frozen=True, slots=True)
class Baselines:
    """K reference states, each branch (K, ...), the centre of them (1, ...), and what they are in words.

    Methods that take a distribution are averaged over all K; methods that take one reference are given the centre.
    """

    samples: Branches
    centre: Branches
    words: str

    @property
    def count(self) -> int:
        """K."""
        return len(self.samples[0])


def baselines(kind: BaselineType, states: Branches) -> Baselines:
    """The baselines of a kind over N states; real background needs two different states, or nought is taken instead."""
    if kind in {"background", "gaussian"} and _all_alike(states):
        found = baselines("zero", states)
        return Baselines(found.samples, found.centre, f"{found.words} (all states are alike: there is no {kind})")
    if kind == "background":
        rows = evenly(len(states[0]), BACKGROUND_STATES)
        samples = tuple(part[rows] for part in states)
        return Baselines(samples, _mean(samples), f"{len(rows)} real states of the same dump")
    if kind == "gaussian":
        generator = torch.Generator().manual_seed(0)
        samples = tuple(_normal(part, BACKGROUND_STATES, generator) for part in states)
        return Baselines(
            samples, _mean(samples), f"{BACKGROUND_STATES} normal draws with the states' mean and deviation"
        )
    if kind == "mean":
        return Baselines(_mean(states), _mean(states), "the mean of the states")
    zero = tuple(torch.zeros_like(part[:1]) for part in states)
    return Baselines(zero, zero, "nought")


def evenly(total: int, wanted: int) -> list[int]:
    """Up to `wanted` different row numbers of `total`, evenly spaced from the first to the last."""
    if total <= wanted:
        return list(range(total))
    if wanted == 1:
        return [0]
    return [round(place * (total - 1) / (wanted - 1)) for place in range(wanted)]


def _all_alike(states: Branches) -> bool:
    return all(bool((part == part[:1]).all()) for part in states)


def _mean(states: Branches) -> Branches:
    return tuple(part.mean(0, keepdim=True) for part in states)


def _normal(part: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    noise = torch.randn((count, *part.shape[1:]), generator=generator).to(part.dtype)
    return part.mean(0) + part.std(0, correction=0) * noise
