"""What plain Captum says of an analysis, where it was asked."""

from fxwatch.records.base import Record


class Audit(Record):
    """The primary method computed once more by plain Captum, and how far what was published is from that.

    `largest_share_difference`: over features; `relative_difference`: of the mean signed attributions, relative to the
    length of Captum's; `spearman`: of the rankings of all features. Not among the analysis's own seconds.
    """

    method: str
    by: str | None = None
    largest_share_difference: float | None = None
    relative_difference: float | None = None
    spearman: float | None = None
    seconds: float = 0.0
    reason: str | None = None
