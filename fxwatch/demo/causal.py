"""Statistics of the past: row t of every result depends on rows up to t alone.

Rows that have not enough past are NaN.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Series = NDArray[np.float64]


def trailing(series: Series, length: int) -> Series:
    """Return (bars, length): row t holds the `length` values that end with t."""
    padded = np.concatenate([np.full(length - 1, np.nan), series])
    return sliding_window_view(padded, length)


def lag(series: Series, bars: int) -> Series:
    """Return the value `bars` ago."""
    return np.concatenate([np.full(bars, np.nan), series[:-bars]])


def change(series: Series, bars: int) -> Series:
    """Return the difference from the value `bars` ago."""
    return series - lag(series, bars)


def ema(series: Series, span: float) -> Series:
    """Return the exponential moving average, alpha = 2 / (span + 1), over what past there is.

    The weights are cut off where the rest is below 0.01 %, which makes it one convolution.
    """
    decay = 1 - 2 / (span + 1)
    weights = decay ** np.arange(np.ceil(np.log(1e-4) / np.log(decay)))
    known = np.isfinite(series)
    total = np.convolve(np.where(known, series, 0.0), weights)[: len(series)]
    weight = np.convolve(known.astype(np.float64), weights)[: len(series)]
    return _ratio(total, np.where(known, weight, np.nan))


def expanding_zscores(table: Series, clip: float) -> NDArray[np.float32]:
    """Return columns of (bars, features) less their mean, over their deviation so far, within ±clip.

    NaN, and a column that has not varied yet, become 0.
    """
    known = np.isfinite(table)
    # Squares of a column far from nought would swallow its variance: each is moved by its first known value.
    first = table[known.argmax(axis=0), np.arange(table.shape[1])]
    moved = np.where(known, table - first, 0.0)
    count = np.maximum(known.cumsum(axis=0), 1)
    mean = moved.cumsum(axis=0) / count
    variance = np.maximum((moved**2).cumsum(axis=0) / count - mean**2, 0.0)
    scores = _ratio(moved - mean, np.sqrt(variance))
    return np.clip(np.where(known & np.isfinite(scores), scores, 0.0), -clip, clip).astype(np.float32)


def _ratio(numerator: Series, denominator: Series) -> Series:
    """Divide, NaN where the denominator is nought."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator != 0)
