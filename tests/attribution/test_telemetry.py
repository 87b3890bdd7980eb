"""What Adam's moments tell, against Adam itself; and the slope of gradients with depth."""

from pathlib import Path

import pytest
import torch
from scipy.stats import kendalltau
from torch import Tensor, nn

from fxwatch.attribution import Context, explain
from fxwatch.attribution.statistics import kendall, rank_biased_overlap
from fxwatch.attribution.telemetry import optimizer_telemetry
from fxwatch.load import load_policy, read_content, read_weights
from fxwatch.load.optimizer import moments
from fxwatch.records.settings import AnalysisSettings, ModelSettings
from fxwatch.records.thresholds import GradientLimits
from tests.policies import GuideLike, random_states


def trained(steps: int = 30) -> tuple[GuideLike, torch.optim.Adam]:
    torch.manual_seed(0)
    model = GuideLike()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    for _ in range(steps):
        (logits, _), value = model({"hf": torch.randn(16, 6, 4), "portfolio": torch.randn(16, 2, 3)})
        optimizer.zero_grad()
        (logits.square().mean() + value.square().mean()).backward()
        optimizer.step()
    return model, optimizer


def test_moments_are_found_in_a_checkpoint_and_belong_to_the_right_parameters(tmp_path: Path) -> None:
    model, optimizer = trained()
    torch.save(
        {"model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict()}, tmp_path / "a.pt"
    )
    weights = read_weights(read_content(tmp_path / "a.pt"))
    found = load_policy(weights, ModelSettings(factory="tests.policies:GuideLike")).moments
    for name, parameter in model.named_parameters():
        memory = optimizer.state[parameter]
        if memory:
            assert torch.equal(found[name].mean, memory["exp_avg"])
            assert found[name].steps == 30
        else:
            assert name not in found  # the size head had no gradient


def test_the_next_update_is_what_adam_would_do() -> None:
    model, optimizer = trained()
    known = moments(optimizer.state_dict(), model, model.state_dict())
    told = optimizer_telemetry(model, known)["value"]
    before = torch.cat([parameter.detach().flatten() for parameter in model.value.parameters()])
    for parameter in model.value.parameters():
        memory = optimizer.state[parameter]
        memory["exp_avg"] /= 0.9  # so that a step with gradient nought leaves the moments as they are
        memory["exp_avg_sq"] /= 0.999
        memory["step"] -= 1
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    after = torch.cat([parameter.detach().flatten() for parameter in model.value.parameters()])
    assert told.update_ratio == pytest.approx(float((after - before).norm() / before.norm()), rel=1e-3)


def test_the_usual_norm_of_a_constant_gradient_is_its_norm() -> None:
    layer = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    gradients = [torch.randn(2, 3), torch.randn(2)]
    for _ in range(5):
        for parameter, gradient in zip(layer.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    told = optimizer_telemetry(layer, moments(optimizer.state_dict(), layer, layer.state_dict()))["model"]
    assert told.gradient_rms == pytest.approx(float(torch.cat([g.flatten() for g in gradients]).norm()), rel=1e-4)
    assert told.signal_to_noise is None or told.signal_to_noise > 1e3


def test_moments_that_do_not_fit_are_left_alone() -> None:
    model, optimizer = trained(2)
    state = optimizer.state_dict()
    assert moments(state, GuideLike(hf=5), model.state_dict()) == {}
    assert moments(state, nn.Linear(2, 2), {}) == {}
    assert moments({"state": 3, "param_groups": "x"}, model, {}) == {}
    assert moments(torch.optim.SGD(model.parameters(), lr=1).state_dict(), model, model.state_dict()) == {}


class Deep(nn.Module):
    """Eight layers that shrink the gradient by a constant factor each."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.ModuleList([nn.Linear(16, 16, bias=False) for _ in range(8)])
        self.head = nn.Linear(16, 3, bias=False)
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.orthogonal_(layer.weight)
        self.factor = factor

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        for layer in self.layers:
            x = self.factor * layer(x) + (1 - self.factor) * layer(x).detach()
        return {"action_type": self.head(x)}


@pytest.mark.parametrize(("factor", "slope"), [(1.0, 0.0), (0.5, -0.301), (0.1, -1.0)])
def test_the_slope_of_gradients_with_depth(factor: float, slope: float) -> None:
    settings = AnalysisSettings(secondary_methods=[])
    found = explain(Deep(factor).eval(), random_states({"x": (16,)}), settings, GradientLimits(), Context())[0]
    assert found.gradient_flow.decades_per_layer == pytest.approx(slope, abs=0.05)


def test_kendall_is_scipys() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randint(0, 5, (30,), generator=draw), torch.randint(0, 5, (30,), generator=draw)
    assert float(kendall(a, b)) == pytest.approx(kendalltau(a, b).statistic)


def test_rank_biased_overlap_by_its_definition() -> None:
    same = torch.arange(10.0)
    assert rank_biased_overlap(same, same) == pytest.approx(1)
    assert rank_biased_overlap(same, -same) < 0.6
    a, b = torch.tensor([3.0, 2.0, 1.0]), torch.tensor([2.0, 3.0, 1.0])
    agreement = [0 / 1, 2 / 2, 3 / 3]
    expected = 0.1 * sum(0.9**depth * found for depth, found in enumerate(agreement)) + 0.9**3 * agreement[-1]
    assert rank_biased_overlap(a, b) == pytest.approx(expected)
