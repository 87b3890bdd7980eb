"""Methods that take something away and see what the output does: no gradient is asked for."""

import math
from collections.abc import Iterator

import torch
from captum.attr import FeatureAblation, Occlusion
from torch import Tensor

from fxwatch.attribution.engine import batches
from fxwatch.attribution.methods.attributions import Attributions, by_time
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import sum_over_time

WINDOWS = 4
_TOGETHER = 4


def feature_ablation(subject: Subject) -> Attributions:
    """Each unit as a whole put to the centre of the baselines: the change of the output is its attribution."""
    method = FeatureAblation(subject.explained)
    parts = []
    for rows, together in _stacks(subject):
        found = method.attribute(
            rows_of(subject.inputs, rows),
            baselines=subject.baselines.centre,
            feature_mask=unit_masks(subject.inputs),
            perturbations_per_eval=together,
            additional_forward_args=(subject.choice[rows],),
        )
        parts.append(of_units(found))
    return Attributions(torch.cat(parts).detach())


def occlusion(subject: Subject) -> Attributions:
    """Windows of one feature, a quarter of the branch's time long, put to the centre of the baselines one after another
    (Zeiler & Fergus 2014, arXiv 1311.2901).

    The windows slide by their own length, the last one cut off where the branch ends, so that each cell is in one
    window and each change of the output counts once. Captum gives every cell the change of its whole window; over the
    number of the window's cells, these sum over time to the sum of the changes, which for a linear model is weight
    times (input - centre). Overlapping windows would count cells at the ends less often than others.
    """
    lengths = [math.ceil(x.shape[1] / WINDOWS) if x.ndim == 3 else 1 for x in subject.inputs]
    windows = tuple((size, 1) if x.ndim == 3 else (1,) for x, size in zip(subject.inputs, lengths, strict=True))
    method = Occlusion(subject.explained)
    parts = []
    for rows, together in _stacks(subject):
        found = method.attribute(
            rows_of(subject.inputs, rows),
            sliding_window_shapes=windows,
            strides=windows,
            baselines=subject.baselines.centre,
            perturbations_per_eval=together,
            additional_forward_args=(subject.choice[rows],),
        )
        parts.append(tuple(part.detach() / _cells(part, size) for part, size in zip(found, lengths, strict=True)))
    cells = tuple(torch.cat(branch) for branch in zip(*parts, strict=True))
    return Attributions(sum_over_time(cells), by_time(cells))


def _stacks(subject: Subject) -> Iterator[tuple[slice, int]]:
    """States to be asked together, and how many of their copies with something taken away: a batch at most in all."""
    for rows in batches(subject.count, max(1, subject.batch // _TOGETHER)):
        yield rows, max(1, subject.batch // (rows.stop - rows.start))


def unit_masks(inputs: Branches) -> Branches:
    """Captum's feature masks by which every unit is one feature, numbered over all branches: each (1, ...)."""
    masks, first = [], 0
    for part in inputs:
        width = part.shape[-1]
        masks.append(torch.arange(first, first + width).expand(1, *part.shape[1:]).contiguous())
        first += width
    return tuple(masks)


def of_units(found: Branches) -> Tensor:
    """Attributions of units, where every cell of a unit was given that of the whole unit: (N, units)."""
    return torch.cat([part[:, 0] if part.ndim == 3 else part for part in found], dim=1)


def _cells(part: Tensor, size: int) -> Tensor | float:
    """How many time steps the window of each time step has: (time, 1)."""
    if part.ndim < 3:
        return 1.0
    step = torch.arange(part.shape[1])
    start = step - step % size
    return (part.shape[1] - start).clamp_max(size)[:, None]
