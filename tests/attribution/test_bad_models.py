"""Models that are awkward, but real: each is explained rightly, or a missing number says why."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import AttributionError, Context, explain
from fxwatch.load.checkpoint import Weights
from fxwatch.load.errors import LoadError
from fxwatch.load.factory import private
from fxwatch.load.policy import CalledPolicy, LoadedPolicy, check_answers, load_policy
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings, ModelSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import Band, GradientLimits, Thresholds
from fxwatch.records.verdict import judge
from tests.attribution.subjects import Model
from tests.policies import Formula, Heads, random_states

SETTINGS = AnalysisSettings(track_layers=True, track_activations=True)


class Swish(torch.autograd.Function):
    """An activation with a backward of its own, which no rule of DeepLIFT knows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        x: Tensor = ctx.saved_tensors[0]
        gate = torch.sigmoid(x)
        return gradient * (gate + x * gate * (1 - gate))


swish: Callable[[Tensor], Tensor] = Swish.apply


def explained(policy: nn.Module, states: States, settings: AnalysisSettings = SETTINGS) -> Explanation:
    found, _ = explain(policy, states, settings, GradientLimits())
    assert found.model_dump_json()
    return found


def keeps_what_it_computed(model: Any, x: Tensor) -> Tensor:
    model.calls = getattr(model, "calls", 0) + 1
    model.last_logits = model.head(torch.tanh(model.layer(x.mean(1))))
    kept: Tensor = model.last_logits
    return kept


def uses_a_layer_five_times(model: Any, x: Tensor) -> Tensor:
    x = x.mean(1)
    for _ in range(5):
        x = torch.tanh(model.layer(x))
    logits: Tensor = model.head(x)
    return logits


def frozen(policy: nn.Module) -> nn.Module:
    for parameter in policy.parameters():
        parameter.requires_grad_(False)  # noqa: FBT003 - its only argument
    return policy


def tied() -> Model:
    first, second = nn.Linear(4, 4), nn.Linear(4, 4)
    second.weight = first.weight
    return Model(
        lambda model, x: model.head(torch.tanh(model.second(torch.tanh(model.first(x.mean(1)))))),
        first=first, second=second, head=nn.Linear(4, 3),
    )  # fmt: skip


MODELS: dict[str, Callable[[], nn.Module]] = {
    "stores state in forward": lambda: Model(keeps_what_it_computed, layer=nn.Linear(4, 8), head=nn.Linear(8, 3)),
    "one layer five times": lambda: Model(uses_a_layer_five_times, layer=nn.Linear(4, 4), head=nn.Linear(4, 3)),
    "attention without weights": lambda: Model(
        lambda model, x: model.head(model.attention(x, x, x, need_weights=False)[0].mean(1)),
        attention=nn.MultiheadAttention(4, 2, batch_first=True), head=nn.Linear(4, 3),
    ),
    "LSTM": lambda: Model(
        lambda model, x: model.head(model.memory(x)[1][0][-1]),
        memory=nn.LSTM(4, 8, batch_first=True), head=nn.Linear(8, 3),
    ),
    "GRU": lambda: Model(
        lambda model, x: model.head(model.memory(x)[0][:, -1]),
        memory=nn.GRU(4, 8, batch_first=True), head=nn.Linear(8, 3),
    ),
    "custom activation": lambda: Model(
        lambda model, x: model.head(swish(model.layer(x.mean(1)))), layer=nn.Linear(4, 8), head=nn.Linear(8, 3)
    ),
    "frozen parameters": lambda: frozen(
        Model(lambda m, x: m.head(torch.tanh(m.layer(x.mean(1)))), layer=nn.Linear(4, 8), head=nn.Linear(8, 3))
    ),
    "tied weights": tied,
}  # fmt: skip


def made(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name]().eval()


