"""Planted gradient troubles are each called by name, and nothing else is."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import explain
from fxwatch.records.gradients import GradientFlow
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits
from tests.policies import SmallTransformer, random_states


class Chain(nn.Module):
    """first -> middle -> head, with something done to the signal between first and middle; one layer goes nowhere."""

    def __init__(self, between: Callable[[Tensor], Tensor] = lambda x: x, *, spare: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.middle, self.head = nn.Linear(4, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.other_head, self.value = nn.Linear(8, 5), nn.Linear(8, 1)
        self.between = between
        if spare:
            self.spare = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = torch.tanh(self.middle(self.between(torch.tanh(self.first(x)))))
        if hasattr(self, "spare"):
            self.spare(x)
        return {"action_type": self.head(hidden), "action_size": self.other_head(hidden), "value": self.value(hidden)}


def flow(policy: nn.Module) -> GradientFlow:
    states = random_states({"x": (4,)})
    settings = AnalysisSettings(secondary_methods=[])
    return explain(policy.eval(), states, settings, GradientLimits())[0].gradient_flow


def troubles(found: GradientFlow) -> dict[str, list[str]]:
    kinds = ("vanishing_gradients", "exploding_gradients", "zero", "unused", "nonfinite")
    named = {kind: getattr(found, kind) for kind in kinds if getattr(found, kind)}
    return named | ({"drops": [f"{drop.from_}>{drop.to}" for drop in found.drops]} if found.drops else {})


class Scale(torch.autograd.Function):
    """The identity, with another gradient."""

    @staticmethod
    def forward(ctx: object, x: Tensor, factor: float) -> Tensor:
        ctx.factor = factor  # type: ignore[attr-defined]
        return x.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient * ctx.factor, None  # type: ignore[attr-defined]


def scaled(factor: float) -> Callable[[Tensor], Tensor]:
    return lambda x: Scale.apply(x, factor)  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Chain(), {}),
        (Chain(spare=True), {"unused": ["spare"]}),
        (Chain(scaled(1e-9)), {"vanishing_gradients": ["first"]}),
        (Chain(scaled(1e7)), {"exploding_gradients": ["first"]}),
        (Chain(scaled(0.0)), {"zero": ["first"]}),
        (Chain(scaled(1e-3)), {"drops": ["middle>first"]}),
        (SmallTransformer((4, 3)), {}),
    ],
    ids=["healthy", "unused", "vanishing", "exploding", "zero", "drop", "transformer"],
)
def test_each_trouble_is_called_by_name(policy: nn.Module, expected: dict[str, list[str]]) -> None:
    if isinstance(policy, SmallTransformer):
        states = random_states({"hf": (6, 4), "portfolio": (2, 3)})
        found = explain(policy.eval(), states, AnalysisSettings(secondary_methods=[]), GradientLimits())[
            0
        ].gradient_flow
    else:
        found = flow(policy)
    assert troubles(found) == expected


def test_norms_are_those_of_the_stated_scalar_and_in_running_order() -> None:
    policy = Chain()
    found = flow(policy)
    states = torch.as_tensor(random_states({"x": (4,)}).branches["x"])
    outputs = policy(states)
    choice = outputs["action_type"].argmax(1, keepdim=True)
    scalar = (outputs["action_type"].gather(1, choice) + outputs["value"]).mean()
    for name, layer in (("first", policy.first), ("middle", policy.middle), ("head", policy.head)):
        gradients = torch.autograd.grad(scalar, list(layer.parameters()), retain_graph=True)
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        weight = torch.cat([parameter.flatten() for parameter in layer.parameters()])
        measured = found.layer_gradients[name]
        assert measured.norm == pytest.approx(float(flat.norm()), rel=1e-4)
        assert measured.mean == pytest.approx(float(flat.abs().mean()), rel=1e-4)
        assert measured.weight_ratio == pytest.approx(float(flat.norm() / weight.norm()), rel=1e-4)
    assert list(found.layer_gradients) == ["first", "middle", "head", "value"]
    assert "plus value" in found.of


def test_a_head_that_only_another_output_needs_is_not_unused() -> None:
    found = flow(Chain())
    assert "other_head" not in found.unused
    assert "other_head" not in found.layer_gradients


def test_tied_weights_count_once() -> None:
    policy = Chain()
    policy.middle.weight = nn.Parameter(policy.middle.weight)
    policy.again = policy.middle
    assert list(flow(policy).layer_gradients) == ["first", "middle", "head", "value"]


def test_a_model_without_parameters_says_so() -> None:
    from tests.policies import Formula

    states = random_states({"x": (2,)})
    found = explain(Formula(lambda x: x[:, 0] ** 2), states, AnalysisSettings(secondary_methods=[]), GradientLimits())[
        0
    ]
    assert found.gradient_flow.reason == "the model has no parameters"
    assert found.gradient_flow.layer_gradients == {}


def test_the_models_own_flags_are_left_as_they_were() -> None:
    policy = Chain()
    for parameter in policy.first.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003
    flow(policy)
    assert not any(parameter.requires_grad for parameter in policy.first.parameters())
    assert all(parameter.requires_grad for parameter in policy.middle.parameters())
