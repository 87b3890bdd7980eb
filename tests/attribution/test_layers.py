"""What flows through layers and neurons: against Captum, against formulas, and where nothing can be said."""

from copy import deepcopy

import pytest
import torch
from captum.attr import LayerConductance, NeuronIntegratedGradients
from torch import Tensor, nn

from fxwatch.attribution import explain
from fxwatch.attribution.conductance import conductance
from fxwatch.attribution.inside import inside
from fxwatch.attribution.layers import layer_attribution
from fxwatch.attribution.neurons import neuron_attributions
from fxwatch.attribution.taps import tappable
from fxwatch.attribution.units import sum_over_time
from fxwatch.records.internals import LayerAttribution
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits
from tests.attribution.subjects import subject_of
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
PLAIN = AnalysisSettings(track_layers=True)


class Chain(nn.Module):
    """Two layers one after the other, registered from last to first."""

    def __init__(self, activation: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.last, self.activation, self.first = nn.Linear(16, 3), activation, nn.Linear(4, 16)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"action_type": self.last(self.activation(self.first(x)))}


class Reused(nn.Module):
    """One layer used three times."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.head = nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for _ in range(3):
            x = torch.tanh(2 * self.layer(x))
        return {"action_type": self.head(x)}


class Copies(nn.Module):
    """The same function with three layers of equal weights."""

    def __init__(self, model: Reused) -> None:
        super().__init__()
        self.layers, self.head = nn.ModuleList(deepcopy(model.layer) for _ in range(3)), model.head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for layer in self.layers:
            x = torch.tanh(2 * layer(x))
        return {"action_type": self.head(x)}


def layers_of(policy: nn.Module, shapes: dict[str, tuple[int, ...]], count: int = 12) -> LayerAttribution:
    return layer_attribution(subject_of(policy, random_states(shapes, count=count), PLAIN), "the output")


def hooks_of(policy: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in policy.modules())


@pytest.mark.parametrize("name", ["hf", "portfolio", "encoder.linear1", "encoder.linear2", "encoder.norm2", "encoder"])
def test_conductance_is_captums_at_many_steps(name: str) -> None:
    policy = SmallTransformer()
    asked = subject_of(policy, random_states(SHAPES, count=8), AnalysisSettings())
    ours = conductance(asked, tappable(policy))
    theirs = LayerConductance(asked.explained, policy.get_submodule(name)).attribute(
        asked.inputs,
        baselines=tuple(b.expand_as(x) for x, b in zip(asked.inputs, asked.baselines.centre, strict=True)),
        additional_forward_args=(asked.choice,),
        n_steps=300,
    )
    assert ours.rows.tolist() == list(range(8))
    expected = theirs.detach().sum(1) if theirs.ndim == 3 else theirs.detach()
    assert torch.allclose(ours.channels[name], expected, atol=0.02 * float(expected.abs().max()))


def test_shares_by_hand_of_two_layers_side_by_side() -> None:
    """f = 2 x0 + g(x1): what flows through each layer is its own change."""

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
            nn.init.constant_(self.a.weight, 2.0)
            nn.init.constant_(self.b.weight, -1.0)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.a(x[:, :1]) + self.b(x[:, 1:]) ** 3}

    states = random_states({"x": (2,)}, count=8)
    x = torch.as_tensor(states.branches["x"]).double()
    centre = x.mean(0)
    through_a = 2 * (x[:, 0] - centre[0])
    through_b = (-x[:, 1]) ** 3 - (-centre[1]) ** 3
    change = through_a + through_b
    found = layer_attribution(subject_of(Two(), states, PLAIN), "the output").layers
    scale = change.abs().sum()
    assert found["a"].share == pytest.approx(float(through_a.abs().sum() / scale), rel=1e-4)
    assert found["b"].share == pytest.approx(float(through_b.abs().sum() / scale), rel=1e-4)
    assert found["a"].signed == pytest.approx(float((through_a * change.sign()).sum() / scale), rel=1e-4)
    assert found["a"].signed + found["b"].signed == pytest.approx(1, rel=1e-5)


def test_everything_flows_through_layers_that_cut_the_model_in_two() -> None:
    found = layers_of(SmallTransformer(), SHAPES)
    for name in ("encoder.norm1", "encoder.norm2", "encoder", "head"):
        assert found.layers[name].share == pytest.approx(1, abs=1e-4), name
        assert found.layers[name].signed == pytest.approx(1, abs=1e-4), name
    assert found.layers["hf"].signed + found.layers["portfolio"].signed == pytest.approx(1, abs=1e-4)
    assert found.layers["value"].share == 0
    assert found.completeness_error == pytest.approx(0, abs=1e-3)
    assert found.steps == 17
    assert found.reason is None
    assert "8 real states of the same dump), over 8 states" in found.of


def test_layers_stand_in_the_order_in_which_they_run() -> None:
    assert list(layers_of(Chain(nn.Tanh()), {"x": (4,)}).layers) == ["first", "last"]
    assert [name for name in layers_of(SmallTransformer(), SHAPES).layers if "norm" in name or "linear" in name] == [
        "encoder.norm1",
        "encoder.linear1",
        "encoder.linear2",
        "encoder.norm2",
    ]


def test_a_model_with_kinks_gets_more_steps() -> None:
    found = layers_of(Chain(nn.ReLU()), {"x": (4,)})
    assert found.steps is not None
    assert found.steps > 17
    assert found.layers["first"].signed == pytest.approx(1, abs=0.03)
    assert found.completeness_error is not None
    assert found.completeness_error < 0.03


def test_what_changes_a_layers_output_in_place_changes_nothing_of_its_share() -> None:
    plain, in_place = (layers_of(Chain(nn.ReLU(inplace=place)), {"x": (4,)}) for place in (False, True))
    assert in_place.layers == plain.layers


def test_a_reused_layer_counts_by_call() -> None:
    reused = Reused()
    one, three = layers_of(reused, {"x": (4,)}), layers_of(Copies(reused), {"x": (4,)})
    assert list(one.layers) == ["layer", "layer#2", "layer#3", "head"]
    for call, copied in zip(one.layers.values(), three.layers.values(), strict=True):
        assert call.share == pytest.approx(copied.share, rel=1e-4)
    channels = conductance(subject_of(reused, random_states({"x": (4,)}), PLAIN), tappable(reused)).channels
    assert not torch.allclose(channels["layer"], channels["layer#2"], rtol=0.1)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU])
def test_recurrent_layers_and_time_before_samples(kind: type[nn.LSTM | nn.GRU]) -> None:
    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer, self.head = kind(3, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.head(self.layer(x.transpose(0, 1))[0][-1])}

    found = layers_of(Recurrent(), {"x": (5, 3)})
    assert found.layers["layer"].signed == pytest.approx(1, abs=1e-3)


def test_channels_of_a_convolution_are_its_own() -> None:
    class Convolution(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv1d(2, 5, 3)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": torch.tanh(self.layer(x.transpose(1, 2))).sum((1, 2))[:, None]}

    policy = Convolution()
    found = conductance(subject_of(policy, random_states({"x": (9, 2)}), PLAIN), tappable(policy))
    assert found.channels["layer"].shape == (8, 5)


class Fails(nn.Module):
    """A model that takes any number of states but three."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        hidden = self.layer(x)
        if len(x) == 3:
            raise ValueError("three is too many")
        return {"action_type": hidden}


