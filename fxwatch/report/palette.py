"""Colours that colour-blind people tell apart (after Okabe and Ito, Color Universal Design), and a mark beside each."""

from typing import NamedTuple

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from numpy.typing import NDArray

from fxwatch.records.base import Verdict

PAPER = "#ffffff"
INK = "#1b2129"
MUTED = "#56606b"
RULE = "#cfd6de"
FAINT = "#eef1f4"

RAISES = "#0072b2"
LOWERS = "#c25400"
NEUTRAL = "#4a6074"
EXPECTED = "#d5e3ee"

HEALTHY = "#d9eee6"
DOUBTFUL = "#fbe9c6"
HARMFUL = "#f3cdbd"


class Mark(NamedTuple):
    """How a verdict looks: a symbol that needs no colour, the colours of its chip, and that of a line."""

    symbol: str
    word: str
    fill: str
    ink: str
    line: str


MARKS: dict[Verdict, Mark] = {
    "ok": Mark("✓", "OK", "#00805d", "#ffffff", "#00805d"),
    "warn": Mark("!", "WARN", "#f0b429", "#1b2129", "#b57b00"),
    "bad": Mark("✗", "BAD", "#a4200a", "#ffffff", "#a4200a"),
    "unknown": Mark("?", "UNKNOWN", "#6c7680", "#ffffff", "#6c7680"),
}

_DIVERGING = LinearSegmentedColormap.from_list(
    "lowers to raises",
    ["#6b2c00", "#b35806", "#e58a2c", "#f9c892", "#f7f7f7", "#a9cfe8", "#4a97cb", "#0b62a4", "#083a6e"],
    N=257,  # odd, so that nought has a colour of its own
)
_SEQUENTIAL = LinearSegmentedColormap.from_list("agreement", ["#f7f7f7", "#cfe1ef", "#86b6d9", "#3680b8", "#0b4f87"])
_MISSING = (0.85, 0.85, 0.85)


def diverging(values: NDArray[np.float64], limit: float) -> NDArray[np.uint8]:
    """RGBA of signed numbers: nought is white, ±limit and beyond are the ends, and what is not finite is grey."""
    return _painted(_DIVERGING, values, _scaled(values, limit, -1) / 2 + 0.5)


def sequential(values: NDArray[np.float64], limit: float) -> NDArray[np.uint8]:
    """RGBA of numbers from nought, which is pale, to `limit` and beyond; what is not finite is grey."""
    return _painted(_SEQUENTIAL, values, _scaled(values, limit, 0))


def _scaled(values: NDArray[np.float64], limit: float, least: int) -> NDArray[np.float64]:
    return np.nan_to_num(np.clip(values / limit if limit > 0 else np.zeros_like(values), least, 1))


def _painted(
    colours: LinearSegmentedColormap, values: NDArray[np.float64], places: NDArray[np.float64]
) -> NDArray[np.uint8]:
    found = np.asarray(colours(places), dtype=np.float64)
    found[~np.isfinite(values)] = (*_MISSING, 1.0)
    return np.round(found * 255).astype(np.uint8)


def agreement(correlation: float) -> tuple[str, str]:
    """The colour of a cell, and of the ink that is legible on it."""
    red, green, blue, _ = _SEQUENTIAL(min(max(correlation, 0.0), 1.0))
    fill = f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
    return fill, PAPER if correlation > 0.7 else INK
