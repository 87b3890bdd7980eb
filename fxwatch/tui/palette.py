"""What roles look like: the terminal's own 16 colours on its own ground, so that they suit every theme."""

from rich.style import Style

from fxwatch.tui.view.text import Role

_COLOURS: dict[Role, Style] = {
    "": Style.null(),
    "quiet": Style(dim=True),
    "strong": Style(bold=True),
    "accent": Style(color="cyan"),
    "key": Style(color="cyan", bold=True),
    "held": Style(reverse=True),
    "ok": Style(color="green"),
    "warn": Style(color="yellow"),
    "bad": Style(color="red", bold=True),
    "unknown": Style(color="magenta"),
}

_PLAIN: dict[Role, Style] = {
    **{role: Style.null() for role in _COLOURS},
    "quiet": Style(dim=True),
    "strong": Style(bold=True),
    "key": Style(bold=True),
    "held": Style(reverse=True),
    "bad": Style(bold=True),
}


def palette(*, colours: bool) -> dict[Role, Style]:
    """The styles of all roles, with or without colours."""
    return _COLOURS if colours else _PLAIN