def test_a_model_that_cannot_be_tapped_says_why_keeps_the_rest_and_no_hooks() -> None:
    policy = Fails().eval()
    settings = AnalysisSettings(track_layers=True, neuron_layer="layer", secondary_methods=[])
    found, _ = explain(policy, random_states({"x": (4,)}), settings, GradientLimits())
    assert found.layer_attribution == LayerAttribution(reason="ValueError: three is too many")
    assert found.neurons is not None
    assert found.neurons.reason == "ValueError: three is too many"
    assert found.neurons.neurons == []
    assert found.quality.completeness.value == pytest.approx(0, abs=1e-4)
    assert hooks_of(policy) == 0


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Formula(lambda x: x[:, 0]), "no layer with parameters"),
        (nn.Sequential(nn.Linear(4, 4), Formula(lambda x: 0 * x[:, 0] + 1)), "the output is the same at every state"),
        (nn.Sequential(nn.Linear(4, 4), Formula(lambda x: 1 / (x - x.detach()).sum(1))), "NaN or Inf at the centre"),
    ],
    ids=["no layers", "constant", "infinite"],
)
def test_where_no_share_exists_the_reason_is_told(policy: nn.Module, words: str) -> None:
    found = layers_of(policy, {"x": (4,)})
    assert words in (found.reason or "")
    assert found.layers == {}


