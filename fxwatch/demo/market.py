"""The environment: trade one window of the history, an hour a step."""

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from fxwatch.demo.account import LEVERAGE, Account
from fxwatch.demo.bars import Bars
from fxwatch.demo.features import WARM_UP, market_features
from fxwatch.demo.layout import ACTION_TYPES, BRANCHES, CLIP, SIZES, action_space, observation_space

Observation = dict[str, NDArray[np.float32]]
Action = NDArray[np.int64]

TYPICAL_MOVE = 0.001
"""An hour's ordinary price change: a full position that gains this much earns a reward of 1."""

MARGIN_CALL = 0.8
"""Equity below this ends the episode, as a broker would."""

_DIRECTION = tuple({"HOLD": 0.0, "BUY": 1.0, "SELL": -1.0}[name] for name in ACTION_TYPES)


@dataclass(frozen=True, slots=True)
class History:
    """Closing prices (bars,) and features `{branch: (bars, features)}`; trading may begin at bar `first`."""

    close: NDArray[np.float64]
    features: Observation
    first: int

    @classmethod
    def of(cls, bars: Bars) -> "History":
        """Compute all features of `bars`, once."""
        return cls(bars.close, market_features(bars), WARM_UP)


class Market(gym.Env[dict[str, Any], Action]):
    """Episodes of `hours` steps at random places of the history.

    An order is filled at the close of the bar that the policy has just seen. The reward is the change of
    equity over the next hour, spread paid, where 1 is what a full position earns on an ordinary move.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, history: History, hours: int = 240) -> None:
        self.observation_space = observation_space()
        self.action_space = action_space()
        self._close: list[float] = history.close.tolist()
        self._windows = [
            (name, rows, BRANCHES[name].stride, BRANCHES[name].stride * (BRANCHES[name].steps - 1))
            for name, rows in history.features.items()
        ]
        self._hours = hours
        self._starts = (history.first, len(self._close) - hours)
        if self._starts[0] >= self._starts[1]:
            raise ValueError(f"{len(self._close)} bars hold no {hours} hours from bar {history.first}")
        portfolio = BRANCHES["portfolio"]
        self._portfolio = np.zeros((portfolio.steps, len(portfolio.features)), np.float32)
        self._bar = self._end = self._starts[0]
        self.account = Account()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin flat at a random bar, or at bar `options["bar"]`."""
        super().reset(seed=seed)
        chosen = (options or {}).get("bar")
        self._bar = int(self.np_random.integers(*self._starts)) if chosen is None else int(chosen)
        self._end = self._bar + self._hours
        self.account = Account()
        self._portfolio[:] = self._state(0.0)
        return self._observation(), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Carry out one order and let the hour that follows it pass."""
        account = self.account
        before, after = self._close[self._bar], self._close[self._bar + 1]
        held, worth = account.position, account.equity
        order = _DIRECTION[int(action[0])] * SIZES[int(action[1])]
        account.trade(min(max(held + order, -1.0), 1.0), before)
        traded = account.position - held
        account.mark(before, after)
        self._bar += 1
        self._portfolio[:-1] = self._portfolio[1:]
        self._portfolio[-1] = self._state(traded)
        reward = (account.equity - worth) / (LEVERAGE * TYPICAL_MOVE)
        return self._observation(), reward, account.equity < MARGIN_CALL, self._bar >= self._end, {}

    def _state(self, traded: float) -> list[float]:
        """Describe the portfolio in the order of its features, each scaled to about one and within ±CLIP."""
        account = self.account
        profit = 100 * account.open_profit(self._close[self._bar]) / 0.25
        return [
            min(max(profit, -CLIP), CLIP),
            1.0 - abs(account.position),
            min(account.hours_held / 24, CLIP),
            account.position,
            min(max((account.equity - 1.0) / 0.05, -CLIP), CLIP),
            traded,
        ]

    def _observation(self) -> Observation:
        """Copy what can be seen, so that nobody can write into the history."""
        now = self._bar
        seen = {name: rows[now - reach : now + 1 : step].copy() for name, rows, step, reach in self._windows}
        seen["portfolio"] = self._portfolio.copy()
        return seen
