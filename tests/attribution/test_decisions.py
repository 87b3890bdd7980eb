"""What leads each decision, held against what should: by hand, and against chance by enumeration."""

from itertools import permutations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxwatch.attribution import explain
from fxwatch.attribution.decisions import decisions
from fxwatch.attribution.units import Units
from fxwatch.records.analysis import Explanation
from fxwatch.records.decisions import Decision
from fxwatch.records.expected_features import EXPECTED_FEATURES, ExpectedFeatures, with_the_guides
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.states import States
from fxwatch.records.thresholds import GradientLimits
from tests.policies import random_states

UNITS = Units(
    {
        "hf": ["price_velocity", "volume_ratio", "spread", "noise"],
        "portfolio": ["cash_ratio", "position_size", "age"],
    }
)
PLAIN = AnalysisSettings(secondary_methods=[], actions=["HOLD", "BUY", "SELL"])


def decided(
    signed: list[list[float]], actions: list[int], expected: ExpectedFeatures = EXPECTED_FEATURES
) -> dict[str, Decision]:
    names = {0: "hold", 1: "Buy", 2: "wait"}
    return decisions(torch.tensor(signed), torch.tensor(actions), UNITS, names, expected)


def test_agreement_by_hand() -> None:
    """Of buying: velocity leads hf, volume is third of four; cash leads its branch, position is second of three."""
    found = decided([[4, 1, -3, 2, 5, 4, 1], [4, 1, -3, 2, 5, -4, 1], [0, 0, 0, 9, 0, 0, 9]], [1, 1, 0])
    buy = found["Buy"]
    assert buy.count == 2
    assert [name for name, _ in buy.features["hf"]] == ["price_velocity", "spread", "noise", "volume_ratio"]
    assert dict(buy.features["hf"])["price_velocity"] == pytest.approx(4 / np.sqrt(16 + 9 + 4 + 1))
    assert buy.signed["hf"]["spread"] == -3
    assert buy.signed["portfolio"]["position_size"] == 0
    velocity, volume = buy.expected["hf"]
    assert (velocity.features, velocity.rank, velocity.leading) == (["price_velocity"], 1, True)
    assert (volume.features, volume.rank, volume.leading) == (["volume_ratio"], 4, False)
    cash, position = buy.expected["portfolio"]
    assert (cash.rank, cash.leading, position.rank, position.leading) == (1, True, 2, True)
    assert set(buy.expected) == {"hf", "portfolio"}
    assert buy.agreement == pytest.approx(3 / 4)
    assert buy.by_chance == pytest.approx((2 / 4 + 2 / 4 + 2 / 3 + 2 / 3) / 4)
    assert buy.reason is None


def test_only_the_states_of_an_action_count_for_it() -> None:
    found = decided([[9, 0, 0, 0, 1, 0, 0], [0, 0, 0, 9, 0, 0, 1]], [1, 0])
    assert found["Buy"].features["hf"][0] == ("price_velocity", 1.0)
    assert found["hold"].features["hf"][0] == ("noise", 1.0)


@pytest.mark.parametrize(("meant", "size"), [(1, 1), (1, 4), (2, 4), (3, 5), (1, 6), (2, 7)])
def test_by_chance_is_the_mean_over_all_orders(meant: int, size: int) -> None:
    names = [*(f"wanted_{place}" for place in range(meant)), *(f"other_{place}" for place in range(size - meant))]
    units = Units({"b": names})
    agreements = []
    chance = None
    for order in permutations(range(1, size + 1)):
        found = decisions(
            torch.tensor([order], dtype=torch.float32), torch.tensor([0]), units, {0: "GO"}, {"GO": {"b": ["wanted"]}}
        )["GO"]
        agreements.append(found.agreement)
        chance = found.by_chance
    assert chance == pytest.approx(np.mean(np.array(agreements, dtype=float)))


def test_at_most_five_lead_a_branch() -> None:
    units = Units({"b": [f"f{place}" for place in range(20)]})
    signed = torch.arange(20, 0, -1.0)[None]
    expected = {"GO": {"b": ["f 4", "f 5"]}}
    found = decisions(signed, torch.tensor([0]), units, {0: "GO"}, expected)["GO"]
    assert [one.leading for one in found.expected["b"]] == [True, False]
    assert len(found.features["b"]) == 5


