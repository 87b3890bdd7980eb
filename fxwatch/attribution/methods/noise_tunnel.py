"""NoiseTunnel: integrated gradients, smoothed over noisy copies of the state."""

import torch
from torch import Tensor

from fxwatch.attribution.engine import batches
from fxwatch.attribution.methods.attributions import SEED, Attributions
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import by_branch, sum_over_time

SIGMAS = 0.1


def noise_tunnel(subject: Subject) -> Attributions:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) over integrated gradients from the centre of the baselines.

    The noise is a tenth of each feature's spread. Captum's NoiseTunnel follows the whole path to each noisy copy; here
    each copy is asked at one position of its path, another one for each, which are even over all copies: as they differ
    by little but noise, they share the integral, and it costs one gradient a copy.
    """
    copies = subject.settings.noise_tunnel_samples
    scales = by_branch(subject.deviation, subject.inputs)
    total = torch.zeros(subject.count, len(subject.units), dtype=subject.inputs[0].dtype)
    for rows in batches(subject.count * copies, subject.batch):
        asked = torch.arange(rows.start, rows.stop)
        state, copy = asked // copies, asked % copies
        noises = _noises(subject, state, copy)
        position = (copy + 0.5) / copies
        points, steps = [], []
        for x, centre, scale, noise in zip(subject.inputs, subject.baselines.centre, scales, noises, strict=True):
            step = x[state] + SIGMAS * scale * noise - centre
            points.append(centre + position.view(-1, *[1] * (x.ndim - 1)).to(x.dtype) * step)
            steps.append(step)
        gradients = subject.evaluate(tuple(points), subject.choice[state]).gradients
        made = tuple(step * gradient / copies for step, gradient in zip(steps, gradients, strict=True))
        total.index_add_(0, state, sum_over_time(made))
    return Attributions(total)


def _noises(subject: Subject, state: Tensor, copy: Tensor) -> Branches:
    """Normal noise of M samples, that of a state's copy always the same: each (M, ...)."""
    drawn: list[list[Tensor]] = [[] for _ in subject.inputs]
    copies = subject.settings.noise_tunnel_samples
    for row, number in zip(state.tolist(), copy.tolist(), strict=True):
        generator = torch.Generator().manual_seed(SEED + row * copies + number)
        for branch, x in enumerate(subject.inputs):
            drawn[branch].append(torch.randn(x.shape[1:], generator=generator, dtype=x.dtype))
    return tuple(torch.stack(noises) for noises in drawn)
