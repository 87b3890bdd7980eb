"""What goes to a terminal: strings from files are hostile there, and are shown as text."""

import io
import os
import re
import sys

_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def clean(text: str, longest: int = 2000) -> str:
    """Text in which control, bidirectional and invisible characters are visible escapes."""
    shown = _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text[:longest])
    return shown if len(text) <= longest else f"{shown}…"


def open_streams() -> None:
    """Make both streams fit for anything: escapes for what their encoding lacks, and nowhere where they are closed."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """One line of narration, on stderr."""
    sys.stderr.write(clean(text) + "\n")
    sys.stderr.flush()


def tell(text: str) -> None:
    """One line of data, on stdout."""
    sys.stdout.write(clean(text) + "\n")
    sys.stdout.flush()
