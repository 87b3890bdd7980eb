"""Attention on the probe, and whether rankings hold still."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn

from fxwatch.attribution import Context, Previous, explain
from fxwatch.attribution.attention import attention, attention_maps, maps_by_state
from fxwatch.attribution.policy import Meter
from fxwatch.attribution.stability import stability
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.analyses import analysis
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
SETTINGS = AnalysisSettings(secondary_methods=[])


class Twice(nn.Module):
    """One attention layer used twice, asked for no weights."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for _ in range(2):
            x = x + self.attention(x, x, x, need_weights=False)[0]
        return {"action_type": self.head(x.mean(1))}


def test_maps_are_the_models_own_weights_by_head_and_by_call() -> None:
    model = Twice().eval()
    x = torch.randn(10, 5, 4)
    maps = attention_maps(model, (x,), Meter()).mean
    assert list(maps) == ["attention", "attention#2"]
    first, weights = model.attention(x, x, x, average_attn_weights=False)
    assert torch.allclose(maps["attention"].float(), weights.mean(0), atol=1e-6)
    again = model.attention(x + first, x + first, x + first, average_attn_weights=False)[1]
    assert torch.allclose(maps["attention#2"].float(), again.mean(0), atol=1e-6)


def test_a_fused_encoder_layer_gives_its_weights_too() -> None:
    maps = attention_maps(SmallTransformer().eval(), (torch.randn(4, 6, 5), torch.randn(4, 2, 3)), Meter()).mean
    assert {name: tuple(heads.shape) for name, heads in maps.items()} == {"encoder.self_attn": (2, 8, 8)}
    assert torch.allclose(maps["encoder.self_attn"].sum(-1), torch.ones(2, 8, dtype=torch.float64), atol=1e-5)


class Pointing(nn.Module):
    """Each query attends to the one token whose first number is 1; `away`, to the other one."""

    def __init__(self, *, away: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)
        self.head = nn.Linear(2, 2)
        with torch.no_grad():
            self.attention.in_proj_weight[:4] = torch.tensor([[0.0, 0], [0, 0], [1, 0], [0, 0]])
            assert self.attention.in_proj_bias is not None
            self.attention.in_proj_bias[:4] = torch.tensor([-1000.0 if away else 1000.0, 0, 0, 0])

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"action_type": self.head(self.attention(x, x, x)[0].mean(1))}


def pointed() -> States:
    """16 states of two tokens: the first one is marked in half of them, the second one in the others."""
    x = random_states({"x": (2, 2)}, count=16).branches["x"].copy()
    x[:8, :, 0], x[8:, :, 0] = [1, 0], [0, 1]
    return States({"x": x}, {"x": ["mark", "other"]})


def test_attention_to_one_key_in_each_state_is_focused_though_its_mean_is_even() -> None:
    found, arrays = analysed(Pointing(), pointed(), Context())
    assert arrays["attention/attention"] == pytest.approx(0.5)
    assert found.attention.entropy == pytest.approx(0)
    assert arrays["attention_probe/attention"].shape == (8, 1, 2, 2)
    assert arrays["attention_probe/attention"].dtype == np.float16


def test_attention_turned_round_in_each_state_has_not_held_still_though_its_mean_has() -> None:
    states = pointed()
    _, arrays = analysed(Pointing(), states, Context())
    context = Context(previous=Previous.of(analysis(), arrays))
    assert analysed(Pointing(), states, context)[0].attention.stability == pytest.approx(1)
    turned, after = analysed(Pointing(away=True), states, context)
    assert after["attention/attention"] == pytest.approx(arrays["attention/attention"])
    assert turned.attention.stability == pytest.approx(0)
    assert turned.attention.reason is None


