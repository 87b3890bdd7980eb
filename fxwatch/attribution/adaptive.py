"""Integrated gradients that take as many steps as each pair of input and baseline needs.

Sundararajan et al. 2017 (arXiv 1703.01365), on the nodes of Clenshaw and Curtis (1960): those of 5 steps are among
those of 9, and so on, so that no gradient is computed twice; and both ends of the path are among them, so that the end
at the input is shared by all baselines, and gives the plain gradient on the way.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from fxwatch.attribution.engine import Evaluated
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.units import sum_over_time

FEWEST, MOST = 5, 65
_GRADIENT_BYTES = 80 * 2**20
_SUCCESSIVE = 3.0
_ROUNDINGS = 8

Evaluate = Callable[[Branches, Tensor], Evaluated]


@dataclass(frozen=True, slots=True)
class Integrated:
    """Of N inputs, averaged over K baselines.

    `attributions`: in the inputs' shapes; `delta`: (N,) what the attributions miss of the change of the output;
    `successive`: (N,) how far the attribution, by units, moved at the last doubling of steps, relative to its length: a
    bound of its error; `steps`: (N,) mean number of steps; `by_rules`: attributions by each of the rules asked for.
    """

    attributions: Branches
    delta: Tensor
    successive: Tensor
    steps: Tensor
    by_rules: list[Branches]


class AdaptiveIntegratedGradients:
    """Integrated gradients in Captum's manner: made with a function, asked by `attribute`.

    `evaluate(inputs, target)` gives the output that `target` selects at M samples, and its gradient by the inputs.
    """

    def __init__(self, evaluate: Evaluate) -> None:
        self.evaluate = evaluate

    def attribute(
        self,
        inputs: Branches,
        baselines: Branches,
        target: Tensor,
        tolerance: float = 0.1,
        *,
        fewest: int = FEWEST,
        most: int = MOST,
        at_inputs: Evaluated | None = None,
        at_baselines: Evaluated | None = None,
        rules: Sequence[Tensor] = (),
    ) -> Integrated:
        """Attributions of N inputs, averaged over a distribution of K baselines; target: (N,).

        `at_inputs` is what is known there already, and `at_baselines` what is at all of them, for one target that there
        is after the other: (targets × K, ...). `rules` are weights of the nodes of `fewest` steps, (fewest,) each, by
        which attributions are wanted, too.

        The steps of a pair of input and baseline are doubled, from `fewest`, while its attributions miss the change of
        the output by more than `tolerance` of the mean change, or are thought to err by more than thrice that. What
        they err is told from how far they moved at the last two doublings: what fell so much will fall as much again,
        or more. What rounding hides is not asked for.
        """
        kind = torch.unique(target, return_inverse=True)[1]
        count, references = len(target), len(baselines[0])
        at_inputs = at_inputs or self.evaluate(inputs, target)
        at_baselines = at_baselines or self._at_baselines(baselines, target.unique())
        change = at_inputs.values[:, None] - at_baselines.values.view(-1, references)[kind]
        largest = max(float(values.abs().max()) for values in (at_inputs.values, at_baselines.values))
        missable = tolerance * float(change.abs().mean()) + _ROUNDINGS * torch.finfo(change.dtype).eps * largest
        each = references * most * sum(x[:1].nbytes for x in inputs)
        together = max(1, _GRADIENT_BYTES // max(1, each))
        parts = []
        for start in range(0, count, together):
            rows = slice(start, start + together)
            state = torch.arange(count)[rows].repeat_interleave(references)
            reference = torch.arange(references).repeat(len(state) // references)
            low = kind[state] * references + reference
            pairs = _Pairs(
                steps=tuple(x[state] - b[reference] for x, b in zip(inputs, baselines, strict=True)),
                starts=tuple(b[reference] for b in baselines),
                ends=(
                    tuple(g[state] for g in at_inputs.gradients),
                    tuple(g[low] for g in at_baselines.gradients),
                ),
                change=change[rows].flatten(),
                target=target[state],
            )
            found = pairs.integrate(self.evaluate, missable, _SUCCESSIVE * tolerance, fewest, most, rules)
            parts.append(found.averaged(references, inputs))

        def of_all(branches: Iterable[Branches]) -> Branches:
            return tuple(torch.cat(branch) for branch in zip(*branches, strict=True))

        attributions = of_all(part.attributions for part in parts)
        return Integrated(
            attributions,
            sum_over_time(attributions).sum(1) - change.mean(1),
            torch.cat([part.successive for part in parts]),
            torch.cat([part.steps for part in parts]),
            [of_all(part.by_rules[place] for part in parts) for place in range(len(rules))],
        )

    def _at_baselines(self, baselines: Branches, kinds: Tensor) -> Evaluated:
        every = tuple(b.repeat(len(kinds), *[1] * (b.ndim - 1)) for b in baselines)
        return self.evaluate(every, kinds.repeat_interleave(len(baselines[0])))


@cache
def nodes(steps: int) -> tuple[Tensor, Tensor]:
    """Nodes on [0, 1], from 1 down to 0, and their weights; `steps` is 2^k + 1, at least 3."""
    intervals = steps - 1
    angle = torch.arange(steps, dtype=torch.float64) * math.pi / intervals
    weights = torch.zeros(steps, dtype=torch.float64)
    for order in range(intervals // 2 + 1):
        doubled = 1.0 if order in {0, intervals / 2} else 2.0
        weights += doubled / (1 - 4 * order**2) * torch.cos(2 * order * angle)
    weights[0] /= 2
    weights[-1] /= 2
    return (torch.cos(angle) + 1) / 2, weights / intervals


@dataclass(slots=True)
class _Settled:
    """What is known of P pairs in the end; attributions in double."""

    attributions: Branches
    successive: Tensor
    steps: Tensor
    by_rules: list[Branches]

    def averaged(self, references: int, like: Branches) -> "_Settled":
        """Over the baselines of each input, in the inputs' precision."""

        def mean(found: Branches) -> Branches:
            each = (part.unflatten(0, (-1, references)).mean(1) for part in found)
            return tuple(part.to(x.dtype) for part, x in zip(each, like, strict=True))

        successive, steps = (part.view(-1, references).mean(1) for part in (self.successive, self.steps))
        return _Settled(mean(self.attributions), successive, steps, [mean(found) for found in self.by_rules])


