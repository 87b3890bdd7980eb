"""What cannot be computed says why, and what makes no sense is refused in words."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import AttributionError, explain
from fxwatch.attribution.activations import dormant_units
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}


def explained(policy: nn.Module, states: States, settings: AnalysisSettings | None = None) -> Explanation:
    return explain(policy, states, settings or AnalysisSettings(), GradientLimits())[0]


def test_deep_lift_on_a_model_without_hooked_nonlinearities_has_no_vote() -> None:
    found = explained(SmallTransformer().eval(), random_states(SHAPES))
    assert found.methods["deep_lift"].status == "degenerate"
    assert "input × gradient" in (found.methods["deep_lift"].reason or "")
    assert found.methods["deep_lift"].convergence_delta
    assert "deep_lift" not in [name for voter in found.consensus.voters for name in voter]


def test_a_method_that_cannot_run_says_why_and_the_others_go_on() -> None:
    class Reused(nn.Module):
        """DeepLift cannot use a ReLU twice."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.relu = nn.Linear(3, 8), nn.Linear(8, 2), nn.ReLU()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.second(self.relu(self.first(self.relu(x))))}

    found = explained(Reused().eval(), random_states({"x": (3,)}))
    assert found.methods["deep_lift"].status == "failed"
    assert "more than once" in (found.methods["deep_lift"].reason or "")
    assert found.methods["saliency"].status == "ok"


def test_a_model_that_answers_at_random_is_refused() -> None:
    class Noisy(nn.Module):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": nn.functional.dropout(x, 0.5, training=True)}

    with pytest.raises(AttributionError, match="random layer is active"):
        explained(Noisy().eval(), random_states({"x": (8,)}))


def test_a_model_without_gradient_is_refused_with_the_reason() -> None:
    with pytest.raises(AttributionError, match="integrated_gradients cannot run"):
        explained(Formula(lambda x: (x[:, 0] > 0).float()), random_states({"x": (2,)}))


def test_an_unknown_target_names_those_that_there_are() -> None:
    with pytest.raises(AttributionError, match="has action_type, value"):
        explained(SmallTransformer().eval(), random_states(SHAPES), AnalysisSettings(target="size"))


def test_an_action_that_the_model_has_not_is_refused() -> None:
    states = random_states(SHAPES)
    with pytest.raises(AttributionError, match="3 logits"):
        explained(SmallTransformer().eval(), States(states.branches, states.features, np.full(32, 3)))


def test_a_model_of_nan_gives_no_number_at_all_but_the_reason() -> None:
    policy = SmallTransformer().eval()
    with torch.no_grad():
        policy.head.weight.fill_(float("nan"))
    found = explained(policy, random_states(SHAPES))
    assert found.nonfinite_outputs == 32
    assert found.branches["hf"].share is None
    assert found.consensus.mean_correlation is None
    assert "NaN" in (found.quality.infidelity.reason or "")
    assert found.model_dump_json()


def test_states_at_which_the_model_gives_nan_are_left_out_and_counted() -> None:
    states = random_states({"x": (2,)})
    states.branches["x"][5, 0] = -1e6
    found = explained(Formula(lambda x: torch.log(x[:, 0] + 10) + x[:, 1]), states)
    assert found.nonfinite_outputs == 1
    assert found.units["x"]["x_0"].share > 0


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_states_give_what_they_can(count: int) -> None:
    found = explained(SmallTransformer().eval(), random_states(SHAPES, count=count))
    assert sum(unit.share for units in found.units.values() for unit in units.values()) == pytest.approx(1)
    if count == 1:
        assert found.quality.sparsity.standard_error is None
        assert "all states are alike" in found.target.baseline


def test_states_that_are_all_alike_fall_back_to_nought_and_say_so() -> None:
    states = random_states(SHAPES)
    same = states.take(np.zeros(16, dtype=np.intp))
    found = explained(SmallTransformer().eval(), same)
    assert "nought" in found.target.baseline
    assert found.dead_features.total_count == 8


def test_of_a_single_feature_nothing_is_judged_that_could_not_be_otherwise() -> None:
    found = explained(Formula(lambda hf: hf.sum((1, 2)).tanh()), random_states({"hf": (1, 1)}))
    for part in (found.quality.sparsity, found.quality.concentration, found.trust.deletion, found.trust.insertion):
        assert part.value is None
        assert "there is a single feature" in (part.reason or "")
    assert found.quality.infidelity.value is not None


def test_a_model_in_double_precision_is_explained_as_in_single() -> None:
    single = explained(SmallTransformer().eval(), random_states(SHAPES))
    double = explained(SmallTransformer().eval().double(), random_states(SHAPES))
    assert double.units["hf"]["hf_0"].share == pytest.approx(single.units["hf"]["hf_0"].share, rel=1e-3)


def test_noise_tunnel_and_activations_are_there_when_asked_for() -> None:
    settings = AnalysisSettings(
        use_noise_tunnel=True, noise_tunnel_samples=4, track_activations=True, track_gradients=False
    )
    found = explained(SmallTransformer().eval(), random_states(SHAPES), settings)
    assert found.methods["noise_tunnel"].status == "ok"
    assert found.dormant_units is not None
    assert set(found.dormant_units) >= {"encoder.linear1", "encoder.linear2", "head"}
    assert found.gradient_flow.reason == "track_gradients is off"


def test_dormant_units_are_counted() -> None:
    class Sleepy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Linear(3, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.second(torch.relu(self.first(x)))}

    policy = Sleepy().eval()
    with torch.no_grad():
        policy.first.bias[:3] = -100
    found = explained(policy, random_states({"x": (3,)}), AnalysisSettings(track_activations=True))
    assert found.dormant_units == {"second": 3 / 8}


@pytest.mark.parametrize("prepared", [lambda x: x, lambda x: x.mean(1), lambda x: (x - 1).flatten(1)])
def test_features_of_another_scale_are_no_dormant_units(prepared: Callable[[Tensor], Tensor]) -> None:
    """Ten states of features, one of them in hundreds, feed the first layer: no unit does."""

    class Raw(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.LazyLinear(8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden: Tensor = self.second(torch.tanh(self.first(prepared(x))))
            return hidden.flatten(1)

    x = torch.randn(10, 3, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([300.0, 1, 1, 1])
    policy = Raw().eval()
    policy(x)
    for parameter in policy.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - its only argument; so is a loaded policy
    assert list(dormant_units(policy, (x,))) == ["second"]
    assert not any(parameter.requires_grad for parameter in policy.parameters())


def test_the_cost_counts_every_sample() -> None:
    found = explained(SmallTransformer().eval(), random_states(SHAPES), AnalysisSettings(n_steps=9))
    method = found.methods["integrated_gradients"]
    ends = 32 + 8 * len(found.decisions)  # for all methods that need them: a baseline is judged by each action taken
    assert method.backwards == 32 * 8 * 9 + ends
    assert found.cost.forwards > sum(report.forwards for report in found.methods.values())
