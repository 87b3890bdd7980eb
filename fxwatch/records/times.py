"""Times as files have them."""

from datetime import datetime


def seconds(moment: str) -> float | None:
    """An ISO 8601 time in seconds since the epoch; None where it is no time."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
