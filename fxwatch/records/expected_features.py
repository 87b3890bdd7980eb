"""The guide's "good attribution" for buying, selling and holding: which features should lead, by action and branch.

An expectation is some words, with alternatives parted by `|`, as in `pnl | profit`. It means every feature of its
branch whose name holds all words of an alternative: `price velocity` means `price_velocity` and `PriceVelocity5m`. A
name of just these words is meant alone; of several alternatives, the first that means any feature decides.
"""

import re
from collections.abc import Mapping, Sequence

ExpectedFeatures = Mapping[str, Mapping[str, Sequence[str]]]
"""Action -> branch -> expectations."""

EXPECTED_FEATURES: dict[str, dict[str, list[str]]] = {
    "BUY": {
        "portfolio": ["cash ratio", "position size | position"],
        "hf": ["price velocity | velocity", "volume"],
        "mf": ["ema cross | ema", "rsi"],
        "lf": ["support", "trend | uptrend"],
    },
    "SELL": {
        "portfolio": ["unrealized profit | unrealized pnl | pnl | profit", "hold time"],
        "hf": ["price velocity | velocity", "volume"],
        "mf": ["divergence", "rsi"],
        "lf": ["resistance", "trend"],
    },
    "HOLD": {
        "portfolio": ["position size | position", "hold time | entry"],
        "hf": ["volatility", "price velocity | price"],
        "lf": ["support", "resistance"],
    },
}
"""After the guide's lists. Of holding it names no feature of mf: "sideways indicators, no clear signals"."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


def with_the_guides(own: ExpectedFeatures) -> dict[str, dict[str, list[str]]]:
    """The guide's expectations, replaced branch by branch where there are own ones; an empty list expects nothing."""
    merged = {action: dict(branches) for action, branches in EXPECTED_FEATURES.items()}
    for action, branches in own.items():
        merged.setdefault(action.upper(), {}).update({branch: list(words) for branch, words in branches.items()})
    return merged


def expected_of(action: str, expected: ExpectedFeatures) -> Mapping[str, Sequence[str]] | None:
    """What is expected of an action, whatever the case of its name; None where nothing is known of it."""
    return next((found for name, found in expected.items() if name.casefold() == action.casefold()), None)


def meant_by(expectation: str, features: Sequence[str]) -> list[str]:
    """The features that an expectation means."""
    for alternative in expectation.split("|"):
        wanted = words(alternative)
        if not wanted:
            continue
        exact = [name for name in features if words(name) == wanted]
        found = exact or [name for name in features if set(wanted) <= set(words(name))]
        if found:
            return found
    return []


def words(name: str) -> list[str]:
    """The words of a name, in small letters: `PriceVelocity_5m` -> price, velocity, 5, m."""
    return [word.casefold() for word in _WORD.findall(name)]
