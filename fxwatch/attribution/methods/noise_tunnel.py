"""NoiseTunnel: integrated gradients, smoothed over noisy copies of the state."""

import torch
from torch import Tensor

from fxwatch.attribution.engine import batches
from fxwatch.attribution.methods.attributions import SEED, Attributions
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import by_branch, sum_over_time

SIGMAS = 0.1
_SAMPLES_A_PAIR, _FEWEST_PAIRS = 8, 4


def noise_tunnel(subject: Subject) -> Attributions:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) over integrated gradients from the centre of the baselines.

    The noise is a tenth of each feature's spread. Captum's NoiseTunnel follows the whole path to each noisy copy; here
    copies come in pairs of opposite noise, so that all of it goes that is odd, and a pair is asked at one position of
    its path, another one for each pair, which are even over all: as they differ by little but noise, they share the
    integral. A pair is worth eight random copies and more, and costs two gradients.
    """
    copies = 2 * max(_FEWEST_PAIRS, -(-subject.settings.noise_tunnel_samples // _SAMPLES_A_PAIR))
    scales = by_branch(subject.deviation, subject.inputs)
    total = torch.zeros(subject.count, len(subject.units), dtype=subject.inputs[0].dtype)
    for rows in batches(subject.count * copies, subject.batch):
        asked = torch.arange(rows.start, rows.stop)
        state, copy = asked // copies, asked % copies
        noises = _noises(subject, state, copy)
        position = (2 * (copy // 2) + 1) / copies
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
    """Normal noise of M samples, that of a state's copy always the same, and that of an odd one opposite to the one
    before: each (M, ...).
    """
    drawn: list[list[Tensor]] = [[] for _ in subject.inputs]
    for row, number in zip(state.tolist(), copy.tolist(), strict=True):
        generator = torch.Generator().manual_seed(SEED + row * subject.settings.noise_tunnel_samples + number // 2)
        for branch, x in enumerate(subject.inputs):
            noise = torch.randn(x.shape[1:], generator=generator, dtype=x.dtype)
            drawn[branch].append(-noise if number % 2 else noise)
    return tuple(torch.stack(noises) for noises in drawn)
