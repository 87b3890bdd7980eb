"""Captum's methods, each asked in the way that is right for a policy: one table from name to function.

All return signed attributions of the explained scalar; `Attributions.units` are their sums over time.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from captum.attr import (
    DeepLift,
    FeatureAblation,
    GradientShap,
    InputXGradient,
    IntegratedGradients,
    NoiseTunnel,
    Saliency,
)
from torch import Tensor, nn

from fxwatch.attribution.integrated import integrated_gradients
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import BATCH, Subject, batches, rows_of
from fxwatch.attribution.units import by_branch, sum_over_time

NOISE_TUNNEL_SIGMAS = 0.1
NOISE_TUNNEL_STEPS = 5
_SEED = 20240501
_SAME = 1e-5
_COMPLETE = 0.1


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


def _integrated_gradients(subject: Subject) -> Attributions:
    found = integrated_gradients(subject)
    units = sum_over_time(found.attributions)
    time = tuple(part.mean(0) if part.ndim == 3 else part.mean(0, keepdim=True) for part in found.attributions)
    delta = units.sum(1) - _mean_change(subject)
    return Attributions(units, time, delta, steps=found.steps, successive=found.successive)


def _mean_change(subject: Subject) -> Tensor:
    """What the output of each state is above its mean over the baselines: (N,).

    A baseline is judged by the component that the state is explained by.
    """
    kinds, kind = torch.unique(subject.choice, return_inverse=True)
    references = subject.baselines.count
    every = tuple(b.repeat(len(kinds), *[1] * (b.ndim - 1)) for b in subject.baselines.samples)
    left = subject.values(every, kinds.repeat_interleave(references)).view(len(kinds), references).mean(1)
    return subject.values(subject.inputs, subject.choice) - left[kind]


def _gradient_shap(subject: Subject) -> Attributions:
    """Expected gradients by Monte Carlo. Each state has its own seed, so a batch changes nothing."""
    method = GradientShap(subject.explained)
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        np.random.seed(_SEED + row)  # noqa: NPY002 - Captum draws the position on the path from numpy's global state
        torch.manual_seed(_SEED + row)
        found = method.attribute(
            rows_of(subject.inputs, rows),
            baselines=subject.baselines.samples,
            n_samples=subject.settings.n_samples,
            additional_forward_args=(subject.choice[rows],),
        )
        parts.append(sum_over_time(found))
    return Attributions(torch.cat(parts).detach())


def _deep_lift(subject: Subject) -> Attributions:
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
    reference = tuple(b.expand_as(x) for x, b in zip(subject.inputs, subject.baselines.centre, strict=True))
    change = subject.values(subject.inputs, subject.choice) - subject.values(reference, subject.choice)
    delta = units.sum(1) - change
    return Attributions(units, delta=delta, distrust=_distrust_deep_lift(subject, attributions, delta, change))


def _distrust_deep_lift(subject: Subject, found: Branches, delta: Tensor, change: Tensor) -> str | None:
    error = float(delta.abs().sum() / change.abs().sum().clamp_min(1e-12))
    if error <= _COMPLETE:
        return None
    gradients = subject.gradients(subject.inputs, subject.choice)
    plain = [(x - b) * g for x, b, g in zip(subject.inputs, subject.baselines.centre, gradients, strict=True)]
    scale = max(float(part.abs().max()) for part in found)
    if all(float((a - b).abs().max()) <= _SAME * scale for a, b in zip(found, plain, strict=True)):
        return "degenerate: none of its rules apply to this model's non-linearities, so it equals input × gradient"
    return f"its rules cover this model only in part: attributions miss the change of output by {error:.0%}"


def _saliency(subject: Subject) -> Attributions:
    """Gradients in units of each feature's own spread, so that a feature's scale does not decide its rank."""
    method = Saliency(subject.explained)
    parts = []
    for rows in batches(subject.count):
        inputs = tuple(part.detach().requires_grad_() for part in rows_of(subject.inputs, rows))
        found = method.attribute(inputs, abs=False, additional_forward_args=(subject.choice[rows],))
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts) * subject.deviation)


def _input_x_gradient(subject: Subject) -> Attributions:
    method = InputXGradient(subject.explained)
    parts = []
    for rows in batches(subject.count):
        inputs = tuple(part.detach().requires_grad_() for part in rows_of(subject.inputs, rows))
        found = method.attribute(inputs, additional_forward_args=(subject.choice[rows],))
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts))


def _feature_ablation(subject: Subject) -> Attributions:
    """Each unit as a whole put to the centre of the baselines: the change of the output is its attribution."""
    method = FeatureAblation(subject.explained)
    masks, first = [], 0
    for part in subject.inputs:
        width = part.shape[-1]
        masks.append(torch.arange(first, first + width).expand(1, *part.shape[1:]))
        first += width
    parts = []
    for rows in batches(subject.count, BATCH // 4):
        found = method.attribute(
            rows_of(subject.inputs, rows),
            baselines=subject.baselines.centre,
            feature_mask=tuple(masks),
            perturbations_per_eval=4,
            additional_forward_args=(subject.choice[rows],),
        )
        # every cell of a unit is given the whole unit's change, so one of them is the unit's attribution
        parts.append(torch.cat([part[:, 0] if part.ndim == 3 else part for part in found], dim=1))
    return Attributions(torch.cat(parts).detach())


class _InSigmas(nn.Module):
    """The explained scalar as a function of inputs in units of each feature's spread, so that one noise fits all."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.explained = subject.explained
        self.scales = [scale.clamp_min(1e-12) for scale in by_branch(subject.deviation, subject.inputs)]

    def forward(self, *scaled_and_choice: Tensor) -> Tensor:
        *scaled, choice = scaled_and_choice
        found: Tensor = self.explained(*(z * scale for z, scale in zip(scaled, self.scales, strict=True)), choice)
        return found


def _noise_tunnel(subject: Subject) -> Attributions:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) over integrated gradients from the centre of the baselines.

    The noise is a tenth of each feature's spread.
    """
    scaled = _InSigmas(subject)
    inputs = tuple(x / scale for x, scale in zip(subject.inputs, scaled.scales, strict=True))
    centre = tuple(b / scale for b, scale in zip(subject.baselines.centre, scaled.scales, strict=True))
    method = NoiseTunnel(IntegratedGradients(scaled))
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        torch.manual_seed(_SEED + row)
        found = method.attribute(
            rows_of(inputs, rows),
            nt_type="smoothgrad",
            nt_samples=subject.settings.noise_tunnel_samples,
            stdevs=NOISE_TUNNEL_SIGMAS,
            baselines=centre,
            n_steps=NOISE_TUNNEL_STEPS,
            additional_forward_args=(subject.choice[rows],),
        )
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts))


METHODS: dict[str, Method] = {
    "integrated_gradients": _integrated_gradients,
    "gradient_shap": _gradient_shap,
    "deep_lift": _deep_lift,
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "feature_ablation": _feature_ablation,
    "noise_tunnel": _noise_tunnel,
}
