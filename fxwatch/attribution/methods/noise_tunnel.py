"""NoiseTunnel: integrated gradients, smoothed over noisy copies of the state."""

import torch
from torch import Tensor

from fxwatch.attribution import grid, integrated
from fxwatch.attribution.engine import batches
from fxwatch.attribution.methods.attributions import SEED, Attributions
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import by_branch, sum_over_time

SIGMAS = 0.1
_SAMPLES_A_PAIR, _FEWEST_PAIRS = 8, 4


def noise_tunnel(subject: Subject) -> Attributions:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) over integrated gradients, averaged over all baselines.

    The noise is a tenth of each feature's spread. Captum's NoiseTunnel follows the whole path to each noisy copy; here
    integrated gradients are as known without noise, and what noise adds to them is asked on the frozen grid: at each
    node a pair of copies of opposite noise, so that all of it goes that is odd, less the state itself there. A pair is
    worth eight random copies and more, and costs two gradients.
    """
    passes = grid.passes_of(subject, max(_FEWEST_PAIRS, -(-subject.settings.noise_tunnel_samples // _SAMPLES_A_PAIR)))
    exact = sum_over_time(integrated.integrated_gradients(subject).attributions)
    return Attributions(exact + _with_noise(subject, passes) - sum_over_time(grid.at_states(subject, passes)))


def _with_noise(subject: Subject, passes: int) -> Tensor:
    """Expected gradients on the grid, where at each node another pair of copies stands for its state: (N, units)."""
    nodes = subject.baselines.count * passes
    positions, weights = grid.rule(subject.baselines.count, passes)
    parts = []
    for rows in batches(subject.count, max(1, subject.batch // (2 * nodes))):
        copies = _copies(subject, rows, nodes)
        node = torch.arange(nodes).repeat_interleave(2).repeat(rows.stop - rows.start)
        points, steps = grid.on_paths(
            subject, copies, torch.arange(len(node)), node % subject.baselines.count, positions[node]
        )
        gradients = subject.evaluate(points, subject.choice[rows].repeat_interleave(2 * nodes)).gradients
        made = sum_over_time(tuple(step * gradient for step, gradient in zip(steps, gradients, strict=True)))
        weight = (weights / 2).repeat_interleave(2).to(made.dtype)
        parts.append((made.view(-1, 2 * nodes, len(subject.units)) * weight[:, None]).sum(1))
    return torch.cat(parts)


def _copies(subject: Subject, rows: slice, nodes: int) -> Branches:
    """Of some states at each node two copies with opposite normal noise, always the same: (states × nodes × 2, ...)."""
    drawn: list[list[Tensor]] = [[] for _ in subject.inputs]
    for row in range(rows.start, rows.stop):
        generator = torch.Generator().manual_seed(SEED + row)
        for noises, x in zip(drawn, subject.inputs, strict=True):
            noises.append(torch.randn((nodes, *x.shape[1:]), generator=generator, dtype=x.dtype))
    copies = []
    for x, scale, noises in zip(subject.inputs, by_branch(subject.deviation, subject.inputs), drawn, strict=True):
        noise = SIGMAS * scale * torch.stack(noises)
        copies.append((x[rows, None, None] + torch.stack((noise, -noise), 2)).flatten(0, 2))
    return tuple(copies)
