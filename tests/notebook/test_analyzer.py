"""The analyzer: the core's own numbers, a past that it keeps, and states in the shapes that people have."""

import copy
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from torch import nn

import fxwatch
from fxwatch import AttributionAnalyzer, AttributionConfig, AttributionError, ModelInternalsCollector
from fxwatch.attribution import explain
from fxwatch.load.policy import CalledPolicy
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.notebook.guide_model import FEATURES, GuideModel, guide_state
from tests.policies import ByKeyword, OneTensor, SmallTransformer
from tests.project import environ

if TYPE_CHECKING:
    from fxwatch.records.settings import Call

STATES = [guide_state(seed) for seed in range(6)]
QUICK = AttributionConfig(secondary_methods=["saliency"], track_gradients=False, dead_min_history=3)


def nudge(model: nn.Module) -> None:
    """A step of training."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.01)


def test_the_numbers_are_the_cores() -> None:
    model = GuideModel()
    report = AttributionAnalyzer(model, FEATURES).generate_attribution_report(STATES)
    policy = CalledPolicy(copy.deepcopy(model).eval(), list(FEATURES), "dict", {})
    branches = {name: torch.stack([state[name] for state in STATES]).numpy() for name in FEATURES}
    expected, _ = explain(policy, States(branches, FEATURES), AttributionConfig(), GradientLimits())
    assert report["units"] == {
        branch: {name: unit.model_dump() for name, unit in units.items()} for branch, units in expected.units.items()
    }
    assert report["consensus"]["mean_correlation"] == expected.consensus.mean_correlation
    assert report["decisions"] == {name: one.model_dump() for name, one in expected.decisions.items()}
    flow = {name: layer.model_dump() for name, layer in expected.gradient_flow.layer_gradients.items()}
    assert report["gradient_flow"]["layer_gradients"] == flow


def test_an_analysis_is_held_against_the_one_before_it() -> None:
    model = GuideModel()
    analyzer = AttributionAnalyzer(model, FEATURES, QUICK)
    first = analyzer.generate_attribution_report(STATES, step=10)
    nudge(model)
    second = analyzer.generate_attribution_report(STATES[::-1], step=20)
    assert first["stability"]["previous"] is None
    assert second["stability"]["previous"] == first["id"]
    assert second["stability"]["spearman"] > 0.9
    assert second["trust"]["parameter_randomisation"]["measured_at"] == first["id"]
    stood = {one["metric"] for one in first["health"]["findings"]} & {
        one["metric"] for one in second["health"]["findings"]
    }
    assert stood
    assert all(
        (one["since_step"], one["in_a_row"]) == (10, 2)
        for one in second["health"]["findings"]
        if one["metric"] in stood
    )
    nudge(model)
    other = analyzer.generate_attribution_report([{**state, "hf": state["hf"][:3]} for state in STATES])
    assert other["stability"]["previous"] is None
    assert not any(analyzer.get_dead_features(threshold=1.0, min_history=2).values())
    assert all(analyzer.get_dead_features(threshold=1.0, min_history=1).values())


def test_the_same_weights_over_the_same_states_are_not_analysed_twice() -> None:
    model = GuideModel()
    analyzer = AttributionAnalyzer(model, FEATURES, QUICK)
    first = analyzer.generate_attribution_report(STATES)
    assert analyzer.generate_attribution_report(STATES) == first
    assert analyzer.analysis_count == 1
    nudge(model)
    assert analyzer.generate_attribution_report(STATES)["id"] != first["id"]
    assert analyzer.generate_attribution_report(STATES[:5])["states"]["count"] == 5
    assert analyzer.analysis_count == 3


def test_little_importance_makes_dead_only_in_enough_analyses_and_below_the_threshold() -> None:
    """A feature of share 2e-4 or so: dead below 0.001, and alive below 0.00001."""
    model = GuideModel()
    with torch.no_grad():
        layer = model.branches["mf"]
        assert isinstance(layer, nn.Linear)
        layer.weight[:, 1] *= 1e-3
    analyzer = AttributionAnalyzer(model, FEATURES, QUICK)
    for analyses in (1, 2):
        units = analyzer.generate_attribution_report(STATES[:3])["units"]  # too few states to be dead at once
        assert 1e-5 < units["mf"]["rsi_divergence"]["share"] < 1e-3
        nudge(model)
        dead = analyzer.get_dead_features(threshold=1e-3, min_history=2)
        assert dead == {"hf": [], "mf": ["rsi_divergence"] if analyses == 2 else [], "lf": [], "portfolio": []}
    assert analyzer.get_dead_features(threshold=1e-5, min_history=2)["mf"] == []
    assert analyzer.get_dead_features(threshold=1e-3, min_history=200)["mf"] == []
    assert analyzer.get_dead_features()["mf"] == []
    analyzer.generate_attribution_report(STATES[:3])
    assert analyzer.get_dead_features()["mf"] == ["rsi_divergence"]  # dead_min_history is 3


def test_rankings_are_cut_at_the_top() -> None:
    analyzer = AttributionAnalyzer(GuideModel(), FEATURES, QUICK)
    whole = analyzer.generate_attribution_report(STATES)["feature_importance"]
    assert analyzer.get_feature_importance_ranking(n_top=2) == {branch: part[:2] for branch, part in whole.items()}


def test_decisions_are_compared_by_the_names_of_features() -> None:
    analyzer = AttributionAnalyzer(GuideModel(), FEATURES, AttributionConfig(actions=["HOLD", "BUY", "SELL"]))
    found = analyzer.compare_model_decisions(STATES[0], STATES[1])
    assert found["action_a"] in {"HOLD", "BUY", "SELL"}
    assert {name: set(part) for name, part in found["contributions"].items()} == {
        branch: set(names) for branch, names in FEATURES.items()
    }
    itself = analyzer.compare_model_decisions(STATES[0], STATES[0])
    assert {value for _, _, value in itself["key_discriminative_features"]} == {0}


def batch(*places: int) -> dict[str, Any]:
    return {name: torch.stack([STATES[place][name] for place in places]) for name in FEATURES}


def as_arrays(state: dict[str, torch.Tensor]) -> dict[str, Any]:
    return {name: tensor.numpy() for name, tensor in state.items()}


@pytest.mark.parametrize(
    "samples",
    [
        [as_arrays(state) for state in STATES[:4]],
        [batch(0, 1), batch(2), STATES[3]],
        batch(0, 1, 2, 3),
    ],
    ids=["arrays", "batches", "one batch"],
)
def test_states_come_one_by_one_or_in_batches(samples: Any) -> None:
    plain = AttributionAnalyzer(GuideModel(), FEATURES, QUICK).generate_attribution_report(STATES[:4])
    found = AttributionAnalyzer(GuideModel(), FEATURES, QUICK).generate_attribution_report(samples)
    assert (found["id"], found["units"]) == (plain["id"], plain["units"])


def test_actions_in_the_states_are_explained() -> None:
    analyzer = AttributionAnalyzer(GuideModel(), FEATURES, QUICK)
    single = analyzer.generate_attribution_report([{**state, "action": 2} for state in STATES])
    assert list(single["decisions"])[:1] == ["action_type 2"]
    assert "in the dump" in single["target"]["words"]
    both = analyzer.generate_attribution_report({**batch(0, 1, 2, 3), "action": np.array([[1, 0]] * 4)})
    assert [name for name in both["decisions"] if name.startswith("action_type")] == ["action_type 1"]
    assert "action_size 0" in both["decisions"]


def test_of_many_states_max_states_are_analysed_and_those_that_are_not_finite_are_left_out() -> None:
    broken = {**STATES[0], "hf": torch.full((6, 3), float("nan"))}
    config = QUICK.model_copy(update={"max_states": 3})
    found = AttributionAnalyzer(GuideModel(), FEATURES, config).generate_attribution_report([*STATES, broken])
    assert (found["states"]["count"], found["states"]["left_out"]) == (3, 1)
    assert "1 of 7 dumped states are left out" in " ".join(one["message"] for one in found["health"]["findings"])


def test_models_are_called_as_they_want_it() -> None:
    states = [{"hf": np.random.default_rng(seed).normal(size=(2, 4)), "portfolio": np.ones((1, 3)) * seed}
              for seed in range(4)]  # fmt: skip
    calls: tuple[Call, ...] = ("kwargs", "args")
    for call in calls:
        found = AttributionAnalyzer(ByKeyword(), config=QUICK, call=call).generate_attribution_report(states)
        assert list(found["units"]["portfolio"]) == ["portfolio_0", "portfolio_1", "portfolio_2"]
    flat = AttributionAnalyzer(OneTensor(), config=QUICK, call="args")
    assert list(flat.generate_attribution_report([np.arange(7.0) * seed for seed in range(4)])["units"]) == [
        "observation"
    ]
    renamed = AttributionAnalyzer(ByKeyword(), config=QUICK, call="args", outputs={"size": "0.1", "worth": "1"})
    assert renamed.generate_attribution_report(states)["target"]["config"] == "size"


def test_a_policy_of_stable_baselines_tells_its_own_shapes() -> None:
    policy = PPO("MlpPolicy", "CartPole-v1", device="cpu", n_steps=8, batch_size=8).policy
    analyzer = AttributionAnalyzer(policy, {"observation": ["x", "v", "angle", "spin"]}, QUICK)
    rows = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    found = analyzer.generate_attribution_report(rows)
    assert found["states"]["count"] == 5
    assert analyzer.generate_attribution_report(list(rows))["id"] == found["id"]


def test_attention_is_held_against_the_one_before_it() -> None:
    model = SmallTransformer()
    analyzer = AttributionAnalyzer(model, config=QUICK, call="args")
    states = [{"hf": torch.randn(6, 5), "portfolio": torch.randn(2, 3)} for _ in range(4)]
    analyzer.generate_attribution_report(states)
    nudge(model)
    assert analyzer.generate_attribution_report(states)["attention"]["stability"] == pytest.approx(1, abs=0.01)


def test_what_is_wrong_is_said_in_one_sentence() -> None:
    analyzer = AttributionAnalyzer(GuideModel(), FEATURES, QUICK)

    def said(samples: Any) -> str:
        with pytest.raises(AttributionError) as caught:
            analyzer.generate_attribution_report(samples)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "no state" in said([])
    assert "no branch" in said([{}])
    assert "must be numbers" in said([{"hf": ["a", "b"]}])
    assert "(time, features)" in said([{"hf": 1.0}])
    assert "state 1 has other branches" in said([STATES[0], {"hf": STATES[0]["hf"]}])
    assert "differ in the number of states" in said({**batch(0, 1), "hf": batch(0)["hf"]})
    assert "portfolio has 2 features, but 3" in said([{**STATES[0], "portfolio": np.ones((2, 2))}])
    assert "none of its 1 states is finite" in said([{**STATES[0], "hf": np.full((6, 3), np.inf)}])
    for ask in (analyzer.get_feature_importance_ranking, analyzer.get_dead_features, analyzer.analyze_gradient_flow):
        with pytest.raises(AttributionError, match="nothing was analysed yet"):
            ask()
    with pytest.raises(AttributionError, match="one each"):
        analyzer.compare_model_decisions(batch(0, 1), STATES[0])
    agent: Any = object()
    with pytest.raises(AttributionError, match=r"a object is no nn\.Module"):
        AttributionAnalyzer(agent)
    with pytest.raises(AttributionError, match="features names the branch tick"):
        AttributionAnalyzer(GuideModel(), {"tick": ["a"]}).generate_attribution_report(STATES)


def test_a_configuration_refuses_what_the_config_file_would() -> None:
    with pytest.raises(ValueError, match="primary_method"):
        AttributionConfig(primary_method="magic")
    with pytest.raises(ValueError, match="n_step"):
        AttributionConfig.model_validate({"n_step": 3})


def test_a_collector_explains_every_nth_update_over_its_newest_states() -> None:
    model = GuideModel()
    config = QUICK.model_copy(update={"every": 2})
    collector = ModelInternalsCollector(model, FEATURES, config, buffered=4)
    assert collector.after_update() is None  # due, but there is no state
    summary = collector.get_feature_attribution_summary()
    assert summary["attribution_enabled"] is True
    assert (summary["states_buffered"], summary["attribution_analysis_count"]) == (0, 0)
    assert summary["last_attribution_analysis"] is None
    mine = {name: tensor.clone() for name, tensor in STATES[5].items()}
    collector.buffer_states([*STATES[:5], mine])
    mine["hf"].zero_()
    assert collector.after_update() is None  # not due
    report = collector.after_update(step=7)
    assert report is not None
    assert (report["states"]["count"], report["checkpoint"]["step"]) == (4, 7)
    newest = AttributionAnalyzer(model, FEATURES, config).generate_attribution_report(STATES[2:], step=7)
    assert newest["id"] == report["id"]
    summary = collector.get_feature_attribution_summary()
    assert (summary["states_buffered"], summary["attribution_analysis_count"]) == (4, 1)
    assert summary["last_attribution_analysis"] == report["created_at"]


def test_a_bare_import_is_quick_and_a_configuration_needs_no_torch() -> None:
    code = (
        "import sys, fxwatch\n"
        "assert not {'torch', 'captum', 'matplotlib', 'numpy', 'pydantic'} & set(sys.modules)\n"
        "fxwatch.AttributionConfig(primary_method=fxwatch.AttributionMethod.SALIENCY)\n"
        "assert not {'torch', 'captum', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environ(), check=True)


def test_every_name_of_the_package_is_there() -> None:
    assert set(fxwatch.__all__) <= set(dir(fxwatch))
    assert all(getattr(fxwatch, name) is not None for name in fxwatch.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Analyser'"):
        _ = fxwatch.Analyser