@pytest.mark.parametrize("name", MODELS)
def test_it_is_explained_in_full(name: str) -> None:
    policy = made(name)
    weights = {key: tensor.clone() for key, tensor in policy.state_dict().items()}
    flags = [parameter.requires_grad for parameter in policy.parameters()]
    found = explained(policy, random_states({"x": (6, 4)}))
    assert found.quality.completeness.value is not None
    assert found.quality.completeness.value < 0.01
    assert found.trust.parameter_randomisation.value is not None
    assert sum(unit.share for unit in found.units["x"].values()) == pytest.approx(1)
    for method, report in found.methods.items():
        assert report.status == "ok" or (method == "deep_lift" and report.reason), method
    assert found.gradient_flow.layer_gradients
    assert found.layer_attribution is not None
    for layer, share in found.layer_attribution.layers.items():
        assert share.signed == pytest.approx(1, abs=0.01), layer
    assert all(torch.equal(tensor, weights[key]) for key, tensor in policy.state_dict().items())
    assert [parameter.requires_grad for parameter in policy.parameters()] == flags


def test_what_each_of_them_is_known_for() -> None:
    states = random_states({"x": (6, 4)})
    five = explained(made("one layer five times"), states)
    assert five.layer_attribution is not None
    assert list(five.layer_attribution.layers) == ["layer", "layer#2", "layer#3", "layer#4", "layer#5", "head"]
    attending = explained(made("attention without weights"), states).attention
    assert [head.entropy is not None and head.effect is not None for head in attending.layers["attention"]] == [
        True
    ] * 2
    activated = explained(made("custom activation"), states).methods["deep_lift"]
    assert activated.status == "degenerate"
    for recurrent in ("LSTM", "GRU"):
        assert "memory" in explained(made(recurrent), states).gradient_flow.layer_gradients
    assert list(explained(made("tied weights"), states).gradient_flow.layer_gradients) == ["first", "second", "head"]


def test_a_policy_that_goes_on_from_its_last_answer_is_refused() -> None:
    def goes_on(model: Any, x: Tensor) -> Tensor:
        model.hidden = torch.tanh(model.layer(x)) + 0.5 * getattr(model, "hidden", torch.zeros(1, 3)).detach()
        hidden: Tensor = model.hidden
        return hidden

    with pytest.raises(AttributionError, match="it keeps state from one call to the next"):
        explained(Model(goes_on, layer=nn.Linear(4, 3)).eval(), random_states({"x": (4,)}))


def test_a_policy_for_one_state_at_a_time_is_refused() -> None:
    policy = Model(lambda model, x: model.layer(x.view(1, 4)), layer=nn.Linear(4, 3)).eval()
    with pytest.raises(AttributionError, match=r"cannot answer 32 states: RuntimeError: shape .*any number of states"):
        explained(policy, random_states({"x": (4,)}))


def with_dropout() -> Model:
    torch.manual_seed(0)
    return Model(
        lambda model, x: model.head(model.dropout(torch.tanh(model.layer(x)))),
        layer=nn.Linear(4, 8), dropout=nn.Dropout(0.5), head=nn.Linear(8, 3),
    )  # fmt: skip


def test_dropout_in_training_mode_is_refused_and_the_loader_turns_it_off() -> None:
    states = random_states({"x": (4,)})
    with pytest.raises(AttributionError, match=r"in training mode .*call eval\(\)"):
        explained(with_dropout().train(), states)
    policy = private(with_dropout().train())
    assert explained(policy, states).units == explained(with_dropout().eval(), states).units


