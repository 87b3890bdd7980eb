"""The findings of one analysis as they are made: each with its words, its limit, and what may be done about it."""

from collections.abc import Iterable

from fxwatch.records.advice import advice
from fxwatch.records.analysis import Finding, Health
from fxwatch.records.base import SEVERITY, Verdict, worst
from fxwatch.records.thresholds import Limit


class Findings:
    """Collects findings. Limits that the previous analysis had crossed are held a little longer."""

    def __init__(self, previous: Health | None) -> None:
        self._found: list[Finding] = []
        self._before = {one.metric: one for one in previous.findings} if previous else {}

    def add(
        self,
        metric: str,
        value: float | None,
        limit: float | None,
        level: Verdict,
        message: str,
        *keys: str,
        about: Iterable[str] = (),
    ) -> None:
        """Add a finding; `keys` are where its advice stands, the first that exists, else under its metric.

        What is unknown has none of its metric's, which is for a value that is not well: its message says why.
        `about` tells it from others of its metric: the side of a limit, or names of layers or features.
        """
        causes, remedies = advice(*keys, *([] if level == "unknown" else [metric]))
        self._found.append(
            Finding(
                metric=metric,
                value=value,
                threshold=limit,
                level=level,
                message=message,
                causes=causes,
                remedies=remedies,
                about=list(about),
            )
        )

    def number(self, metric: str, label: str, value: float | None, reason: str | None, limit: Limit) -> Verdict:
        """Judge a number that every analysis should have; a missing one is a finding, too."""
        verdict, crossed = limit.judge(value, self.held(metric))
        if value is None:
            self.add(metric, None, None, "unknown", f"{label} was not computed: {reason or 'no reason given'}")
        elif crossed is not None:
            side = limit.side(crossed)
            words = f"{label} {crossing(value, crossed, side)}"
            self.add(metric, value, crossed, verdict, words, f"{metric}.{side}", about=[side])
        return verdict

    def held(self, metric: str) -> float | None:
        """The limit that a metric had crossed at the previous analysis."""
        before = self._before.get(metric)
        return before.threshold if before is not None else None

    def named(self, metric: str) -> list[str]:
        """What the finding of a metric at the previous analysis was about."""
        before = self._before.get(metric)
        return before.about if before is not None else []

    def health(self, step: int | None) -> Health:
        """The verdict over all findings, worst first; one that stood before keeps its first step, and is counted on.

        It stood before where the previous finding of its metric was about something of the same, or neither says.
        """
        dated = [self._dated(one, step) for one in sorted(self._found, key=lambda one: -SEVERITY[one.level])]
        return Health(verdict=worst("ok", *(one.level for one in dated)), findings=dated)

    def _dated(self, finding: Finding, step: int | None) -> Finding:
        before = self._before.get(finding.metric)
        if before is None or not _same(before, finding):
            return finding.model_copy(update={"since_step": step, "in_a_row": 1})
        return finding.model_copy(update={"since_step": before.since_step, "in_a_row": before.in_a_row + 1})


def _same(before: Finding, now: Finding) -> bool:
    """Whether they are about something of the same. What is unknown is about nothing, as what names nothing is."""
    return not set(before.about).isdisjoint(now.about) or not (before.about or now.about)


def crossing(value: float, limit: float, side: str) -> str:
    """`0.234 is below 0.4`, or, where a limit is only held, that the value has not recovered yet."""
    beyond = value < limit if side == "low" else value > limit
    word = "below" if side == "low" else "above"
    return (
        f"{value:.3g} is {word} {limit:g}" if beyond else f"{value:.3g} was {word} {limit:g} and is still close to it"
    )
