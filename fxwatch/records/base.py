"""What every record has in common: frozen, typed, and free of NaN and Infinity."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

AnalysisId = Annotated[str, Field(pattern=r"^[^/\x00]*[^/.\x00][^/\x00]*$")]
"""Where a file names an analysis: the name of a folder, which leads nowhere else."""
Verdict = Literal["ok", "warn", "bad", "unknown"]

SEVERITY: dict[Verdict, int] = {"ok": 0, "unknown": 1, "warn": 2, "bad": 3}
"""The worst is the largest. Where nothing is known, ok cannot be vouched for."""


class Record(BaseModel):
    """A frozen value. Keys that a later version adds are passed over; numbers that are not finite are refused."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", allow_inf_nan=False, populate_by_name=True, serialize_by_alias=True
    )


def worst(*verdicts: Verdict) -> Verdict:
    """The most severe of some verdicts, in the order ok, unknown, warn, bad; of none: unknown."""
    return max(verdicts, key=SEVERITY.__getitem__, default="unknown")


def at_or_below(verdict: Verdict, level: Verdict | None) -> bool:
    """Whether a verdict is as severe as `level`, or worse; never where there is no level."""
    return level is not None and SEVERITY[verdict] >= SEVERITY[level]


def finite(value: float | None) -> float | None:
    """The value as a plain float, or None where it is missing, NaN or infinite: a record holds no other kind."""
    return None if value is None or not math.isfinite(value) else float(value)
