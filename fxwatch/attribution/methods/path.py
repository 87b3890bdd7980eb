"""Methods that follow the path from a baseline to the state."""

from fxwatch.attribution import grid, integrated
from fxwatch.attribution.methods.attributions import Attributions, by_time
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import sum_over_time

GRID_PASSES = 4
_SAMPLES_A_NODE = 4


def integrated_gradients(subject: Subject) -> Attributions:
    """Integrated gradients, averaged over all baselines, with as many steps as they need."""
    found = integrated.integrated_gradients(subject)
    units = sum_over_time(found.attributions)
    delta = units.sum(1) - subject.mean_change
    return Attributions(units, by_time(found.attributions), delta, steps=found.steps, successive=found.successive)


def expected_gradients(subject: Subject) -> Attributions:
    """Expected gradients (Erion et al. 2021, arXiv 1906.10670) on the frozen grid: 4 positions of each baseline's path.

    It estimates what `gradient_shap` estimates by Monte Carlo, without its noise: 4 samples a baseline and state.
    """
    found = grid.at_states(subject, GRID_PASSES)
    units = sum_over_time(found)
    return Attributions(units, by_time(found), units.sum(1) - subject.mean_change, steps=GRID_PASSES)


def gradient_shap(subject: Subject) -> Attributions:
    """Expected gradients, which Captum's GradientShap draws at random, on the frozen grid instead.

    A node of the grid is worth four random samples and more (docs/science.md): there are so many fewer nodes than
    `n_samples` asks for samples, and each baseline has one at least. From a single baseline all samples are of one
    path, and what they estimate are its integrated gradients, which are known.
    """
    if subject.baselines.count == 1:
        return Attributions(sum_over_time(integrated.integrated_gradients(subject).attributions))
    nodes = max(grid.FEWEST_NODES, -(-subject.settings.n_samples // _SAMPLES_A_NODE))
    return Attributions(sum_over_time(grid.at_states(subject, grid.passes_of(subject, nodes))))
