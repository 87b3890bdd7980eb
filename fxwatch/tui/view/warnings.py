"""Warnings: what is not well, since when, what may cause it, and what to do."""

from fxwatch.records.analysis import Finding
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.blocks import shortened
from fxwatch.tui.view.header import reason, since
from fxwatch.tui.view.text import BLANK, Line, Span, cells, crop, line, mark, name, quiet, spread, title, wrapped

NAME = "Warnings"


def least(snapshot: Snapshot) -> int:  # noqa: ARG001 - all panels are asked the same
    """The fewest lines that are of use."""
    return 2


def good(snapshot: Snapshot) -> int:
    """The lines for all but details."""
    return 1 + max(1, len(_findings(snapshot)))


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:
    """The findings, worst first, each with its remedies where there is room, and in full with its causes."""
    head = title(NAME, width, "5")
    findings = _findings(snapshot)
    if not findings:
        return [head, crop(line(mark(snapshot.verdict), " ", quiet(reason(snapshot))), width)][:height]
    if height is None:
        return [head, *(row for finding in findings for row in _in_full(finding, width))]
    for detail in (_in_full, _with_remedies, _wrapped):
        rows = [row for finding in findings for row in detail(finding, width)]
        if len(rows) < height:
            return [head, *rows]
    return [head, *shortened([_in_one_line(finding, width) for finding in findings], height - 1)]


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
    rows = wrapped(f"→ {remedies}", max(10, width - 4)) if remedies else []
    return [*_wrapped(finding, width), *(line("  ", quiet(part)) for part in rows)]


def _in_full(finding: Finding, width: int) -> list[Line]:
    rows = _wrapped(finding, width)
    for words, entries in (("may be caused by", finding.causes), ("what to do", finding.remedies)):
        rows += [line("  ", quiet(words))] if entries else []
        for entry in entries:
            parts = wrapped(name(entry), max(10, width - 6))
            rows += [line("    " if index else "  · ", part) for index, part in enumerate(parts)]
    return [*rows, BLANK]
