"""Gauges, bars, trends and charts, in plain text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxwatch.records.analysis import BranchShare
from fxwatch.records.thresholds import AtLeast, AtMost, Band, Between, Thresholds
from fxwatch.tui.view.branch_bar import branch_bar, interval_bar, longest_share
from fxwatch.tui.view.gauge import gauge, ticks
from fxwatch.tui.view.log_chart import LogScale, dots
from fxwatch.tui.view.text import plain, width_of
from fxwatch.tui.view.trend import trend

LIMITS = Thresholds()


def test_a_gauge_shows_zones_and_the_value() -> None:
    assert plain([gauge(0.85, "ok", LIMITS.consensus, 20)]) == "┄┄┄┄┄┄┄┄──────━━●━━━"
    assert plain([gauge(0.526, "bad", LIMITS.infidelity, 12)]) == "━━━───┄┄┄┄┄▸"
    assert plain([gauge(-0.3, "bad", LIMITS.consensus, 12)]) == "◂┄┄┄┄───━━━━"
    assert plain([gauge(None, "unknown", LIMITS.consensus, 5)]) == "·····"
    assert gauge(0.5, "ok", LIMITS.consensus, 2) == ()


@given(st.floats(-1e6, 1e6), st.integers(3, 60))
def test_a_gauge_has_its_width(value: float, width: int) -> None:
    for limit in (LIMITS.consensus, LIMITS.sparsity, LIMITS.concentration, LIMITS.infidelity):
        assert width_of(gauge(value, limit.judge(value)[0], limit, width)) == width


def test_limits_in_words() -> None:
    assert ticks(AtLeast(ok=0.7, bad=0.4)) == "ok from 0.7, bad below 0.4"
    assert ticks(AtMost(ok=0.05, bad=0.1)) == "ok to 0.05, bad above 0.1"
    assert ticks(Between(low=0.1, high=0.6)) == "ok 0.1 to 0.6"
    assert ticks(Between(low=0.05, bad_high=0.5)) == "ok 0.05 to 0.5, bad above"


def test_branch_bars_show_the_expected_band() -> None:
    def bar(share: float) -> str:
        return plain([branch_bar(BranchShare(share=share, expected=Band(low=0.2, high=0.4)), 1.0, 20)])

    assert bar(0.1) == "██  ░░░░"
    assert bar(0.3) == "████▓▓░░"
    assert bar(0.5) == "████▓▓▓▓██"
    assert bar(0.0) == "    ░░░░"
    assert plain([branch_bar(BranchShare(), 1.0, 20)]) == ""
    assert interval_bar(BranchShare(share=0.3, low=0.2, high=0.4), 1.0, 20) == "    └───┘           "


def test_the_scale_of_shares() -> None:
    assert longest_share([]) == 0.25
    assert longest_share([BranchShare(share=0.4, expected=Band(low=0.4, high=0.6))]) == 0.75
    assert longest_share([BranchShare(share=0.9)]) == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.integers(4, 60))
def test_a_branch_bar_never_outgrows_its_room(share: float, low: float, width: int) -> None:
    branch = BranchShare(share=share, expected=Band(low=min(low, 0.9), high=1.0))
    assert width_of(branch_bar(branch, 1.0, width)) <= width


def test_trends() -> None:
    assert trend([0.0, 1.0, None, 2.0], 6, 0.1) == "  ▁▅ █"
    assert trend([0.5, 0.5001], 2, 0.1) == "▅▅"  # noise is flat
    assert trend([], 4, 0.1) == "    "
    assert trend([None], 4, 0.1) == "    "
    assert trend([1.0] * 9, 3, 0.0) == "▁▁▁"


def test_a_log_chart_sets_beyond_the_limits_apart() -> None:
    rows = dots([1e5, 1.0, 0.0, 1e-9], LogScale(1e-7, 1e3, 5), 4)
    assert [bool(row.strip()) for row in rows] == [True, True, False, False, True]
    assert rows[0][0] != " "
    assert rows[4][2] != " "
    assert dots([], LogScale(1e-7, 1e3, 5), 4) == ["    "] * 5


def test_a_log_chart_keeps_the_worst_of_many() -> None:
    values = [1.0] * 500
    values[300] = 1e-9
    assert dots(values, LogScale(1e-7, 1e3, 5), 10)[4].strip()


@pytest.mark.parametrize("low", [0.0, 1e-7, 1e3])
def test_odd_limits_do_no_harm(low: float) -> None:
    assert len(dots([0.0, 1.0, 1e308], LogScale(low, 1e3, 5), 3)) == 5
