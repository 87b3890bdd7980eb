"""The optimizer's memory in a checkpoint: what training's own gradients have been lately, at no evaluation at all."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from fxwatch.records.moments import Moments

_KEYS = ("optimizer_state_dict", "optimizer", "optimizer_state", "optim", "optimizer_states", "_optimizers")


def find_optimizer(loaded: Mapping[str, Any]) -> Mapping[Any, Any]:
    """The optimizer's state dict in a checkpoint; empty where there is none."""
    found: Any = next((loaded[key] for key in _KEYS if key in loaded), None)
    if isinstance(found, list | tuple) and len(found) == 1:
        found = found[0]
    return found if isinstance(found, Mapping) else {}


def moments(optimizer: Mapping[Any, Any], model: nn.Module, saved: Mapping[str, Tensor]) -> dict[str, Moments]:
    """Adam's moments by parameter name; empty where the optimizer has none, or they do not fit the model.

    An optimizer numbers its parameters in the model's order, which the state dict that was saved with it keeps.
    """
    kept, groups = optimizer.get("state"), optimizer.get("param_groups")
    if (
        not isinstance(kept, Mapping)
        or not isinstance(groups, list)
        or not all(isinstance(one, Mapping) for one in groups)
    ):
        return {}
    parameters = dict(model.named_parameters())
    names = [name for name in saved if name in parameters]
    names = names if len(names) == len(parameters) else list(parameters)
    settings = {number: group for group in groups for number in group.get("params", ()) if isinstance(number, int)}
    if sorted(settings) != list(range(len(names))):
        return {}
    try:
        found = {name: _moments(kept.get(number), settings[number]) for number, name in enumerate(names)}
    except (ValueError, TypeError, IndexError, RuntimeError):  # numbers that are none
        return {}
    fits = all(made is None or made.mean.shape == parameters[name].shape for name, made in found.items())
    return {name: made for name, made in found.items() if made is not None} if fits else {}


def _moments(memory: Any, group: Mapping[str, Any]) -> Moments | None:
    if not isinstance(memory, Mapping):
        return None
    mean, square, step = memory.get("exp_avg"), memory.get("exp_avg_sq"), memory.get("step")
    betas, rate, epsilon = group.get("betas"), group.get("lr"), group.get("eps", 1e-8)
    steps = float(step) if isinstance(step, int | float | Tensor) else 0.0
    if not isinstance(mean, Tensor) or not isinstance(square, Tensor) or mean.shape != square.shape or steps < 1:
        return None
    if not isinstance(betas, tuple | list) or not isinstance(rate, int | float | Tensor):
        return None
    return Moments(mean, square, steps, (float(betas[0]), float(betas[1])), float(rate), float(epsilon))
