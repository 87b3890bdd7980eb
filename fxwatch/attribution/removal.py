"""What the output does when whole units are removed: taken from a baseline instead of the state."""

import torch
from torch import Tensor

from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject


def values_without(subject: Subject, state: Tensor, removed: Tensor, references: Tensor) -> Tensor:
    """The explained scalar of M samples, each at several baselines, (M, R): `state` (M,) is the row of each sample,
    `removed` (M, units) a mask of what is gone, `references` (R,) the rows of the baselines that stand in.
    """
    widths = [x.shape[-1] for x in subject.inputs]
    each = len(references)

    def build(rows: slice) -> tuple[Branches, Tensor]:
        asked = torch.arange(rows.start, rows.stop)
        sample, reference = asked // each, references[asked % each]
        here = state[sample]
        points = tuple(
            torch.where(gone[:, None] if x.ndim == 3 else gone, b[reference], x[here])
            for gone, x, b in zip(
                removed[sample].split(widths, dim=1), subject.inputs, subject.baselines.samples, strict=True
            )
        )
        return points, subject.choice[here]

    return subject.values_of(len(state) * each, build).view(-1, each)
