"""Integrated gradients against every baseline, with as many steps as are needed.

Sundararajan et al. 2017 (arXiv 1703.01365). Captum's own, on Gauss-Legendre nodes.
Each pair of state and baseline begins with few steps; a pair whose attributions
do not sum to the change of the output gets about twice as many, up to a cap.
"""

from dataclasses import dataclass

import torch
from captum.attr import IntegratedGradients
from torch import Tensor

from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import BATCH, Subject, batches
from fxwatch.attribution.units import sum_over_time

FEWEST_STEPS = 5
_STEPS = (FEWEST_STEPS, 9, 17, 33, 65)
_TOLERANCE = 0.1


@dataclass(frozen=True, slots=True)
class Integrated:
    """Averages over baselines.

    `units`: (N, units), signed; `time`: each branch (time, features), signed mean over states; `delta`: (N,) what the
    attributions of a state miss of the change of output.
    """

    units: Tensor
    time: Branches
    delta: Tensor


def integrated_gradients(subject: Subject) -> Integrated:
    """Attributions of all N states against all K baselines."""
    states, references = subject.count, subject.baselines.count
    state = torch.arange(states).repeat_interleave(references)
    reference = torch.arange(references).repeat(states)
    change = _changes(subject, state, reference)
    total: list[Tensor] = [torch.zeros_like(x) for x in subject.inputs]
    open_pairs = torch.arange(len(state))
    fixed = subject.settings.n_steps
    tolerance = _TOLERANCE * float(change.abs().mean())
    for steps in _STEPS if fixed == "auto" else (fixed,):
        last = steps == _STEPS[-1] or fixed != "auto"
        still_open = []
        for rows in batches(len(open_pairs), max(1, BATCH // steps)):
            pairs = open_pairs[rows]
            found = _attribute(subject, state[pairs], reference[pairs], steps)
            missed = (sum_over_time(found).sum(1) - change[pairs]).abs()
            good = torch.ones(len(pairs), dtype=torch.bool) if last else ~(missed > tolerance)
            for into, part in zip(total, found, strict=True):
                into.index_add_(0, state[pairs[good]], part[good] / references)
            still_open.append(pairs[~good])
        open_pairs = torch.cat(still_open)
        if not len(open_pairs):
            break
    attributions = sum_over_time(tuple(total))
    delta = attributions.sum(1) - change.view(states, references).mean(1)
    time = tuple(part.mean(0) if part.ndim == 3 else part.mean(0, keepdim=True) for part in total)
    return Integrated(attributions, time, delta)


def _changes(subject: Subject, state: Tensor, reference: Tensor) -> Tensor:
    """f(state) - f(baseline) of every pair; the baseline is judged by the component that its state is explained by."""
    at_states = subject.values(subject.inputs, subject.choice)
    kinds, kind = torch.unique(subject.choice, return_inverse=True)
    count = subject.baselines.count
    samples = tuple(b.repeat(len(kinds), *[1] * (b.ndim - 1)) for b in subject.baselines.samples)
    at_baselines = subject.values(samples, kinds.repeat_interleave(count)).view(len(kinds), count)
    return at_states[state] - at_baselines[kind[state], reference]


def _attribute(subject: Subject, state: Tensor, reference: Tensor, steps: int) -> Branches:
    found = IntegratedGradients(subject.explained).attribute(
        tuple(x[state] for x in subject.inputs),
        baselines=tuple(b[reference] for b in subject.baselines.samples),
        additional_forward_args=(subject.choice[state],),
        n_steps=steps,
    )
    return tuple(part.detach() for part in found)
