"""What the engine promises of its work: shared, bounded, and nothing twice."""

import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import engine, explain
from fxwatch.attribution.engine import GRAPH_BYTES, MOST, Scalar, batch_that_fits, batches, evaluate
from fxwatch.attribution.policy import BATCH, Meter
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits
from tests.policies import SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
INPUTS = tuple(torch.as_tensor(array) for array in random_states(SHAPES).branches.values())


class Wide(nn.Module):
    """Keeps so many numbers of each sample for its backward pass."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, hf: Tensor, portfolio: Tensor) -> dict[str, Tensor]:
        """The sum of squares of many numbers."""
        wide = hf.flatten(1)[:, :1].expand(-1, self.kept).clone()
        return {"action_type": (wide * wide).sum(1, keepdim=True) + portfolio.sum((1, 2))[:, None]}


def test_a_batch_is_as_large_as_its_graph_may_be() -> None:
    each = 16 * 2**20
    found = batch_that_fits(Wide(each // 4), INPUTS, Meter())
    assert GRAPH_BYTES // each // 2 <= found <= GRAPH_BYTES // each
    assert batch_that_fits(Wide(4), INPUTS, Meter()) == MOST
    assert batch_that_fits(Wide(GRAPH_BYTES), INPUTS, Meter()) == 1


def test_a_model_that_cannot_be_measured_gets_the_usual_batch() -> None:
    class Fails(nn.Module):
        def forward(self, *branches: Tensor) -> dict[str, Tensor]:
            raise RuntimeError

    assert batch_that_fits(Fails(), INPUTS, Meter()) == BATCH


def test_batches_are_of_one_length_and_leave_nothing_out() -> None:
    found = list(batches(100, 64))
    assert [part.stop - part.start for part in found] == [50, 50]
    assert [row for part in batches(97, 10) for row in range(97)[part]] == list(range(97))
    assert list(batches(0, 10)) == []


def test_several_scalars_on_one_graph_are_what_each_is_alone() -> None:
    policy, meter = SmallTransformer().eval(), Meter()
    first = torch.zeros(32, dtype=torch.long)
    scalars = [Scalar("action_type", first), Scalar("value", first)]
    together = evaluate(policy, INPUTS, scalars, meter)
    assert (meter.forwards, meter.backwards) == (32, 64)
    for scalar, found in zip(scalars, together, strict=True):
        alone = evaluate(policy, INPUTS, [scalar], Meter())[0]
        assert torch.allclose(found.values, alone.values, atol=1e-6)
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(found.gradients, alone.gradients, strict=True))


def test_no_gradient_at_a_state_is_taken_twice() -> None:
    """Saliency, input times gradient, DeepLift without rules and gradient SHAP beside it add nothing that is there."""
    states = random_states(SHAPES)

    def cost(*secondary: str) -> int:
        settings = AnalysisSettings(secondary_methods=list(secondary))
        return explain(SmallTransformer().eval(), states, settings, GradientLimits())[0].cost.backwards

    alone = cost()
    assert cost("saliency", "input_x_gradient", "deep_lift", "gradient_shap") == alone


def test_the_size_of_a_batch_changes_no_number(monkeypatch: pytest.MonkeyPatch) -> None:
    states = random_states(SHAPES)
    large = explain(SmallTransformer().eval(), states, AnalysisSettings(), GradientLimits())[0]
    monkeypatch.setattr(engine, "MOST", 7)
    small = explain(SmallTransformer().eval(), states, AnalysisSettings(), GradientLimits())[0]
    for branch, units in small.units.items():
        for name, unit in units.items():
            assert unit.share == pytest.approx(large.units[branch][name].share, abs=1e-5)
    assert small.cost.backwards == large.cost.backwards
