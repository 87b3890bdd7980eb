"""Why two decisions differ: contributions along the straight path between two states."""

import numpy as np
import pytest
import torch
from torch import nn

from fxwatch.attribution import AttributionError
from fxwatch.attribution.comparison import COMPLETE, compare_decisions
from fxwatch.records.comparison import DecisionComparison
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from tests.policies import Formula, Heads, SmallTransformer, random_states

SETTINGS = AnalysisSettings(actions=["HOLD", "BUY", "SELL"])
FEATURES = {"hf": ["velocity", "volume"], "portfolio": ["pnl"]}
WEIGHTS = torch.tensor([[1.0, 0.5, -1.0], [0.0, 2.0, 1.0], [-1.0, 0.5, 3.0]])


def state(velocity: float, volume: float, pnl: float, action: int | None = None) -> States:
    """Two equal time steps of the first branch, one of the other."""
    hf = np.full((1, 2, 2), [velocity, volume], np.float32)
    taken = None if action is None else np.array([action])
    return States({"hf": hf, "portfolio": np.array([[pnl]], np.float32)}, FEATURES, taken)


def linear() -> nn.Module:
    return Heads("action_type", lambda hf, portfolio: torch.cat([hf.mean(1), portfolio], 1) @ WEIGHTS.T)


def total(found: DecisionComparison) -> float:
    return sum(value for part in found.contributions.values() for value in part.values())


def flat(found: DecisionComparison) -> list[float]:
    return [value for part in found.contributions.values() for value in part.values()]


def test_on_a_linear_policy_each_feature_gives_the_margins_weight_times_its_change() -> None:
    found = compare_decisions(linear(), state(1, 3, 0.5), state(2, 0, -1), SETTINGS)
    assert (found.action_a, found.action_b) == ("BUY", "HOLD")
    assert found.scalar == "the logit of BUY less that of HOLD"
    margin = (WEIGHTS[1] - WEIGHTS[0]).tolist()
    expected = [margin[0] * (1 - 2), margin[1] * (3 - 0), margin[2] * (0.5 + 1)]
    assert flat(found) == pytest.approx(expected, abs=1e-5)
    assert found.value_a == pytest.approx(margin[0] * 1 + margin[1] * 3 + margin[2] * 0.5)
    assert total(found) == pytest.approx(found.value_a - found.value_b, abs=1e-5)
    assert found.key_discriminative_features[0][:2] == ("hf", "volume")
    sizes = [abs(value) for _, _, value in found.key_discriminative_features]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) == 3


def test_where_both_states_lead_to_one_action_its_logit_is_compared() -> None:
    found = compare_decisions(linear(), state(0, 3, 1), state(0, 2, 1), SETTINGS)
    assert found.action_a == found.action_b == "BUY"
    assert found.scalar == "the logit of BUY"
    assert flat(found) == pytest.approx([0, 2, 0], abs=1e-6)


def test_the_dumps_actions_go_before_the_models_own() -> None:
    a = state(0, 3, 1, action=2)
    b = state(0, 2, 1, action=0)
    assert compare_decisions(linear(), a, b, SETTINGS).scalar == "the logit of SELL less that of HOLD"


def test_a_product_is_shared_as_the_straight_path_says() -> None:
    """∫ (a₁-b₁) x₂ dt along the path is (a₁-b₁)(a₂+b₂)/2."""
    policy = Formula(lambda hf, portfolio: hf[:, 0, 0] * portfolio[:, 0])
    found = compare_decisions(policy, state(3, 0, 5), state(1, 0, -2), SETTINGS)
    assert found.contributions["hf"]["velocity"] == pytest.approx((3 - 1) * (5 - 2) / 2, rel=1e-5)
    assert found.contributions["portfolio"]["pnl"] == pytest.approx((5 + 2) * (3 + 1) / 2, rel=1e-5)


