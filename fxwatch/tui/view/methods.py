"""Methods: how far each agrees with each other, where each puts a feature, what could not run and why, what it cost."""

from typing import TYPE_CHECKING

from fxwatch.records.analysis import Analysis, MethodReport
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.ranks import rank_table
from fxwatch.tui.view.text import BLANK, Line, Span, crop, left, line, mark, name, paragraph, quiet, right, title
from fxwatch.tui.view.words import count, duration, number, percent

if TYPE_CHECKING:
    from fxwatch.records.base import Verdict

NAME = "Methods"
_LABEL, _LEAST_CELL, _CELL = 24, 8, 9


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:  # noqa: ARG001 - it is scrolled
    """Agreement, votes, and a report on each method."""
    head = [title(NAME, width, "8")]
    analysis = snapshot.analysis
    if analysis is None:
        return head
    text = [
        *head,
        *_matrix(snapshot, analysis, width),
        *_votes(analysis, width),
        *rank_table(analysis, voting(analysis), width),
        *_reports(analysis, width),
    ]
    return [crop(row, width) for row in text]


def voting(analysis: Analysis) -> list[str]:
    """The methods that have a say, in the order of the table."""
    pairs = analysis.consensus.pairs
    return list(dict.fromkeys(method for pair in pairs for method in pair.methods)) or [
        method for voter in analysis.consensus.voters for method in voter
    ]


def _matrix(snapshot: Snapshot, analysis: Analysis, width: int) -> list[Line]:
    """Rank correlation of every two methods; those below the limit of consensus are marked."""
    consensus = analysis.consensus
    if not consensus.pairs:
        return [line(quiet(f"  no agreement: {name(consensus.reason or 'fewer than two methods could run')}"))]
    methods = voting(analysis)
    known = {frozenset(pair.methods): pair.spearman for pair in consensus.pairs}
    limit = snapshot.thresholds.consensus
    rows = [line(quiet(f"  rank correlation of importances; ! below {limit.ok:g}, ✗ below {limit.bad:g}"))]
    cell = max(_LEAST_CELL, min(_CELL, (width - _LABEL - 2) // len(methods)))
    rows.append(line(" " * (_LABEL + 2), *(quiet(right(f"[{place}]", cell)) for place in range(1, len(methods) + 1))))
    for place, method in enumerate(methods, 1):
        cells = [_agreement(known.get(frozenset((method, other))), snapshot, cell) for other in methods]
        rows.append(line("  ", left(f"[{place}] {_spoken(method)}", _LABEL), *cells))
    worst = min(consensus.pairs, key=lambda pair: pair.spearman)
    words = (
        f"least alike: {' and '.join(map(_spoken, worst.methods))} with {number(worst.spearman)}, "
        f"{percent(worst.jaccard10)} of their top ten in common"
        + ("" if worst.sign_agreement is None else f", {percent(worst.sign_agreement)} of signs alike")
    )
    return rows + paragraph(words, width)


def _agreement(value: float | None, snapshot: Snapshot, cell: int) -> Span:
    if value is None:
        return quiet(right("·", cell))
    verdict = snapshot.thresholds.consensus.judge(value)[0]
    sign = {"warn": "! ", "bad": "✗ "}.get(verdict, "")
    return Span(right(sign + number(value), cell), verdict if sign else "")


def _votes(analysis: Analysis, width: int) -> list[Line]:
    merged = [" = ".join(map(_spoken, voter)) for voter in analysis.consensus.voters if len(voter) > 1]
    words = count(len(analysis.consensus.voters), "vote")
    words += f"; these say the same and share one: {'; '.join(merged)}" if merged else ", each method its own"
    without = sum(report.status != "ok" for report in analysis.methods.values())
    words += f"; {count(without, 'method')} without a vote, told below" if without else ""
    return [BLANK, *paragraph(words, width, role="")] if analysis.methods else []


def _reports(analysis: Analysis, width: int) -> list[Line]:
    found: list[Line] = [BLANK] if analysis.methods else []
    for place, (method, report) in enumerate(analysis.methods.items()):
        verdict: Verdict = "ok" if report.status == "ok" else "warn"
        role = "ranks" if place == 0 else "votes" if report.status == "ok" else report.status
        label = Span(left(_spoken(method), _LABEL), "strong")
        found.append(line(mark(verdict), " ", label, left(name(role, 20), 12), quiet(_cost(report))))
        found += paragraph(name(report.reason or ""), width, 4, "warn")
    return found


def _cost(report: MethodReport) -> str:
    parts = [duration(report.seconds), count(report.forwards, "forward"), count(report.backwards, "backward")]
    if report.steps is not None:
        parts.append(f"{number(report.steps)} steps")
    if report.convergence_delta is not None:
        parts.append(f"convergence delta {number(report.convergence_delta)}")
    return ", ".join(parts)


def _spoken(method: str) -> str:
    return name(method, 60).replace("_", " ")
