"""Which features lead each action of a policy, and which are expected to."""

from pydantic import Field

from fxwatch.records.base import Record

Ranking = list[tuple[str, float]]
"""Features and their scores, best first."""


class ExpectedFeature(Record):
    """A feature that should lead a decision: in the words of the guide or the config, and those of the model it means.

    `rank` is the best one's place in its branch, 1 for the first; leading is the upper half of a branch, at most five.
    """

    words: str
    features: list[str] = []
    rank: int | None = None
    leading: bool = False


class Decision(Record):
    """An action that the policy takes: in how many of the states, and the leading features by branch with scores."""

    count: int
    features: dict[str, Ranking]
    signed: dict[str, dict[str, float]] = Field(
        default={},
        description="mean signed attribution of the leading features over those states: above nought it speaks for "
        "the action, compared with the baselines",
    )
    expected: dict[str, list[ExpectedFeature]] = {}
    agreement: float | None = Field(
        default=None, description="fraction of the expected features that lead, of those that the model has"
    )
    by_chance: float | None = Field(
        default=None, description="the agreement that features in random order would have on average"
    )
    reason: str | None = Field(default=None, description="why there are no features, or no agreement")
