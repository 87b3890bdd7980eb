"""Market features of the three price branches, from bars to standardised arrays.

Every feature is causal: its row t is known when bar t has closed. Spans of `mf` are in four-hour units and
those of `lf` in days, measured backwards from every single hour; the window then takes every 4th or 24th row.
"""

import numpy as np
from numpy.typing import NDArray

from fxwatch.demo.bars import Bars
from fxwatch.demo.causal import Series, change, ema, expanding_zscores, lag, trailing
from fxwatch.demo.layout import BRANCHES, CLIP

WARM_UP = 1000
"""Before this bar some window would reach back to rows whose statistics rest on too little."""

MF, DAY = 4, 24


def market_features(bars: Bars) -> dict[str, NDArray[np.float32]]:
    """Return `{branch: (bars, features)}` within ±CLIP, each feature standardised by its own past."""
    tables = {"hf": _hf(bars), "mf": _mf(bars), "lf": _lf(bars)}
    scores = {
        branch: expanding_zscores(np.stack([table[name] for name in BRANCHES[branch].features], axis=1), CLIP)
        for branch, table in tables.items()
    }
    # A constant has no z-score. One that is not 0 is the harder test of a method that explains against zeros.
    scores["mf"][:, BRANCHES["mf"].features.index("planted_constant")] = 1.0
    return scores


def _hf(bars: Bars) -> dict[str, Series]:
    """Describe the last hours: how fast, how wide and how busy."""
    velocity = change(np.log(bars.close), 1)
    height = np.maximum(bars.high - bars.low, 1e-5)
    upper = bars.high - np.maximum(bars.open, bars.close)
    lower = np.minimum(bars.open, bars.close) - bars.low
    volume = np.log(bars.volume)
    hour = (bars.time.astype("datetime64[h]").astype(np.int64) % 24) * (2 * np.pi / 24)
    return {
        "price_velocity": velocity,
        "price_acceleration": change(velocity, 1),
        "volume_ratio": volume - trailing(volume, 24).mean(axis=1),
        "bar_range": np.log(height / bars.close),
        "wick_imbalance": (lower - upper) / height,
        "close_location": (bars.close - bars.low) / height,
        "realized_volatility": np.log(trailing(velocity, 8).std(axis=1) + 1e-6),
        "hour_sine": np.sin(hour),
        "hour_cosine": np.cos(hour),
        "planted_unread": (bars.close - bars.open) / bars.close,
    }


def _mf(bars: Bars) -> dict[str, Series]:
    """Compute technical indicators with their usual spans, in units of four hours."""
    close, volume = bars.close, np.log(bars.volume)
    highest, lowest = trailing(bars.high, 14 * MF).max(axis=1), trailing(bars.low, 14 * MF).min(axis=1)
    true_range = ema(trailing(bars.high, MF).max(axis=1) - trailing(bars.low, MF).min(axis=1), 14 * MF)
    fast, slow = ema(close, 12 * MF), ema(close, 26 * MF)
    cross = (fast - slow) / true_range
    middle, deviation = trailing(close, 20 * MF).mean(axis=1), trailing(close, 20 * MF).std(axis=1)
    strength = _rsi(close)
    # In units near one, as the RSI's change in tens is: what is left is the move that the RSI did not follow.
    moved = change(close, 10 * MF) / (true_range * np.sqrt(10))
    return {
        "ema_cross_signal": cross,
        "ema_slope": change(fast, MF) / true_range,
        "macd_histogram": cross - ema(cross, 9 * MF),
        "rsi": strength,
        "rsi_divergence": moved - change(strength, 10 * MF) / 10,
        "bollinger_position": (close - middle) / (2 * deviation),
        "bollinger_width": np.log(4 * deviation / middle),
        "stochastic_position": (close - lowest) / (highest - lowest),
        "average_true_range": np.log(true_range / close),
        "volume_trend": ema(volume, 5 * MF) - ema(volume, 20 * MF),
        "planted_constant": np.ones_like(close),
    }


def _rsi(close: Series) -> Series:
    """Compute the relative strength index, 0 to 100, over 14 units (Wilder 1978: smoothing 1/14, span 27)."""
    move = change(close, MF)
    gain, loss = ema(np.maximum(move, 0.0), 27 * MF), ema(np.maximum(-move, 0.0), 27 * MF)
    return 100 * gain / (gain + loss)


def _lf(bars: Bars) -> dict[str, Series]:
    """Measure levels of the last ten trading days, and the trend of the last twenty."""
    close, velocity = bars.close, change(np.log(bars.close), 1)
    day_range = ema(trailing(bars.high, DAY).max(axis=1) - trailing(bars.low, DAY).min(axis=1), 10 * DAY)
    highs, lows = trailing(bars.high, 10 * DAY), trailing(bars.low, 10 * DAY)
    resistance, support = highs.max(axis=1), lows.min(axis=1)
    near = day_range / 4
    today, usual = trailing(velocity, DAY).std(axis=1), trailing(velocity, 20 * DAY).std(axis=1)
    path = trailing(np.abs(change(close, 1)), 10 * DAY).sum(axis=1)
    return {
        "support_distance": (close - support) / day_range,
        "resistance_distance": (resistance - close) / day_range,
        "support_strength": (lows < (support + near)[:, None]).mean(axis=1),
        "resistance_strength": (highs > (resistance - near)[:, None]).mean(axis=1),
        # Kaufman's efficiency ratio with its sign: 1 is a straight way up.
        "trend_strength": (close - lag(close, 10 * DAY)) / path,
        "daily_return": change(np.log(close), DAY),
        "moving_average_distance": (close - trailing(close, 20 * DAY).mean(axis=1)) / day_range,
        "volatility_regime": np.log(today / usual),
    }
