"""Dormant units: hidden units whose activity is next to nothing over the states.

Sokar et al. 2023 (arXiv 2302.12902).
"""

import torch
from torch import Tensor, nn

from fxwatch.attribution.engine import batches
from fxwatch.attribution.policy import Branches, named_layers
from fxwatch.attribution.subject import rows_of

DORMANT = 0.025


def dormant_units(policy: nn.Module, inputs: Branches) -> dict[str, float]:
    """Fraction of dormant units among those that feed each linear layer: name of the layer -> 0 to 1.

    A unit is dormant where its mean |activation| is at most 0.025 of its layer's mean. What feeds a linear layer is the
    activation before it, whether the model applies it as a module or as a function. A layer that no parameter comes
    before is fed by features, not by units, and is left out: features of another scale are not dormant.
    """
    totals: dict[str, Tensor] = {}
    handles = [
        module.register_forward_pre_hook(_Reader(name, totals))
        for name, module in named_layers(policy)
        if isinstance(module, nn.Linear)
    ]
    parameters = [parameter for parameter in policy.parameters() if parameter.is_floating_point()]
    frozen = [parameter.requires_grad for parameter in parameters]
    try:
        for parameter in parameters:  # so that what is made of one can be told from what is not
            parameter.requires_grad_()
        with torch.enable_grad():
            for rows in batches(len(inputs[0])):
                policy(*rows_of(inputs, rows))
    finally:
        for handle in handles:
            handle.remove()
        for parameter, flag in zip(parameters, frozen, strict=True):
            parameter.requires_grad_(flag)
    return {name: float((total <= DORMANT * total.mean()).double().mean()) for name, total in totals.items()}


class _Reader:
    """A hook that adds up |input| of a layer by unit, where a parameter had a part in it."""

    def __init__(self, name: str, totals: dict[str, Tensor]) -> None:
        self.name, self.totals = name, totals

    def __call__(self, _module: nn.Module, inputs: tuple[object, ...]) -> None:
        given = inputs[0] if inputs else None
        if isinstance(given, Tensor) and given.requires_grad:
            activity = given.detach().abs().reshape(-1, given.shape[-1]).double().sum(0)
            self.totals[self.name] = self.totals.get(self.name, 0) + activity
