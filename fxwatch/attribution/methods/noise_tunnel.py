"""NoiseTunnel: integrated gradients, smoothed over noisy copies of the state."""

import torch
from captum.attr import IntegratedGradients, NoiseTunnel
from torch import Tensor, nn

from fxwatch.attribution.methods.attributions import Attributions, drawing_for
from fxwatch.attribution.subject import BATCH, Subject, rows_of
from fxwatch.attribution.units import by_branch, sum_over_time

SIGMAS = 0.1
STEPS = 5


class _InSigmas(nn.Module):
    """The explained scalar as a function of inputs in units of each feature's spread, so that one noise fits all."""

    def __init__(self, subject: Subject) -> None:
        super().__init__()
        self.explained = subject.explained
        self.scales = [scale.clamp_min(1e-12) for scale in by_branch(subject.deviation, subject.inputs)]

    def forward(self, *scaled_and_choice: Tensor) -> Tensor:
        *scaled, choice = scaled_and_choice
        found: Tensor = self.explained(*(z * scale for z, scale in zip(scaled, self.scales, strict=True)), choice)
        return found


def noise_tunnel(subject: Subject) -> Attributions:
    """SmoothGrad (Smilkov et al. 2017, arXiv 1706.03825) over integrated gradients from the centre of the baselines.

    The noise is a tenth of each feature's spread.
    """
    scaled = _InSigmas(subject)
    inputs = tuple(x / scale for x, scale in zip(subject.inputs, scaled.scales, strict=True))
    centre = tuple(b / scale for b, scale in zip(subject.baselines.centre, scaled.scales, strict=True))
    method = NoiseTunnel(IntegratedGradients(scaled))
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        with drawing_for(row):
            found = method.attribute(
                rows_of(inputs, rows),
                nt_type="smoothgrad",
                nt_samples=subject.settings.noise_tunnel_samples,
                nt_samples_batch_size=BATCH // STEPS,
                stdevs=SIGMAS,
                baselines=centre,
                n_steps=STEPS,
                additional_forward_args=(subject.choice[rows],),
            )
        parts.append(sum_over_time(tuple(part.detach() for part in found)))
    return Attributions(torch.cat(parts))
