"""Help: every key, and how to read the signs."""

from fxwatch.tui.actions import Scope, of_scope
from fxwatch.tui.view.arrangement import LEAVING
from fxwatch.tui.view.text import BLANK, MARK, Line, Span, crop, left, line, paragraph, quiet, title

_SCOPES: dict[Scope, str] = {"everywhere": "", "in full": "where something stands alone", "table": "in tables"}


def lines(width: int) -> list[Line]:
    """All of it."""
    text = [title("Keys", width)]
    for scope, heading in _SCOPES.items():
        text += [BLANK, line(quiet(heading))] if heading else []
        text += [line("  ", Span(left(action.shown, 12), "key"), action.help) for action in of_scope(scope)]
    text += [BLANK, title("Signs", width)]
    text.append(line("  ", *(Span(f"{sign} {verdict}   ", verdict) for verdict, sign in MARK.items())))
    leaving = ", then ".join(name.replace("_", " ") for name in LEAVING[:-1])
    small = f"On a small screen these panels leave first: {leaving}. Their keys show them alone."
    for words in (*_EXPLANATIONS, small):
        text += paragraph(words, width, role="")
    return [crop(row, width) for row in text]


_EXPLANATIONS = """\
A gauge shows where a number is well (━), where it is a warning (─) and where it is bad (┄); ● is the number, \
◂ and ▸ mean that it lies beyond the scale. ± is one standard error over states.
A branch's bar is █, and ▓ where it lies in the share that is expected of it; ░ is what is left of that. \
Its change is in percentage points since the analysis before.
A score is a feature's importance within its branch (the scores of a branch have length 1), a share is of everything.
In the line of the run, ─ are analyses that were well, ? unknown, ! with warnings and ✗ bad; ● is the shown one.
Live follows the newest analysis. Held stays at an older one, for all panels alike; what the daemon does is \
always told as it is now.
Times are UTC. `fxwatch status` prints the same as plain text.""".splitlines()