@dataclass(slots=True)
class _Pairs:
    """P pairs: `starts` and `starts + steps` are baseline and input, `ends` the gradients at input and at baseline."""

    steps: Branches
    starts: Branches
    ends: tuple[Branches, Branches]
    change: Tensor
    target: Tensor

    def integrate(
        self, evaluate: Evaluate, missable: float, movable: float, fewest: int, most: int, rules: Sequence[Tensor]
    ) -> _Settled:
        """Attributions of all pairs. Those that agree are settled; the others go on with twice as many steps.

        `missable`: what they may miss of the change; `movable`: what they may err, in mean lengths of an attribution.
        """
        count, level = len(self.target), fewest
        open_pairs = torch.arange(count)
        at_input, at_baseline = self.ends
        known = {0: at_input, level - 1: at_baseline}
        known |= self._evaluate(evaluate, open_pairs, level, list(range(1, level - 1)))
        settled = _Settled(
            tuple(torch.zeros_like(x, dtype=torch.float64) for x in self.steps),
            torch.zeros(count),
            torch.zeros(count),
            [self._attributions(open_pairs, known, weights) for weights in rules],
        )
        coarser, coarse = (
            sum_over_time(self._attributions(open_pairs, known, nodes(size)[1]))
            for size in ((level + 3) // 4, (level + 1) // 2)
        )
        while True:
            fine = self._attributions(open_pairs, known, nodes(level)[1])
            units = sum_over_time(fine)
            length, moved, before = (x.norm(dim=1) for x in (units, units - coarse, coarse - coarser))
            missed = (units.sum(1) - self.change[open_pairs]).abs()
            error = moved * (moved / before.clamp_min(1e-30)).clamp_max(1)
            agrees = (missed <= missable) & (error <= movable * length.mean())
            good = agrees | ~units.isfinite().all(1) | (level >= most)
            done = open_pairs[good]
            for into, part in zip(settled.attributions, fine, strict=True):
                into[done] = part[good]
            settled.successive[done] = (moved[good] / length[good].clamp_min(1e-30)).to(torch.float32)
            settled.steps[done] = level
            open_pairs = open_pairs[~good]
            if not len(open_pairs):
                return settled
            known = {place: tuple(part[~good] for part in found) for place, found in known.items()}
            coarser, coarse = coarse[~good], units[~good]
            level = 2 * level - 1
            known = {2 * place: found for place, found in known.items()} | self._evaluate(
                evaluate, open_pairs, level, list(range(1, level - 1, 2))
            )

    def _evaluate(self, evaluate: Evaluate, pairs: Tensor, level: int, places: list[int]) -> dict[int, Branches]:
        """Gradients of some pairs at some nodes of a level."""
        positions, _ = nodes(level)
        points = tuple(
            torch.addcmul(start[pairs], positions[places].view(-1, *[1] * step.ndim).to(step.dtype), step[pairs])
            for start, step in zip(self.starts, self.steps, strict=True)
        )
        found = evaluate(tuple(part.flatten(0, 1) for part in points), self.target[pairs].repeat(len(places))).gradients
        cut = [part.view(len(places), len(pairs), *part.shape[1:]) for part in found]
        return {place: tuple(part[turn] for part in cut) for turn, place in enumerate(places)}

    def _attributions(self, pairs: Tensor, known: dict[int, Branches], weights: Tensor) -> Branches:
        """Attributions by weights of the nodes of a level, at which or beyond which gradients are known: in double."""
        stride = max(known) // (len(weights) - 1)
        weighed = [(known[place * stride], weight) for place, weight in enumerate(weights.tolist()) if weight]
        found = []
        for branch, step in enumerate(self.steps):
            total = torch.zeros_like(step[pairs], dtype=torch.float64)
            for gradients, weight in weighed:
                total.add_(gradients[branch], alpha=weight)
            found.append(total.mul_(step[pairs]))
        return tuple(found)
