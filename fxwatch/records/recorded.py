"""The recorder's own file, line by line. Training wrote it, so that anything may stand there."""

import json
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from fxwatch.records.training import HeadSpan, LayerSpan, TrainingLine

NAME = "training.jsonl"
_MOST_LAYERS = 2000
_MOST_SCALARS = 200
_MOST_HEADS = 64
_LONGEST_NAME = 200
_DIGITS = 5


class Read(NamedTuple):
    """A line of the recorder's: numbers, or that it began (None)."""

    session: str
    line: TrainingLine | None


def read_recorded(raw: bytes, place: int) -> Read | None:
    """A line of training.jsonl, the one at a place in its file; None where it is torn or makes no sense.

    What is no finite number is None; names and layers beyond what any model has are left out.
    """
    try:
        found = json.loads(raw, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return None
    if not raw.endswith(b"\n") or not isinstance(found, dict):
        return None
    session = _name(str(found.get("session", "")))
    if found.get("kind") != "span":
        return Read(session, None)
    try:
        line = TrainingLine(
            session=session,
            number=found.get("line", place),
            at=_finite(found.get("at")) or 0.0,
            step=_whole(found.get("step")),
            optimizer_step=_whole(found.get("optimizer_step")) or 0,
            update=_whole(found.get("update")) or 0,
            steps=_whole(found.get("steps")) or 0,
            layers={
                name: layer
                for name, value in _some(found.get("layers"), _MOST_LAYERS)
                if (layer := _layer(value)) is not None
            },
            attention={name: _heads(value) for name, value in _some(found.get("attention"), _MOST_LAYERS)},
            scalars={name: _number(value) for name, value in _some(found.get("scalars"), _MOST_SCALARS)},
        )
    except ValidationError:
        return None
    return Read(session, line)


def _some(found: Any, most: int) -> list[tuple[str, Any]]:
    items = list(found.items())[:most] if isinstance(found, dict) else []
    return [(_name(name), value) for name, value in items]


def _name(found: str) -> str:
    """What can be written, and read again: half a surrogate pair cannot."""
    return found[:_LONGEST_NAME].encode("utf-8", "replace").decode("utf-8")


def _layer(found: Any) -> LayerSpan | None:
    if not isinstance(found, Mapping):
        return None
    norm = found.get("norm")
    if not isinstance(norm, list) or len(norm) != 3:
        return None
    least, mean, greatest = map(_number, norm)
    unknown = 1 if None in (least, mean, greatest) else 0
    return LayerSpan(
        least,
        mean,
        greatest,
        _number(found.get("mean")),
        _number(found.get("weight_ratio")),
        _whole(found.get("nonfinite")) or unknown,
    )


def _heads(found: Any) -> HeadSpan:
    def numbers(name: str) -> list[float | None]:
        given = found.get(name) if isinstance(found, Mapping) else None
        return [_number(value) for value in given[:_MOST_HEADS]] if isinstance(given, list) else []

    return HeadSpan(entropy=numbers("entropy"), stability=numbers("stability"))


def _number(found: Any) -> float | None:
    """A finite number, to the digits that a picture of it needs."""
    value = _finite(found)
    return value if value is None else float(f"{value:.{_DIGITS}g}")


def _finite(found: Any) -> float | None:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    try:
        value = float(found)
    except OverflowError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e38 else None


def _whole(found: Any) -> int | None:
    value = int(found) if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < 2**63 else -1
    return value if value >= 0 else None
