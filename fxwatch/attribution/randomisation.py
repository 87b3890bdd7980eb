"""Does the explanation depend on what was learned, and on what was decided? Randomisation tests.

Adebayo et al. 2018 (arXiv 1810.03292): attributions of the model must differ from those of the same model with random
weights. As every attribution holds the inputs, even two random models agree somewhat: the agreement is judged against
that between the random models, not against nought. Sixt et al. 2020 (arXiv 1912.09818): attributions of the chosen
action must differ from those of another one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import torch
from torch import Tensor, nn

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.grid import at_states, expected_gradients, passes_of
from fxwatch.attribution.statistics import spearman, standard_error, that_count
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import sum_over_time
from fxwatch.records.quality import RandomisationTest, SimilarityTest

STATES = 16
MODELS = 4
_SEED = 23


def architecture(policy: nn.Module) -> str:
    """What the randomisation of parameters depends on: the names and shapes of all of them."""
    return ";".join(f"{name}{tuple(parameter.shape)}" for name, parameter in sorted(policy.named_parameters()))


def parameter_randomisation(subject: Subject) -> RandomisationTest:
    """Agreement of importances between the model and itself with shuffled weights, and between several such shuffles.

    Each tensor's entries are shuffled, so that the weights have the same sizes, and mean nothing.
    """
    if all(parameter.numel() < 2 for parameter in subject.explained.policy.parameters()):
        return RandomisationTest(reason="the model has no parameters that could be shuffled")
    rows = torch.tensor(evenly(subject.count, STATES))
    trained = sum_over_time(rows_of(at_states(subject, passes_of(subject)), rows)).double().abs()
    if not bool(trained.isfinite().all()):
        return RandomisationTest(reason="the attributions hold NaN or Inf")
    random = []
    for turn in range(MODELS):
        with _shuffled(subject.explained.policy, _SEED + turn):
            random.append(_importance(subject, rows))
    random = [one for one in random if bool(one.isfinite().all())]
    counted = that_count(trained, *random)
    to_random = [float(spearman(trained[:, counted], one[:, counted]).nanmean()) for one in random]
    among = [float(spearman(a[:, counted], b[:, counted]).nanmean()) for a, b in combinations(random, 2)]
    if len(random) < 2 or any(value != value for value in [*to_random, *among]):  # noqa: PLR0124 - NaN
        return RandomisationTest(reason="attributions of the model with shuffled weights do not rank its features")
    among_models = torch.tensor(among, dtype=torch.float64)
    return RandomisationTest(
        value=sum(to_random) / len(to_random),
        standard_error=standard_error(torch.tensor(to_random, dtype=torch.float64)),
        among_random=float(among_models.mean()),
        among_random_deviation=float(among_models.std()) if len(among) > 1 else None,
    )


def random_logit(subject: Subject, outputs: Tensor) -> SimilarityTest:
    """Agreement, with signs, between the attributions of the chosen component and of the next one: outputs (N, ...)."""
    width = outputs[0].numel()
    if width < 2:
        return SimilarityTest(reason="the target has a single component")
    rows = torch.tensor(evenly(subject.count, STATES))
    inputs, choice = rows_of(subject.inputs, rows), subject.choice[rows]
    passes = passes_of(subject)
    chosen = sum_over_time(rows_of(at_states(subject, passes), rows))
    other = sum_over_time(expected_gradients(subject, inputs, (choice + 1) % width, passes))
    if not bool(chosen.isfinite().all() and other.isfinite().all()):
        return SimilarityTest(reason="the attributions hold NaN or Inf")
    counted = that_count(chosen, other)
    agreement = spearman(chosen[:, counted].double(), other[:, counted].double())
    if not bool(agreement.isfinite().any()):
        return SimilarityTest(reason="the attributions do not rank the features")
    return SimilarityTest(value=float(agreement.nanmean()), standard_error=standard_error(agreement))


def _importance(subject: Subject, rows: Tensor) -> Tensor:
    found = expected_gradients(subject, rows_of(subject.inputs, rows), subject.choice[rows], passes_of(subject))
    return sum_over_time(found).double().abs()


@contextmanager
def _shuffled(policy: nn.Module, seed: int) -> Iterator[None]:
    """Let the policy see shuffled parameters while inside; its own stay as they are.

    Not a copy of the policy: one that keeps what it computed as an attribute cannot be copied.
    """
    generator = torch.Generator().manual_seed(seed)
    own = [(parameter, parameter.data) for parameter in policy.parameters()]
    try:
        for parameter, data in own:
            order = torch.randperm(data.numel(), generator=generator)
            parameter.data = data.flatten()[order].view_as(data)
        yield
    finally:
        for parameter, data in own:
            parameter.data = data
