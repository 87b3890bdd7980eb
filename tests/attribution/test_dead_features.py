"""Planted dead features are called dead with the right cause, and no live one is."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import Context, Previous, explain
from fxwatch.attribution.dead_features import low_importance
from fxwatch.records.analysis import DeadFeatures
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.policies import SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}


def dead(policy: nn.Module, states: States, context: Context | None = None) -> DeadFeatures:
    settings = AnalysisSettings(secondary_methods=[], dead_min_history=3)
    return explain(policy.eval(), states, settings, GradientLimits(), context or Context())[0].dead_features


def test_constant_unread_and_ineffective_features_are_told_apart() -> None:
    states = random_states(SHAPES)
    states.branches["hf"][..., 1] = 3.5
    states.branches["portfolio"][:, :, 2] = np.array(
        [0.0, 1.0], np.float32
    )  # a clock: it moves, but never tells states apart
    policy = SmallTransformer()
    with torch.no_grad():
        policy.hf.weight[:, 3] = 0
        policy.hf.weight[:, 0] *= 1e-4
    found = dead(policy, states)
    assert found.causes == {
        "hf": {"hf_0": "no_functional_effect", "hf_1": "constant_input", "hf_3": "zero_projection"},
        "portfolio": {"portfolio_2": "constant_input"},
    }
    assert found.total_count == 4
    assert found.branches == {"hf": ["hf_0", "hf_1", "hf_3"], "portfolio": ["portfolio_2"]}


@pytest.mark.parametrize("seed", range(10))
def test_no_live_feature_is_called_dead(seed: int) -> None:
    assert dead(SmallTransformer(seed=seed), random_states(SHAPES, seed=seed)).total_count == 0


def test_a_feature_that_only_the_value_reads_is_alive() -> None:
    class Split(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.policy, self.worth = nn.Linear(2, 3), nn.Linear(1, 1)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.policy(x[:, :2]), "value": self.worth(x[:, 2:])}

    assert dead(Split(), random_states({"x": (3,)})).total_count == 0


def test_a_feature_behind_a_step_without_gradient_is_not_called_unread() -> None:
    class Step(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 3)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.layer(torch.stack([x[:, 0], (x[:, 1] > 0).float()], 1))}

    assert dead(Step(), random_states({"x": (2,)})).total_count == 0


@pytest.mark.parametrize("gate", ["layer", "input", "rectifier"])
def test_a_gate_that_is_shut_in_these_states_is_no_zero_projection(gate: str) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.gate, self.layer = nn.Linear(1, 1), nn.Linear(3, 3)
            nn.init.constant_(self.gate.bias, -200.0)
            nn.init.zeros_(self.layer.weight[:, 2])

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            shut = {
                "layer": torch.sigmoid(self.gate(x[:, 1:2])),
                "input": torch.sigmoid(1e3 * (x[:, 1:2] - 6)),
                "rectifier": torch.relu(x[:, :1] - 6),
            }[gate]
            return {"action_type": self.layer(torch.cat([shut * x[:, :1], x[:, 1:]], 1))}

    assert dead(Gated(), random_states({"x": (3,)})).causes == {
        "x": {"x_0": "no_functional_effect", "x_2": "zero_projection"}
    }


def test_too_few_states_to_tell_say_so() -> None:
    found = dead(SmallTransformer(), random_states(SHAPES, count=3))
    assert found.total_count is None
    assert "fewer than 4 states" in (found.reason or "")


def test_low_importance_needs_history_and_revives_with_hysteresis() -> None:
    even = 0.1
    low, middle, high = 0.05 * even, 0.15 * even, 0.5 * even
    history = torch.full((10, 10), even)
    history[:, 0] = low
    assert low_importance(history, set()) == {0}
    history[-1, 0] = middle
    assert low_importance(history, {0}) == {0}
    assert low_importance(history, set()) == {0}  # nine of ten are still low
    history[-2, 0] = middle
    assert low_importance(history, set()) == set()
    assert low_importance(history, {0}) == {0}
    history[-1, 0] = high
    assert low_importance(history, {0}) == set()


def weak(factor: float) -> SmallTransformer:
    """A policy that hardly reads hf_2."""
    policy = SmallTransformer()
    with torch.no_grad():
        policy.hf.weight[:, 2] *= factor
    return policy


def low_for(analyses: int) -> Context:
    """A past in which hf_2 was of no importance."""
    earlier = np.full((analyses, 8), 1 / 8, np.float32)
    earlier[:, 2] = 0.001
    return Context(previous=Previous("step-1-00000000", np.zeros((32, 8), np.float32)), shares=earlier)


def test_low_importance_is_only_called_after_enough_analyses() -> None:
    states, policy = random_states(SHAPES), weak(0.012)
    short = dead(policy, states, low_for(1))
    assert "low_importance" not in short.causes.get("hf", {}).values()
    long = dead(policy, states, low_for(2))
    assert long.causes.get("hf", {}).get("hf_2") in {"low_importance", "no_functional_effect"}


@pytest.mark.parametrize("environments", [2, 4, 8, 16])
def test_a_flag_that_goes_by_environment_is_not_dead(environments: int) -> None:
    """Vectorised environments, flattened: the state half a dump away has the same flag."""
    states = random_states(SHAPES)
    flag = np.where(np.arange(32) % environments < environments / 2, 1.0, -1.0)
    states.branches["hf"][..., 2] = flag[:, None]
    assert "hf_2" not in dead(weak(0.3), states, Context()).causes.get("hf", {})


def test_what_is_weak_but_works_is_not_dead_by_its_history() -> None:
    assert "hf_2" not in dead(weak(0.05), random_states(SHAPES), low_for(3)).causes.get("hf", {})
