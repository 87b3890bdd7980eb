"""What roles look like. Blueish green, yellow and red differ in lightness and along blue and yellow, which people who
confuse red and green tell apart; a sign and a word stand beside each.
"""

from functools import cache

from rich.style import Style

from fxwatch.tui.view.text import Role

_SHAPES: dict[Role, Style] = {
    "": Style.null(),
    "quiet": Style(dim=True),
    "strong": Style(bold=True),
    "held": Style(reverse=True),
    "key": Style(bold=True),
    "bad": Style(bold=True),
}

ON_DARK: dict[Role, str] = {
    "accent": "bright_blue",
    "key": "bright_blue",
    "ok": "cyan",
    "warn": "yellow",
    "bad": "bright_red",
    "unknown": "bright_magenta",
}
"""The terminal's own sixteen, so that they suit its theme."""

ON_LIGHT: dict[Role, str] = {
    "accent": "color(25)",
    "key": "color(25)",
    "ok": "color(29)",
    "warn": "color(130)",
    "bad": "color(88)",
    "unknown": "color(90)",
}
"""Of the fixed 256: the sixteen are too pale for a light ground in many a theme."""


@cache
def palette(*, colours: bool, light: bool = False) -> dict[Role, Style]:
    """The styles of all roles, with or without colours, on a dark or a light ground."""
    chosen = (ON_LIGHT if light else ON_DARK) if colours else {}
    roles = _SHAPES.keys() | ON_DARK.keys()
    return {
        role: _SHAPES.get(role, Style.null()) + (Style(color=chosen[role]) if role in chosen else Style.null())
        for role in roles
    }
