"""Precisions, few or constant states, and NaN: what can be known is, and the rest says why not."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from fxwatch.attribution import AttributionError, explain
from fxwatch.load.factory import private
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.attribution.subjects import Model
from tests.policies import SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
SETTINGS = AnalysisSettings(track_layers=True, track_activations=True)


def explained(policy: nn.Module, states: States, settings: AnalysisSettings = SETTINGS) -> Explanation:
    found, _ = explain(policy, states, settings, GradientLimits())
    assert found.model_dump_json()
    return found


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_in_any_precision_shares_are_those_in_single_or_a_method_says_why_not(kind: torch.dtype) -> None:
    single = explained(SmallTransformer().eval(), random_states(SHAPES))
    found = explained(SmallTransformer().to(kind).eval(), random_states(SHAPES))
    for branch, units in found.units.items():
        for name, unit in units.items():
            assert unit.share == pytest.approx(single.units[branch][name].share, rel=0.05), name
    assert all(report.status == "ok" or report.reason for report in found.methods.values())
    assert found.methods["integrated_gradients"].status == "ok"


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_the_loader_explains_half_precision_in_single(kind: torch.dtype) -> None:
    found = explained(private(SmallTransformer().to(kind)), random_states(SHAPES))
    assert [name for name, report in found.methods.items() if report.status != "ok"] == ["deep_lift"]


def test_a_single_state_leaves_out_what_needs_several() -> None:
    found = explained(SmallTransformer().eval(), random_states(SHAPES, count=1))
    assert found.layer_attribution is not None
    assert found.layer_attribution.of.endswith("over a single state")
    assert found.layer_attribution.layers["head"].signed == pytest.approx(1, abs=1e-3)
    assert found.attention.effect_reason == "the output is the same at every state"
    assert found.trust.deletion.reason == "a single state has no spread"
    assert found.dead_features.reason == "fewer than 4 states"


def test_three_states_are_enough_for_layers_and_heads() -> None:
    found = explained(SmallTransformer().eval(), random_states(SHAPES, count=3))
    assert found.layer_attribution is not None
    assert "over 3 states" in found.layer_attribution.of
    assert all(head.effect is not None for head in found.attention.layers["encoder.self_attn"])


def test_constant_states_and_a_constant_output_have_no_bad_marks_but_reasons() -> None:
    states = random_states({"x": (4,)})
    constant = Model(lambda model, x: 0 * model.layer(x) + 1.3, layer=nn.Linear(4, 3)).eval()  # 8 × 1.3 is not a float
    found = explained(constant, states)
    for name in ("concentration", "infidelity", "sensitivity", "completeness"):
        assert getattr(found.quality, name).value is None, name
        assert getattr(found.quality, name).reason, name
    same = explained(SmallTransformer().eval(), random_states(SHAPES).take(np.zeros(16, dtype=np.intp)))
    assert same.attention.effect_reason == "the output is the same at every state"
    assert same.trust.deletion.value is None


def bent() -> tuple[Model, States]:
    """√(x₀² - 0.9): a number at every state, NaN on the way to the baselines."""
    torch.manual_seed(0)
    policy = Model(lambda m, x: 10 * torch.sqrt(x[:, :1] ** 2 - 0.9) + m.layer(x), layer=nn.Linear(3, 3)).eval()
    states = random_states({"x": (3,)})
    first = states.branches["x"][:, 0]
    states.branches["x"][:, 0] = np.sign(first) * (1 + np.abs(first))
    return policy, states


@pytest.mark.parametrize("primary", ["integrated_gradients", "feature_ablation", "kernel_shap"])
def test_nan_on_the_way_to_the_baselines_is_the_reason_of_the_method(primary: Any, capfd: Any) -> None:
    policy, states = bent()
    settings = AnalysisSettings(primary_method=primary, secondary_methods=[])
    with pytest.raises(AttributionError, match=f"{primary} cannot run on this model: its attributions hold NaN or Inf"):
        explained(policy, states, settings)
    assert capfd.readouterr() == ("", "")


def test_what_nan_on_the_way_spoils_says_so_and_the_rest_stays() -> None:
    policy, states = bent()
    settings = AnalysisSettings(primary_method="saliency", track_layers=True, neuron_layer="layer")
    found = explained(policy, states, settings)
    assert found.units["x"]["x_0"].share > 0.9
    assert found.nonfinite_outputs == 0
    tests = found.trust
    for number in (found.quality.sensitivity, tests.random_logit, tests.parameter_randomisation):
        assert number.value is None
        assert "NaN" in (number.reason or ""), number
    assert "NaN" in (found.stability.reason or "")
    assert found.layer_attribution is not None
    assert found.neurons is not None
    assert (
        found.layer_attribution.reason
        == found.neurons.reason
        == ("the output is NaN or Inf at the centre of the baselines")
    )


def test_nan_at_some_states_leaves_them_out_of_layers_and_decisions_too() -> None:
    states = random_states({"x": (4,)})
    states.branches["x"][[3, 7], 0] = -1e6
    policy = Model(lambda m, x: m.layer(x) + torch.log(x[:, :1] + 10), layer=nn.Linear(4, 3)).eval()
    found = explained(policy, states)
    kept = explained(policy, states.take(np.array([row for row in range(32) if row not in {3, 7}])))
    assert found.nonfinite_outputs == 2
    assert sum(one.count for one in found.decisions.values()) == 30
    assert found.layer_attribution == kept.layer_attribution
    assert found.units == kept.units
