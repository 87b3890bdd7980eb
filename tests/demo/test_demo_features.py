from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from fxwatch.demo.bars import Bars, eurusd
from fxwatch.demo.causal import ema, expanding_zscores, lag, trailing
from fxwatch.demo.features import WARM_UP, market_features
from fxwatch.demo.layout import BRANCHES, CLIP, FEATURE_NAMES

Table = NDArray[np.float32]


@pytest.fixture(scope="module")
def bars() -> Bars:
    return eurusd()


@pytest.fixture(scope="module")
def features(bars: Bars) -> dict[str, Table]:
    return market_features(bars)


def test_bars_are_whole_and_in_order(bars: Bars) -> None:
    assert len(bars.close) == 6225
    assert (np.diff(bars.time) > np.timedelta64(0)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert str(bars.time[0]) == "2017-01-01T22:00:00"
    assert bars.close[0] == 1.05227


@pytest.mark.parametrize("now", [0, 500, 2345, 6000])
def test_what_comes_later_changes_nothing_before(bars: Bars, features: dict[str, Table], now: int) -> None:
    rng = np.random.default_rng(now)
    later = np.arange(len(bars.close)) > now
    shaken = replace(
        bars,
        **{
            name: np.where(later, column * rng.uniform(0.5, 2.0, len(column)), column)
            for name in ("open", "high", "low", "close", "volume")
            for column in [getattr(bars, name)]
        },
    )
    for branch, rows in market_features(shaken).items():
        np.testing.assert_array_equal(rows[: now + 1], features[branch][: now + 1])
        if now < 6000:
            assert not np.array_equal(rows[now + 1 :], features[branch][now + 1 :])


def test_a_shorter_history_gives_the_same_rows(bars: Bars, features: dict[str, Table]) -> None:
    names = ("time", "open", "high", "low", "close", "volume")
    short = Bars(*(getattr(bars, name)[:3000] for name in names))
    for branch, rows in market_features(short).items():
        np.testing.assert_allclose(rows, features[branch][:3000], atol=1e-4)


def test_features_are_standardised_and_finite(features: dict[str, Table]) -> None:
    for branch, rows in features.items():
        assert rows.dtype == np.float32
        assert rows.shape == (6225, len(FEATURE_NAMES[branch]))
        assert np.isfinite(rows).all()
        assert np.abs(rows).max() <= CLIP
        live = [i for i, name in enumerate(FEATURE_NAMES[branch]) if name != "planted_constant"]
        seen = rows[WARM_UP:, live]
        assert np.abs(seen.mean(axis=0)).max() < 0.6
        assert seen.std(axis=0).min() > 0.7
        assert seen.std(axis=0).max() < 1.3


def test_windows_begin_after_every_feature_has_begun(bars: Bars, features: dict[str, Table]) -> None:
    for branch, rows in features.items():
        reach = BRANCHES[branch].stride * (BRANCHES[branch].steps - 1)
        assert (rows[WARM_UP - reach] != 0).any()
        assert (np.abs(rows[WARM_UP - reach : WARM_UP]).max(axis=0) > 0).all()


def test_there_are_at_least_thirty_features_and_two_are_planted() -> None:
    names = [name for features in FEATURE_NAMES.values() for name in features]
    assert len(names) >= 30
    assert sorted(name for name in names if name.startswith("planted")) == [
        "planted_constant",
        "planted_unread",
    ]


def test_the_planted_constant_is_constant_and_the_unread_feature_is_not(features: dict[str, Table]) -> None:
    constant = features["mf"][:, FEATURE_NAMES["mf"].index("planted_constant")]
    unread = features["hf"][:, FEATURE_NAMES["hf"].index("planted_unread")]
    assert (constant == 1.0).all()
    assert unread[WARM_UP:].std() > 0.5


def test_trailing_and_lag_look_back_only() -> None:
    series = np.arange(5.0)
    np.testing.assert_array_equal(trailing(series, 3)[2:], [[0, 1, 2], [1, 2, 3], [2, 3, 4]])
    assert np.isnan(trailing(series, 3)[:2]).any(axis=1).all()
    np.testing.assert_array_equal(lag(series, 2), [np.nan, np.nan, 0, 1, 2])


def test_ema_is_the_recursion_with_weights_for_a_short_past() -> None:
    series = np.random.default_rng(0).normal(size=300)
    weights = (1 - 2 / 11) ** np.arange(300)
    expected = [(series[t::-1] * weights[: t + 1]).sum() / weights[: t + 1].sum() for t in range(300)]
    np.testing.assert_allclose(ema(series, 10), expected, atol=1e-3)


def test_ema_passes_over_a_missing_beginning() -> None:
    series = np.concatenate([[np.nan, np.nan], np.full(10, 7.0)])
    assert np.isnan(ema(series, 4)[:2]).all()
    np.testing.assert_allclose(ema(series, 4)[2:], 7.0)


def test_zscores_use_what_was_known_at_the_time() -> None:
    table = np.random.default_rng(0).normal(1e6, 2.0, size=(200, 1))
    table[:3] = np.nan
    scores = expanding_zscores(table, 5.0)
    assert (scores[:4] == 0).all()
    past = table[3:101, 0]
    assert scores[100, 0] == pytest.approx((past[-1] - past.mean()) / past.std(), rel=1e-4)
