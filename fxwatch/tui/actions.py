"""Everything that a key does, in one table: bindings, footer and help are made of it."""

from typing import Literal, NamedTuple

Scope = Literal["everywhere", "in full"]


class Action(NamedTuple):
    """`name` is the method `do_NAME` of the monitor or the screen, with its argument behind a colon where it has one.

    `hint` is its word in the footer, if it stands there; `shown` how its keys are written there.
    """

    name: str
    keys: tuple[str, ...]
    help: str
    shown: str
    hint: str = ""
    scope: Scope = "everywhere"


ACTIONS: tuple[Action, ...] = (
    Action("quit", ("q", "ctrl+c", "ctrl+q"), "quit", "q", "quit"),
    Action("help", ("question_mark", "f1"), "this help", "?", "help"),
    Action("back", ("escape", "backspace"), "back to the overview", "Esc", "back", "in full"),
    Action("panel:warnings", ("w", "enter", "5"), "warnings with their causes and what to do", "w Enter 5", "warnings"),
    Action("look:older", ("left", "h"), "the analysis before this one", "← h", "older"),
    Action("look:newer", ("right", "l"), "the analysis after it", "→ l", "newer"),
    Action("look:live", ("end", "L"), "back to live: always the newest analysis", "End L", "live"),
    Action("look:much_older", ("left_square_bracket",), "ten analyses back", "["),
    Action("look:much_newer", ("right_square_bracket",), "ten analyses on", "]"),
    Action("look:oldest", ("home",), "the oldest analysis", "Home"),
    Action("look:next_run", ("r", "tab"), "the next run, worst first", "r Tab", "run"),
    Action("look:previous_run", ("R", "shift+tab"), "the run before it", "R"),
    Action("panel:ppo_metrics", ("1",), "PPO metrics in full", "1"),
    Action("panel:model_internals", ("2",), "model internals in full", "2"),
    Action("panel:gradient_flow", ("3",), "gradient flow in full", "3"),
    Action("panel:training_progress", ("4",), "training progress in full", "4"),
    Action("copy", ("y",), "copy the path of the PNG (by OSC 52) and show it", "y", "copy PNG path"),
    Action("scroll:1", ("down", "j"), "down", "↓ j", "scroll", "in full"),
    Action("scroll:-1", ("up", "k"), "up", "↑ k", "", "in full"),
    Action("scroll:page", ("pagedown", "space"), "a page down", "PgDn Space", "", "in full"),
    Action("scroll:-page", ("pageup",), "a page up", "PgUp", "", "in full"),
)


def of_scope(scope: Scope) -> list[Action]:
    """The actions that work somewhere."""
    return [action for action in ACTIONS if action.scope == scope]
