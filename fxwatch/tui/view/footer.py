"""The last line: which keys do what, or what a key has just done."""

from collections.abc import Sequence

from fxwatch.tui.actions import Action
from fxwatch.tui.view.text import Line, Span, crop, line, quiet, width_of


def lines(actions: Sequence[Action], notice: str, width: int) -> list[Line]:
    """The notice if there is one, else as many hints as there is room for."""
    if notice:
        return [crop(line(Span(notice, "strong")), width)]
    shown: Line = ()
    for action in actions:
        if not action.hint:
            continue
        key = action.shown.split(" ")[0]
        added = line(*(["   "] if shown else []), Span(key, "key"), quiet(f" {action.hint}"))
        if width_of(shown) + width_of(added) <= width:
            shown = (*shown, *added)
    return [shown]
