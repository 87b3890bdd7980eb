"""Shapley values of the units: what each adds to the output, averaged over all orders in which they may come.

The players are the units, not the cells; a unit that has not come yet stands at the centre of the baselines. The values
of a state sum to the change of its output from there. For small models: the cost is 24 samples a unit and state.
"""

from collections.abc import Iterable, Iterator

import torch
from captum.attr import KernelShap, ShapleyValueSampling
from torch import Tensor
from torch.distributions import Distribution

from fxwatch.attribution.methods.attributions import SEED, Attributions, drawing_for
from fxwatch.attribution.methods.perturbation import of_units, unit_masks
from fxwatch.attribution.policy import AttributionError, Branches
from fxwatch.attribution.subject import Subject, rows_of

ORDERS = 24
MOST_UNITS = 100
BUDGET = 80_000
"""Samples through the model, of all states together: a few minutes of a small transformer."""


def shapley_value_sampling(subject: Subject) -> Attributions:
    """Sampled orders of the units (Castro et al. 2009), each followed by its reverse.

    With its reverse an order gives the Shapley value of a model whose units interact only by pairs exactly (Mitchell
    et al. 2022, arXiv 2104.12199). Raises AttributionError where it would cost too much.
    """
    _refuse_what_costs_too_much(subject, "shapley_value_sampling")
    method = ShapleyValueSampling(subject.explained)
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        method.permutation_generator = _Orders(SEED + row)
        found = method.attribute(
            rows_of(subject.inputs, rows),
            baselines=subject.baselines.centre,
            feature_mask=unit_masks(subject.inputs),
            n_samples=ORDERS,
            perturbations_per_eval=subject.batch,
            additional_forward_args=(subject.choice[rows],),
        )
        parts.append(of_units(found))
    return _complete(subject, torch.cat(parts))


def kernel_shap(subject: Subject) -> Attributions:
    """Shapley values as a weighted regression on random sets of units (Lundberg & Lee 2017, arXiv 1705.07874).

    Each set is followed by its complement, which takes a third off the error (Covert & Lee 2021, arXiv 2012.01536).
    As many sets as `shapley_value_sampling` takes samples. Raises AttributionError where it would cost too much.
    """
    _refuse_what_costs_too_much(subject, "kernel_shap")
    if len(subject.units) < 2:
        raise AttributionError("kernel_shap needs two features at least; feature_ablation explains a single one")
    method = KernelShap(subject.explained)
    method.interpretable_model = _LeastSquares()
    method.perturb_func = _sets_and_complements
    parts = []
    for row in range(subject.count):
        rows = slice(row, row + 1)
        with drawing_for(row):
            found = method.attribute(
                rows_of(subject.inputs, rows),
                baselines=subject.baselines.centre,
                feature_mask=unit_masks(subject.inputs),
                n_samples=ORDERS * len(subject.units),
                perturbations_per_eval=subject.batch,
                return_input_shape=False,
                additional_forward_args=(subject.choice[rows],),
            )
        parts.append(found.view(1, -1))
    return _complete(subject, torch.cat(parts))


def _complete(subject: Subject, units: Tensor) -> Attributions:
    units = units.to(subject.inputs[0].dtype)
    return Attributions(units, delta=units.sum(1) - subject.change_from_centre)


def _refuse_what_costs_too_much(subject: Subject, name: str) -> None:
    units = len(subject.units)
    if units > MOST_UNITS:
        raise AttributionError(f"{name} is for at most {MOST_UNITS} features, and there are {units}")
    cost = subject.count * units * ORDERS
    if cost > BUDGET:
        raise AttributionError(
            f"{name} would take {cost:,} samples ({subject.count} states × {units} features × {ORDERS}), more than "
            f"{BUDGET:,}; set [analysis] max_states = {BUDGET // (units * ORDERS)}"
        )


class _Orders:
    """Pairs of a random order and its reverse, as Captum asks for them: by number of players and of orders."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, players: int, orders: int) -> Iterator[list[int]]:
        for _ in range(orders // 2):
            order = torch.randperm(players, generator=self.generator).tolist()
            yield order
            yield order[::-1]


def _sets_and_complements(
    _original: Branches, num_interp_features: int, num_select_distribution: Distribution, **_others: object
) -> Iterator[Tensor]:
    """All units, none, and then random sets as Captum draws them, (1, units) each, and their complements."""
    yield torch.ones(1, num_interp_features, dtype=torch.long)
    yield torch.zeros(1, num_interp_features, dtype=torch.long)
    while True:
        size = int(num_select_distribution.sample())
        chosen = torch.zeros(1, num_interp_features, dtype=torch.long)
        chosen[0, torch.randperm(num_interp_features)[:size]] = 1
        yield chosen
        yield 1 - chosen


class _LeastSquares:
    """Weighted linear regression with an intercept, in the interface of Captum's interpretable models.

    Captum's own is scikit-learn's, which nothing else here needs.
    """

    def __init__(self) -> None:
        self.coefficients = torch.zeros(0)

    def fit(self, train_data: Iterable[tuple[Tensor, Tensor, Tensor]]) -> None:
        """Fit to (sets, outputs, weights), which Captum gives in a single batch."""
        for sets, outputs, weights in train_data:
            root = weights.double().sqrt()[:, None]
            if not bool(outputs.isfinite().all()):  # LAPACK would complain on the terminal
                self.coefficients = torch.full((sets.shape[1],), torch.nan, dtype=torch.float64)
                return
            design = torch.cat([sets.double(), torch.ones(len(sets), 1, dtype=torch.float64)], dim=1)
            solution = torch.linalg.lstsq(root * design, root * outputs.double()[:, None]).solution
            self.coefficients = solution[:-1, 0]

    def representation(self) -> Tensor:
        """The coefficients: (units,)."""
        return self.coefficients
