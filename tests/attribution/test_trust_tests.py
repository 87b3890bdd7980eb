"""Tests of the explanation itself: they pass for a right one, fail for a wrong one, and say when they cannot tell."""

import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.faithfulness import deletion_and_insertion
from fxwatch.attribution.integrated import integrated_gradients
from fxwatch.attribution.policy import Explained, Meter
from fxwatch.attribution.randomisation import architecture, parameter_randomisation, random_logit
from fxwatch.attribution.subject import Subject
from fxwatch.attribution.units import Units, spread, sum_over_time
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from tests.policies import Formula, Heads, SmallTransformer, random_states

SHAPES: dict[str, tuple[int, ...]] = {"hf": (6, 5), "portfolio": (2, 3)}


def subject(policy: nn.Module, states: States, target: str = "action_type") -> Subject:
    inputs = tuple(torch.as_tensor(array) for array in states.branches.values())
    with torch.no_grad():
        output = policy.eval()(*inputs)[target].flatten(1)
    choice = output.argmax(1) if output.shape[1] > 1 else torch.zeros(len(output), dtype=torch.long)
    return Subject(
        Explained(policy, target, Meter()),
        inputs,
        choice,
        baselines("background", inputs),
        Units(states.features),
        spread(inputs),
        AnalysisSettings(),
    )


def attributions(asked: Subject) -> Tensor:
    return sum_over_time(integrated_gradients(asked).attributions)


def test_a_right_order_beats_chance_and_its_reverse_loses() -> None:
    asked = subject(SmallTransformer(), random_states(SHAPES))
    right = attributions(asked)
    deletion, insertion = deletion_and_insertion(asked, right)
    assert deletion.value is not None
    assert insertion.value is not None
    assert deletion.value > 2 * (deletion.standard_error or 0)
    assert insertion.value > 2 * (insertion.standard_error or 0)
    backwards, _ = deletion_and_insertion(asked, -right)
    assert (backwards.value or 0) < -2 * (backwards.standard_error or 0)


def test_an_order_by_chance_is_no_better_than_chance() -> None:
    asked = subject(SmallTransformer(), random_states(SHAPES))
    noise = torch.randn(32, 8, generator=torch.Generator().manual_seed(5))
    deletion, _ = deletion_and_insertion(asked, noise)
    assert abs(deletion.value or 0) < 3 * (deletion.standard_error or 0)


def test_deletion_of_a_linear_model_is_what_arithmetic_says() -> None:
    """f = Σ w_j x_j on states ±1 against nought: in the best order the largest terms go first."""
    weights = torch.tensor([8.0, 4.0, 2.0, 1.0])
    states = random_states({"x": (4,)}, count=16)
    states.branches["x"][:] = [[1 if row % 2 else 0.5] * 4 for row in range(16)]
    asked = subject(Formula(lambda x: x @ weights), states)
    centre = baselines("zero", asked.inputs)
    zero = Subject(asked.explained, asked.inputs, asked.choice, centre, asked.units, asked.deviation, asked.settings)
    deletion, insertion = deletion_and_insertion(zero, asked.inputs[0] * weights)
    removed = torch.tensor([8.0, 12.0, 14.0])  # after 1, 2, 3 of 4 units; by chance the mean is a quarter of 15 a unit
    gain = float((removed - 15 * torch.tensor([1.0, 2.0, 3.0]) / 4).mean()) * 0.75
    deviation = float((asked.inputs[0] @ weights).std())
    assert deletion.value == pytest.approx(gain / deviation, rel=0.35)  # two random orders a state
    assert insertion.value == pytest.approx(gain / deviation, rel=0.35)


def test_what_has_no_spread_cannot_be_tested_and_says_so() -> None:
    one = random_states({"x": (2,)}, count=1)
    assert "single state" in (
        deletion_and_insertion(subject(Formula(lambda x: x[:, 0]), one), torch.ones(1, 2))[0].reason or ""
    )
    flat = subject(Formula(lambda x: 0 * x[:, 0]), random_states({"x": (2,)}))
    assert "same at every state" in (deletion_and_insertion(flat, torch.ones(32, 2))[0].reason or "")


def test_a_trained_model_differs_from_shuffled_ones_more_than_they_among_themselves() -> None:
    """A model with one decisive feature: shuffled copies agree with it no more than with each other."""
    policy = SmallTransformer()
    with torch.no_grad():
        policy.hf.weight[:, 1:] *= 0.01
        policy.portfolio.weight.mul_(0.01)
    found = parameter_randomisation(subject(policy, random_states(SHAPES)))
    assert found.value is not None
    assert found.among_random is not None
    assert found.value < found.among_random + 2 * (found.among_random_deviation or 0)


def test_a_model_that_ignores_its_weights_is_found_out() -> None:
    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.idle = nn.Linear(8, 8)

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"action_type": (x * torch.arange(1.0, 6.0)).sum(1, keepdim=True) + 0 * self.idle.weight.sum()}

    found = parameter_randomisation(subject(Fixed(), random_states({"x": (5,)})))
    assert found.value == pytest.approx(1)
    assert found.among_random == pytest.approx(1)


def test_the_model_itself_is_not_shuffled() -> None:
    policy = SmallTransformer()
    before = {name: tensor.clone() for name, tensor in policy.state_dict().items()}
    parameter_randomisation(subject(policy, random_states(SHAPES)))
    assert all(torch.equal(before[name], tensor) for name, tensor in policy.state_dict().items())


def test_an_architecture_is_known_by_its_parameters() -> None:
    assert architecture(SmallTransformer(seed=0)) == architecture(SmallTransformer(seed=1))
    assert architecture(SmallTransformer()) != architecture(SmallTransformer((6, 3)))


def test_actions_that_are_explained_alike_are_found_out() -> None:
    alike = Heads("action_type", lambda x: torch.stack([x[:, 0] + 2 * x[:, 1], 1 + x[:, 0] + 2 * x[:, 1]], 1))
    apart = Heads("action_type", lambda x: torch.stack([x[:, 0] + 2 * x[:, 1], -x[:, 0] - 2 * x[:, 1]], 1))
    states = random_states({"x": (4,)})
    for policy, expected in ((alike, 1.0), (apart, -1.0)):
        asked = subject(policy, states)
        found = random_logit(asked, policy(*asked.inputs)["action_type"])
        assert found.value == pytest.approx(expected, abs=0.3)
    one = subject(Formula(lambda x: x[:, 0]), states)
    assert random_logit(one, torch.zeros(32, 1)).reason == "the target has a single component"


@pytest.mark.parametrize("kind", ["even", "half"])
def test_even_functions_are_explained_rightly_and_trusted(kind: str) -> None:
    """The mean of the states is no state of them: for an even function it is the least output, and not a mean one."""
    policy = Formula(
        (lambda x: x[:, 0] ** 2) if kind == "even" else (lambda x: torch.relu(x[:, 0]) + 0.5 * x[:, 1] ** 2)
    )
    passed = []
    for seed in range(10):
        asked = subject(policy, random_states({"x": (8,)}, seed=seed))
        for found in deletion_and_insertion(asked, attributions(asked)):
            assert found.value is not None
            passed.append(found.value > 2 * (found.standard_error or 0.0))
    assert sum(passed) >= 17  # of twenty; the mean state as the only baseline passes half of them
