"""What the policy sees and does: branches, their features and windows, and the spaces made of them."""

from dataclasses import dataclass

import numpy as np
from gymnasium import spaces

CLIP = 5.0
"""Every feature lies within ±CLIP."""

ACTION_TYPES = ("HOLD", "BUY", "SELL")
SIZES = (0.25, 0.5, 0.75, 1.0)
"""How far an order moves the position, as fractions of the largest position allowed."""


@dataclass(frozen=True, slots=True)
class Branch:
    """`steps` rows of `features`, `stride` hours apart, newest last; `unread` ones never reach the policy."""

    features: tuple[str, ...]
    steps: int
    stride: int
    unread: tuple[str, ...] = ()


BRANCHES = {
    "hf": Branch(
        features=(
            "price_velocity",
            "price_acceleration",
            "volume_ratio",
            "bar_range",
            "wick_imbalance",
            "close_location",
            "realized_volatility",
            "hour_sine",
            "hour_cosine",
            "planted_unread",
        ),
        steps=16,
        stride=1,
        unread=("planted_unread",),
    ),
    "mf": Branch(
        features=(
            "ema_cross_signal",
            "ema_slope",
            "macd_histogram",
            "rsi",
            "rsi_divergence",
            "bollinger_position",
            "bollinger_width",
            "stochastic_position",
            "average_true_range",
            "volume_trend",
            "planted_constant",
        ),
        steps=12,
        stride=4,
    ),
    "lf": Branch(
        features=(
            "support_distance",
            "resistance_distance",
            "support_strength",
            "resistance_strength",
            "trend_strength",
            "daily_return",
            "moving_average_distance",
            "volatility_regime",
        ),
        steps=8,
        stride=24,
    ),
    "portfolio": Branch(
        features=(
            "position_pnl_percent",
            "cash_ratio",
            "position_hold_time",
            "position",
            "equity_change",
            "last_trade",
        ),
        steps=4,
        stride=1,
    ),
}

FEATURE_NAMES = {name: list(branch.features) for name, branch in BRANCHES.items()}


def observation_space() -> spaces.Dict:
    """Make one float32 box of shape (steps, features) a branch."""
    return spaces.Dict(
        {
            name: spaces.Box(-CLIP, CLIP, (branch.steps, len(branch.features)), np.float32)
            for name, branch in BRANCHES.items()
        }
    )


def action_space() -> spaces.MultiDiscrete:
    """Make the pair (action type, size), indices into ACTION_TYPES and SIZES."""
    return spaces.MultiDiscrete([len(ACTION_TYPES), len(SIZES)])
