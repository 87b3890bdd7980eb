"""The leading features of each branch, with their scores within it and their shares of the whole."""

from fxwatch.records.analysis import Analysis
from fxwatch.tui.view.text import Line, Span, left, line, name, quiet, right
from fxwatch.tui.view.trend import bar
from fxwatch.tui.view.words import number, percent

_BRANCH = 11
_SHORTEST_BAR = 8


def top_features(analysis: Analysis, width: int, each: int | None) -> list[Line]:
    """A caption, and `each` features of every branch, best first; None: all of them."""
    label = min(32, max(12, min(24, width - 34), width - 40))
    units = analysis.units
    most = max((unit.share for branch in units.values() for unit in branch.values()), default=0.0)
    room = width - (2 + _BRANCH + label + 7 + 8 + 2)
    head = " " * 2 + left("top features", _BRANCH + label) + right("score", 7) + right("share", 8)
    found = [line(quiet(head))]
    for branch, ranking in analysis.feature_importance.items():
        for place, (feature, score) in enumerate(ranking if each is None else ranking[:each]):
            unit = units.get(branch, {}).get(feature)
            share = unit.share if unit else None
            found.append(
                line(
                    "  ",
                    Span(left(name(branch), _BRANCH), "strong") if place == 0 else " " * _BRANCH,
                    left(name(feature), label),
                    right(number(score), 7),
                    quiet(right(percent(share), 8)),
                    "  ",
                    Span(_bar(share, most, room), "accent"),
                )
            )
    return found


def _bar(share: float | None, most: float, width: int) -> str:
    if share is None or most <= 0 or width < _SHORTEST_BAR:
        return ""
    return bar(share / most, width)
