"""PPO metrics: how far the methods agree, and how far the attribution can be trusted."""

from typing import NamedTuple

from fxwatch.records.analysis import Analysis, Consensus
from fxwatch.records.quality import Estimate
from fxwatch.records.thresholds import Limit
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import Block, fitted
from fxwatch.tui.view.gauge import gauge, ticks
from fxwatch.tui.view.text import BLANK, Line, Span, left, line, mark, name, paragraph, quiet, right, title
from fxwatch.tui.view.training import scalars_table
from fxwatch.tui.view.trend import trend
from fxwatch.tui.view.words import count, error, number, percent

NAME = "PPO metrics"
_LABEL, _VALUE, _ERROR = 13, 6, 7


class Metric(NamedTuple):
    """One row: a number with its standard error and the limit that judges it."""

    label: str
    found: Estimate
    limit: Limit
    note: str


def metrics(snapshot: Snapshot, analysis: Analysis) -> list[Metric]:
    """Consensus and the quality of the attribution."""
    effective = analysis.quality.concentration.effective_features
    notes = {
        "consensus": _spread_of(analysis.consensus),
        "concentration": f"{effective:.1f} effective features" if effective is not None else "",
    }
    limits = snapshot.thresholds
    return [
        Metric(label, found, getattr(limits, label), notes.get(label, ""))
        for label, found in analysis.estimates().items()
    ]


def _spread_of(consensus: Consensus) -> str:
    ends = f"min {number(consensus.min_correlation)}, std {number(consensus.std_correlation)}"
    return f"{ends}, agreement score {number(consensus.agreement_score)}"


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
    spread = rows[0].note.replace(" score", "")  # for the little room that a title has
    blocks = [Block(0, [title(NAME, width, "1", spread if tight else "")])]
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
    found = row.found
    head = line(
        mark(found.verdict),
        " ",
        left(row.label, _LABEL),
        Span(right(number(found.value), _VALUE), found.verdict if found.verdict in {"warn", "bad"} else "strong"),
        quiet(" " + left(error(found.standard_error), _ERROR)),
        " ",
    )
    if found.value is None:
        return (*head, quiet(name(found.reason or "not computed")))
    room = width - (_LABEL + _VALUE + _ERROR + 4)
    note = quiet(f"  {left(row.note, 50)}") if roomy else quiet("")
    room -= 52 if roomy else 0
    drawn = max(6, room * 2 // 5)
    low, high = row.limit.axis()
    past = snapshot.past.trends.get(row.label, ()) if snapshot.past else ()
    picture = trend(past, drawn, (high - low) / 10)
    return (*head, quiet(picture), Span("  "), *gauge(found.value, found.verdict, row.limit, room - drawn - 2), note)


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
        sign = mark("ok" if report.status == "ok" else "warn")
        cost = count(report.forwards, "forward")
        words = name(f"{report.status}: {report.reason}" if report.reason else f"{report.status}, {cost}")
        found.append(line(sign, " ", left(name(method).replace("_", " "), 24), quiet(words)))
    return found


def _limits(rows: list[Metric], width: int) -> list[Line]:
    found = [BLANK, line(quiet("  limits"))]
    for row in rows:
        found.append(line("  ", left(row.label, _LABEL), " ", ticks(row.limit)))
        found += paragraph(name(row.found.reason or ""), width, 16)
    return found
