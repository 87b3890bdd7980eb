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


def top_of(limit: Limit) -> float:
    """The end of the axis: twice the worst limit where less is better, and else 1, unless a limit is larger."""
    if isinstance(limit, AtMost):
        return 2 * limit.bad or 1.0
    if isinstance(limit, AtLeast):
        return max(1.0, 2 * limit.ok) if limit.ok > 1 else 1.0
    ends = [end for end in _ends(limit) if end is not None]
    return max(1.0, 2 * max(ends)) if ends and max(ends) > 1 else 1.0


def zones(limit: Limit) -> list[Zone]:
    """What lies where, from nought to the end of the axis."""
    top = top_of(limit)
    cuts = sorted({0.0, top, *(end for end in _ends(limit) if end is not None and 0 < end < top)})
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


def _ends(limit: Limit) -> list[float | None]:
    if isinstance(limit, AtMost | AtLeast):
        return [limit.ok, limit.bad]
    return [limit.low, limit.high, limit.bad_high] if isinstance(limit, Between) else []
