"""Does the explanation depend on what was learned, and on what was decided? Randomisation tests.

Adebayo et al. 2018 (arXiv 1810.03292): attributions of the model must differ from those of the same model with random
weights. As every attribution holds the inputs, even two random models agree somewhat: the agreement is judged against
that between the random models, not against nought. Sixt et al. 2020 (arXiv 1912.09818): attributions of the chosen
action must differ from those of another one.
"""

import copy
from itertools import combinations

import torch
from torch import Tensor, nn

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.grid import expected_gradients
from fxwatch.attribution.policy import Explained
from fxwatch.attribution.statistics import spearman, standard_error
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import sum_over_time
from fxwatch.records.analysis import RandomisationTest, SimilarityTest

STATES = 16
MODELS = 4
_SEED = 23


def architecture(policy: nn.Module) -> str:
    """What the randomisation of parameters depends on: the names and shapes of all of them."""
    return ";".join(f"{name}{tuple(tensor.shape)}" for name, tensor in sorted(policy.state_dict().items()))


def parameter_randomisation(subject: Subject) -> RandomisationTest:
    """Agreement of importances between the model and copies with shuffled weights, and between those copies.

    Each tensor's entries are shuffled, so that the copies have weights of the same sizes, which mean nothing.
    """
    rows = torch.tensor(evenly(subject.count, STATES))
    trained = _importance(subject, rows)
    copies = [_importance(_shuffled(subject, _SEED + turn), rows) for turn in range(MODELS)]
    copies = [one for one in copies if bool(one.isfinite().all())]
    to_random = [float(spearman(trained, one).nanmean()) for one in copies]
    among = [float(spearman(a, b).nanmean()) for a, b in combinations(copies, 2)]
    if len(copies) < 2 or any(value != value for value in [*to_random, *among]):  # noqa: PLR0124 - NaN
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
    chosen = sum_over_time(expected_gradients(subject, inputs, choice, passes=1))
    other = sum_over_time(expected_gradients(subject, inputs, (choice + 1) % width, passes=1))
    agreement = spearman(chosen.double(), other.double())
    if not bool(agreement.isfinite().any()):
        return SimilarityTest(reason="the attributions do not rank the features")
    return SimilarityTest(value=float(agreement.nanmean()), standard_error=standard_error(agreement))


def _importance(subject: Subject, rows: Tensor) -> Tensor:
    found = expected_gradients(subject, rows_of(subject.inputs, rows), subject.choice[rows], passes=1)
    return sum_over_time(found).double().abs()


def _shuffled(subject: Subject, seed: int) -> Subject:
    generator = torch.Generator().manual_seed(seed)
    policy = copy.deepcopy(subject.explained.policy)
    with torch.no_grad():
        for parameter in policy.parameters():
            flat = parameter.flatten()
            parameter.copy_(flat[torch.randperm(flat.numel(), generator=generator)].view_as(parameter))
    explained = Explained(policy, subject.explained.target, subject.explained.meter)
    return Subject(
        explained,
        subject.inputs,
        subject.choice,
        subject.baselines,
        subject.units,
        subject.deviation,
        subject.settings,
    )
