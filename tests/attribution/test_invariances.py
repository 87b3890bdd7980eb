"""What must not change a result, does not."""

from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import explain
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}


def explained(policy: nn.Module, states: States) -> Explanation:
    return explain(policy.eval(), states, AnalysisSettings(), GradientLimits())[0]


def shares(found: Explanation) -> dict[tuple[str, str], float]:
    return {(branch, name): unit.share for branch, units in found.units.items() for name, unit in units.items()}


class Times(nn.Module):
    """A policy whose output is scaled."""

    def __init__(self, policy: nn.Module, factor: float) -> None:
        super().__init__()
        self.policy, self.factor = policy, factor

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        return {name: self.factor * output for name, output in self.policy(*branches).items()}


def test_the_scale_of_the_output_changes_no_quality_and_no_share() -> None:
    states = random_states(SHAPES)
    plain, scaled = explained(SmallTransformer(), states), explained(Times(SmallTransformer(), 10), states)
    assert shares(scaled) == pytest.approx(shares(plain), rel=1e-3)
    for name in ("sparsity", "concentration", "infidelity", "sensitivity", "completeness"):
        before, after = getattr(plain.quality, name).value, getattr(scaled.quality, name).value
        assert after == pytest.approx(before, rel=1e-2, abs=1e-4), name
    assert scaled.consensus.mean_correlation == pytest.approx(plain.consensus.mean_correlation, rel=1e-3)
    assert scaled.dead_features == plain.dead_features


def test_the_same_seed_gives_the_same_everything() -> None:
    states = random_states(SHAPES)
    first, second = explained(SmallTransformer(), states), explained(SmallTransformer(), states)

    def without_times(found: Explanation) -> dict[str, object]:
        data = found.model_dump(exclude={"cost": {"seconds"}})
        return {**data, "methods": [{**report, "seconds": 0} for report in data["methods"].values()]}

    assert without_times(first) == without_times(second)


def test_sampling_time_twice_as_densely_leaves_branch_shares() -> None:
    def formula(hf: Tensor, portfolio: Tensor) -> Tensor:
        return torch.tanh(hf.mean(1) @ torch.tensor([1.0, 0.4])) + portfolio.mean(1)[:, 0] ** 2

    states = random_states({"hf": (5, 2), "portfolio": (2, 1)})
    dense = States({**states.branches, "hf": np.repeat(states.branches["hf"], 2, axis=1)}, states.features)
    once, twice = explained(Formula(formula), states), explained(Formula(formula), dense)
    for branch in states.branches:
        assert twice.branches[branch].share == pytest.approx(cast("float", once.branches[branch].share), rel=1e-3)


def test_another_order_of_features_gives_the_same_shares_under_the_same_names() -> None:
    states = random_states(SHAPES)
    order = np.array([3, 1, 4, 0, 2])
    turned = States(
        {**states.branches, "hf": states.branches["hf"][..., order]},
        {**states.features, "hf": [states.features["hf"][place] for place in order]},
    )
    model = SmallTransformer()
    other = SmallTransformer()
    with torch.no_grad():
        other.hf.weight.copy_(model.hf.weight[:, torch.from_numpy(order)])
    assert shares(explained(other, turned)) == pytest.approx(shares(explained(model, states)), rel=1e-3, abs=1e-6)


def test_a_state_alone_is_attributed_as_in_a_batch() -> None:
    """Against a fixed baseline: a batch must not leak into its members."""
    states = random_states(SHAPES, count=40)
    settings = AnalysisSettings(baseline_type="zero", secondary_methods=[])
    one = states.take(np.arange(1))
    alone = explain(SmallTransformer().eval(), one, settings, GradientLimits())[0]
    many, _ = explain(SmallTransformer().eval(), states, settings, GradientLimits())
    together = explain(SmallTransformer().eval(), states.take(np.array([0] * 40)), settings, GradientLimits())[0]
    assert shares(together) == pytest.approx(shares(alone), rel=1e-3)
    assert shares(many) != pytest.approx(shares(alone), rel=1e-3)


def test_features_that_do_nothing_change_no_rank_correlation() -> None:
    """A branch that is never read makes no method agree more with another, nor rankings more stable."""
    states = random_states({"hf": (6, 5), "portfolio": (2, 3)})
    more = States(
        {**states.branches, "unread": np.random.default_rng(1).normal(size=(32, 4, 12)).astype(np.float32)},
        {**states.features, "unread": [f"unread_{place}" for place in range(12)]},
    )
    torch.manual_seed(5)
    policy = SmallTransformer()
    without, beside = explained(policy, states), explained(Deaf(policy), more)
    assert beside.consensus.mean_correlation == pytest.approx(without.consensus.mean_correlation, abs=0.02)
    assert beside.stability.null_low == pytest.approx(without.stability.null_low, abs=1e-3)
    for test in ("parameter_randomisation", "random_logit"):
        assert getattr(beside.trust, test).value == pytest.approx(getattr(without.trust, test).value, abs=0.02)


class Deaf(nn.Module):
    """Leaves out its last branch."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        return cast("dict[str, Tensor]", self.policy(*branches[:-1]))
