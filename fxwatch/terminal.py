"""What goes to a terminal: strings from files are hostile there, and are shown as text."""

import re
import sys

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def clean(text: str, longest: int = 2000) -> str:
    """Text in which control, bidirectional and invisible characters are visible escapes."""
    shown = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text[:longest])
    return shown if len(text) <= longest else f"{shown}…"


def say(text: str) -> None:
    """One line of narration, on stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def tell(text: str) -> None:
    """One line of data, on stdout."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()
