"""Everything that a key does, in one table: bindings, footer and help are made of it."""

from typing import Literal, NamedTuple

Scope = Literal["everywhere", "in full", "table"]


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
    Action("commands", ("colon", "ctrl+p"), "all commands, to be found by typing", ": Ctrl+P", "commands"),
    Action("back", ("escape", "backspace"), "back", "Esc", "back", "in full"),
    Action("open", ("enter",), "what is chosen, in full; a warning where it began", "Enter", "open"),
    Action("show:warnings", ("w", "5"), "warnings with their causes and what to do", "w 5", "warnings"),
    Action("look:older", ("left", "h"), "the analysis before this one", "← h", "older"),
    Action("look:newer", ("right", "l"), "the analysis after it", "→ l", "newer"),
    Action("look:live", ("end", "L"), "back to live: always the newest analysis", "End L", "live"),
    Action(
        "look:beginning", ("b",), "back to where a finding of this analysis began; again: an older one", "b", "since"
    ),
    Action("look:much_older", ("left_square_bracket",), "ten analyses back", "["),
    Action("look:much_newer", ("right_square_bracket",), "ten analyses on", "]"),
    Action("look:oldest", ("home",), "the oldest analysis", "Home"),
    Action("look:next_run", ("r", "tab"), "the next run, worst first", "r Tab", "run"),
    Action("look:previous_run", ("R", "shift+tab"), "the run before it", "R"),
    Action("show:ppo_metrics", ("1",), "PPO metrics: consensus and quality of the attribution", "1"),
    Action("show:model_internals", ("2",), "model internals: branches, top features, dead features", "2"),
    Action("show:gradient_flow", ("3",), "gradient flow by layer, and what the optimizer sees", "3"),
    Action("show:training_progress", ("4",), "training progress: analyses, files, lag", "4"),
    Action("show:features", ("6", "f"), "features: all of them, to sort and to filter", "6 f", "features"),
    Action("show:decisions", ("7", "d"), "decisions: what leads each action, and what should", "7 d"),
    Action("show:methods", ("8", "m"), "methods: who agrees, ranks by method, who could not run and why", "8 m"),
    Action("show:attention", ("9", "a"), "attention by layer and head", "9 a"),
    Action("show:runs", ("0", "u"), "runs: all of them, worst first, and a metric of each", "0 u"),
    Action("show:log", ("e",), "log: what became of every file", "e"),
    Action("show:compare", ("c",), "compare: what moved since another analysis", "c"),
    Action("look:pin", ("p",), "keep this analysis to compare others with it; again: let it go", "p"),
    Action("copy", ("y",), "copy the chosen row or warning, or the PNG's path (OSC 52, and a file)", "y", "copy"),
    Action("picture", ("o",), "show the PNG in a terminal that can, else copy its path", "o"),
    Action("scroll:1", ("down", "j"), "down", "↓ j", "scroll", "in full"),
    Action("scroll:-1", ("up", "k"), "up", "↑ k", "", "in full"),
    Action("scroll:page", ("pagedown", "space"), "a page down", "PgDn Space", "", "in full"),
    Action("scroll:-page", ("pageup",), "a page up", "PgUp", "", "in full"),
    Action("scroll:-99999", ("g",), "to the top", "g", "", "in full"),
    Action("scroll:99999", ("G",), "to the bottom; there the log follows", "G", "", "in full"),
    Action("filter", ("slash",), "show only rows that hold some words", "/", "filter", "table"),
    Action("sort", ("s",), "sort by the next column", "s", "sort", "table"),
    Action("reverse", ("S",), "sort the other way round", "S", "", "table"),
    Action("wrap", ("z",), "wrap what is too long, or cut it", "z", "", "table"),
    Action("metric:1", ("v",), "runs: the next metric, or branch", "v", "", "table"),
    Action("metric:-1", ("V",), "runs: the metric before it", "V", "", "table"),
)


def of_scope(*scopes: Scope) -> list[Action]:
    """The actions that work somewhere, those of the first scope first."""
    return [action for scope in scopes for action in ACTIONS if action.scope == scope]
