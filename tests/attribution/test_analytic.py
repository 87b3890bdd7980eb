"""Models whose attributions are known in closed form."""

import numpy as np
import pytest
import torch

from fxwatch.attribution import explain
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings, MethodName
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.policies import Formula, Heads, Linear, SmallTransformer, random_states

ZERO = AnalysisSettings(baseline_type="zero")
METHODS: list[MethodName] = [
    "integrated_gradients",
    "gradient_shap",
    "deep_lift",
    "input_x_gradient",
    "feature_ablation",
]


def explained(
    policy: torch.nn.Module, states: States, settings: AnalysisSettings = ZERO
) -> tuple[Explanation, dict[str, np.ndarray]]:
    return explain(policy.eval(), states, settings, GradientLimits())


@pytest.mark.parametrize("primary", METHODS)
def test_on_a_linear_model_every_method_gives_weight_times_input(primary: MethodName) -> None:
    weights = [1.0, -2.0, 0.5]
    states = random_states({"hf": (4, 3)})
    settings = AnalysisSettings(baseline_type="zero", primary_method=primary, secondary_methods=[])
    found, _ = explained(Linear(weights), states, settings)
    importance = np.abs(states.branches["hf"].mean(1) * weights).mean(0)
    for place, name in enumerate(states.features["hf"]):
        assert found.units["hf"][name].share == pytest.approx(importance[place] / importance.sum(), rel=1e-4)
        assert found.units["hf"][name].signed == pytest.approx(
            float((states.branches["hf"].mean(1) * weights).mean(0)[place]), rel=1e-3, abs=1e-6
        )
    scores = dict(found.feature_importance["hf"])
    assert scores == pytest.approx(
        {name: importance[place] / np.linalg.norm(importance) for place, name in enumerate(states.features["hf"])},
        rel=1e-4,
    )
    assert [name for name, _ in found.feature_importance["hf"]] == [
        states.features["hf"][place] for place in np.argsort(-importance)
    ]


def test_a_linear_model_is_explained_perfectly() -> None:
    found, _ = explained(Linear([1.0, -2.0, 0.5], [0.3, 0.1]), random_states({"hf": (4, 3), "portfolio": (2, 2)}))
    assert found.quality.infidelity.value == pytest.approx(0, abs=1e-6)
    assert found.quality.infidelity.fvu == pytest.approx(0, abs=1e-6)
    assert found.quality.completeness.value == pytest.approx(0, abs=1e-5)
    assert found.methods["deep_lift"].status == "ok"
    assert found.consensus.voters[0] == ["integrated_gradients", "gradient_shap", "deep_lift"]
    with_and_without = next(
        pair for pair in found.consensus.pairs if pair.methods == ("integrated_gradients", "feature_ablation")
    )
    assert with_and_without.spearman == pytest.approx(1)  # the same baselines for both
    shares = [(unit.share, branch, name) for branch, units in found.units.items() for name, unit in units.items()]
    for place, (one, (_, *unit)) in enumerate(zip(found.consensus.ranks, sorted(shares, reverse=True), strict=True), 1):
        assert [one.branch, one.feature] == unit
        assert (one.ranks["integrated_gradients"], one.ranks["feature_ablation"]) == (place, place)


def test_a_product_is_shared_by_halves_and_a_square_goes_to_its_only_feature() -> None:
    """IG of x₁x₂ from nought is x₁x₂/2 each; of x² it is x² (Sundararajan et al. 2017)."""
    states = random_states({"a": (2,), "b": (1,)})
    x, square = states.branches["a"], states.branches["b"][:, 0] ** 2
    found, _ = explained(Formula(lambda a, b: a[:, 0] * a[:, 1] + b[:, 0] ** 2), states)
    half = float((x[:, 0] * x[:, 1]).mean() / 2)
    assert found.units["a"]["a_0"].signed == pytest.approx(half, rel=1e-4)
    assert found.units["a"]["a_1"].signed == pytest.approx(half, rel=1e-4)
    assert found.units["b"]["b_0"].signed == pytest.approx(float(square.mean()), rel=1e-4)


