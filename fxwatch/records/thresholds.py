"""The guide's thresholds, as data: where a number stops being well.

On a boundary the milder side holds, so a value equal to a limit has not crossed it. Between the guide's healthy band
and its warning a value is ok.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, Self

from pydantic import ConfigDict, model_validator

from fxwatch.records.base import Record, Verdict

HYSTERESIS = 0.05


class Strict(Record):
    """A record that people write: unknown keys are refused, since a setting that does nothing must not look set."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Limit(Strict):
    """A rule for one number.

    A limit that was crossed before is held a little longer: the value must be better than it by HYSTERESIS of it to be
    well again, so that a value on the line does not flap.
    """

    def judge(self, value: float | None, held: float | None = None) -> tuple[Verdict, float | None]:
        """The verdict on a value, and the limit that it crossed, if any; `held` is the limit that it crossed before."""
        return ("unknown", None) if value is None else self._judge(value, held)

    def side(self, limit: float) -> Literal["low", "high"]:
        """On which side of a value one of its limits lies: a value crosses a low one downwards."""
        return "low" if limit == getattr(self, "low", None) else "high"

    def edges(self) -> list[tuple[float, Verdict]]:
        """Its limits in their order, each with the verdict on what lies beyond it."""
        named = {name: getattr(self, name) for name in type(self).model_fields}
        return [(edge, "bad" if name.startswith("bad") else "warn") for name, edge in named.items() if edge is not None]

    def axis(self) -> tuple[float, float]:
        """The ends of an axis that shows all its zones: numbers that have limits are fractions of 1, but for some."""
        ends = [edge for edge, _ in self.edges()]
        return min([0.0, *ends]), max([1.0, *(2 * edge for edge in ends if edge > 1)])

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        raise NotImplementedError


def _exceeds(value: float, limit: float | None, held: float | None) -> bool:
    return limit is not None and value > limit - (HYSTERESIS * abs(limit) if held == limit else 0.0)


def _falls_below(value: float, limit: float | None, held: float | None, best: float = math.inf) -> bool:
    if limit is None:
        return False
    return value < limit + (min(HYSTERESIS * abs(limit), (best - limit) / 2) if held == limit else 0.0)


class AtLeast(Limit):
    """Higher is better: ok down to `ok`, bad below `bad`, a warning between."""

    ok: float
    bad: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.bad > self.ok:
            raise ValueError(f"bad = {self.bad:g} must not lie above ok = {self.ok:g}")
        return self

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        if _falls_below(value, self.bad, held):
            return "bad", self.bad
        return ("warn", self.ok) if _falls_below(value, self.ok, held) else ("ok", None)

    def side(self, limit: float) -> Literal["low", "high"]:  # noqa: ARG002 - both are low
        """A value crosses both limits downwards."""
        return "low"


class AtMost(Limit):
    """Lower is better: ok up to `ok`, bad above `bad`, a warning between."""

    ok: float
    bad: float

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.bad < self.ok:
            raise ValueError(f"bad = {self.bad:g} must not lie below ok = {self.ok:g}")
        return self

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        if _exceeds(value, self.bad, held):
            return "bad", self.bad
        return ("warn", self.ok) if _exceeds(value, self.ok, held) else ("ok", None)

    def axis(self) -> tuple[float, float]:
        """To twice the worst limit, as there is no worst value."""
        return 0.0, 2 * self.bad or 1.0


class Between(Limit):
    """Well inside a band: a warning below `low` or above `high`, bad above `bad_high`."""

    low: float | None = None
    high: float | None = None
    bad_high: float | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        named = [(name, edge) for name in ("low", "high", "bad_high") if (edge := getattr(self, name)) is not None]
        for (below, low), (above, high) in pairwise(named):
            if low > high:
                raise ValueError(f"{below} = {low:g} must not lie above {above} = {high:g}")
        return self

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        if _exceeds(value, self.bad_high, held):
            return "bad", self.bad_high
        if _exceeds(value, self.high, held):
            return "warn", self.high
        return ("warn", self.low) if _falls_below(value, self.low, held) else ("ok", None)


class Correlation(Limit):
    """A correlation that is to reach `low`. Since none exceeds 1, a held one need go at most half the way there."""

    low: float

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        return ("warn", self.low) if _falls_below(value, self.low, held, best=1.0) else ("ok", None)


class Band(Limit):
    """The share of all importance that a branch is expected to have; outside it: a warning."""

    low: float = 0.0
    high: float = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0.0 <= self.low <= self.high <= 1.0:
            raise ValueError(f"low = {self.low:g} and high = {self.high:g} must satisfy 0 <= low <= high <= 1")
        return self

    def _judge(self, value: float, held: float | None) -> tuple[Verdict, float | None]:
        if _falls_below(value, self.low, held):
            return "warn", self.low
        return ("warn", self.high) if _exceeds(value, self.high, held) else ("ok", None)


class GradientLimits(Strict):
    """Of a layer's parameter gradient: its norm, and the fall of the norm to the next layer towards the input."""

    vanishing: float = 1e-7
    exploding: float = 1e3
    drop: float = 1e-2


class Thresholds(Strict):
    """All limits; the defaults are the guide's."""

    consensus: AtLeast = AtLeast(ok=0.7, bad=0.4)
    sparsity: Between = Between(low=0.1, high=0.6)
    concentration: Between = Between(low=0.05, bad_high=0.5)
    infidelity: AtMost = AtMost(ok=0.05, bad=0.1)
    sensitivity: AtMost = AtMost(ok=0.1, bad=0.3)
    completeness: AtMost = AtMost(ok=0.05, bad=0.1)
    dead_features: AtMost = AtMost(ok=5, bad=15)
    dominance: Between = Between(bad_high=0.95)
    weak_scores: Between = Between(low=0.3)
    gradient: GradientLimits = GradientLimits()

    @model_validator(mode="before")
    @classmethod
    def _keep_the_guides_other_limits(cls, data: Any) -> Any:
        return over({name: field.default for name, field in cls.model_fields.items()}, data)


def over(defaults: Mapping[str, Record], data: Any) -> Any:
    """What is set, as it was read; a table of it that sets some keys has the others of its default."""
    if not isinstance(data, Mapping):
        return data
    tables = {name: part for name, part in data.items() if name in defaults and isinstance(part, Mapping)}
    return {**data, **{name: {**defaults[name].model_dump(), **part} for name, part in tables.items()}}


EXPECTED_SHARES: dict[str, Band] = {
    "hf": Band(low=0.15, high=0.35),
    "mf": Band(low=0.20, high=0.40),
    "lf": Band(low=0.10, high=0.25),
    "portfolio": Band(low=0.40, high=0.60),
}
"""The guide's expected contributions, used for a branch of that name unless the config says otherwise."""