def test_entropy_and_stability_by_their_formulas() -> None:
    policy, inputs = SmallTransformer().eval(), (torch.randn(5, 6, 5), torch.randn(5, 2, 3))
    now = attention_maps(policy, inputs, Meter())
    before = attention_maps(SmallTransformer(seed=1).eval(), inputs, Meter())
    assert [len(maps.by_state["encoder.self_attn"]) for maps in (now, before)] == [5, 5]
    found = attention(now, maps_by_state(before.arrays())).layers["encoder.self_attn"]
    p, q = (maps.by_state["encoder.self_attn"].double().numpy() for maps in (now, before))
    for head in range(2):
        entropy = -(p[:, head] * np.log(p[:, head])).sum(-1).mean() / np.log(8)
        divergence = np.mean([jensenshannon(p[s, head, row], q[s, head, row], 2) ** 2 for s, row in np.ndindex(5, 8)])
        assert found[head].entropy == pytest.approx(entropy, rel=1e-3)
        assert found[head].stability == pytest.approx(1 - divergence, rel=1e-4)


def test_a_layer_over_more_rows_than_states_has_means_that_are_weights() -> None:
    """Attention over features, one row a state and time step."""

    class ByStep(Twice):
        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return super().forward(x.flatten(0, 1))

    maps = attention_maps(ByStep().eval(), (torch.randn(10, 3, 5, 4),), Meter())
    assert torch.allclose(maps.mean["attention"].sum(-1), torch.ones(2, 5, dtype=torch.float64), atol=1e-5)
    assert maps.by_state["attention"].shape == (24, 2, 5, 5)


@pytest.mark.parametrize(
    ("most", "previous", "words"),
    [
        (2**20, None, "no previous analysis"),
        (2**20, {}, "the previous analysis has no attention maps by state"),
        (2**20, {"attention": np.zeros((1, 1, 2, 2))}, "another shape"),
        (10, {}, "are not kept by state"),
    ],
)
def test_stability_that_cannot_be_had_says_why(
    most: int, previous: dict[str, np.ndarray] | None, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxwatch.attribution.attention.MOST_BYTES", most)
    found = attention(attention_maps(Pointing().eval(), (torch.randn(4, 2, 2),), Meter()), previous)
    assert found.stability is None
    assert found.entropy is not None
    assert words in (found.reason or "")


def test_maps_are_kept_by_state_as_long_as_all_are_small() -> None:
    """Two runs of a layer: 8 states, 2 heads, 400 queries and keys in two bytes each are more than 4 MiB."""
    maps = attention_maps(Twice().eval(), (torch.randn(9, 400, 4),), Meter())
    assert list(maps.mean) == ["attention", "attention#2"]
    assert not maps.by_state
    assert list(attention_maps(Twice().eval(), (torch.randn(9, 300, 4),), Meter()).by_state) == ["attention"]


def test_a_model_without_attention_says_so() -> None:
    found = explain(Formula(lambda x: x[:, 0]), random_states({"x": (2,)}), SETTINGS, GradientLimits())[0].attention
    assert found.stability is None
    assert found.reason == "the model has no nn.MultiheadAttention"


def analysed(policy: nn.Module, states: States, context: Context) -> tuple[Explanation, dict[str, np.ndarray]]:
    return explain(policy.eval(), states, SETTINGS, GradientLimits(), context)


def test_the_same_model_is_stable_on_the_probe_and_another_is_not() -> None:
    probe = random_states(SHAPES, seed=1)
    _, arrays = analysed(SmallTransformer(seed=0), random_states(SHAPES, seed=2), Context(probe))
    previous = Previous("step-000000001-00000000", arrays["probe"], maps_by_state(arrays))
    same, _ = analysed(SmallTransformer(seed=0), random_states(SHAPES, seed=3), Context(probe, previous))
    assert same.stability.spearman == pytest.approx(1)
    assert same.stability.jaccard10 == pytest.approx(1)
    assert same.stability.previous == "step-000000001-00000000"
    assert same.attention.stability == pytest.approx(1)
    other, _ = analysed(SmallTransformer(seed=9), random_states(SHAPES, seed=3), Context(probe, previous))
    assert (other.stability.spearman or 1) < (other.stability.null_low or 0)


def test_the_noise_band_is_wide_for_noise_and_narrow_for_a_clear_ranking() -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(32, 20, generator=generator)
    clear = torch.arange(1.0, 21.0) + 0.01 * noise
    assert (stability(noise, None, None).null_low or 0) < 0.3
    assert (stability(clear, None, None).null_low or 0) > 0.99
    assert stability(noise[:3], None, None).null_low is None
