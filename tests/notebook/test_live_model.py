"""The live model is left as it was: its mode, gradients, statistics and hooks, and the random generators."""

import random
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from fxwatch import AttributionAnalyzer, AttributionError
from fxwatch.notebook.live_model import unwrapped, without_hooks
from tests.notebook.guide_model import FEATURES, GuideModel, guide_state

STATES = [guide_state(seed) for seed in range(4)]


class Watcher:
    """A hook like a trainer's: it counts calls, and holds what cannot be copied."""

    def __init__(self) -> None:
        self.calls = 0
        self.lock = threading.Lock()

    def __call__(self, *_: object) -> None:
        self.calls += 1


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def model(watcher: Watcher) -> GuideModel:
    """A model in the middle of training: a step behind it, hooks on it, and a part of it frozen."""
    made = GuideModel()
    made.train()
    made.norm.eval()
    made.action_size.requires_grad_(False)  # noqa: FBT003 - its only argument
    (logits, _), value = made({name: torch.stack([state[name] for state in STATES]) for name in FEATURES})
    (logits.sum() + value.sum()).backward()
    made.branches["hf"].register_forward_hook(watcher)
    made.register_forward_pre_hook(watcher)
    made.value.register_full_backward_hook(watcher)
    return made


def situation(model: nn.Module) -> dict[str, Any]:
    """All that training could miss."""
    return {
        "modes": [module.training for module in model.modules()],
        "weights": {name: tensor.clone() for name, tensor in model.state_dict().items()},
        "places": [parameter.data_ptr() for parameter in model.parameters()],
        "gradients": [None if one.grad is None else one.grad.clone() for one in model.parameters()],
        "flags": [parameter.requires_grad for parameter in model.parameters()],
        "hooks": [
            dict(hooks) for module in model.modules() for name, hooks in vars(module).items() if name.endswith("_hooks")
        ],
        "kept": getattr(model, "kept", None),
        "torch": torch.get_rng_state(),
        "numpy": list(np.random.get_state()),  # noqa: NPY002 - the global generator is what could be disturbed
        "python": random.getstate(),
        "grad mode": torch.is_grad_enabled(),
    }


