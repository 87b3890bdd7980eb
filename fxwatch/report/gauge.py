"""A limit as something to look at: zones along an axis from nought, and the healthy one in words."""

from itertools import pairwise
from typing import NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.thresholds import AtLeast, AtMost, Between, Limit
from fxwatch.report.words import number


class Zone(NamedTuple):
    """A stretch of the axis and the verdict on values in it."""

    low: float
    high: float
    verdict: Verdict


def zones(limit: Limit) -> list[Zone]:
    """What lies where, from nought to the end of the axis."""
    _, top = limit.axis()
    cuts = sorted({0.0, top, *(edge for edge, _ in limit.edges() if 0 < edge < top)})
    return [Zone(low, high, limit.judge((low + high) / 2)[0]) for low, high in pairwise(cuts) if low < high]


def wanted(limit: Limit) -> str:
    """The healthy zone in words."""
    if isinstance(limit, AtMost):
        return f"≤ {number(limit.ok)}"
    if isinstance(limit, AtLeast):
        return f"≥ {number(limit.ok)}"
    return _between(limit) if isinstance(limit, Between) else ""


def _between(limit: Between) -> str:
    high = limit.high if limit.high is not None else limit.bad_high
    if limit.low is not None and high is not None:
        return f"{number(limit.low)}–{number(high)}"
    if high is not None:
        return f"≤ {number(high)}"
    return "any" if limit.low is None else f"≥ {number(limit.low)}"
