"""What the output does without an attention head, and that the policy is left as it was."""

from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import explain, heads
from fxwatch.attribution.heads import head_effects
from fxwatch.attribution.inside import inside
from fxwatch.attribution.subject import Subject
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits
from tests.attribution.subjects import subject_of
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
TRACKED = AnalysisSettings(track_layers=True, secondary_methods=[])


class Breakable(nn.MultiheadAttention):
    """Attention that raises at one of its runs, when asked to."""

    fails_at = runs = 0

    def forward(self, *given: Any, **more: Any) -> Any:
        self.runs += 1
        if self.runs == self.fails_at:
            raise RuntimeError("it broke on the way")
        return super().forward(*given, **more)


class Attending(nn.Module):
    """Attention layers one after the other, asked for no weights; the last one runs twice."""

    def __init__(self, layers: int = 1, heads: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList(Breakable(4, heads, batch_first=True) for _ in range(layers))
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for layer in [*self.layers, self.layers[-1]]:
            x = x + layer(x, x, x, need_weights=False)[0]
        return {"action_type": self.head(x.mean(1))}


def asked_of(policy: nn.Module, shapes: dict[str, tuple[int, ...]], count: int = 8) -> Subject:
    return subject_of(policy, random_states(shapes, count=count), TRACKED)


def breakable(policy: Attending) -> Breakable:
    layer = policy.layers[0]
    assert isinstance(layer, Breakable)
    return layer


def by_copy(asked: Subject, layer: str, head: int) -> float:
    """The effect of a head of a layer that runs once, from a copy of the policy without the head's columns."""
    policy = deepcopy(asked.explained.policy)
    attention = policy.get_submodule(layer)
    assert isinstance(attention, nn.MultiheadAttention)
    width = attention.head_dim
    with torch.no_grad():
        attention.out_proj.weight[:, head * width : (head + 1) * width] = 0
        before, after = (
            model(*asked.inputs)["action_type"].gather(1, asked.choice[:, None])[:, 0]
            for model in (asked.explained.policy, policy)
        )
    return float((after - before).abs().mean() / before.std(correction=0))


def state_of(policy: nn.Module) -> tuple[dict[str, Tensor], int, list[int]]:
    """Copies of its weights, the number of its hooks, and where its weights lie."""
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in policy.modules())
    weights = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    return weights, hooks, [parameter.data_ptr() for parameter in policy.parameters()]


def assert_untouched(policy: nn.Module, before: tuple[dict[str, Tensor], int, list[int]]) -> None:
    weights, hooks, places = state_of(policy)
    assert weights.keys() == before[0].keys()
    assert all(torch.equal(tensor, before[0][name]) for name, tensor in weights.items())
    assert hooks == before[1] == 0
    assert places == before[2]


def test_an_effect_is_that_of_a_copy_without_the_heads_columns() -> None:
    """In a fused encoder layer, too, which torch runs by a path of its own where no hook is set."""
    asked = asked_of(SmallTransformer(), SHAPES)
    found = head_effects(asked).by_layer
    assert list(found) == ["encoder.self_attn"]
    expected = [by_copy(asked, "encoder.self_attn", head) for head in range(2)]
    assert found["encoder.self_attn"] == pytest.approx(expected, rel=1e-3)
    assert min(expected) > 0.001


def test_runs_of_a_layer_are_silenced_one_at_a_time() -> None:
    policy = Attending()
    asked = asked_of(policy, {"x": (5, 4)})
    found = head_effects(asked).by_layer
    assert list(found) == ["layers.0", "layers.0#2"]

    def with_two(first: nn.Module, second: nn.Module) -> Tensor:
        x = asked.inputs[0]
        for layer in (first, second):
            x = x + layer(x, x, x)[0]
        chosen: Tensor = policy.head(x.mean(1)).gather(1, asked.choice[:, None])[:, 0].detach()
        return chosen

    own = policy.layers[0]
    assert isinstance(own, nn.MultiheadAttention)
    before = with_two(own, own)
    for head in range(2):
        silent = deepcopy(own)
        with torch.no_grad():
            silent.out_proj.weight[:, head * 2 : head * 2 + 2] = 0
        for key, after in (("layers.0", with_two(silent, own)), ("layers.0#2", with_two(own, silent))):
            expected = float((after - before).abs().mean() / before.std(correction=0))
            assert found[key][head] == pytest.approx(expected, rel=1e-3)


