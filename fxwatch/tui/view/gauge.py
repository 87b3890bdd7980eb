"""A number on its scale: where it is well, where not, and where it stands. The zones differ in stroke and colour."""

from fxwatch.records.base import Verdict
from fxwatch.records.thresholds import AtLeast, AtMost, Between, Limit
from fxwatch.tui.view.text import Line, Span, merged, quiet

_STROKE: dict[Verdict, str] = {"ok": "━", "warn": "─", "bad": "┄", "unknown": " "}
_MARKER = "●"
_BELOW, _ABOVE = "◂", "▸"


def gauge(value: float | None, verdict: Verdict, limit: Limit, width: int) -> Line:
    """The scale of a limit, with a marker where the value is; one that is off the scale points beyond its end."""
    if width < 3:
        return ()
    if value is None:
        return (quiet("·" * width),)
    low, high = limit.axis()
    at = round((value - low) / (high - low) * (width - 1))
    marker = _BELOW if value < low else _ABOVE if value > high else _MARKER
    at = min(max(at, 0), width - 1)
    zones = [limit.judge(low + (high - low) * (cell + 0.5) / width)[0] for cell in range(width)]
    strokes = [Span(_STROKE[zone], zone) for zone in zones]
    return (*merged(strokes[:at]), Span(marker, verdict), *merged(strokes[at + 1 :]))


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
