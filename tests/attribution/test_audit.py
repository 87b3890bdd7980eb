"""Plain Captum is asked once more, and finds what was published; or something else, where that is wrong."""

from typing import get_args

import pytest
import torch
from torch import nn

from fxwatch.attribution import explain
from fxwatch.attribution.audit import audit, due
from fxwatch.records.audit import Audit
from fxwatch.records.settings import AnalysisSettings, MethodName
from fxwatch.records.thresholds import GradientLimits
from tests.policies import Formula, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}
STATES = random_states(SHAPES, count=10)


def audited(method: MethodName, wrong_by: float = 1.0) -> Audit:
    settings = AnalysisSettings(primary_method=method, secondary_methods=[])
    policy = SmallTransformer().eval()
    found, _ = explain(policy, STATES, settings, GradientLimits())
    first = found.units["hf"]["hf_0"]
    other = first.model_copy(update={"share": first.share * wrong_by, "signed": first.signed * wrong_by})
    units = {**found.units, "hf": {**found.units["hf"], "hf_0": other}}
    return audit(policy, STATES, settings, found.model_copy(update={"units": units}))


@pytest.mark.parametrize(
    "method", ["integrated_gradients", "deep_lift", "saliency", "input_x_gradient", "feature_ablation"]
)
def test_what_is_published_is_what_plain_captum_finds(method: MethodName) -> None:
    found = audited(method)
    assert found.by is not None
    assert found.by.startswith("captum ")
    assert found.largest_share_difference == pytest.approx(0, abs=3e-3)
    assert found.relative_difference == pytest.approx(0, abs=0.02)
    assert (found.spearman or 0) > 0.9


@pytest.mark.parametrize("method", ["expected_gradients", "gradient_shap"])
def test_estimates_on_the_grid_are_near_it(method: MethodName) -> None:
    assert audited(method).largest_share_difference == pytest.approx(0, abs=0.03)


def test_a_wrong_number_is_found_out() -> None:
    assert (audited("integrated_gradients", wrong_by=2).largest_share_difference or 0) > 0.02


@pytest.mark.parametrize("method", get_args(MethodName))
def test_every_method_is_audited_or_says_why_not(method: MethodName) -> None:
    settings = AnalysisSettings(primary_method=method, secondary_methods=[], noise_tunnel_samples=2)
    policy = Formula(lambda hf, portfolio: hf.sum((1, 2)) + portfolio[:, 0, 0] ** 2)
    found, _ = explain(policy.eval(), STATES, settings, GradientLimits())
    checked = audit(policy, STATES, settings, found)
    assert (checked.largest_share_difference is None) == (checked.reason is not None)


def test_a_model_that_captum_cannot_take_says_why() -> None:
    class OneStateNoMore(nn.Module):
        def forward(self, hf: torch.Tensor, portfolio: torch.Tensor) -> dict[str, torch.Tensor]:
            if len(hf) == 1:
                raise RuntimeError("two states at least")
            return {"action_type": hf.sum((1, 2))[:, None] + portfolio.sum((1, 2))[:, None]}

    settings = AnalysisSettings(primary_method="saliency", secondary_methods=[])
    found, _ = explain(SmallTransformer().eval(), STATES, settings, GradientLimits())
    assert audit(OneStateNoMore(), STATES, settings, found).reason == "RuntimeError: two states at least"


def test_one_in_so_many_is_due_and_always_the_same() -> None:
    digests = [f"{number * 2654435761 % 2**32:08x}" for number in range(1000)]
    assert sum(due(digest, 50) for digest in digests) == pytest.approx(20, abs=12)
    assert all(due(digest, 1) for digest in digests)
    assert not any(due(digest, 0) for digest in digests)
