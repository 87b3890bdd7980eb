"""Conductance: how much of a change of the output flows through what each layer gives.

Dhamdhere et al. 2018 (arXiv 1805.12233): along the straight path from a baseline to the state, ∫ ∂f/∂h · dh. All layers
are read in the same passes. What their paper asks for is the sum over inputs of ∂f/∂h · ∂h/∂x · dx, which is this.
"""

from dataclasses import dataclass
from functools import cache
from math import isfinite

import torch
from torch import Tensor, nn

from fxwatch.attribution.adaptive import nodes
from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.taps import Axes, by_channel, sample_axes, tapped

STATES = 8
FEWEST, MOST = 17, 65
TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Conductance:
    """Of M states, against the centre of the baselines.

    `channels`: call of a layer -> (M, channels), summed over positions; a call that gives several tensors has their
    channels side by side. `change`: (M,) of the output. `missed`: (M,) what the conductance of the inputs, which is
    their attribution, is above that change: the error of the steps. `rows`: (M,) which of the subject's states. `axes`:
    where the samples lie in what each call gives.
    """

    channels: dict[str, Tensor]
    change: Tensor
    missed: Tensor
    rows: Tensor
    axes: Axes
    steps: int

    @property
    def scale(self) -> float:
        """Σ|Δ| of the output over the states, against which flows are measured."""
        return float(self.change.abs().sum())

    @property
    def no_scale(self) -> str | None:
        """Why no flow can be measured, where none can."""
        if self.scale == 0:
            return "the output is the same at every state and at the centre of the baselines"
        return None if isfinite(self.scale) else "the output is NaN or Inf at the centre of the baselines"


def conductance(subject: Subject, modules: dict[str, nn.Module]) -> Conductance:
    """Conductance of every call of some modules, over at most 8 of the subject's states.

    The nodes of the path are those of Clenshaw and Curtis: 17, and where the inputs' conductance misses the change of
    the output by more than 1 %, 33 and 65.
    """
    rows = torch.tensor(evenly(subject.count, STATES))
    axes = sample_axes(subject.explained, modules, subject.inputs, subject.choice)
    change = subject.change_from_centre[rows]
    steps = FEWEST
    while True:
        chunks = rows.split(max(1, subject.batch // steps))
        parts = [_along_paths(subject, modules, axes, chunk, steps) for chunk in chunks]
        missed = torch.cat([of_inputs for _, of_inputs in parts]) - change
        if steps >= MOST or not float(missed.abs().sum()) > TOLERANCE * float(change.abs().sum()):
            break
        steps = 2 * steps - 1
    calls = [call for call in axes if all(call in found for found, _ in parts)]
    channels = {call: torch.cat([found[call] for found, _ in parts]) for call in calls}
    return Conductance(channels, change, missed, rows, axes, steps)


@cache
def path_weights(steps: int) -> Tensor:
    """W, for which g W h = ∫ g dh is exact where g h' is a polynomial of degree below `steps`: (steps, steps).

    h is differentiated as the polynomial through its values at the nodes (Berrut & Trefethen 2004, "Barycentric
    Lagrange interpolation"), so that smooth layers need no small steps.
    """
    positions, weights = nodes(steps)
    signs = (-1.0) ** torch.arange(steps, dtype=torch.float64)
    signs[0] /= 2
    signs[-1] /= 2
    apart = positions[:, None] - positions[None, :]
    derivative = (signs[None, :] / signs[:, None]) / apart.fill_diagonal_(1)
    derivative.fill_diagonal_(0)
    return weights[:, None] * (derivative - derivative.sum(1).diag())


def _along_paths(
    subject: Subject, modules: dict[str, nn.Module], axes: Axes, rows: Tensor, steps: int
) -> tuple[dict[str, Tensor], Tensor]:
    """Conductance of M states by call, (M, channels) each, and that of all inputs together, (M,)."""
    points = _points(subject, rows, steps)
    samples = len(points[0])
    with tapped(modules) as kept, torch.enable_grad():
        total = subject.explained(*points, subject.choice[rows].repeat(steps)).sum()
    asked = [tensor for call in axes for tensor in kept.get(call, []) if tensor.requires_grad]
    found: tuple[Tensor | None, ...] = torch.autograd.grad(total, [*asked, *points], allow_unused=True)
    gradients = {id(tensor): gradient for tensor, gradient in zip([*asked, *points], found, strict=True)}

    def integrated(tensor: Tensor, axis: int, module: nn.Module) -> Tensor:
        given = by_channel(tensor.detach(), axis, samples, module)
        gradient = gradients.get(id(tensor))
        if gradient is None:
            return given.new_zeros(len(rows), given.shape[-1])
        return _integral(by_channel(gradient, axis, samples, module), given, steps)

    flows = {}
    for call, places in axes.items():
        module = modules[call.partition("#")[0]]
        if call in kept:
            parts = [integrated(tensor, axis, module) for tensor, axis in zip(kept[call], places, strict=True)]
            flows[call] = torch.cat(parts, dim=1)
    of_inputs = [integrated(point, 0, subject.explained).sum(1) for point in points]
    return flows, torch.stack(of_inputs).sum(0)


def _points(subject: Subject, rows: Tensor, steps: int) -> Branches:
    """Samples along the paths of M states, node by node: branches of (steps · M, ...) that ask for gradients."""
    positions, _ = nodes(steps)
    points = []
    for x, centre in zip(subject.inputs, subject.baselines.centre, strict=True):
        alphas = positions.to(x.dtype).view(-1, *[1] * x.ndim)
        points.append((centre + alphas * (x[rows] - centre)).flatten(0, 1).requires_grad_())
    return tuple(points)


def _integral(gradient: Tensor, given: Tensor, steps: int) -> Tensor:
    """∫ g dh from the values of both at the nodes, (steps · M, positions, channels) each: (M, channels)."""
    g, h = gradient.reshape(steps, -1), given.reshape(steps, -1)
    # a constant does not change the integral, and small numbers lose fewer digits
    summed = (path_weights(steps).T.to(h.dtype) @ g * (h - h[-1])).sum(0)
    return summed.view(len(given) // steps, *given.shape[1:]).sum(1)
