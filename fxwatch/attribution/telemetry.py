"""What Adam's moments tell of training's own gradients, by layer: the gradients after clipping, over its last steps."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from fxwatch.attribution.policy import named_layers
from fxwatch.records.base import finite
from fxwatch.records.gradients import OptimizerLayer
from fxwatch.records.moments import Moments


def optimizer_telemetry(policy: nn.Module, moments: Mapping[str, Moments]) -> dict[str, OptimizerLayer]:
    """By layer: the root of the summed second moments, which is the usual norm of its gradient; the ratio of signal to
    noise, Σm²/Σ(v - m²) over its weights; and the length of the next update over that of the weights.
    """
    if not moments:
        return {}
    by_layer: dict[str, list[tuple[Moments, Tensor]]] = {}
    for layer, module in named_layers(policy):
        for name, parameter in module.named_parameters(recurse=False):
            full = name if layer == "model" else f"{layer}.{name}"
            if full in moments:
                by_layer.setdefault(layer, []).append((moments[full], parameter.detach()))
    return {layer: _layer(owned) for layer, owned in by_layer.items()}


def _layer(owned: list[tuple[Moments, Tensor]]) -> OptimizerLayer:
    mean, square, update, weights = [], [], [], []
    for one, weight in owned:
        corrected = one.mean.double() / (1 - one.betas[0] ** one.steps)
        squares = one.square.double() / (1 - one.betas[1] ** one.steps)
        mean.append(corrected.flatten())
        square.append(squares.flatten())
        update.append(one.rate * (corrected / (squares.sqrt() + one.epsilon)).flatten())
        weights.append(weight.double().flatten())
    m, v = torch.cat(mean), torch.cat(square)
    noise = float((v - m.square()).clamp_min(0).sum())
    length = float(torch.cat(weights).norm())
    return OptimizerLayer(
        gradient_rms=finite(float(v.sum().sqrt())),
        signal_to_noise=finite(float(m.square().sum()) / noise) if noise else None,
        update_ratio=finite(float(torch.cat(update).norm()) / length) if length else None,
    )
