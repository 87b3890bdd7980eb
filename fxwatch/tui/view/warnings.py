"""Warnings: what is not well, since when, what may cause it, and what to do."""

from typing import NamedTuple

from fxwatch.records.analysis import Finding
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import shortened
from fxwatch.tui.view.header import reason, since
from fxwatch.tui.view.text import (
    BLANK,
    Line,
    Span,
    cells,
    crop,
    line,
    mark,
    name,
    paragraph,
    quiet,
    spread,
    title,
    wrapped,
)

NAME = "Warnings"
_HINT = "Enter goes to where ▸ began"
_ROOM_FOR_A_HINT = 60


def room(snapshot: Snapshot) -> tuple[int, int]:
    """The fewest lines that are of use, and those for all but details."""
    return 2, 1 + max(1, len(_findings(snapshot)))


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """The findings, worst first, each with its remedies where there is room, and in full with its causes."""
    head = title(NAME, width, "5")
    findings = _findings(snapshot)
    if not findings:
        return [head, crop(line(mark(snapshot.verdict), " ", quiet(reason(snapshot))), width)][:height]
    if height is None:
        return chosen_from(snapshot, None, width).lines
    for detail in (_in_full, _with_remedies, _wrapped):
        rows = [row for finding in findings for row in detail(finding, width)]
        if len(rows) < height:
            return [head, *rows]
    return [head, *shortened([_in_one_line(finding, width) for finding in findings], height - 1)]


class Choice(NamedTuple):
    """All findings in full, and which lines are those of the chosen one."""

    lines: list[Line]
    first: int
    end: int


def chosen_from(snapshot: Snapshot, metric: str | None, width: int) -> Choice:
    """The findings in full, of which the one of a metric is chosen; the first where no other is."""
    findings = _findings(snapshot)
    chosen = chosen_finding(snapshot, metric)
    if chosen is None:
        return Choice(lines(snapshot, width, 2), 0, 0)
    rows, first, end = [title(NAME, width, "5", _HINT if width >= _ROOM_FOR_A_HINT else "")], 0, 0
    for finding in findings:
        sign = Span("▸ ", "key") if finding is chosen else Span("  ")
        drawn = _in_full(finding, width - 2)
        if finding is chosen:
            first, end = len(rows), len(rows) + len(drawn)
        rows += [crop(line(sign if place == 0 else "  ", *row), width) for place, row in enumerate(drawn)]
    return Choice(rows, first, end)


def chosen_finding(snapshot: Snapshot, metric: str | None) -> Finding | None:
    """The finding of a metric, else the first; None where there is none."""
    findings = _findings(snapshot)
    return next((one for one in findings if one.metric == metric), findings[0] if findings else None)


def next_finding(snapshot: Snapshot, metric: str | None, stride: int) -> str | None:
    """The metric of another finding, further down or up."""
    metrics = [one.metric for one in _findings(snapshot)]
    chosen = chosen_finding(snapshot, metric)
    at = metrics.index(chosen.metric) if chosen is not None else 0
    return metrics[min(max(at + stride, 0), len(metrics) - 1)] if metrics else None


def _findings(snapshot: Snapshot) -> list[Finding]:
    return snapshot.analysis.health.findings if snapshot.analysis else []


def _in_one_line(finding: Finding, width: int) -> Line:
    end = quiet(since(finding))
    begin = crop(line(mark(finding.level), " ", name(finding.message)), max(10, width - cells(end.text) - 2))
    return spread(begin, (end,), width)


def _wrapped(finding: Finding, width: int) -> list[Line]:
    """The message in full; since when stands at the end of its last line, or below it."""
    end = quiet(since(finding))
    parts = wrapped(name(finding.message), max(10, width - 2))
    heads = [line(mark(finding.level), " "), *[line("  ")] * len(parts)]
    rows = [(*start, Span(part)) for start, part in zip(heads, parts, strict=False)]
    last = spread(rows[-1], (end,), width) if rows else line(end)
    return [*rows[:-1], last] if len(last) > len(rows[-1]) else [*rows, line("  ", end)]


def _with_remedies(finding: Finding, width: int) -> list[Line]:
    remedies = "; ".join(map(name, finding.remedies))
    return [*_wrapped(finding, width), *(paragraph(f"→ {remedies}", width - 2) if remedies else [])]


def _in_full(finding: Finding, width: int) -> list[Line]:
    rows = _wrapped(finding, width)
    for words, entries in (("may be caused by", finding.causes), ("what to do", finding.remedies)):
        rows += [line("  ", quiet(words))] if entries else []
        for entry in entries:
            parts = wrapped(name(entry), max(10, width - 6))
            rows += [line("    " if index else "  · ", part) for index, part in enumerate(parts)]
    return [*rows, BLANK]