def test_a_kink_is_found_wherever_it_lies() -> None:
    policy = Formula(lambda hf, portfolio: torch.relu(hf[:, 0, 0] - 0.737) * 5 + portfolio[:, 0])
    found = compare_decisions(policy, state(1, 0, 0.25), state(-30, 0, 0), SETTINGS)
    assert found.contributions["hf"]["velocity"] == pytest.approx(5 * (1 - 0.737), rel=1e-3)
    assert found.completeness_error <= COMPLETE * abs(found.change) + 1e-5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_contributions_add_up_to_the_change(seed: int) -> None:
    policy = SmallTransformer(seed=seed).eval()
    states = random_states({"hf": (6, 5), "portfolio": (2, 3)}, count=2, seed=seed)
    a, b = states.take(np.array([0])), states.take(np.array([1]))
    found = compare_decisions(policy, a, b, SETTINGS)
    assert total(found) == pytest.approx(found.value_a - found.value_b, abs=COMPLETE * abs(found.change) + 1e-5)
    assert found.completeness_error == pytest.approx(abs(total(found) - found.change), abs=1e-9)
    assert found.gradients > 0


def test_a_state_against_itself_gives_noughts() -> None:
    policy = SmallTransformer().eval()
    one = random_states({"hf": (6, 5), "portfolio": (2, 3)}, count=1)
    found = compare_decisions(policy, one, one, SETTINGS)
    assert found.change == 0
    assert set(flat(found)) == {0.0}


def test_swapped_states_flip_the_signs_of_one_actions_logit() -> None:
    a, b = state(0, 3, 1), state(0.5, 2, 0)
    there, back = (compare_decisions(linear(), *pair, SETTINGS) for pair in ((a, b), (b, a)))
    assert there.scalar == back.scalar == "the logit of BUY"
    assert flat(there) == pytest.approx([-value for value in flat(back)], abs=1e-6)
    assert there.change == pytest.approx(-back.change)


def test_swapped_states_of_two_actions_flip_the_margin_too_and_so_keep_the_signs() -> None:
    a, b = state(1, 3, 0.5), state(2, 0, -1)
    there, back = (compare_decisions(linear(), *pair, SETTINGS) for pair in ((a, b), (b, a)))
    assert (there.scalar, back.scalar) == ("the logit of BUY less that of HOLD", "the logit of HOLD less that of BUY")
    assert flat(there) == pytest.approx(flat(back), abs=1e-5)


def test_a_continuous_action_is_compared_by_its_largest_components() -> None:
    policy = Heads("action", lambda hf, portfolio: torch.cat([hf.mean(1), portfolio], 1))
    found = compare_decisions(policy, state(9, 0, 1), state(0, 4, 1), SETTINGS, continuous={"action"})
    assert found.scalar == "component 0 less component 1"
    assert flat(found) == pytest.approx([9, 4, 0], abs=1e-5)


def test_what_a_jump_keeps_from_the_gradient_is_told() -> None:
    policy = Formula(lambda hf, portfolio: (hf[:, 0, 0] > 0).float() + 0.1 * portfolio[:, 0])
    found = compare_decisions(policy, state(1, 0, 1), state(-1, 0, 0), SETTINGS)
    assert found.change == pytest.approx(1.1)
    assert found.completeness_error == pytest.approx(1, rel=1e-3)


def test_the_live_weights_get_no_gradients() -> None:
    policy = SmallTransformer().eval()
    states = random_states({"hf": (6, 5), "portfolio": (2, 3)}, count=2)
    compare_decisions(policy, states.take(np.array([0])), states.take(np.array([1])), SETTINGS)
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_what_cannot_be_compared_is_said_in_one_sentence() -> None:
    two = random_states({"hf": (2, 2), "portfolio": (1,)}, count=2)
    with pytest.raises(AttributionError, match="one each"):
        compare_decisions(linear(), two, two, SETTINGS)
    other = States(state(0, 0, 0).branches, {**FEATURES, "portfolio": ["cash"]})
    with pytest.raises(AttributionError, match="same features"):
        compare_decisions(linear(), state(0, 0, 0), other, SETTINGS)
    broken = Formula(lambda hf, portfolio: hf[:, 0, 0] / 0)
    with pytest.raises(AttributionError, match="NaN or Inf"):
        compare_decisions(broken, state(1, 0, 0), state(2, 0, 0), SETTINGS)
