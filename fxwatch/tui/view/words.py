"""Numbers and times in words, of fixed width where they stand in columns."""

import math
from datetime import UTC, datetime

_AGES = (
    (15, "<15 s"),
    (60, "<1 min"),
    (120, "1 min"),
    (300, "2 min"),
    (600, "5 min"),
    (1200, "10 min"),
    (1800, "20 min"),
    (2700, "30 min"),
    (3600, "45 min"),
)
NOTHING = "–"


def number(value: float | None) -> str:
    """A number in at most seven characters."""
    if value is None:
        return NOTHING
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.0005 or size >= 100_000:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    return f"{value:.{3 if size < 10 else 2 if size < 100 else 1 if size < 1000 else 0}f}"


def error(value: float | None) -> str:
    """A standard error behind its number."""
    return "" if value is None else f"±{number(value)}"


def percent(share: float | None) -> str:
    """A share."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def ends(low: float, high: float) -> str:
    """The ends of a share's interval, in percent; all of it takes no more room than the rest."""
    return "–".join("100" if end >= 0.9995 else f"{end * 100:.1f}" for end in (low, high))


def points(change: float | None) -> str:
    """A signed change of a share, in percentage points."""
    if change is None or not math.isfinite(change):
        return ""
    rounded = round(change * 100, 1)
    return f"{rounded:+.1f}" if rounded else "±0.0"


def whole(value: int | None) -> str:
    """A whole number with its thousands parted."""
    return NOTHING if value is None else f"{value:,}"


def at_step(step: int | None) -> str:
    """Where in training."""
    return "at no known step" if step is None else f"at step {step:,}"


def count(number_of: int, noun: str, plural: str | None = None) -> str:
    """`1 layer`, `2 layers`."""
    return f"{number_of:,} {noun if number_of == 1 else plural or f'{noun}s'}"


def age(seconds: float) -> str:
    """How long ago, so coarsely that the words seldom change."""
    for limit, words in _AGES:
        if seconds < limit:
            return words
    hours = int(seconds // 3600)
    return f"{hours} h" if hours < 48 else f"{hours // 24} d"


def moment(seconds: float, now: float) -> str:
    """A time of day in UTC, with its date where that is not today's."""
    try:
        then = datetime.fromtimestamp(seconds, UTC)
        same_day = then.date() == datetime.fromtimestamp(now, UTC).date()
    except (OverflowError, ValueError, OSError):
        return "an unknown time"
    return f"{then:%H:%M} UTC" if same_day else f"{then:%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """How long something takes."""
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def size(number_of_bytes: int) -> str:
    """A size in memory."""
    return f"{number_of_bytes / 1e6:,.0f} MB"