def test_a_layer_whose_gradient_is_infinite_on_the_way_is_left_out_by_name() -> None:
    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.good, self.bad = nn.Linear(2, 1), nn.Linear(2, 1, bias=False)
            nn.init.zeros_(self.bad.weight)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.good(x) + self.bad(x).sqrt()}

    found = layers_of(Root(), {"x": (2,)})
    assert list(found.layers) == ["good"]
    assert found.reason == "NaN or Inf on the way from the baselines in bad"


def test_a_layer_that_gives_no_tensor_of_states_is_left_out() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(4))

        def forward(self) -> dict[str, Tensor]:
            return {"weight": self.weight}

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = Table()

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": (x @ self.table()["weight"])[:, None]}

    found = layers_of(Odd(), {"x": (4,)})
    assert found.reason == "no layer gives a tensor with an axis of states"


def test_nothing_is_measured_unless_asked_for() -> None:
    found = inside(subject_of(Reused(), random_states({"x": (4,)}), AnalysisSettings()), "the output", lambda _: None)
    assert (found.layers, found.neurons, found.heads) == (None, None, None)


def test_the_leading_neuron_by_hand_and_what_it_reads() -> None:
    """h0 = x0, h1 = x1 + x2: f = 3 h0 + h1."""

    class Known(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.head = nn.Linear(3, 2, bias=False), nn.Linear(2, 1, bias=False)
            self.hidden.weight.data = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
            self.head.weight.data = torch.tensor([[3.0, 1.0]])

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": self.head(self.hidden(x))}

    states = random_states({"x": (3,)}, count=8)
    found = neuron_attributions(subject_of(Known(), states, PLAIN), "hidden")
    x = torch.as_tensor(states.branches["x"]).double()
    away = x - x.mean(0)
    change = 3 * away[:, 0] + away[:, 1] + away[:, 2]
    first, second = found.neurons
    assert (first.index, second.index) == (0, 1)
    assert first.share == pytest.approx(float(3 * away[:, 0].abs().sum() / change.abs().sum()), rel=1e-4)
    assert first.signed + second.signed == pytest.approx(1, rel=1e-4)
    ((_, name, share),) = first.features
    assert name == "x_0"
    assert share == pytest.approx(1)
    part = away[:, 1:].abs().mean(0)
    shares = {feature: read for _, feature, read in second.features}
    assert shares == pytest.approx({"x_1": float(part[0] / part.sum()), "x_2": float(part[1] / part.sum())}, rel=1e-3)


def test_neurons_read_what_captum_says_they_read() -> None:
    policy = SmallTransformer()
    asked = subject_of(policy, random_states(SHAPES, count=8), AnalysisSettings())
    found = neuron_attributions(asked, "encoder.linear1", top=2)
    assert len(found.neurons) == 2
    for neuron in found.neurons:
        theirs = NeuronIntegratedGradients(asked.explained, policy.encoder.linear1).attribute(
            asked.inputs,
            neuron_selector=lambda given, index=neuron.index: given[:, :, index].sum(1),
            baselines=tuple(b.expand_as(x) for x, b in zip(asked.inputs, asked.baselines.centre, strict=True)),
            additional_forward_args=(asked.choice,),
            n_steps=50,
        )
        importance = sum_over_time(theirs).detach().abs().mean(0)
        shares = dict(zip(asked.units.names(), (importance / importance.sum()).tolist(), strict=True))
        best = sorted(shares, key=lambda name: -shares[name])[:5]
        assert [(branch, name) for branch, name, _ in neuron.features] == best
        for branch, name, share in neuron.features:
            assert share == pytest.approx(shares[branch, name], rel=0.02)


def test_neurons_of_a_later_call() -> None:
    reused = Reused()
    states = random_states({"x": (4,)})
    found = neuron_attributions(subject_of(reused, states, PLAIN), "layer#2")
    copies = neuron_attributions(subject_of(Copies(reused), states, PLAIN), "layers.1")
    assert [neuron.index for neuron in found.neurons] == [neuron.index for neuron in copies.neurons]
    for one, other in zip(found.neurons, copies.neurons, strict=True):
        assert one.share == pytest.approx(other.share, rel=1e-4)
        assert [name for _, name, _ in one.features] == [name for _, name, _ in other.features]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("heat", "the model has no layer 'heat' with parameters; did you mean head?"),
        ("zzz", "the model has no layer 'zzz' with parameters"),
        ("layer#4", "it is not called that often"),
    ],
)
def test_a_layer_that_is_not_there_is_told(layer: str, words: str) -> None:
    found = neuron_attributions(subject_of(Reused(), random_states({"x": (4,)}), PLAIN), layer)
    assert (found.reason or "").startswith(words)
    assert found.neurons == []
