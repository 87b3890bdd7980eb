"""Integrated gradients that choose their own steps."""

import numpy as np
import pytest
import torch
from captum.attr import IntegratedGradients
from hypothesis import given, settings
from hypothesis import strategies as some
from torch import Tensor

from fxwatch.attribution.adaptive import FEWEST, MOST, AdaptiveIntegratedGradients, nodes
from fxwatch.attribution.engine import Evaluated
from fxwatch.attribution.policy import Branches


class Counted:
    """A function of branches, with its gradient, and how many samples it was asked for."""

    def __init__(self, formula: object) -> None:
        self.formula, self.asked = formula, 0

    def evaluate(self, inputs: Branches, target: Tensor) -> Evaluated:
        self.asked += len(target)
        here = tuple(x.detach().requires_grad_() for x in inputs)
        values = self.formula(*here)  # type: ignore[operator]
        return Evaluated(values.detach(), torch.autograd.grad(values.sum(), here), (True,) * len(here))

    def method(self) -> AdaptiveIntegratedGradients:
        return AdaptiveIntegratedGradients(self.evaluate)


def smooth(x: Tensor, y: Tensor) -> Tensor:
    return torch.tanh(x.sum((1, 2))) * torch.sin(y[:, 0]) + (y**2).sum(1)


def inputs(count: int = 6) -> Branches:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(count, 3, 2, generator=draw), torch.randn(count, 4, generator=draw)


@pytest.mark.parametrize("steps", [3, 5, 9, 17, 33, 65])
def test_the_nodes_integrate_polynomials_exactly(steps: int) -> None:
    positions, weights = nodes(steps)
    for degree in range(steps):
        assert float((weights * positions**degree).sum()) == pytest.approx(1 / (degree + 1), abs=1e-12)
    assert float(positions[0]) == 1
    assert float(positions[-1]) == pytest.approx(0, abs=1e-15)
    assert bool((weights > 0).all())


def test_the_nodes_of_few_steps_are_among_those_of_more() -> None:
    for steps in (3, 5, 9, 17, 33):
        assert np.allclose(nodes(steps)[0], nodes(2 * steps - 1)[0][::2])


def test_it_agrees_with_captums_at_five_hundred_steps() -> None:
    x = inputs()
    baselines = tuple(part[:2] * 0.5 for part in x)
    found = Counted(smooth).method().attribute(x, baselines, torch.zeros(6, dtype=torch.long), tolerance=0.001)
    expected = [torch.zeros_like(part) for part in x]
    for row in range(2):
        one = tuple(b[row : row + 1] for b in baselines)
        for into, part in zip(expected, IntegratedGradients(smooth).attribute(x, one, n_steps=500), strict=True):
            into.add_(part / 2)
    for mine, theirs in zip(found.attributions, expected, strict=True):
        assert torch.allclose(mine, theirs, atol=2e-4)
    assert float(found.delta.abs().max()) < 1e-3
    assert bool((found.steps >= FEWEST).all())


@settings(deadline=None, max_examples=30)
@given(some.floats(0.1, 8), some.sampled_from([0.02, 0.05, 0.2]))
def test_a_smaller_tolerance_costs_more_and_errs_less(sharpness: float, tolerance: float) -> None:
    def sharp(x: Tensor) -> Tensor:
        return torch.tanh(sharpness * (x[:, 0] - 0.4)) + x[:, 1]

    x = (torch.rand(16, 2, generator=torch.Generator().manual_seed(1)) * 4,)
    baselines = (torch.zeros(1, 2),)
    target = torch.zeros(16, dtype=torch.long)
    exact = torch.stack([torch.tanh(sharpness * (x[0][:, 0] - 0.4)) - np.tanh(-0.4 * sharpness), x[0][:, 1]], 1)
    loose, tight = Counted(sharp), Counted(sharp)
    rough = loose.method().attribute(x, baselines, target, tolerance)
    fine = tight.method().attribute(x, baselines, target, tolerance / 10)
    assert tight.asked >= loose.asked
    scale = float(exact.sum(1).abs().mean())
    assert float((rough.attributions[0] - exact).abs().max()) <= 2 * tolerance * scale + 1e-4
    assert float((fine.attributions[0] - exact).abs().max()) <= 2 * tolerance * scale / 10 + 1e-4


