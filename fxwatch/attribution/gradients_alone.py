"""Gradient flow without the rest of an analysis: the very numbers that `explain` gives."""

from collections.abc import Collection

import torch
from torch import nn

from fxwatch.attribution.explain import answers, dumped_actions, target_of, tensors
from fxwatch.attribution.gradient_flow import gradient_flow
from fxwatch.attribution.policy import Explained, Meter, choose
from fxwatch.attribution.subject import rows_of
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits


def gradients_alone(
    policy: nn.Module,
    states: States,
    settings: AnalysisSettings,
    limits: GradientLimits,
    *,
    continuous: Collection[str] = (),
) -> GradientFlow:
    """Gradients by layer of a policy over N states, as `explain` takes them. Raises AttributionError."""
    meter = Meter()
    inputs = tensors(states, policy)
    outputs = answers(policy, inputs, meter)
    target = target_of(settings, list(outputs))
    good = torch.stack([output.flatten(1).isfinite().all(1) for output in outputs.values()]).all(0)
    if not bool(good.any()):
        return GradientFlow(of="", reason="the model answers every state with NaN or Inf")
    inputs, outputs = rows_of(inputs, good), {name: output[good] for name, output in outputs.items()}
    choice = choose(outputs, target, dumped_actions(states, good), continuous=target in continuous)
    return gradient_flow(Explained(policy, target, meter), inputs, choice, limits)
