"""Policies made of parts, and a policy over states as the methods are given it."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.policy import Explained, Meter, choose
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import Units, spread
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States


class Model(nn.Module):
    """Parts by name, and a function of them and the branches that gives three logits."""

    def __init__(self, formula: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.formula = formula
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        return {"action_type": self.formula(self, *branches)}


def subject_of(policy: nn.Module, states: States, settings: AnalysisSettings) -> Subject:
    """The policy's own choice of `action_type` over the states, its weights frozen as the loader freezes them."""
    policy.eval()
    for parameter in policy.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - its only argument
    inputs = tuple(torch.as_tensor(array) for array in states.branches.values())
    with torch.no_grad():
        choice = choose(policy(*inputs), "action_type", None).index
    explained = Explained(policy, "action_type", Meter())
    compared = baselines(settings.baseline_type, inputs)
    return Subject(explained, inputs, choice, compared, Units(states.features), spread(inputs), settings)