def test_a_head_whose_columns_are_nought_has_no_effect() -> None:
    policy = SmallTransformer()
    with torch.no_grad():
        policy.encoder.self_attn.out_proj.weight[:, 8:] = 0
    first, second = head_effects(asked_of(policy, SHAPES)).by_layer["encoder.self_attn"]
    assert first > 0.001
    assert second == 0


def test_the_scale_of_the_output_changes_no_effect() -> None:
    plain, scaled = SmallTransformer(), SmallTransformer()
    with torch.no_grad():
        scaled.head.weight.mul_(100)
        scaled.head.bias.mul_(100)
    one, other = (head_effects(asked_of(policy, SHAPES)).by_layer["encoder.self_attn"] for policy in (plain, scaled))
    assert other == pytest.approx(one, rel=1e-3)


def test_the_policy_is_bitwise_what_it_was() -> None:
    asked = asked_of(SmallTransformer(), SHAPES)
    before = state_of(asked.explained.policy)
    head_effects(asked)
    assert_untouched(asked.explained.policy, before)


@pytest.mark.parametrize("fails_at", [3, 4, 5, 6, 7, 12])
def test_the_policy_is_what_it_was_when_its_forward_raises(fails_at: int) -> None:
    """Of two runs a forward: in the second, which counts the calls, and in each of those in which a head is silent."""
    policy = Attending()
    asked = asked_of(policy, {"x": (5, 4)})
    before = state_of(policy)
    layer = breakable(policy)
    layer.runs, layer.fails_at = 0, fails_at
    with pytest.raises(RuntimeError, match="it broke on the way"):
        head_effects(asked)
    assert layer.runs == fails_at
    assert_untouched(policy, before)


@pytest.mark.parametrize("part", ["layers", "attention heads"])
def test_a_forward_that_raises_is_the_reason_of_that_part_alone(part: str) -> None:
    policy = Attending()
    layer, asked = breakable(policy), asked_of(policy, {"x": (5, 4)})

    def fail_in_it(stage: str) -> None:
        layer.runs, layer.fails_at = 0, 5 if stage == part else 0

    found = inside(asked, "the output", fail_in_it)
    assert found.layers is not None
    assert found.heads is not None
    broken, whole = (found.layers, found.heads) if part == "layers" else (found.heads, found.layers)
    assert broken.reason == "RuntimeError: it broke on the way"
    assert whole.reason is None
    assert bool(found.layers.layers) == (part != "layers")
    assert bool(found.heads.by_layer) == (part == "layers")


def test_of_too_many_heads_the_last_layers_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MOST_HEADS", 5)
    found = head_effects(asked_of(Attending(layers=3), {"x": (5, 4)}))
    assert list(found.by_layer) == ["layers.2", "layers.2#2"]
    assert found.reason == "of 4 attention layers the first 2 are left out: there are more than 5 heads"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Formula(lambda x: x[:, 0, 0]), "the model has no nn.MultiheadAttention"),
        (nn.Sequential(Attending(), Formula(lambda outputs: 0 * outputs["action_type"][:, 0])), "the same at every"),
    ],
)
def test_where_there_are_no_effects_the_reason_is_told(policy: nn.Module, words: str) -> None:
    found = head_effects(asked_of(policy, {"x": (5, 4)}))
    assert found.by_layer == {}
    assert words in (found.reason or "")


def test_attention_that_never_runs_is_told() -> None:
    class Idle(Attending):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.head(x.mean(1))}

    assert head_effects(asked_of(Idle(), {"x": (5, 4)})).reason == "no nn.MultiheadAttention of the model runs"


@pytest.mark.parametrize("track", [True, False])
def test_effects_stand_beside_the_entropy_of_each_head_where_they_are_asked_for(*, track: bool) -> None:
    settings = TRACKED.model_copy(update={"track_layers": track})
    found, _ = explain(Attending().eval(), random_states({"x": (5, 4)}), settings, GradientLimits())
    read = [head for layer in found.attention.layers.values() for head in layer]
    assert [(head.effect is not None, head.entropy is not None) for head in read] == [(track, True)] * 4
    assert list(found.attention.layers) == ["layers.0", "layers.0#2"]
