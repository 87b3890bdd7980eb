"""A PNG drawn in the terminal itself, where that terminal can."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

_BY_NAME = ("kitty", "ghostty", "wezterm")


def can_show(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal says that it takes kitty's pictures; a multiplexer in between would swallow them."""
    if environment.get("TMUX") or environment.get("STY"):
        return False
    said = f"{environment.get('TERM', '')} {environment.get('TERM_PROGRAM', '')}".casefold()
    return bool(environment.get("KITTY_WINDOW_ID")) or any(name in said for name in _BY_NAME)


def show(png: Path) -> None:
    """Draw it, and wait for Enter. Raises OSError where it cannot be read. The screen must be free."""
    from rich.console import Console
    from textual_image.renderable.tgp import Image

    console = Console(file=sys.__stdout__)
    console.print(Image(png, width="100%"))
    console.print("Enter goes back to the monitor.")
    sys.stdin.readline()
