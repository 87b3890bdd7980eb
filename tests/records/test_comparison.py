"""What counts as moved between two analyses: the noise band from both sides."""

import math
from typing import Any

import pytest
import scipy.stats
import torch

from fxwatch.attribution.importance import unit_importance
from fxwatch.attribution.units import Units
from fxwatch.records.analysis import Analysis, BranchShare, Stability, StatesUsed, Unit
from fxwatch.records.comparison import FEWEST_STATES, DecisionComparison, compare_importance, rank_correlation, widening
from fxwatch.records.comparison_lines import decision_lines, importance_lines
from tests.analyses import SHARES, analysis


def one_feature(share: float, half: float, **changes: Any) -> Analysis:
    """An analysis whose only feature has a share with a symmetric interval."""
    return analysis(
        units={"hf": {"velocity": Unit(share=share, signed=share, low=share - half, high=share + half)}},
        branches={"hf": BranchShare(share=share, low=share - half, high=share + half)},
        **changes,
    )


def over(count: int, found: Analysis, sha256: str = "1" * 64) -> Analysis:
    return found.model_copy(
        update={"states": StatesUsed(path="states.npz", sha256=sha256, count=count, branches={"hf": (6, 3)})}
    )


def test_a_share_has_moved_only_beyond_both_intervals_together() -> None:
    """Of one feature alone, the band is the root of the squared half-widths: 0.05 for 0.03 and 0.04."""
    band = 0.05
    before = one_feature(0.4, 0.03)
    within = compare_importance(before, one_feature(0.4 + band - 1e-6, 0.04)).units[0]
    beyond = compare_importance(before, one_feature(0.4 + band + 1e-6, 0.04)).units[0]
    assert within.band == beyond.band == pytest.approx(band)
    assert (within.beyond, beyond.beyond) == (False, True)
    down = compare_importance(before, one_feature(0.4 - band - 1e-6, 0.04)).units[0]
    assert down.beyond is True
    assert down.change == pytest.approx(-band, abs=2e-6)
    assert compare_importance(before, one_feature(0.4 - band + 1e-6, 0.04)).units[0].beyond is False


def test_of_uneven_intervals_the_halves_that_face_each_other_count() -> None:
    def skewed(share: float, low: float, high: float) -> Analysis:
        unit = Unit(share=share, signed=0, low=low, high=high)
        return analysis(units={"hf": {"velocity": unit}}, branches={})

    up = compare_importance(skewed(0.3, 0.0, 0.33), skewed(0.5, 0.46, 1.0)).units[0]
    assert up.band == pytest.approx(math.hypot(0.03, 0.04))
    down = compare_importance(skewed(0.5, 0.46, 1.0), skewed(0.3, 0.0, 0.33)).units[0]
    assert down.band == pytest.approx(up.band)


@pytest.mark.parametrize("tried", [1, 7, 100])
@pytest.mark.parametrize("states", [8, 32, 256])
def test_the_band_is_widened_for_the_number_of_features(tried: int, states: int) -> None:
    """Bonferroni: each of n is held against the level 0.05 / n, by Student's quantiles."""
    wide, narrow = scipy.stats.t.ppf([1 - 0.025 / tried, 0.975], states - 1)
    assert widening(tried, states) == pytest.approx(wide / narrow, rel=0.1 if states < 32 else 0.002)


def test_each_feature_is_held_against_all_that_are_tried() -> None:
    units = {f"f{place}": Unit(share=0.05, signed=0, low=0, high=0.1) for place in range(20)}
    found = analysis(units={"hf": units}, branches={})
    assert compare_importance(found, found).units[0].band == pytest.approx(
        math.hypot(0.05, 0.05) * (widening(20, 32) or 0)
    )


def test_sampling_noise_alone_seldom_moves_anything() -> None:
    """Over other states of the same kind, one comparison in twenty at most may find a feature that moved."""
    units = Units({"hf": [f"f{place}" for place in range(8)]})
    sizes = torch.linspace(0.2, 2, 8)
    louder = sizes * torch.tensor([1, 1, 1, 2.5, 1, 1, 1, 1])
    alarms = found = 0
    for seed in range(60):
        generator = torch.Generator().manual_seed(seed)
        first, second, third = (
            analysis(units=unit_importance(torch.randn(32, 8, generator=generator) * size, units)[0], branches={})
            for size in (sizes, sizes, louder)
        )
        alarms += any(unit.beyond for unit in compare_importance(first, second).units)
        found += compare_importance(first, third).units[0].feature == "f3"
    assert alarms <= 5
    assert found >= 45


def test_the_same_analysis_twice_has_not_moved() -> None:
    found = compare_importance(analysis(), analysis())
    assert not any(unit.beyond or unit.change for unit in found.units)
    assert len(found.units) == sum(len(units) for units in SHARES.values())
    assert found.spearman == pytest.approx(1)
    assert (found.findings, found.notes, found.only_a, found.only_b) == ([], [], [], [])
    assert "The findings are the same" in importance_lines(found)


