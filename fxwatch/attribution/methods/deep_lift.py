"""DeepLift, and whether its rules cover the model at all."""

import torch
from captum.attr import DeepLift
from torch import Tensor, nn

from fxwatch.attribution.methods.attributions import Attributions, change_from_centre
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import BATCH, Subject, batches, rows_of
from fxwatch.attribution.units import sum_over_time

_SAME = 1e-5
_COMPLETE = 0.1


def deep_lift(subject: Subject) -> Attributions:
    """DeepLift against the centre of the baselines; without a vote where its rules do not cover the model."""
    size = 1 if any(isinstance(module, nn.Softmax) for module in subject.explained.modules()) else BATCH // 2
    method = DeepLift(subject.explained)
    parts = []
    for rows in batches(subject.count, size):
        inputs = rows_of(subject.inputs, rows)
        baselines = tuple(b.expand_as(x).clone() for x, b in zip(inputs, subject.baselines.centre, strict=True))
        found = method.attribute(inputs, baselines=baselines, additional_forward_args=(subject.choice[rows],))
        parts.append(tuple(part.detach() for part in found))
    attributions = tuple(torch.cat(part) for part in zip(*parts, strict=True))
    units = sum_over_time(attributions)
    change = change_from_centre(subject)
    delta = units.sum(1) - change
    return Attributions(units, delta=delta, distrust=_distrust(subject, attributions, delta, change))


def _distrust(subject: Subject, found: Branches, delta: Tensor, change: Tensor) -> str | None:
    error = float(delta.abs().sum() / change.abs().sum().clamp_min(1e-12))
    if error <= _COMPLETE:
        return None
    gradients = subject.gradients(subject.inputs, subject.choice)
    plain = [(x - b) * g for x, b, g in zip(subject.inputs, subject.baselines.centre, gradients, strict=True)]
    scale = max(float(part.abs().max()) for part in found)
    if all(float((a - b).abs().max()) <= _SAME * scale for a, b in zip(found, plain, strict=True)):
        return "degenerate: none of its rules apply to this model's non-linearities, so it equals input × gradient"
    return f"its rules cover this model only in part: attributions miss the change of output by {error:.0%}"