class Nested(nn.Module):
    """Outputs deep in tuples and dictionaries, beside things that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.heads = nn.Linear(4, 6)

    def forward(self, x: Tensor) -> Any:
        size, direction = self.heads(x).split(3, dim=1)
        return {"policy": ({"size": size}, [direction, None]), "extras": "none", "value": x.sum(1)}


class Untidy(nn.Module):
    """Logits beside a value without an axis of its own, an action, a mask, and, if told to, a hidden state."""

    def __init__(self, *, hidden: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head, self.hidden = nn.Linear(4, 3), hidden

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        logits = self.head(x)
        tidy = {"action_type": logits, "value": x.sum(1), "action": logits.argmax(1), "mask": logits > 0}
        return tidy | ({"hidden": logits[None]} if self.hidden else {})


def test_outputs_that_are_no_floats_and_a_flat_value_do_no_harm() -> None:
    found = explained(Untidy(hidden=False).eval(), random_states({"x": (4,)}))
    assert found.nonfinite_outputs == 0
    assert all(name.startswith("action_type") for name in found.decisions)
    assert found.quality.completeness.value == pytest.approx(0, abs=1e-4)


def test_an_output_without_an_axis_of_states_is_refused_by_name() -> None:
    with pytest.raises(AttributionError, match=r"output 'hidden' has shape \(1, 32, 3\) for 32 states"):
        explained(Untidy(hidden=True).eval(), random_states({"x": (4,)}))


def test_nested_outputs_are_found_by_their_paths_and_inferred_no_further_than_one_can_tell() -> None:
    states = random_states({"x": (4,)})
    paths = {"action_type": "policy.1.0", "action_size": "policy.0.size", "value": "value"}
    loaded = LoadedPolicy(private(Nested()))
    policy = loaded.over(["x"], ModelSettings(call="args", outputs=paths))
    found = explained(policy, states)
    model = Nested()
    direct = explained(Heads("action_type", lambda x: model.heads(x)[:, 3:]), states)
    assert {name: unit.share for name, unit in found.units["x"].items()} == pytest.approx(
        {name: unit.share for name, unit in direct.units["x"].items()}, rel=1e-3
    )
    assert any(name.startswith("action_size") for name in found.decisions)
    blind = CalledPolicy(Nested(), ["x"], "args", {"action_type": "policy.2"})
    with pytest.raises(LoadError, match=r"\[model.outputs\] action_type = 'policy.2' is not a tensor"):
        check_answers(blind, states)


def test_a_factory_that_has_run_its_model_already_is_told_to_return_it_fresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "already_run.py").write_text(
        "import torch\n"
        "from torch import nn\n"
        "def build():\n"
        "    model = nn.Linear(2, 1)\n"
        "    model.last = model(torch.ones(1, 2))\n"
        "    return model\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    weights = Weights(dict(nn.Linear(2, 1).state_dict()), None, None)
    with pytest.raises(LoadError, match=r"cannot be copied: .*let the factory return it as it was built") as caught:
        load_policy(weights, ModelSettings(factory="already_run:build", path=[]))
    assert caught.value.config


def symbols(count: int = 32) -> States:
    generator = np.random.default_rng(0)
    branches = {
        "symbol": generator.integers(0, 5, (count, 2)).astype(np.float32),
        "x": generator.normal(size=(count, 6, 4)).astype(np.float32),
    }
    return States(branches, {"symbol": ["base", "quote"], "x": ["a", "b", "c", "d"]})


def embedding() -> Model:
    torch.manual_seed(0)
    return Model(
        lambda model, symbol, x: model.head(torch.cat([model.table(symbol.long()).flatten(1), x.mean(1)], 1)),
        table=nn.Embedding(5, 3), head=nn.Linear(10, 3),
    )  # fmt: skip


@pytest.mark.parametrize("policy", [embedding(), frozen(embedding())], ids=["trainable", "frozen"])
def test_gradients_that_cannot_see_an_embedding_have_no_vote_and_say_so(policy: nn.Module) -> None:
    found = explained(policy.eval(), symbols())
    for name in ("integrated_gradients", "gradient_shap", "deep_lift", "saliency"):
        assert found.methods[name].status == "degenerate", name
        assert (found.methods[name].reason or "").startswith("no gradient reaches symbol, which the output depends on")
    assert found.methods["feature_ablation"].status == "ok"
    assert found.consensus.voters == [["feature_ablation"]]
    assert (found.quality.completeness.value or 0) > 0.1
    assert found.dead_features.total_count == 0
    hidden = found.branches["symbol"]
    assert (hidden.share, hidden.low, hidden.high) == (None, None, None)
    _, findings = judge(found, Thresholds(), {"symbol": Band(low=0.2, high=0.4)})
    (said,) = [one for one in findings.health(None).findings if one.metric == "branches.symbol"]
    assert said.level == "unknown"
    assert "symbol" in said.message
    assert 'primary_method = "feature_ablation"' in said.message
    assert found.branches["x"].share == pytest.approx(1)
    ranked = explained(policy, symbols(), SETTINGS.model_copy(update={"primary_method": "feature_ablation"}))
    assert min(unit.share for unit in ranked.units["symbol"].values()) > 0.01
    assert ranked.branches["symbol"].reason is None
    assert (ranked.branches["symbol"].share or 0) > 0.02


def test_a_branch_that_gradients_do_not_see_is_never_of_low_importance() -> None:
    shares = np.repeat(np.array([[0, 0, 0.25, 0.25, 0.25, 0.25]], np.float32), 3, axis=0)
    settings = SETTINGS.model_copy(update={"secondary_methods": [], "dead_min_history": 3})
    found, _ = explain(embedding().eval(), symbols(), settings, GradientLimits(), Context(shares=shares))
    assert found.dead_features.total_count == 0


def only_embedding() -> tuple[nn.Module, States]:
    torch.manual_seed(0)
    policy = Model(
        lambda model, symbol: model.head(model.table(symbol.long()).flatten(1)),
        table=nn.Embedding(5, 3), head=nn.Linear(6, 3),
    )  # fmt: skip
    states = symbols()
    return policy.eval(), States({"symbol": states.branches["symbol"]}, {"symbol": ["base", "quote"]})


def test_integers_alone_are_for_methods_without_gradients() -> None:
    policy, states = only_embedding()
    with pytest.raises(AttributionError, match=r"no gradient reaches symbol.*feature_ablation needs none"):
        explained(policy, states)
    settings = SETTINGS.model_copy(update={"primary_method": "feature_ablation", "secondary_methods": ["occlusion"]})
    found = explained(frozen(policy), states, settings)
    assert sum(unit.share for unit in found.units["symbol"].values()) == pytest.approx(1)
    assert found.quality.sensitivity.value is None
    assert found.quality.sensitivity.reason
    assert found.trust.parameter_randomisation.reason
    assert found.gradient_flow.layer_gradients["table"].norm > 0


def test_an_output_that_is_detached_is_refused_in_words() -> None:
    policy = Model(lambda model, x: model.layer(x).detach(), layer=nn.Linear(4, 3)).eval()
    with pytest.raises(AttributionError, match=r"no gradient reaches x, .* detach\(\)"):
        explained(policy, random_states({"x": (4,)}))


def under_no_grad(model: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = model.head(torch.tanh(model.layer(x)))
    return logits


class Backless(torch.autograd.Function):
    """A step with a forward only."""

    @staticmethod
    def forward(_ctx: Any, x: Tensor) -> Tensor:
        return x.tanh()


backless: Callable[[Tensor], Tensor] = Backless.apply


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        (under_no_grad, "no gradient reaches the inputs"),
        (lambda model, x: model.head(model.layer(x)).argmax(1), "no gradient reaches the inputs"),
        (lambda model, x: model.head(model.layer(torch.tensor(x.numpy()))), "gradients cannot be taken: RuntimeError"),
        (lambda model, x: model.head(backless(model.layer(x))), "gradients cannot be taken: NotImplementedError"),
    ],
    ids=["no_grad", "argmax", "numpy", "no backward"],
)
def test_ablation_explains_a_model_without_gradients_and_the_rest_says_why_not(
    formula: Callable[..., Tensor], words: str
) -> None:
    torch.manual_seed(0)
    policy = Model(formula, layer=nn.Linear(4, 8), head=nn.Linear(8, 3)).eval()
    settings = AnalysisSettings(primary_method="feature_ablation", secondary_methods=[])
    found = explained(policy, random_states({"x": (4,)}), settings)
    assert sum(unit.share for unit in found.units["x"].values()) == pytest.approx(1)
    trust, flow = found.trust, found.gradient_flow
    assert trust.deletion.value is not None
    for part in (found.quality.sensitivity, trust.parameter_randomisation, trust.random_logit):
        assert part.value is None
        assert (part.reason or "").startswith(words)
    assert found.stability.null_low is None
    assert (found.stability.reason or "").startswith(words)
    assert not flow.layer_gradients
    assert (flow.reason or "").startswith(words.replace("inputs", "parameters"))
    assert found.dead_features.total_count == 0


def test_without_parameters_what_needs_them_says_so() -> None:
    found = explained(Formula(lambda x: 2 * x[:, 0] + x[:, 1] ** 2), random_states({"x": (3,)}))
    assert found.units["x"]["x_0"].share > found.units["x"]["x_2"].share == 0
    assert found.gradient_flow.reason == "the model has no parameters"
    assert found.trust.parameter_randomisation.value is None
    assert found.trust.parameter_randomisation.reason == "the model has no parameters that could be shuffled"
    assert found.layer_attribution is not None
    assert found.layer_attribution.reason == "the model has no layer with parameters but itself"
