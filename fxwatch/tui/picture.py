"""A PNG drawn in the terminal itself, where that terminal can: as kitty's pictures, or as sixels."""

import sys
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual_image.renderable.sixel import Image as Sixel
    from textual_image.renderable.tgp import Image as Kitty

_KITTY = ("kitty", "ghostty")
_SIXEL = "4"
_PATIENCE = 2.0
"""Seconds for an answer from far away; almost every terminal gives one."""


def show(png: Path, environment: Mapping[str, str]) -> bool:
    """Draw it, and wait for Enter; False where the terminal takes no pictures.

    Raises OSError where the file cannot be read. The screen must be free, and nobody else reading keys.
    """
    from rich.console import Console

    kind = _kind(environment)
    if kind is None:
        return False
    console = Console(file=sys.__stdout__)
    console.print(kind(png, width="100%"))
    console.print("Enter goes back to the monitor.")
    sys.stdin.readline()
    termios.tcflush(sys.stdin, termios.TCIFLUSH)  # late answers are no keys
    return True


def _kind(environment: Mapping[str, str]) -> "type[Kitty | Sixel] | None":
    """Kitty's for those that are known by name; a multiplexer in between swallows them. Else sixels, or nothing."""
    said = f"{environment.get('TERM', '')} {environment.get('TERM_PROGRAM', '')}".casefold()
    if any(name in said for name in _KITTY) and not (environment.get("TMUX") or environment.get("STY")):
        from textual_image.renderable.tgp import Image as Kitty  # to import it is to ask the terminal, too

        return Kitty
    if _SIXEL not in _attributes():
        return None
    from textual_image.renderable.sixel import Image as Sixel

    return Sixel


def _attributes() -> list[str]:
    """What the terminal says that it can (its device attributes, DA1); nothing where it does not answer."""
    from textual_image._terminal import TerminalError, capture_terminal_response

    out = sys.__stdout__
    if out is None or not out.isatty():
        return []
    try:
        with capture_terminal_response("\x1b[?", "c", _PATIENCE) as response:
            out.write("\x1b[c")
            out.flush()
    except (TerminalError, TimeoutError):
        return []
    return str(response.sequence).removeprefix("\x1b[?").removesuffix("c").split(";")
