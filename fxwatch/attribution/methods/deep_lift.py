"""DeepLift, and whether its rules cover the model at all."""

import torch
from captum.attr import DeepLift
from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR
from torch import Tensor, nn

from fxwatch.attribution.engine import batches
from fxwatch.attribution.methods.attributions import Attributions
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import sum_over_time

_SAME = 1e-5
_COMPLETE = 0.1


def deep_lift(subject: Subject) -> Attributions:
    """DeepLift against the centre of the baselines; without a vote where its rules do not cover the model."""
    if not any(type(module) in SUPPORTED_NON_LINEAR for module in subject.explained.modules()):
        return _judged(subject, _plain(subject))  # what Captum's gives, as no rule of its applies: from known gradients
    couples = any(isinstance(module, nn.Softmax) for module in subject.explained.modules())
    size = 1 if couples else max(1, subject.batch // 2)
    method = DeepLift(subject.explained)
    parts = []
    for rows in batches(subject.count, size):
        inputs = rows_of(subject.inputs, rows)
        baselines = tuple(b.expand_as(x).clone() for x, b in zip(inputs, subject.baselines.centre, strict=True))
        found = method.attribute(inputs, baselines=baselines, additional_forward_args=(subject.choice[rows],))
        parts.append(tuple(part.detach() for part in found))
    return _judged(subject, tuple(torch.cat(part) for part in zip(*parts, strict=True)))


def _plain(subject: Subject) -> Branches:
    """Input, above the centre of the baselines, times gradient."""
    gradients = subject.at_states.gradients
    return tuple((x - b) * g for x, b, g in zip(subject.inputs, subject.baselines.centre, gradients, strict=True))


def _judged(subject: Subject, found: Branches) -> Attributions:
    units = sum_over_time(found)
    change = subject.change_from_centre
    delta = units.sum(1) - change
    return Attributions(units, delta=delta, distrust=_distrust(subject, found, delta, change))


def _distrust(subject: Subject, found: Branches, delta: Tensor, change: Tensor) -> str | None:
    error = float(delta.abs().sum() / change.abs().sum().clamp_min(1e-12))
    if error <= _COMPLETE:
        return None
    scale = max(float(part.abs().max()) for part in found)
    if all(float((a - b).abs().max()) <= _SAME * scale for a, b in zip(found, _plain(subject), strict=True)):
        return "none of its rules apply to this model's non-linearities, so it equals input × gradient"
    return f"its rules cover this model only in part: attributions miss the change of output by {error:.0%}"
