"""PPO metrics: how far the methods agree, and how far the attribution can be trusted."""

from typing import TYPE_CHECKING, NamedTuple

from fxwatch.records.analysis import Analysis, Consensus
from fxwatch.records.base import Verdict
from fxwatch.records.thresholds import Limit
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted
from fxwatch.tui.view.gauge import gauge, scale_of, ticks
from fxwatch.tui.view.text import BLANK, Line, Span, left, line, mark, name, paragraph, quiet, right, title
from fxwatch.tui.view.training import scalars_table
from fxwatch.tui.view.trend import trend
from fxwatch.tui.view.words import count, error, number, percent

if TYPE_CHECKING:
    from fxwatch.records.quality import Estimate

NAME = "PPO metrics"
_LABEL, _VALUE, _ERROR = 13, 6, 7


class Metric(NamedTuple):
    """One row: a number with its standard error and the limit that judges it."""

    label: str
    value: float | None
    standard_error: float | None
    verdict: Verdict
    limit: Limit
    reason: str | None
    note: str


def metrics(snapshot: Snapshot, analysis: Analysis) -> list[Metric]:
    """Consensus and the quality of the attribution."""
    limits, quality = snapshot.thresholds, analysis.quality
    agreement = analysis.consensus
    effective = quality.concentration.effective_features
    notes = {"concentration": f"{effective:.1f} effective features" if effective is not None else ""}
    judged: list[tuple[str, Estimate, Limit]] = [
        ("sparsity", quality.sparsity, limits.sparsity),
        ("concentration", quality.concentration, limits.concentration),
        ("infidelity", quality.infidelity, limits.infidelity),
        ("sensitivity", quality.sensitivity, limits.sensitivity),
        ("completeness", quality.completeness, limits.completeness),
    ]
    consensus = Metric(
        "consensus",
        agreement.mean_correlation,
        agreement.standard_error,
        agreement.verdict,
        limits.consensus,
        agreement.reason,
        consensus_words(agreement),
    )
    return [consensus] + [
        Metric(label, part.value, part.standard_error, part.verdict, limit, part.reason, notes.get(label, ""))
        for label, part, limit in judged
    ]


def consensus_words(consensus: Consensus) -> str:
    """What stands behind the mean."""
    return (
        f"min {number(consensus.min_correlation)}, std {number(consensus.std_correlation)}, "
        f"agreement score {number(consensus.agreement_score)}"
    )


def _spread_of(consensus: Consensus) -> str:
    """The same, for the little room that a title has."""
    return consensus_words(consensus).replace(" score", "")


def room(snapshot: Snapshot) -> tuple[int, int]:  # noqa: ARG001 - all panels are asked the same
    """The fewest lines that are of use, and those for all but details."""
    return 7, 10


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """As much as fits, under a title."""
    analysis = snapshot.analysis
    if analysis is None:
        return [title(NAME, width, "1")]
    rows = metrics(snapshot, analysis)
    roomy = width >= 110
    tight = height is not None and height <= len(rows) + 1 and not roomy
    blocks = [Block(0, [title(NAME, width, "1", _spread_of(analysis.consensus) if tight else "")])]
    for row in rows:
        blocks.append(Block(0, [_row(row, snapshot, width, roomy=roomy)]))
        if row.note and not roomy:
            blocks.append(Block(1, [line("    ", quiet(row.note))]))
    blocks.append(Block(2, [line(quiet(" " * 16 + "━ ok  ─ warn  ┄ bad  ● here  ▸ beyond"))]))
    blocks.append(Block(3, _pairs(analysis.consensus, width)))
    blocks.append(Block(4, _methods(analysis), cut=True))
    if height is None:
        blocks.append(Block(5, _limits(rows, width)))
        blocks.append(Block(5, scalars_table(snapshot, width)))
    return fitted(blocks, width, height)


def _row(row: Metric, snapshot: Snapshot, width: int, *, roomy: bool) -> Line:
    head = line(
        mark(row.verdict),
        " ",
        left(row.label, _LABEL),
        Span(right(number(row.value), _VALUE), row.verdict if row.verdict in {"warn", "bad"} else "strong"),
        quiet(" " + left(error(row.standard_error), _ERROR)),
        " ",
    )
    if row.value is None:
        return (*head, quiet(name(row.reason or "not computed")))
    room = width - (_LABEL + _VALUE + _ERROR + 4)
    note = quiet(f"  {left(row.note, 50)}") if roomy else quiet("")
    room -= 52 if roomy else 0
    drawn = max(6, room * 2 // 5)
    low, high = scale_of(row.limit)
    past = snapshot.past.trends.get(row.label, ()) if snapshot.past else ()
    picture = trend(past, drawn, (high - low) / 10)
    return (*head, quiet(picture), Span("  "), *gauge(row.value, row.verdict, row.limit, room - drawn - 2), note)


def _pairs(consensus: Consensus, width: int) -> list[Line]:
    if not consensus.pairs:
        return []
    label = min(44, width - 26)
    head = (left("  agreement of two methods", label + 2), right("rank", 7) + right("top 10", 8), right("sign", 8))
    found = [BLANK, line(*map(quiet, head))]
    for pair in consensus.pairs:
        names = name(" · ".join(pair.methods)).replace("_", " ")
        shares = [right(percent(share), 8) for share in (pair.jaccard10, pair.sign_agreement)]
        found.append(line("  ", left(names, label), right(number(pair.spearman), 7), *shares))
    return found


def _methods(analysis: Analysis) -> list[Line]:
    if not analysis.methods:
        return []
    found = [BLANK, line(quiet(f"  methods, {count(len(analysis.consensus.voters), 'vote')}"))]
    for method, report in analysis.methods.items():
        verdict: Verdict = "ok" if report.status == "ok" else "warn"
        cost = count(report.forwards, "forward")
        words = name(f"{report.status}: {report.reason}" if report.reason else f"{report.status}, {cost}")
        found.append(line(mark(verdict), " ", left(name(method).replace("_", " "), 24), quiet(words)))
    return found


def _limits(rows: list[Metric], width: int) -> list[Line]:
    found = [BLANK, line(quiet("  limits"))]
    for row in rows:
        found.append(line("  ", left(row.label, _LABEL), " ", ticks(row.limit)))
        found += paragraph(name(row.reason or ""), width, 16)
    return found