def same(first: Any, second: Any) -> bool:
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(same(first[key], second[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(same(a, b) for a, b in zip(first, second, strict=True))
    if isinstance(first, Tensor | np.ndarray):
        return second is not None and bool((first == second).all())
    return bool(first == second)


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [name for name in before if not same(before[name], after[name])]


@pytest.fixture
def analyzer(model: GuideModel) -> Iterator[AttributionAnalyzer]:
    """Whatever a test asks of it, its model is as it was."""
    before = situation(model)
    yield AttributionAnalyzer(model)
    assert changed(before, situation(model)) == []


def test_every_method_leaves_it_as_it_was(analyzer: AttributionAnalyzer, watcher: Watcher) -> None:
    analyzer.generate_attribution_report(STATES)
    analyzer.compare_model_decisions(*STATES[:2])
    analyzer.analyze_gradient_flow()
    analyzer.get_dead_features(threshold=0.1, min_history=1)
    assert watcher.calls == 0


def test_so_does_a_failure(analyzer: AttributionAnalyzer, watcher: Watcher) -> None:
    with pytest.raises(AttributionError, match="cannot answer"):
        analyzer.generate_attribution_report([{name: STATES[0][name] for name in ("hf", "mf")}] * 4)
    assert watcher.calls == 0


def test_the_check_itself_sees_what_a_careless_analysis_would_do(model: GuideModel) -> None:
    """A test of this file's own means: each disturbance is seen."""
    before = situation(model)
    model.eval()
    for parameter in model.parameters():
        parameter.grad = None
    model.value.register_forward_hook(Watcher())
    torch.rand(1)
    np.random.rand()  # noqa: NPY002 - as a careless analysis would
    random.random()
    assert set(changed(before, situation(model))) == {"modes", "gradients", "hooks", "torch", "numpy", "python"}


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_it_explains_where_gradients_are_off(analyzer: AttributionAnalyzer, mode: Any) -> None:
    with mode():
        report = analyzer.generate_attribution_report(STATES)
    assert report["gradient_flow"]["layer_gradients"]
    assert analyzer.generate_attribution_report(STATES) == report


def test_what_training_does_later_does_not_change_what_was_said() -> None:
    model = GuideModel()
    analyzer = AttributionAnalyzer(model, FEATURES)
    report = analyzer.generate_attribution_report(STATES)
    with torch.no_grad():
        model.action_type.weight.zero_()
        model.value.weight.zero_()
    assert analyzer.get_feature_importance_ranking() == report["feature_importance"]
    assert analyzer.analyze_gradient_flow()["layer_gradients"]["branches.hf"]["norm"] == 0
    assert report["gradient_flow"]["layer_gradients"]["branches.hf"]["norm"] > 0


@pytest.mark.filterwarnings("ignore:.*weight_norm:FutureWarning")
def test_a_copy_answers_as_the_model_does_with_torchs_own_hooks() -> None:
    torch.manual_seed(0)
    by_hook: Any = torch.nn.utils.weight_norm(nn.Linear(3, 4))
    model = nn.Sequential(by_hook, weight_norm(nn.Linear(4, 2)))
    model.register_forward_hook(Watcher())
    states = torch.randn(5, 3)
    model(states)  # leaves a weight that is no leaf, which deepcopy refuses
    with torch.no_grad():
        by_hook.weight_g.mul_(3)
    copied = without_hooks(model)
    assert torch.equal(copied(states), model(states))
    assert not copied._forward_hooks
    assert len(model._forward_hooks) == 1


def test_a_layer_that_is_random_in_eval_mode_is_named_as_one() -> None:
    def noisy(_module: nn.Module, _inputs: object, output: Tensor) -> Tensor:
        return output + torch.rand_like(output)

    noisy.__module__ = "torch.noise"  # a hook of torch's own is part of the model
    model = GuideModel()
    model.action_type.register_forward_hook(noisy)
    with pytest.raises(AttributionError, match="in eval mode"):
        AttributionAnalyzer(model, FEATURES).generate_attribution_report(STATES)


def test_a_wrapped_model_is_explained_as_the_model_in_it() -> None:
    model = GuideModel()
    plain = AttributionAnalyzer(model, FEATURES).generate_attribution_report(STATES)
    wrapped = AttributionAnalyzer(nn.DataParallel(model), FEATURES).generate_attribution_report(STATES)
    compiled: Any = nn.Identity()
    compiled._orig_mod = nn.DataParallel(model)
    assert unwrapped(compiled) is model
    assert (wrapped["id"], wrapped["run"]) == (plain["id"], "GuideModel")


def test_a_model_in_half_precision_is_explained_in_single() -> None:
    report = AttributionAnalyzer(GuideModel().to(torch.bfloat16), FEATURES).generate_attribution_report(STATES)
    assert report["gradient_flow"]["layer_gradients"]


class Clock(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(2, 3)

    def forward(self, state: dict[str, torch.Tensor]) -> torch.Tensor:
        x = state["x"][:, 0]
        logits: torch.Tensor = self.layer(x - torch.tensor([1.7e9, 0.0], dtype=torch.float64).to(x))
        return logits


def test_a_model_in_double_is_explained_in_double_and_one_in_single_is_told_what_it_cannot_see() -> None:
    generator = np.random.default_rng(0)
    states = {"x": np.stack([1.7e9 + generator.uniform(-10, 10, 32), generator.normal(size=32)], 1)[:, None]}
    double = AttributionAnalyzer(Clock().double()).generate_attribution_report(states)
    assert double["units"]["x"]["x_0"]["share"] > 0.5
    assert double["dead_features"]["total_count"] == 0
    assert not [one for one in double["health"]["findings"] if one["metric"] == "precision"]
    single = AttributionAnalyzer(Clock()).generate_attribution_report(states)
    assert single["dead_features"]["causes"] == {"x": {"x_0": "no_functional_effect"}}
    (said,) = [one for one in single["health"]["findings"] if one["metric"] == "precision"]
    assert "too large for single precision" in said["message"]
    assert "x/x_0" in said["message"]


def test_a_lazy_layer_is_told_in_words() -> None:
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(AttributionError, match=r"lazy layers.*0\.weight.*run it once"):
        AttributionAnalyzer(model, call="concat").generate_attribution_report({"x": np.ones((8, 1, 4))})
