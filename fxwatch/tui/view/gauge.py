"""A number on its scale: where it is well, where not, and where it stands. The zones differ in stroke and colour."""

from typing import NamedTuple

from fxwatch.records.base import Verdict
from fxwatch.records.thresholds import AtLeast, AtMost, Between, Limit
from fxwatch.tui.view.text import Line, Span, quiet

_STROKE: dict[Verdict, str] = {"ok": "━", "warn": "─", "bad": "┄", "unknown": " "}
_MARKER = "●"
_BELOW, _ABOVE = "◂", "▸"


class Scale(NamedTuple):
    """The ends of a gauge."""

    low: float
    high: float


def scale_of(limit: Limit) -> Scale:
    """The ends that show all the zones of a limit."""
    if isinstance(limit, AtLeast):
        return Scale(min(0.0, limit.bad), max(1.0, limit.ok))
    if isinstance(limit, AtMost):
        return Scale(0.0, limit.bad * 2 or 1.0)
    if isinstance(limit, Between):
        return Scale(0.0, max(1.0, limit.high or 0.0, limit.bad_high or 0.0))
    return Scale(0.0, 1.0)


def gauge(value: float | None, verdict: Verdict, limit: Limit, width: int) -> Line:
    """The scale of a limit, with a marker where the value is; one that is off the scale points beyond its end."""
    if width < 3:
        return ()
    if value is None:
        return (quiet("·" * width),)
    low, high = scale_of(limit)
    at = round((value - low) / (high - low) * (width - 1))
    marker = _BELOW if value < low else _ABOVE if value > high else _MARKER
    at = min(max(at, 0), width - 1)
    zones = [limit.judge(low + (high - low) * (cell + 0.5) / width)[0] for cell in range(width)]
    pieces: list[Span] = []
    for cell, zone in enumerate(zones):
        piece = Span(marker, verdict) if cell == at else Span(_STROKE[zone], zone)
        if pieces and pieces[-1].role == piece.role and cell != at and pieces[-1].text[-1] == piece.text:
            pieces[-1] = Span(pieces[-1].text + piece.text, piece.role)
        else:
            pieces.append(piece)
    return tuple(pieces)


def ticks(limit: Limit) -> str:
    """The limits in words."""
    if isinstance(limit, AtLeast):
        return f"ok from {limit.ok:g}, bad below {limit.bad:g}"
    if isinstance(limit, AtMost):
        return f"ok to {limit.ok:g}, bad above {limit.bad:g}"
    if isinstance(limit, Between):
        ends = f"ok {limit.low or 0:g} to {limit.high or limit.bad_high or 1:g}"
        return ends if limit.bad_high is None else f"{ends}, bad above"
    return ""
