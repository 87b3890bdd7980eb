"""What the layers of a policy give while it runs, call by call.

A layer is any module with parameters in it, so a block counts as well as what is inside. A module that is used several
times is `name`, `name#2`, … in the order of its calls.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from fxwatch.attribution.policy import Branches, Explained, named_layers

Calls = dict[str, list[Tensor]]
"""Call -> the tensors that it gave: one for most layers, more for one that returns a tuple."""

Axes = dict[str, list[int]]
"""Call -> the axis of each of these tensors along which the samples lie."""

_CHANNELS_FIRST = (nn.Conv1d, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.GroupNorm)


def tappable(policy: nn.Module) -> dict[str, nn.Module]:
    """The modules that hold floating parameters, the whole model aside."""
    return {
        name: module
        for name, module in list(named_layers(policy))[1:]
        if any(parameter.is_floating_point() for parameter in module.parameters())
    }


@contextmanager
def tapped(modules: Mapping[str, nn.Module]) -> Iterator[Calls]:
    """Keep what modules give while inside, in the order in which they end.

    The model goes on with copies: what it changes in place is kept as it was given, and gradients by what is kept are
    of what follows the layer alone.
    """
    kept: Calls = {}
    handles = []
    try:
        for name, module in modules.items():
            handles.append(module.register_forward_hook(_Tap(name, kept)))
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def sample_axes(explained: Explained, modules: Mapping[str, nn.Module], inputs: Branches, choice: Tensor) -> Axes:
    """Where the samples are in what each call gives: the axis that grows with their number, from two to three.

    Calls that give anything without such an axis, which cannot depend on the state, are left out.
    """
    sizes = []
    for samples in (2, 3):
        rows = torch.zeros(samples, dtype=torch.long)
        # with autograd on, as torch's fused path for inference would pass the hooks by
        with tapped(modules) as kept, torch.enable_grad():
            explained(*(x[rows].requires_grad_() for x in inputs), choice[rows])
        sizes.append({call: [tensor.shape for tensor in tensors] for call, tensors in kept.items()})
    axes: Axes = {}
    for call, pairs in sizes[0].items():
        grows = [_growing(two, three) for two, three in zip(pairs, sizes[1].get(call, []), strict=False)]
        known = [axis for axis in grows if axis is not None]
        if known and len(known) == len(grows) == len(pairs):
            axes[call] = known
    return axes


def by_channel(tensor: Tensor, axis: int, samples: int, module: nn.Module) -> Tensor:
    """What a call gave as (samples, positions, channels).

    Channels lie along the last axis, but along the one after the samples for convolutions and batch normalisation.
    Where samples and positions share an axis, as after a flattening, samples are its outer part.
    """
    moved = tensor.movedim(axis, 0)
    if moved.ndim == 1:
        moved = moved[:, None]
    if isinstance(module, _CHANNELS_FIRST):
        moved = moved.movedim(1, -1)
    return moved.reshape(samples, -1, moved.shape[-1])


def _growing(two: torch.Size, three: torch.Size) -> int | None:
    if len(two) != len(three):
        return None
    return next((axis for axis, (a, b) in enumerate(zip(two, three, strict=True)) if a and 3 * a == 2 * b), None)


class _Tap:
    """A forward hook that keeps the floating tensors that a call gives, and hands on copies."""

    def __init__(self, name: str, kept: Calls) -> None:
        self.name, self.kept = name, kept

    def __call__(self, _module: nn.Module, _inputs: object, output: object) -> object:
        call, number = self.name, 1
        while call in self.kept:
            number += 1
            call = f"{self.name}#{number}"
        tensors: list[Tensor] = []
        handed_on = self._keep(output, tensors)
        if tensors:
            self.kept[call] = tensors
        return handed_on

    def _keep(self, output: Any, tensors: list[Tensor]) -> Any:
        if isinstance(output, Tensor) and output.is_floating_point():
            tensors.append(output.view_as(output))
            return tensors[-1].clone()
        if type(output) in {tuple, list}:
            return type(output)(self._keep(part, tensors) for part in output)
        return output
