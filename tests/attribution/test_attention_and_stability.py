"""Attention on the probe, and whether rankings hold still."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor, nn

from fxwatch.attribution import Context, Previous, explain
from fxwatch.attribution.attention import attention, attention_maps
from fxwatch.attribution.stability import stability
from fxwatch.records.analysis import Explanation
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
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
    maps = attention_maps(model, (x,))
    assert list(maps) == ["attention", "attention#2"]
    first, weights = model.attention(x, x, x, average_attn_weights=False)
    assert torch.allclose(maps["attention"].float(), weights.mean(0), atol=1e-6)
    again = model.attention(x + first, x + first, x + first, average_attn_weights=False)[1]
    assert torch.allclose(maps["attention#2"].float(), again.mean(0), atol=1e-6)


def test_a_fused_encoder_layer_gives_its_weights_too() -> None:
    maps = attention_maps(SmallTransformer().eval(), (torch.randn(4, 6, 5), torch.randn(4, 2, 3)))
    assert {name: tuple(heads.shape) for name, heads in maps.items()} == {"encoder.self_attn": (2, 8, 8)}
    assert torch.allclose(maps["encoder.self_attn"].sum(-1), torch.ones(2, 8, dtype=torch.float64), atol=1e-5)


def test_entropy_and_stability_by_their_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    now = torch.rand(2, 3, 5, generator=generator, dtype=torch.float64).softmax(-1)
    before = torch.rand(2, 3, 5, generator=generator, dtype=torch.float64).mul(4).softmax(-1)
    found = attention({"layer": now}, {"layer": before})
    for head in range(2):
        entropy = float(-(now[head] * now[head].log()).sum(-1).mean() / np.log(5))
        divergence = np.mean([jensenshannon(now[head, row], before[head, row], base=2) ** 2 for row in range(3)])
        assert found.layers["layer"][head].entropy == pytest.approx(entropy)
        assert found.layers["layer"][head].stability == pytest.approx(1 - divergence)


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (torch.eye(4), torch.eye(4), 1.0),
        (torch.eye(4), torch.eye(4).roll(1, 0), 0.0),
    ],
    ids=["the same", "every query jumped"],
)
def test_stability_has_contrast(now: Tensor, before: Tensor, expected: float) -> None:
    found = attention({"layer": now[None].double()}, {"layer": before[None].double()})
    assert found.stability == pytest.approx(expected)


def test_a_model_without_attention_says_so() -> None:
    found = explain(Formula(lambda x: x[:, 0]), random_states({"x": (2,)}), SETTINGS, GradientLimits())[0].attention
    assert found.stability is None
    assert found.reason == "the model has no nn.MultiheadAttention"


def analysed(policy: nn.Module, states: States, context: Context) -> tuple[Explanation, dict[str, np.ndarray]]:
    return explain(policy.eval(), states, SETTINGS, GradientLimits(), context)


def test_the_same_model_is_stable_on_the_probe_and_another_is_not() -> None:
    probe = random_states(SHAPES, seed=1)
    _, arrays = analysed(SmallTransformer(seed=0), random_states(SHAPES, seed=2), Context(probe))
    maps = {name.removeprefix("attention/"): array for name, array in arrays.items() if name.startswith("attention/")}
    previous = Previous("step-000000001-00000000", arrays["probe"], maps)
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
