"""Every method by name: linear models, occlusion by hand, Shapley values by enumeration."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import AttributionError, explain
from fxwatch.attribution.methods import BY_GRADIENTS, METHODS
from fxwatch.attribution.methods.noise_tunnel import SIGMAS
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.records.settings import AnalysisSettings, MethodName
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.attribution.subjects import subject_of
from tests.policies import Formula, Linear, SmallTransformer, random_states

ZERO = AnalysisSettings(baseline_type="zero")
SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
NAMES: tuple[MethodName, ...] = get_args(MethodName)
SHAPLEY = ["shapley_value_sampling", "kernel_shap"]
NUMPYS: Any = np.random
"""The global generator, from which Captum draws."""


def by_hand(states: States, *weights: list[float]) -> np.ndarray:
    """Weight times mean over time: (N, units)."""
    return np.concatenate(
        [x.mean(1) * np.array(row) for x, row in zip(states.branches.values(), weights, strict=True)], axis=1
    )


def exact_shapley(subject: Subject, row: int) -> Tensor:
    """From the definition, over all sets of units; a unit that is out stands at the centre of the baselines."""
    units = len(subject.units)
    sets = torch.tensor([[bool(number >> unit & 1) for unit in range(units)] for number in range(2**units)])
    parts = sets.split([x.shape[-1] for x in subject.inputs], dim=1)
    inputs = tuple(
        torch.where(inside[:, None] if x.ndim == 3 else inside, x[row], b)
        for inside, x, b in zip(parts, subject.inputs, subject.baselines.centre, strict=True)
    )
    value = subject.values(inputs, subject.choice[row].expand(len(sets))).double()
    found = torch.zeros(units, dtype=torch.float64)
    for unit in range(units):
        others = [other for other in range(units) if other != unit]
        for size in range(units):
            weight = math.factorial(size) * math.factorial(units - size - 1) / math.factorial(units)
            for chosen in combinations(others, size):
                number = sum(1 << other for other in chosen)
                found[unit] += weight * (value[number | 1 << unit] - value[number])
    return found


def test_every_name_has_its_method() -> None:
    assert set(NAMES) == METHODS.keys()
    assert METHODS.keys() - {"feature_ablation", "occlusion", *SHAPLEY} == BY_GRADIENTS


@pytest.mark.parametrize("name", NAMES)
def test_every_method_can_rank_alone_and_reports_its_cost(name: MethodName) -> None:
    settings = AnalysisSettings(primary_method=name, secondary_methods=[], noise_tunnel_samples=4)
    found, _ = explain(SmallTransformer().eval(), random_states(SHAPES, count=5), settings, GradientLimits())
    assert list(found.methods) == [name]
    report = found.methods[name]
    assert report.status == ("degenerate" if name == "deep_lift" else "ok")
    assert report.forwards > 0
    assert (report.backwards > 0) == (name in BY_GRADIENTS)
    assert sum(unit.share for units in found.units.values() for unit in units.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {"saliency", "noise_tunnel"}])
def test_a_linear_model_gets_weight_times_input(name: str) -> None:
    states, weights = random_states({"a": (5, 3), "b": (2, 2)}, count=6), ([1.0, -2.0, 0.5], [0.3, -0.1])
    found = METHODS[name](subject_of(Linear(*weights), states, ZERO))
    assert found.units.numpy() == pytest.approx(by_hand(states, *weights), rel=1e-3, abs=1e-5)
    if found.delta is not None:
        assert float(found.delta.abs().max()) < 1e-4


def test_against_background_states_a_linear_model_gets_weight_times_the_distance_from_their_mean() -> None:
    states, weights = random_states({"a": (5, 3)}, count=8), [1.0, -2.0, 0.5]
    away = by_hand(states, weights) - by_hand(states, weights).mean(0)
    asked = subject_of(Linear(weights), states, AnalysisSettings())
    for name in ("expected_gradients", "occlusion", *SHAPLEY):
        assert METHODS[name](asked).units.numpy() == pytest.approx(away, rel=1e-3, abs=1e-5), name


def test_saliency_of_a_linear_model_is_its_weight_in_deviations() -> None:
    states, weights = random_states({"a": (5, 3)}, count=6), np.array([1.0, -2.0, 0.5])
    deviation = states.branches["a"].reshape(-1, 3).std(0)
    found = METHODS["saliency"](subject_of(Linear(weights.tolist()), states, ZERO))
    assert found.units.numpy() == pytest.approx(np.tile(weights * deviation, (6, 1)), rel=1e-4)


def test_noise_tunnel_of_a_linear_model_is_exact_and_no_other_for_features_in_other_units() -> None:
    """Opposite noises leave nothing of what is odd in them."""
    states, weights = random_states({"a": (4, 2)}, count=6), [1.0, -2.0]
    settings = ZERO.model_copy(update={"noise_tunnel_samples": 50})
    found = METHODS["noise_tunnel"](subject_of(Linear(weights), states, settings)).units.numpy()
    assert found == pytest.approx(by_hand(states, weights), rel=1e-4, abs=1e-5)
    large = States({"a": states.branches["a"] * np.array([1000, 1], np.float32)}, states.features)
    scaled = METHODS["noise_tunnel"](subject_of(Linear([0.001, -2.0]), large, settings)).units.numpy()
    assert scaled == pytest.approx(found, rel=1e-3, abs=1e-5)


def test_noise_tunnel_of_cubes_has_the_noise_that_arithmetic_says() -> None:
    """From nought to x + σε a cube has all of (x + σε)³, which is x³ + 3xσ² on average."""
    states = random_states({"a": (4, 2)}, count=6)
    asked = subject_of(
        Formula(lambda a: (a**3).sum((1, 2))), states, ZERO.model_copy(update={"noise_tunnel_samples": 2000})
    )
    x = asked.inputs[0].double()
    more = METHODS["noise_tunnel"](asked).units.double() - (x**3).sum(1)
    expected = (3 * x * (SIGMAS * asked.deviation.double()) ** 2).sum(1)
    assert float((more - expected).norm()) < 0.25 * float(expected.norm())


def test_expected_gradients_are_what_gradient_shap_tends_to() -> None:
    asked = subject_of(SmallTransformer(), random_states(SHAPES, count=8), AnalysisSettings(n_samples=3000))
    few = replace(asked, inputs=rows_of(asked.inputs, slice(0, 2)), choice=asked.choice[:2])
    exact, drawn = METHODS["expected_gradients"](few), METHODS["gradient_shap"](few)
    assert float((exact.units - drawn.units).norm() / drawn.units.norm()) < 0.06
    assert exact.delta is not None
    assert float(exact.delta.abs().sum() / (exact.units.sum(1) - exact.delta).abs().sum()) < 0.05


def test_expected_gradients_of_products_and_squares_from_nought_are_exact() -> None:
    """Their gradients are linear on the path, which a rule of midpoints integrates exactly."""
    states = random_states({"a": (3, 2), "b": (1,)}, count=5)
    a, b = (torch.as_tensor(array) for array in states.branches.values())
    asked = subject_of(Formula(lambda a, b: (a[:, :, 0] * a[:, :, 1]).sum(1) + b[:, 0] ** 2), states, ZERO)
    found = METHODS["expected_gradients"](asked)
    half = (a[:, :, 0] * a[:, :, 1]).sum(1) / 2
    assert torch.allclose(found.units, torch.stack([half, half, b[:, 0] ** 2], 1), atol=1e-5)
    assert found.time is not None
    assert torch.allclose(found.time[0][:, 0], (a[:, :, 0] * a[:, :, 1] / 2).mean(0), atol=1e-5)


def test_occlusion_by_hand() -> None:
    """Ten time steps are four windows: of three, three, three and one."""
    states = random_states({"a": (10, 2), "b": (3,)}, count=5)

    def formula(a: Tensor, b: Tensor) -> Tensor:
        return torch.tanh(a[:, :, 0].sum(1) * b[:, 0]) + (a[:, :, 1] ** 3).sum(1) + b[:, 1] * b[:, 2]

    asked = subject_of(Formula(formula), states, AnalysisSettings())
    found = METHODS["occlusion"](asked)
    centre_a, centre_b = asked.baselines.centre
    a, b = asked.inputs
    plain = formula(a, b)
    expected_a, expected_b = torch.zeros_like(a), torch.zeros_like(b)
    for feature in range(2):
        for first, last in ((0, 3), (3, 6), (6, 9), (9, 10)):
            without = a.clone()
            without[:, first:last, feature] = centre_a[:, first:last, feature]
            change = plain - formula(without, b)
            expected_a[:, first:last, feature] = (change / (last - first))[:, None]
    for feature in range(3):
        without = b.clone()
        without[:, feature] = centre_b[:, feature]
        expected_b[:, feature] = plain - formula(a, without)
    assert torch.allclose(found.units, torch.cat([expected_a.sum(1), expected_b], 1), atol=1e-5)
    assert found.time is not None
    assert torch.allclose(found.time[0], expected_a.mean(0), atol=1e-5)
    assert torch.allclose(found.time[1], expected_b.mean(0, keepdim=True), atol=1e-5)


@pytest.mark.parametrize("name", SHAPLEY)
def test_shapley_values_are_exact_where_units_interact_by_pairs(name: str) -> None:
    states = random_states({"a": (3, 2), "b": (2,)}, count=4)
    asked = subject_of(
        Formula(lambda a, b: a[:, :, 0].sum(1).exp() * a[:, 0, 1] + torch.tanh(b[:, 0]) * b[:, 1] + b[:, 0] ** 3),
        states,
        AnalysisSettings(),
    )
    found = METHODS[name](asked)
    exact = torch.stack([exact_shapley(asked, row) for row in range(4)])
    assert torch.allclose(found.units.double(), exact, rtol=1e-3, atol=1e-4)
    assert found.delta is not None
    assert float(found.delta.abs().max()) < 1e-3


@pytest.mark.parametrize(("name", "close"), [("shapley_value_sampling", 0.05), ("kernel_shap", 0.1)])
def test_shapley_values_of_a_transformer_are_near_those_by_enumeration(name: str, close: float) -> None:
    asked = subject_of(SmallTransformer(), random_states(SHAPES, count=4), AnalysisSettings())
    found = METHODS[name](asked)
    exact = torch.stack([exact_shapley(asked, row) for row in range(4)])
    assert float((found.units - exact).norm() / exact.norm()) < close
    assert found.delta is not None
    assert float(found.delta.abs().max()) < 1e-2 * float(exact.abs().max())


@pytest.mark.parametrize("name", SHAPLEY)
@pytest.mark.parametrize(
    ("units", "count", "words"),
    [
        (101, 1, "is for at most 100 features, and there are 101"),
        (100, 34, r"would take 81,600 samples \(34 states × 100 features × 24\), more than 80,000; .*max_states = 33"),
    ],
)
def test_shapley_values_that_cost_too_much_are_refused_in_words(name: str, units: int, count: int, words: str) -> None:
    asked = subject_of(Formula(lambda x: x.sum(1)), random_states({"x": (units,)}, count=count), AnalysisSettings())
    with pytest.raises(AttributionError, match=f"{name} {words}"):
        METHODS[name](asked)
    assert asked.explained.meter.forwards == 0


def test_a_refused_method_is_reported_and_costs_the_others_nothing() -> None:
    settings = AnalysisSettings(secondary_methods=["shapley_value_sampling", "saliency"])
    states = random_states({"x": (1, 101)}, count=3)
    found, _ = explain(Linear([1.0] * 101).eval(), states, settings, GradientLimits())
    assert found.methods["shapley_value_sampling"].status == "failed"
    assert "at most 100 features" in (found.methods["shapley_value_sampling"].reason or "")
    assert found.methods["saliency"].status == "ok"


def test_kernel_shap_of_a_single_feature_names_the_method_to_take() -> None:
    asked = subject_of(Formula(lambda x: x[:, 0]), random_states({"x": (1,)}, count=4), AnalysisSettings())
    with pytest.raises(AttributionError, match="feature_ablation"):
        METHODS["kernel_shap"](asked)
    assert METHODS["shapley_value_sampling"](asked).units.shape == (4, 1)


@pytest.mark.parametrize("name", [*SHAPLEY, "noise_tunnel", "gradient_shap"])
def test_what_is_drawn_for_a_state_depends_neither_on_the_others_nor_on_what_was_drawn_before(name: str) -> None:
    asked = subject_of(SmallTransformer(), random_states(SHAPES, count=4), AnalysisSettings())
    alone = replace(asked, inputs=rows_of(asked.inputs, slice(0, 1)), choice=asked.choice[:1])
    first = METHODS[name](alone).units
    torch.rand(1)
    NUMPYS.rand(1)
    assert torch.allclose(first, METHODS[name](asked).units[:1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_no_method_moves_the_random_numbers_of_a_trainer_in_the_same_process(name: str) -> None:
    asked = subject_of(Linear([1.0, 2.0]), random_states({"x": (2, 2)}, count=3), AnalysisSettings())

    def numbers() -> tuple[list[float], list[float]]:
        return torch.rand(4).tolist(), NUMPYS.rand(4).tolist()

    def seeded(between: Callable[[], object]) -> tuple[list[float], list[float]]:
        torch.manual_seed(1)
        NUMPYS.seed(1)
        between()
        return numbers()

    assert seeded(lambda: METHODS[name](asked)) == seeded(lambda: None)


def test_a_branch_that_the_model_does_not_read_has_no_part_in_any_method() -> None:
    class OneOfTwo(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(3, 2)

        def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
            return {"action_type": torch.tanh(self.layer(a))}

    asked = subject_of(OneOfTwo(), random_states({"a": (3,), "b": (4, 2)}, count=6), AnalysisSettings())
    for name, method in METHODS.items():
        units = method(asked).units
        assert bool((units[:, :3] != 0).any()), name
        assert units[:, 3:].abs().max() < 1e-3 * units.abs().max(), name
