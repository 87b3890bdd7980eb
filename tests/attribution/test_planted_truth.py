"""Policies trained on a planted rule: what they use ranks first, and what is dead is called so, and nothing else.

What a policy uses is measured on held-out states by swapping features, with no code of fxwatch's
(`python -m benchmarks.planted_truth` prints the figures).
"""

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.planted_truth import DEAD, LIVE, PLANTED, SEEDS, Trained, explained, ranking, train
from fxwatch.records.analysis import Explanation
from tests.attribution.test_gradient_flow import Scale, troubles


@cache
def run(seed: int) -> tuple[Trained, Explanation]:
    trained = train(seed)
    return trained, explained(trained.policy, seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_planted_features_that_the_policy_uses_rank_first(seed: int) -> None:
    trained, found = run(seed)
    assert trained.accuracy > 0.6  # by chance it would be right in a third
    used = {unit for unit in PLANTED if trained.effects[unit] > 0.2}
    assert len(used) == 3
    assert set(ranking(found)[:3]) == used
    for branch, name in used:
        assert found.feature_importance[branch][0][0] == name
    decisive = {(branch, names[0][0]) for one in found.decisions.values() for branch, names in one.features.items()}
    assert used <= decisive


@pytest.mark.parametrize("seed", SEEDS)
def test_planted_dead_features_are_called_so_and_no_live_one_is(seed: int) -> None:
    trained, found = run(seed)
    called = {(b, name): cause for b, causes in found.dead_features.causes.items() for name, cause in causes.items()}
    assert {unit: called.get(unit) for unit in DEAD} == DEAD
    assert [unit for unit in called if trained.effects[unit] >= LIVE] == []


@pytest.mark.parametrize("seed", SEEDS)
def test_the_explanation_of_a_trained_policy_can_be_trusted(seed: int) -> None:
    _, found = run(seed)
    assert (found.quality.infidelity.value or 1) < 0.05
    assert (found.quality.completeness.value or 1) < 0.05
    assert (found.quality.sensitivity.value or 1) < 0.1
    assert (found.consensus.mean_correlation or 0) > 0.6
    for test in (found.trust.deletion, found.trust.insertion):
        assert (test.value or 0) > 2 * (test.standard_error or 0)
    randomised = found.trust.parameter_randomisation
    assert (randomised.value or 1) < 0.9
    assert (found.trust.random_logit.value or 1) < 0.9


class Scaled(nn.Module):
    """A layer whose gradient is scaled on its way back."""

    def __init__(self, layer: nn.Module, factor: float) -> None:
        super().__init__()
        self.layer, self.factor = layer, factor

    def forward(self, x: Tensor) -> Any:
        return Scale.apply(self.layer(x), self.factor)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1.0, {}),
        (1e-12, {"vanishing_gradients": ["projections.mf.layer"]}),
        (1e7, {"exploding_gradients": ["projections.mf.layer"]}),
        (0.0, {"zero": ["projections.mf.layer"]}),
    ],
)
def test_gradient_troubles_planted_in_a_trained_policy_are_called_by_name(
    factor: float, expected: dict[str, list[str]]
) -> None:
    policy = train(0, steps=60).policy
    policy.projections["mf"] = Scaled(policy.projections["mf"], factor)
    assert troubles(explained(policy, 0).gradient_flow) == expected


def test_an_unused_layer_in_a_trained_policy_is_called_by_name() -> None:
    policy = train(0, steps=60).policy
    policy.spare = nn.Linear(4, 4)
    torch.manual_seed(0)
    assert troubles(explained(policy, 0).gradient_flow) == {"unused": ["spare"]}
