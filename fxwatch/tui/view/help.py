"""Help: every key, and how to read the signs."""

from fxwatch.tui.actions import of_scope
from fxwatch.tui.view.arrangement import LEAVING
from fxwatch.tui.view.text import BLANK, MARK, Line, Span, crop, left, line, quiet, title, wrapped


def lines(width: int) -> list[Line]:
    """All of it."""
    text = [title("Keys", width)]
    for scope in ("everywhere", "in full"):
        if scope == "in full":
            text += [BLANK, line(quiet("where a panel stands alone"))]
        for action in of_scope("everywhere" if scope == "everywhere" else "in full"):
            text.append(line("  ", Span(left(action.shown, 12), "key"), action.help))
    text += [BLANK, title("Signs", width)]
    text.append(line("  ", *(Span(f"{sign} {verdict}   ", verdict) for verdict, sign in MARK.items())))
    leaving = ", then ".join(name.replace("_", " ") for name in LEAVING[:-1])
    for paragraph in (
        *_EXPLANATIONS,
        f"On a small screen these panels leave first: {leaving}. Their keys show them alone.",
    ):
        text += [line("  ", part) for part in wrapped(paragraph, max(10, width - 2))]
    return [crop(row, width) for row in text]


_EXPLANATIONS = """\
A gauge shows where a number is well (━), where it is a warning (─) and where it is bad (┄); ● is the number, \
◂ and ▸ mean that it lies beyond the scale. ± is one standard error over states.
A branch's bar is █, and ▓ where it lies in the share that is expected of it; ░ is what is left of that. \
Its change is in percentage points since the analysis before.
A score is a feature's importance within its branch (the scores of a branch have length 1), a share is of everything.
Live follows the newest analysis. Held stays at an older one, for all panels alike; what the daemon does is \
always told as it is now.
Times are UTC. `fxwatch status` prints the same as plain text.""".splitlines()
