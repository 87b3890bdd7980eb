"""Why the policy decides otherwise in one state than in another: integrated gradients from state B to state A.

Sundararajan et al. 2017 (arXiv 1703.01365), with state B for a baseline: the contributions add up to f(A) - f(B), which
a difference of two attributions against a third point does not explain. Where the policy takes different actions, f is
the margin between their logits.
"""

import heapq
from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor, nn

from fxwatch.attribution.adaptive import AdaptiveIntegratedGradients
from fxwatch.attribution.baselines import Baselines
from fxwatch.attribution.decisions import action_names
from fxwatch.attribution.explain import answers, dumped_actions, target_of, tensors
from fxwatch.attribution.policy import AttributionError, Branches, Choice, Explained, Meter, choose, component
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import Units, spread, sum_over_time
from fxwatch.records.comparison import DecisionComparison
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States

COMPLETE = 1e-4
"""The contributions miss f(A) - f(B) by no more than this part of it, but for rounding, on a path without jumps."""

_APART = 1e-2
_ROUNDING = 1e-6
_PIECES = 256
_STEPS, _STEPS_OF_A_PIECE = 33, 9


def compare_decisions(
    policy: nn.Module,
    state_a: States,
    state_b: States,
    settings: AnalysisSettings,
    *,
    continuous: Collection[str] = (),
) -> DecisionComparison:
    """What moves the policy from its decision at state B to that at state A; each is one state of the same features.

    `policy` takes the states' branches in order and returns its outputs by name; `continuous` names the outputs that
    are continuous actions. Raises AttributionError where the states do not fit each other, or the model answers NaN.
    """
    if (state_a.count, state_b.count) != (1, 1) or not state_a.like(state_b):
        raise AttributionError("two states are compared, one each, with the same features and shapes")
    states = _both(state_a, state_b)
    meter = Meter()
    inputs = tensors(states, policy)
    outputs = answers(policy, inputs, meter)
    target = target_of(settings, list(outputs))
    if not bool(outputs[target].isfinite().all()):
        raise AttributionError(f"the model answers these states with NaN or Inf in {target}")
    everything = torch.ones(2, dtype=torch.bool)
    choice = choose(outputs, target, dumped_actions(states, everything), continuous=target in continuous)
    names = action_names(choice, target, settings.actions)
    chosen, other = (int(index) for index in choice.index)
    units = Units(states.features)
    subject = _subject(_Margin(policy, target, chosen, other), inputs, units, settings, meter)
    value_a, value_b = subject.values(inputs, torch.zeros(2, dtype=torch.long)).double().tolist()
    path = _straight_path(subject, value_a - value_b, _ROUNDING * (abs(value_a) + abs(value_b)))
    found = list(zip(units.names(), path.tolist(), strict=True))
    return DecisionComparison(
        target=target,
        scalar=_words(choice, names[chosen], names[other]),
        action_a=names[chosen],
        action_b=names[other],
        value_a=value_a,
        value_b=value_b,
        change=value_a - value_b,
        contributions={
            branch: {name: value for (where, name), value in found if where == branch} for branch in states.features
        },
        key_discriminative_features=sorted(
            ((branch, name, value) for (branch, name), value in found), key=lambda one: -abs(one[2])
        ),
        completeness_error=abs(float(path.sum()) - (value_a - value_b)),
        gradients=meter.backwards,
    )


class _Margin(nn.Module):
    """The logit of one action, less that of another where that is another. forward(*branches) -> {"margin": (N, 1)}."""

    def __init__(self, policy: nn.Module, target: str, chosen: int, other: int) -> None:
        super().__init__()
        self.policy, self.target, self.chosen, self.other = policy, target, chosen, other

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """The margin of each state."""
        output = self.policy(*branches)[self.target]
        every = torch.zeros(len(output), dtype=torch.long)
        margin = component(output, every + self.chosen)
        if self.other != self.chosen:
            margin = margin - component(output, every + self.other)
        return {"margin": margin[:, None]}


@dataclass(frozen=True, slots=True)
class _Piece:
    """A part of the path, from one position on it to another.

    `units`: its attribution; `missed`: what this misses of the change of the output there, with its sign; `error`: how
    far the attribution may be off, for all that the sum may fit.
    """

    start: float
    end: float
    units: Tensor
    missed: float
    error: float


def _straight_path(subject: Subject, change: float, rounding: float) -> Tensor:
    """Attribution of the path from the baseline to the input, by units: (units,).

    Where the rule for a piece of it does not fit the change of the output there, as at a kink, the piece is halved: the
    worst first, until all pieces together miss next to nothing, and each by itself little.
    """
    first = _piece(subject, 0.0, 1.0, _STEPS)
    order = count()
    pieces = [(-first.error, next(order), first)]
    while len(pieces) < _PIECES:
        missed = abs(sum(piece.missed for _, _, piece in pieces))
        apart = sum(piece.error for _, _, piece in pieces)
        if missed <= COMPLETE * abs(change) + rounding and apart <= _APART * abs(change) + rounding:
            break
        _, _, worst = heapq.heappop(pieces)
        middle = (worst.start + worst.end) / 2
        for start, end in ((worst.start, middle), (middle, worst.end)):
            half = _piece(subject, start, end, _STEPS_OF_A_PIECE)
            heapq.heappush(pieces, (-half.error, next(order), half))
    return torch.stack([piece.units for _, _, piece in pieces]).sum(0)


def _piece(subject: Subject, start: float, end: float, steps: int) -> _Piece:
    low, high = (
        tuple(b + position * (x - b) for x, b in zip(subject.inputs, subject.baselines.samples, strict=True))
        for position in (start, end)
    )
    method = AdaptiveIntegratedGradients(subject.evaluate)
    found = method.attribute(high, low, subject.choice, tolerance=COMPLETE, most=steps)
    units = sum_over_time(found.attributions)[0].double()
    missed = float(found.delta[0])
    moved = float(found.successive[0]) * float(units.norm())
    return _Piece(start, end, units, missed, max(abs(missed), moved))


def _subject(margin: nn.Module, inputs: Branches, units: Units, settings: AnalysisSettings, meter: Meter) -> Subject:
    """State A as the input, and state B as its only baseline."""
    reference = rows_of(inputs, slice(1, 2))
    return Subject(
        explained=Explained(margin, "margin", meter),
        inputs=rows_of(inputs, slice(0, 1)),
        choice=torch.zeros(1, dtype=torch.long),
        baselines=Baselines(reference, reference, "the other state"),
        units=units,
        deviation=spread(inputs),
        settings=settings,
    )


def _both(a: States, b: States) -> States:
    action = None
    if a.action is not None and b.action is not None:
        action = np.concatenate([a.action, b.action])
    branches = {name: np.concatenate([array, b.branches[name]]) for name, array in a.branches.items()}
    return replace(a, branches=branches, action=action)


def _words(choice: Choice, chosen: str, other: str) -> str:
    if choice.kind != "discrete":
        return chosen if chosen == other else f"{chosen} less {other}"
    return f"the logit of {chosen}" if chosen == other else f"the logit of {chosen} less that of {other}"