def test_saturation_hides_a_feature_from_the_gradient_but_not_from_integrated_gradients() -> None:
    states = States({"x": np.full((8, 1), 20.0, np.float32) + np.arange(8, dtype=np.float32)[:, None]}, {"x": ["x"]})
    settings = AnalysisSettings(baseline_type="zero", secondary_methods=["saliency"])
    found, _ = explained(Formula(lambda x: torch.tanh(x[:, 0])), states, settings)
    assert found.units["x"]["x"].signed == pytest.approx(1.0, rel=0.05)


def test_a_piecewise_linear_model_gets_more_steps_until_it_is_complete() -> None:
    states = random_states({"x": (1,)})
    found, _ = explained(Formula(lambda x: torch.relu(x[:, 0] - 0.73) * 5), states)
    expected = np.maximum(states.branches["x"][:, 0] - 0.73, 0) * 5
    assert found.units["x"]["x_0"].signed == pytest.approx(float(expected.mean()), rel=0.05)
    fixed, _ = explained(
        Formula(lambda x: torch.relu(x[:, 0] - 0.73) * 5), states, ZERO.model_copy(update={"n_steps": 2})
    )
    assert (found.quality.completeness.value or 0) < (fixed.quality.completeness.value or 0)


def test_the_background_baseline_is_the_mean_over_real_states() -> None:
    """Against background states b_k, a linear model's attribution is w (x - mean b): 8 states, evenly over the dump."""
    states = random_states({"x": (3,)}, count=8)
    weights = np.array([1.0, -1.0, 2.0])
    found, _ = explained(
        Formula(lambda x: x @ torch.tensor(weights, dtype=torch.float32)),
        states,
        AnalysisSettings(secondary_methods=[]),
    )
    x = states.branches["x"]
    expected = np.abs((x - x.mean(0)) * weights).mean(0)
    for place in range(3):
        assert found.units["x"][f"x_{place}"].share == pytest.approx(expected[place] / expected.sum(), rel=1e-4)


def test_shares_sum_to_one_and_lie_in_their_intervals() -> None:
    found, _ = explained(SmallTransformer(), random_states({"hf": (6, 5), "portfolio": (2, 3)}), AnalysisSettings())
    units = [unit for branch in found.units.values() for unit in branch.values()]
    assert sum(unit.share for unit in units) == pytest.approx(1)
    assert all(unit.low <= unit.share <= unit.high for unit in units)
    assert sum(branch.share or 0 for branch in found.branches.values()) == pytest.approx(1)


def test_the_explained_action_is_that_of_the_dump_or_else_the_models_own() -> None:
    states = random_states({"x": (2,)})
    policy = Heads("action_type", lambda x: torch.stack([x[:, 0], 3 * x[:, 1] + 100], 1))
    own, _ = explained(policy, states)
    assert own.feature_importance["x"][0][0] == "x_1"
    assert list(own.decisions) == ["action_type 1"]
    dumped = States(states.branches, states.features, action=np.zeros((32, 2), np.int64))
    theirs, _ = explained(policy, dumped, ZERO.model_copy(update={"actions": ["HOLD", "BUY"]}))
    assert theirs.feature_importance["x"] == [("x_0", 1.0), ("x_1", 0.0)]
    assert theirs.decisions["HOLD"].count == 32
    assert "action in the dump" in theirs.target.words


def test_of_a_continuous_action_the_component_of_largest_value_is_explained() -> None:
    states = random_states({"x": (2,)})
    policy = Heads("action", lambda x: torch.stack([x[:, 0], 50 + x[:, 1]], 1))
    found, _ = explain(policy, states, AnalysisSettings(baseline_type="zero"), GradientLimits(), continuous={"action"})
    assert found.target.config == "action"
    assert dict(found.feature_importance["x"])["x_0"] == 0
    assert "largest" in found.target.words