def test_no_gradient_is_computed_twice_and_ends_are_shared() -> None:
    asked = Counted(lambda x: (x**2).sum(1))
    x = (torch.randn(4, 3),)
    asked.method().attribute(x, (torch.randn(8, 3),), torch.zeros(4, dtype=torch.long))
    assert asked.asked == 4 + 8 + 4 * 8 * (FEWEST - 2)


def test_it_stops_at_the_most_steps_and_says_how_far_it_came() -> None:
    step = Counted(lambda x: torch.sigmoid(1e4 * (x[:, 0] - 0.123)))
    found = step.method().attribute((torch.ones(2, 1),), (torch.zeros(1, 1),), torch.zeros(2, dtype=torch.long))
    assert found.steps.tolist() == [MOST, MOST]
    assert float(found.delta.abs().max()) > 0.5


def test_what_is_known_at_the_inputs_is_not_asked_again() -> None:
    x = inputs()
    baselines, target = tuple(part[:2] for part in x), torch.zeros(6, dtype=torch.long)
    anew, known = Counted(smooth), Counted(smooth)
    expected = anew.method().attribute(x, baselines, target)
    found = known.method().attribute(x, baselines, target, at_inputs=Counted(smooth).evaluate(x, target))
    assert known.asked == anew.asked - 6
    for mine, theirs in zip(found.attributions, expected.attributions, strict=True):
        assert torch.equal(mine, theirs)


def test_a_baseline_that_is_the_input_itself_has_no_attribution() -> None:
    x = (torch.randn(3, 2),)
    found = Counted(lambda y: (y**2).sum(1)).method().attribute(x, (x[0][:1],), torch.zeros(3, dtype=torch.long))
    assert found.attributions[0][0].tolist() == [0, 0]
    assert float(found.successive[0]) == 0


def test_a_tolerance_of_rounding_size_is_met_on_a_smooth_path_without_the_most_steps() -> None:
    x = inputs()
    baselines = tuple(torch.zeros_like(part[:1]) for part in x)
    found = Counted(smooth).method().attribute(x, baselines, torch.zeros(6, dtype=torch.long), tolerance=1e-5)
    doubled, low = tuple(part.double() for part in x), tuple(part.double() for part in baselines)
    expected = IntegratedGradients(smooth).attribute(doubled, low, n_steps=200)
    for mine, theirs in zip(found.attributions, expected, strict=True):
        assert torch.allclose(mine.double(), theirs, atol=2e-6)
    assert float(found.steps.max()) < MOST


def test_what_rounding_hides_is_not_asked_for() -> None:
    """A small change of a large output: single precision cannot show completeness to one part in 100,000."""
    x = (torch.rand(4, 2) + 1,)
    found = Counted(lambda y: 1e4 + torch.tanh(y.sum(1))).method()
    steps = found.attribute(x, (torch.zeros(1, 2),), torch.zeros(4, dtype=torch.long), tolerance=1e-5).steps
    assert float(steps.max()) < MOST


def test_other_weights_of_the_same_nodes_cost_nothing() -> None:
    """The midpoint alone gives a quadratic function's attributions exactly."""
    weights = torch.tensor([0.0] * 4 + [1.0] + [0.0] * 4, dtype=torch.float64)
    x, target = (torch.randn(3, 2),), torch.zeros(3, dtype=torch.long)
    plain, with_rules = Counted(lambda y: (y**2).sum(1)), Counted(lambda y: (y**2).sum(1))
    plain.method().attribute(x, (torch.ones(2, 2),), target, fewest=9)
    found = with_rules.method().attribute(x, (torch.ones(2, 2),), target, fewest=9, rules=[weights])
    assert with_rules.asked == plain.asked
    assert torch.allclose(found.by_rules[0][0], (x[0] - 1) * (x[0] + 1), atol=1e-6)


def test_a_lone_path_is_followed_as_exactly_as_single_precision_is() -> None:
    """Sums are in double: what is left is the rounding of the gradients themselves, against Captum in double."""
    x = inputs(32)
    low = tuple(torch.zeros_like(part[:1]) for part in x)
    found = Counted(smooth).method().attribute(x, low, torch.zeros(32, dtype=torch.long), 4e-7, fewest=17)
    doubled = tuple(part.double() for part in x)
    expected = IntegratedGradients(smooth).attribute(doubled, tuple(part.double() for part in low), n_steps=300)
    mine, theirs = (torch.cat([part.flatten(1) for part in found_], 1) for found_ in (found.attributions, expected))
    errors = (mine - theirs).norm(dim=1) / theirs.norm(dim=1)
    assert float(errors.mean()) < torch.finfo(torch.float32).eps
