"""Where each method puts a feature, held against places worked out by hand."""

import torch

from fxwatch.attribution.ranks import ranks_by_method
from fxwatch.attribution.units import Units
from fxwatch.records.ranks import LISTED, FeatureRanks, outlying

UNITS = Units({"hf": ["a", "b", "c"], "portfolio": ["d", "e"]})
VOTERS = {
    "integrated_gradients": torch.tensor([[4.0, -1.0, 2.0, 0.0, 3.0], [-4.0, 1.0, 2.0, 0.0, 3.0]]),
    "saliency": torch.tensor([[1.0, 1.0, 2.0, 5.0, 0.0]] * 2),
}


def test_places_by_method() -> None:
    found = [(one.branch, one.feature, one.ranks) for one in ranks_by_method(VOTERS, UNITS)]
    assert found == [
        ("hf", "a", {"integrated_gradients": 1, "saliency": 3}),  # signs that change do not cancel
        ("portfolio", "e", {"integrated_gradients": 2}),  # saliency gives it nothing
        ("hf", "c", {"integrated_gradients": 3, "saliency": 2}),
        ("hf", "b", {"integrated_gradients": 4, "saliency": 3}),  # shares the third place with a
        ("portfolio", "d", {"saliency": 1}),
    ]
    assert ranks_by_method({}, UNITS) == []


def test_of_many_features_those_are_kept_that_any_method_puts_highest() -> None:
    units = Units({"hf": [f"f{place}" for place in range(60)]})
    upwards = torch.arange(1.0, 61.0)[None]
    found = ranks_by_method({"integrated_gradients": upwards, "saliency": upwards.flip(1)}, units)
    assert len(found) == LISTED
    kept = {int(one.feature[1:]) for one in found}
    assert kept == {*range(10), *range(50, 60)}
    assert found[0].ranks == {"integrated_gradients": 1, "saliency": 60}


def test_a_disagreement_is_a_first_quarter_against_a_lower_half() -> None:
    def against(**ranks: int) -> list[str]:
        return outlying(FeatureRanks(branch="hf", feature="a", ranks=ranks), ["one", "two"], 40)

    assert against(one=10, two=20) == []
    assert against(one=10, two=21) == ["two"]
    assert against(one=11, two=40) == []
    assert against(one=1) == ["two"]
