"""What differs between two decisions, and between two analyses; and the pure rule of what counts as moved.

A share moved beyond the noise where its change exceeds what the choice of states alone would give: the half-widths of
the two 95 % intervals that face each other, added as independent errors, and widened for the number of features that
are tried (Bonferroni), as otherwise every twentieth would seem to have moved. Over the same states the errors are
alike rather than independent, which makes the band rather too wide than too narrow.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

from fxwatch.records.analysis import Analysis, BranchShare, Unit
from fxwatch.records.base import Record, Verdict
from fxwatch.records.student import student_quantile

FEWEST_STATES = 4
"""Intervals over fewer states say nothing, and nor does what is made of them."""

_LEVEL = 0.05


class DecisionComparison(Record):
    """Why the policy's decision at state A is another one, or another strong one, than at state B.

    `scalar` is what was compared: the logit of the action that both take, or the margin of A's action over B's.
    `contributions` by branch and feature add up to `value_a` - `value_b`, but for `completeness_error`; above nought a
    feature raised it on the way from B to A. `gradients`: how many were taken along the straight path between them.
    """

    target: str
    scalar: str
    action_a: str
    action_b: str
    value_a: float
    value_b: float
    change: float
    contributions: dict[str, dict[str, float]]
    key_discriminative_features: list[tuple[str, str, float]]
    completeness_error: float
    gradients: int


class Compared(Record):
    """One of two analyses."""

    id: str
    run: str
    step: int | None
    checkpoint: str
    states: int
    verdict: Verdict


class UnitChange(Record):
    """A feature's share in both analyses. `band`: how far noise alone moves it; None where that is not known."""

    branch: str
    feature: str
    a: Unit
    b: Unit
    change: float
    band: float | None
    beyond: bool | None


class BranchChange(Record):
    """A branch's share in both analyses."""

    branch: str
    a: BranchShare
    b: BranchShare
    change: float | None
    band: float | None
    beyond: bool | None


class FindingChange(Record):
    """A finding that came, went, or changed its level; None: it was not there. `message` is the newer one's."""

    metric: str
    a: Verdict | None
    b: Verdict | None
    message: str


class ImportanceComparison(Record):
    """From analysis A to analysis B: features that moved beyond the noise first, and the furthest first of them.

    `spearman` is the rank correlation of the shares of the features that both have; sampling noise alone leaves it at
    `null_low` or above, which is the lower of both analyses' own. `notes` say what else differs.
    """

    a: Compared
    b: Compared
    spearman: float | None
    null_low: float | None
    beyond: bool | None
    units: list[UnitChange]
    branches: list[BranchChange]
    only_a: list[tuple[str, str]] = []
    only_b: list[tuple[str, str]] = []
    findings: list[FindingChange] = []
    notes: list[str] = []


def compare_importance(a: Analysis, b: Analysis) -> ImportanceComparison:
    """What changed from analysis A to analysis B."""
    before, after = _units(a), _units(b)
    both = [name for name in before if name in after]
    states = min(a.states.count, b.states.count)
    wider = widening(len(both), states)
    units = [UnitChange(branch=one[0], feature=one[1], **_changed(before[one], after[one], wider)) for one in both]
    wider = widening(len(a.branches), states)
    branches = [
        BranchChange(branch=name, **_changed(share, b.branches[name], wider))
        for name, share in a.branches.items()
        if name in b.branches
    ]
    correlation = rank_correlation([before[name].share for name in both], [after[name].share for name in both])
    nulls = [one.stability.null_low for one in (a, b) if one.stability.null_low is not None]
    null_low = min(nulls) if len(nulls) == 2 else None
    return ImportanceComparison(
        a=_compared(a),
        b=_compared(b),
        spearman=correlation,
        null_low=null_low,
        beyond=None if correlation is None or null_low is None else correlation < null_low,
        units=sorted(units, key=lambda unit: (not unit.beyond, -abs(unit.change))),
        branches=branches,
        only_a=[name for name in before if name not in after],
        only_b=[name for name in after if name not in before],
        findings=_findings(a, b),
        notes=_notes(a, b),
    )


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman correlation, ties sharing their mean rank; None where either is constant or holds fewer than two."""
    try:
        return statistics.correlation(_ranks(first), _ranks(second))
    except statistics.StatisticsError:
        return None


def _ranks(values: Sequence[float]) -> list[float]:
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    return [sum(places[value]) / len(places[value]) for value in values]


def _units(analysis: Analysis) -> dict[tuple[str, str], Unit]:
    return {(branch, name): unit for branch, units in analysis.units.items() for name, unit in units.items()}


def _changed(a: Unit | BranchShare, b: Unit | BranchShare, wider: float | None) -> dict[str, Any]:
    """What a change of a feature's share and one of a branch's have in common."""
    change = None if a.share is None or b.share is None else b.share - a.share
    band = _band(a, b, wider)
    beyond = None if band is None else abs(change or 0.0) > band
    return {"a": a, "b": b, "change": change, "band": band, "beyond": beyond}


def _band(a: Unit | BranchShare, b: Unit | BranchShare, wider: float | None) -> float | None:
    """How far noise moves a share between two analyses."""
    if wider is None or a.share is None or a.low is None or a.high is None:
        return None
    if b.share is None or b.low is None or b.high is None:
        return None
    facing = (a.high - a.share, b.share - b.low) if b.share >= a.share else (a.share - a.low, b.high - b.share)
    return wider * math.hypot(*(max(half, 0.0) for half in facing))


def widening(tried: int, states: int) -> float | None:
    """By how much a 95 % interval over so many states is to be widened where so many features are tried.

    From Student's quantile at the level 0.05 to that at 0.05 / tried. None for fewer than FEWEST_STATES.
    """
    if states < FEWEST_STATES:
        return None
    return student_quantile(1 - _LEVEL / 2 / max(tried, 1), states - 1) / student_quantile(1 - _LEVEL / 2, states - 1)


def _compared(analysis: Analysis) -> Compared:
    return Compared(
        id=analysis.id,
        run=analysis.run,
        step=analysis.checkpoint.step,
        checkpoint=analysis.checkpoint.path,
        states=analysis.states.count,
        verdict=analysis.health.verdict,
    )


def _findings(a: Analysis, b: Analysis) -> list[FindingChange]:
    before = {finding.metric: finding for finding in a.health.findings}
    after = {finding.metric: finding for finding in b.health.findings}
    changes = []
    for metric in dict.fromkeys([*after, *before]):
        old, new = before.get(metric), after.get(metric)
        newest = new or old
        if newest is not None and (old is None or new is None or old.level != new.level):
            changes.append(
                FindingChange(
                    metric=metric, a=old.level if old else None, b=new.level if new else None, message=newest.message
                )
            )
    return changes


def _notes(a: Analysis, b: Analysis) -> list[str]:
    """What makes two analyses less comparable, in words."""
    notes = []
    if a.states.sha256 != b.states.sha256:
        notes.append("they were made over different states: a share may have moved because these did")
    if min(a.states.count, b.states.count) < FEWEST_STATES:
        notes.append(f"fewer than {FEWEST_STATES} states: how far noise moves a share is not known")
    for word, first, second in (
        ("explain", (a.target.config, a.target.words), (b.target.config, b.target.words)),
        ("compare the states with", (a.target.baseline,), (b.target.baseline,)),
        ("rank by", tuple(a.methods)[:1], tuple(b.methods)[:1]),
    ):
        if first != second:
            notes.append(f"A and B {word} different things: {', '.join(first) or '-'}; {', '.join(second) or '-'}")
    return notes
