"""Methods that follow the path from a baseline to the state."""

import torch
from captum.attr import GradientShap

from fxwatch.attribution import grid, integrated
from fxwatch.attribution.methods.attributions import Attributions, by_time, drawing_for, mean_change
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import sum_over_time

GRID_PASSES = 4


def integrated_gradients(subject: Subject) -> Attributions:
    """Integrated gradients, averaged over all baselines, with as many steps as they need."""
    found = integrated.integrated_gradients(subject)
    units = sum_over_time(found.attributions)
    delta = units.sum(1) - mean_change(subject)
    return Attributions(units, by_time(found.attributions), delta, steps=found.steps, successive=found.successive)


def expected_gradients(subject: Subject) -> Attributions:
    """Expected gradients (Erion et al. 2021, arXiv 1906.10670) on the frozen grid: 4 positions of each baseline's path.

    It estimates what `gradient_shap` estimates by Monte Carlo, without its noise: 4 samples a baseline and state.
    """
    found = grid.expected_gradients(subject, subject.inputs, subject.choice, GRID_PASSES)
    units = sum_over_time(found)
    return Attributions(units, by_time(found), units.sum(1) - mean_change(subject), steps=GRID_PASSES)


def gradient_shap(subject: Subject) -> Attributions:
    """Expected gradients by Monte Carlo. Each state has its own seed, so a batch changes nothing."""
    method = GradientShap(subject.explained)
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        with drawing_for(row):
            found = method.attribute(
                rows_of(subject.inputs, rows),
                baselines=subject.baselines.samples,
                n_samples=subject.settings.n_samples,
                additional_forward_args=(subject.choice[rows],),
            )
        parts.append(sum_over_time(found))
    return Attributions(torch.cat(parts).detach())
