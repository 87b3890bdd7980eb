"""From values to pixels, and the round values at which an axis is labelled."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A straight line from `low` and `high` to the pixels `start` and `stop`; values beyond end at its ends."""

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """The pixel of a value."""
        return self.start + (self.stop - self.start) * self.part(value)

    def part(self, value: float) -> float:
        """How far along a value is: 0 at `low`, 1 at `high`."""
        span = self.high - self.low
        return min(max((value - self.low) / span if span else 0.5, 0.0), 1.0)

    def holds(self, value: float) -> bool:
        """Whether a value lies on the scale."""
        return self.low <= value <= self.high


def round_steps(high: float, most: int) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten from 0 up to `high`, at most `most` beside 0."""
    if high <= 0:
        return [0.0]
    power = 10.0 ** math.floor(math.log10(high / most))
    step = next(power * unit for unit in (1, 2, 2.5, 5, 10, 20) if power * unit * most >= high * (1 - 1e-9))
    return [step * i for i in range(math.floor(high / step * (1 + 1e-9)) + 1)]


def decades(low: float, high: float, most: int) -> list[int]:
    """Exponents of ten between two logarithms, at most `most` of them."""
    first, last = math.ceil(low - 1e-9), math.floor(high + 1e-9)
    step = max(1, math.ceil((last - first + 1) / most))
    return [exponent for exponent in range(first, last + 1) if exponent % step == 0]
