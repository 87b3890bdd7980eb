"""Numbers as people read them."""

import math
from datetime import UTC, datetime


def number(value: float, digits: int = 3) -> str:
    """The digits that count: 0.526, 15.9, 1e-7; with a true minus."""
    text = f"{value:.{digits}g}"
    mantissa, e, exponent = text.partition("e")
    if e:
        text = f"{mantissa}e{int(exponent)}"
    return text.replace("-", "−")


def estimate(value: float, standard_error: float | None) -> tuple[str, str]:
    """A value and its standard error, both to the digit at which the error begins: 0.53 and ± 0.08."""
    if not standard_error:
        return number(value), ""
    first = math.floor(math.log10(standard_error))
    decimals = 1 - first if standard_error < 1.95 * 10.0**first else -first
    decimals = max(decimals, 2) if abs(value) < 1 else decimals
    if not 0 <= decimals <= 6:
        return number(value), f"± {number(standard_error)}"
    return f"{value:.{decimals}f}".replace("-", "−"), f"± {standard_error:.{decimals}f}"


def percent(share: float) -> str:
    """A share as 42% or 6.0%."""
    if 0 < share < 0.0005:
        return "<0.1%"
    return f"{share:.0%}" if share >= 0.1 or share == 0 else f"{share:.1%}"


def tick(share: float) -> str:
    """A share at an axis: 5%, 2.5%."""
    return f"{100 * share:.3g}%"


def count(value: int, thing: str, things: str | None = None) -> str:
    """`1 state`, `32 states`."""
    return f"{value:,} {thing if value == 1 else things or thing + 's'}"


def some(names: list[str], shown: int) -> str:
    """The first names, and how many more there are."""
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")


def plain(name: str) -> str:
    """An identifier as words: `integrated_gradients` -> `integrated gradients`."""
    return name.replace("_", " ")


def named(name: str) -> str:
    """A name, and words for one that is empty."""
    return name if name.strip() else "(no name)"


def moment(instant: str) -> str:
    """An ISO 8601 instant to the minute, in UTC; any other text as it is."""
    try:
        when = datetime.fromisoformat(instant)
    except ValueError:
        return instant or "unknown"
    return f"{when.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
