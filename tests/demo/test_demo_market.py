import warnings

import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env

from fxwatch.demo.account import LEVERAGE, SPREAD, Account
from fxwatch.demo.bars import eurusd
from fxwatch.demo.features import WARM_UP
from fxwatch.demo.layout import BRANCHES, FEATURE_NAMES
from fxwatch.demo.market import TYPICAL_MOVE, Action, History, Market

HOLD, BUY, SELL = 0, 1, 2
HALF, FULL = 1, 3


@pytest.fixture(scope="module")
def history() -> History:
    return History.of(eurusd())


def hand_made(*close: float) -> Market:
    """An environment that begins at the first of these prices, with market features of nought."""
    before = 200
    prices = np.array([close[0]] * before + list(close))
    features = {
        name: np.zeros((len(prices), len(branch.features)), np.float32)
        for name, branch in BRANCHES.items()
        if name != "portfolio"
    }
    market = Market(History(prices, features, before), hours=len(close) - 1)
    market.reset(options={"bar": before})
    return market


def action(kind: int, size: int) -> Action:
    return np.array([kind, size])


def test_stable_baselines_accepts_the_environment(history: History) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(Market(history), warn=False)


def test_observations_stay_in_their_space(history: History) -> None:
    market = Market(history, hours=100)
    market.action_space.seed(0)
    market.reset(seed=0)
    steps = 0
    for _ in range(1000):
        seen, reward, terminated, truncated, _ = market.step(market.action_space.sample())
        steps += 1
        assert market.observation_space.contains(seen)
        assert np.isfinite(reward)
        if terminated or truncated:
            assert terminated or steps == 100
            market.reset()
            steps = 0


def test_windows_end_with_the_bar_that_has_just_closed(history: History) -> None:
    market = Market(history)
    seen, _ = market.reset(options={"bar": 2000})
    for name, rows in history.features.items():
        branch = BRANCHES[name]
        np.testing.assert_array_equal(seen[name][-1], rows[2000])
        np.testing.assert_array_equal(seen[name][0], rows[2000 - branch.stride * (branch.steps - 1)])
    moved, *_ = market.step(action(HOLD, FULL))
    np.testing.assert_array_equal(moved["hf"][-1], history.features["hf"][2001])
    np.testing.assert_array_equal(moved["hf"][-2], seen["hf"][-1])


def test_episodes_fit_into_the_history(history: History) -> None:
    market = Market(history, hours=len(history.close) - 1 - WARM_UP)
    market.reset(seed=3)
    steps, over = 0, False
    while not over:
        *_, over, _ = market.step(action(HOLD, FULL))
        steps += 1
    assert steps == len(history.close) - 1 - WARM_UP
    with pytest.raises(ValueError, match="6225 bars"):
        Market(history, hours=len(history.close) - WARM_UP)


def test_profit_and_cost_on_a_hand_made_path() -> None:
    market = hand_made(1.00, 1.01, 1.01, 0.99, 0.99)
    unit = LEVERAGE * TYPICAL_MOVE

    _, reward, *_ = market.step(action(BUY, HALF))
    equity = 1 + LEVERAGE * 0.5 * (0.01 - SPREAD / 2)
    assert market.account.equity == pytest.approx(equity)
    assert reward == pytest.approx((equity - 1) / unit)

    _, reward, *_ = market.step(action(HOLD, FULL))
    assert reward == 0.0

    _, reward, *_ = market.step(action(SELL, FULL))
    loss = LEVERAGE * (-0.5 * (0.99 / 1.01 - 1) - 1.0 * SPREAD / 2 / 1.01)
    assert market.account.position == -0.5
    assert reward == pytest.approx(loss / unit)

    *_, terminated, truncated, _ = market.step(action(BUY, HALF))
    assert market.account.position == 0.0
    assert (terminated, truncated) == (False, True)


def test_rewards_add_up_to_the_gain() -> None:
    prices = 1.1 * np.exp(0.001 * np.random.default_rng(0).normal(size=60).cumsum())
    market = hand_made(*prices)
    market.action_space.seed(0)
    total = sum(float(market.step(market.action_space.sample())[1]) for _ in range(59))
    assert total * LEVERAGE * TYPICAL_MOVE == pytest.approx(market.account.equity - 1.0)


def test_the_position_is_limited_and_only_what_is_traded_costs() -> None:
    market = hand_made(1.0, 1.0, 1.0, 1.0)
    market.step(action(BUY, FULL))
    market.step(action(BUY, FULL))
    assert market.account.position == 1.0
    assert market.account.equity == pytest.approx(1 - LEVERAGE * SPREAD / 2)


def test_a_margin_call_ends_the_episode() -> None:
    market = hand_made(1.0, 0.97, 0.97, 0.97)
    _, _, terminated, truncated, _ = market.step(action(BUY, FULL))
    assert (terminated, truncated) == (True, False)


def test_the_portfolio_shows_the_last_four_states() -> None:
    market = hand_made(1.0, 1.001, 1.002, 1.002, 1.002)
    names = FEATURE_NAMES["portfolio"]
    market.step(action(BUY, HALF))
    seen, *_ = market.step(action(HOLD, FULL))
    portfolio = {name: seen["portfolio"][:, i] for i, name in enumerate(names)}
    np.testing.assert_allclose(portfolio["position"], [0, 0, 0.5, 0.5])
    np.testing.assert_allclose(portfolio["cash_ratio"], [1, 1, 0.5, 0.5])
    np.testing.assert_allclose(portfolio["last_trade"], [0, 0, 0.5, 0])
    np.testing.assert_allclose(portfolio["position_pnl_percent"], [0, 0, 0.4, 0.8], rtol=1e-4)
    np.testing.assert_allclose(portfolio["position_hold_time"], [0, 0, 1 / 24, 2 / 24], rtol=1e-6)


def test_the_entry_is_the_average_of_what_was_bought() -> None:
    account = Account()
    account.trade(0.5, 1.0)
    account.trade(1.0, 1.2)
    assert account.entry == pytest.approx(1.1)
    account.trade(0.25, 1.3)
    assert account.entry == pytest.approx(1.1)
    account.trade(-0.5, 1.3)
    assert account.entry == 1.3
    assert account.open_profit(1.17) == pytest.approx(0.1)


def test_a_reset_with_a_seed_repeats(history: History) -> None:
    first, _ = Market(history).reset(seed=5)
    again, _ = Market(history).reset(seed=5)
    np.testing.assert_array_equal(first["hf"], again["hf"])


def test_nobody_can_write_into_the_history(history: History) -> None:
    market = Market(history)
    seen, _ = market.reset(options={"bar": 2000})
    kept = history.features["lf"][2000].copy()
    seen["lf"][:] = 9
    np.testing.assert_array_equal(history.features["lf"][2000], kept)