def test_what_moved_comes_first_and_then_the_furthest() -> None:
    def shares(a: float, b: float, c: float) -> Analysis:
        units = {
            "sure": Unit(share=a, signed=0, low=a - 0.001, high=a + 0.001),
            "unsure": Unit(share=b, signed=0, low=b - 0.5, high=b + 0.5),
            "still": Unit(share=c, signed=0, low=c - 0.5, high=c + 0.5),
        }
        return analysis(units={"hf": units}, branches={})

    found = compare_importance(shares(0.3, 0.3, 0.4), shares(0.35, 0.2, 0.45))
    assert [(unit.feature, unit.beyond) for unit in found.units] == [
        ("sure", True),
        ("unsure", False),
        ("still", False),
    ]
    lines = importance_lines(found)
    assert next(line for line in lines if "moved beyond the noise:" in line).endswith(": 1")
    assert next(line for line in lines if "hf/sure" in line).split()[-2] == "+5.0"


def test_ranks_are_held_against_the_noise_of_both_analyses() -> None:
    def with_null(null: float | None) -> Analysis:
        return analysis(stability=Stability(null_low=null))

    units = {"hf": {name: Unit(share=share, signed=0, low=0, high=1) for name, share in (("a", 0.6), ("b", 0.4))}}
    turned = {"hf": {name: Unit(share=share, signed=0, low=0, high=1) for name, share in (("a", 0.4), ("b", 0.6))}}
    before = analysis(units=units, branches={}, stability=Stability(null_low=-0.5))
    moved = compare_importance(before, analysis(units=turned, branches={}, stability=Stability(null_low=0.9)))
    assert moved.spearman == pytest.approx(-1)
    assert (moved.null_low, moved.beyond) == (-0.5, True)
    assert "beyond the noise, which leaves at least -0.500" in importance_lines(moved)[2]
    still = compare_importance(with_null(0.8), with_null(0.9))
    assert (still.null_low, still.beyond) == (0.8, False)
    assert compare_importance(with_null(0.8), with_null(None)).beyond is None


def test_of_few_states_nothing_is_said_to_have_moved() -> None:
    enough = compare_importance(over(FEWEST_STATES, one_feature(0.1, 0.01)), over(32, one_feature(0.9, 0.01)))
    few = compare_importance(over(FEWEST_STATES - 1, one_feature(0.1, 0.01)), over(32, one_feature(0.9, 0.01)))
    assert enough.units[0].beyond is True
    assert (few.units[0].beyond, few.units[0].band, few.branches[0].beyond) == (None, None, None)
    assert few.notes == [f"fewer than {FEWEST_STATES} states: how far noise moves a share is not known"]
    assert any("how far noise moves them is not known" in line for line in importance_lines(few))


def test_branches_are_held_against_their_own_intervals() -> None:
    moved = compare_importance(one_feature(0.4, 0.03), one_feature(0.46, 0.04)).branches[0]
    assert moved.change == pytest.approx(0.06)
    assert moved.band == pytest.approx(0.05)
    assert moved.beyond is True
    assert compare_importance(one_feature(0.4, 0.03), one_feature(0.44, 0.04)).branches[0].beyond is False
    unknown = compare_importance(analysis(branches={"hf": BranchShare()}), analysis()).branches[0]
    assert (unknown.change, unknown.beyond) == (None, None)


def test_features_of_one_side_and_other_conditions_are_told() -> None:
    found = compare_importance(over(32, one_feature(0.5, 0.1)), over(32, analysis(), sha256="2" * 64))
    assert found.only_a == [("hf", "velocity")]
    assert ("portfolio", "cash_ratio") in found.only_b
    assert any("different states" in note for note in found.notes)
    lines = importance_lines(found)
    assert "  only in A: hf/velocity" in lines
    assert any(line.startswith("Note: they were made over different states") for line in lines)


def test_findings_that_came_went_or_changed_are_told() -> None:
    healthy = analysis()
    few = analysis(
        quality=healthy.quality.model_copy(
            update={"sparsity": healthy.quality.sparsity.model_copy(update={"value": 0.05})}
        )
    )
    came, went = compare_importance(healthy, few).findings, compare_importance(few, healthy).findings
    assert [(one.metric, one.a, one.b) for one in came] == [("sparsity", None, "warn")]
    assert [(one.metric, one.a, one.b) for one in went] == [("sparsity", "warn", None)]
    assert importance_lines(compare_importance(healthy, few))[-1].split()[:2] == ["new", "warn:"]
    assert importance_lines(compare_importance(few, healthy))[-1].split()[:2] == ["gone", "warn:"]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
        ([1, 1, 2], [1, 2, 3], math.sqrt(3) / 2),  # ties share their mean rank
        ([1, 1, 1], [1, 2, 3], None),
        ([1], [1], None),
        ([], [], None),
    ],
)
def test_rank_correlation(first: list[float], second: list[float], expected: float | None) -> None:
    found = rank_correlation(first, second)
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_long_list_of_contributions_ends_in_their_sum() -> None:
    features = [("hf", f"f{place}", 30.0 - place) for place in range(25)]
    found = DecisionComparison(
        target="action_type",
        scalar="the logit of BUY",
        action_a="BUY",
        action_b="BUY",
        value_a=2.0,
        value_b=1.0,
        change=1.0,
        contributions={"hf": {name: value for _, name, value in features}},
        key_discriminative_features=features,
        completeness_error=1e-7,
        gradients=33,
    )
    lines = decision_lines(found, "s.npz:0", "s.npz:1")
    assert lines[0] == "A  s.npz:0: BUY"
    assert lines[-1].split() == ["5", "more", "+40"]
