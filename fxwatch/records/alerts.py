"""When people are told that a verdict has changed: once it is sure, and not again and again."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fxwatch.records.base import SEVERITY, Record, Verdict
from fxwatch.records.history import HistoryLine
from fxwatch.records.times import seconds

IN_A_ROW = 2
"""Analyses in a row that must differ from what was told, on the same side."""


class AlertState(Record):
    """What was told of a run, when, and the verdicts since then that differ from it on one side.

    `seq`: the newest analysis that was considered.
    """

    seq: int = -1
    told: Verdict = "ok"
    told_at: str | None = None
    differing: list[Verdict] = []


class Alert(NamedTuple):
    """A verdict that has changed, at an analysis."""

    line: HistoryLine
    before: Verdict
    verdict: Verdict

    def title(self, run: str) -> str:
        """`fxwatch exp: OK -> BAD at step 1000`."""
        step = "" if self.line.step is None else f" at step {self.line.step}"
        return f"fxwatch {run}: {self.before.upper()} -> {self.verdict.upper()}{step}"

    def text(self) -> str:
        """What is not well, worst first."""
        found = [f"{metric} is {level}" for metric, level in self.line.findings.items()]
        return "; ".join(found) or "no finding"


def alerts(
    state: AlertState, lines: Iterable[HistoryLine], quiet_seconds: float
) -> Iterator[tuple[AlertState, Alert | None]]:
    """Go through a history, oldest first: after each analysis the new state, and the alert that is due, if any.

    An alert is due when the last two analyses are both worse, or both better, than what was told; it tells the nearer
    of the two. Within `quiet_seconds` of an alert, by the times of the analyses, it waits, unless the run is bad now or
    the clock was set back. A verdict that is not known changes nothing, nor does one on a checkpoint of the past.
    """
    for line in lines:
        if line.seq <= state.seq or line.late:
            continue
        state, alert = _step(state, line, quiet_seconds)
        yield state, alert


def _step(state: AlertState, line: HistoryLine, quiet_seconds: float) -> tuple[AlertState, Alert | None]:
    if line.verdict == "unknown":
        return state.model_copy(update={"seq": line.seq}), None
    differing = [*state.differing, line.verdict][-IN_A_ROW:] if line.verdict != state.told else []
    if len({_is_worse(verdict, state.told) for verdict in differing}) > 1:
        differing = [line.verdict]
    seen = state.model_copy(update={"seq": line.seq, "differing": differing})
    if len(differing) < IN_A_ROW:
        return seen, None
    worse = _is_worse(line.verdict, state.told)
    verdict = (min if worse else max)(differing, key=SEVERITY.__getitem__)
    if verdict != "bad" and 0 <= _seconds_between(state.told_at, line.created_at) < quiet_seconds:
        return seen, None
    told = AlertState(seq=line.seq, told=verdict, told_at=line.created_at)
    return told, Alert(line, state.told, verdict)


def _is_worse(verdict: Verdict, than: Verdict) -> bool:
    return SEVERITY[verdict] > SEVERITY[than]


def _seconds_between(earlier: str | None, later: str) -> float:
    began, ended = seconds(earlier or ""), seconds(later)
    if began is None or ended is None:  # nothing was told yet, or a time makes no sense: nobody is to be kept waiting
        return float("inf")
    return ended - began