def test_features_that_the_model_has_not_are_named_and_count_for_nothing() -> None:
    found = decided([[4, 1, -3, 2, 5, 4, 1]], [1], {"BUY": {"hf": ["momentum", "spread"], "mf": ["rsi"]}})["Buy"]
    missing, there = found.expected["hf"]
    assert (missing.features, missing.rank, missing.leading) == ([], None, False)
    assert there.leading
    assert found.agreement == 1
    assert "mf" not in found.expected


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({}, "nothing is known of what should lead this action"),
        ({"WAIT": {"hf": ["momentum"], "mf": ["rsi"]}}, "the model has none of the features"),
        ({"WAIT": {"hf": []}}, "expects nothing of this action"),
    ],
)
def test_where_there_is_no_agreement_the_reason_is_told(expected: ExpectedFeatures, words: str) -> None:
    found = decided([[4, 1, -3, 2, 5, 4, 1]], [2], expected)["wait"]
    assert found.agreement is None
    assert found.by_chance is None
    assert words in (found.reason or "")
    assert found.features["hf"][0][0] == "price_velocity"


def test_attributions_that_are_not_finite_lead_nothing() -> None:
    found = decided([[float("nan")] * 7, [4, 1, -3, 2, 5, 4, 1]], [0, 1])
    assert found["hold"] == Decision(count=1, features={}, reason="its attributions hold NaN or Inf")
    assert found["Buy"].features


class Outputs(nn.Module):
    """Direction from velocity, size from cash; a hidden state, a value, and a size that no gradient reaches."""

    def forward(self, hf: Tensor, portfolio: Tensor) -> dict[str, Tensor]:
        velocity, cash = hf.mean(1)[:, 0], portfolio[:, 0]
        direction = torch.stack([0 * velocity, 3 * velocity, -3 * velocity], 1)
        size = torch.stack([cash, -cash], 1)
        return {
            "action_type": direction,
            "action_size": size,
            "hidden": torch.cat([hf.mean(1), portfolio], 1),
            "action_cut": size.detach(),
            "value": torch.stack([velocity, cash], 1),
        }


def states_of() -> States:
    states = random_states({"hf": (3, 4), "portfolio": (3,)}, count=40)
    return States(states.branches, dict(UNITS.features))


def explained(states: States, **more: object) -> Explanation:
    return explain(Outputs().eval(), states, PLAIN, GradientLimits(), **more)[0]  # type: ignore[arg-type]


def test_every_discrete_output_is_explained_by_its_own_choice() -> None:
    states = states_of()
    found = explained(states).decisions
    assert list(found) == ["BUY", "SELL", "action_size 0", "action_size 1", "action_cut 0", "action_cut 1"]
    velocity = states.branches["hf"][:, :, 0].mean(1)
    cash = states.branches["portfolio"][:, 0]
    assert found["BUY"].count == int((velocity > 0).sum())
    assert found["action_size 0"].count == int((cash > 0).sum())
    assert found["BUY"].features["hf"][0][0] == "price_velocity"
    assert found["BUY"].features["portfolio"][0][1] == 0
    assert found["action_size 1"].features["portfolio"][0] == ("cash_ratio", 1.0)
    assert found["action_size 1"].features["hf"][0][1] == 0
    assert found["action_size 0"].agreement is None
    assert "[decisions]" in (found["action_size 0"].reason or "")


def test_an_output_that_is_cut_from_its_inputs_says_so() -> None:
    cut = explained(states_of()).decisions["action_cut 0"]
    assert cut.features == {}
    assert cut.count > 0
    assert "no gradient" in (cut.reason or "")


def test_the_actions_in_the_dump_decide_also_of_the_other_outputs() -> None:
    states = states_of()
    actions = np.zeros((40, 2), dtype=np.int64)
    actions[:10] = [1, 1]
    found = explained(States(states.branches, states.features, actions)).decisions
    assert {name: one.count for name, one in found.items() if "cut" not in name} == {
        "HOLD": 30,
        "BUY": 10,
        "action_size 0": 30,
        "action_size 1": 10,
    }


def test_continuous_outputs_are_no_decisions() -> None:
    found = explained(states_of(), continuous={"action_size"}).decisions
    assert not [name for name in found if name.startswith("action_size")]


def test_own_expectations_reach_the_explanation() -> None:
    own = with_the_guides({"buy": {"hf": ["noise"]}, "action_size 0": {"portfolio": ["cash"]}})
    found = explained(states_of(), expected=own).decisions
    assert [one.words for one in found["BUY"].expected["hf"]] == ["noise"]
    assert [one.words for one in found["BUY"].expected["portfolio"]] == EXPECTED_FEATURES["BUY"]["portfolio"]
    assert found["action_size 0"].agreement == 1
