"""What is not well, worst first: in words, since when, and what to do first."""

from collections import Counter

from fxwatch.records.analysis import Analysis, Finding
from fxwatch.report.box import Box
from fxwatch.report.palette import MARKS, MUTED
from fxwatch.report.panel import CHIP, Panel
from fxwatch.report.words import some

ROW = 28.0
SHOWN = 6


def findings_height(analysis: Analysis) -> float:
    """Pixels that the findings take."""
    return ROW * max(1, min(len(analysis.health.findings), SHOWN))


def draw_findings(panel: Panel, analysis: Analysis) -> None:
    """A row for each finding; the last row names those that have no room."""
    findings = analysis.health.findings
    if not findings:
        _no_findings(panel, analysis)
        return
    shown = findings if len(findings) <= SHOWN else findings[: SHOWN - 1]
    rows = panel.box.rows(min(len(findings), SHOWN), ROW)
    table = [
        (finding.message or finding.metric, _since(finding, analysis), _first_remedy(finding)) for finding in shown
    ]
    left = panel.box.left + CHIP + 12
    since = max(panel.ruler.width(row[1]) for row in table) + 28
    remedy = max(panel.ruler.width(row[2]) for row in table)
    message = max(panel.ruler.width(row[0]) for row in table) + 28
    room = panel.box.right - left - since
    message = min(message, max(room - remedy, room * 0.62))
    for row, finding, (what, when, do) in zip(rows, shown, table, strict=False):
        panel.chip(row.left + CHIP / 2, row.middle, finding.level)
        panel.text(left, row.middle, what, width=message - 28)
        panel.text(left + message, row.middle, when, colour=MUTED)
        panel.text(left + message + since, row.middle, do, width=room - message)
    if len(findings) > len(shown):
        _rest(panel, rows[-1], left, findings[len(shown) :])


def _no_findings(panel: Panel, analysis: Analysis) -> None:
    row = panel.box.rows(1, ROW)[0]
    verdict = analysis.health.verdict
    words = (
        "All is well: every number that is judged lies within its limits."
        if verdict == "ok"
        else f"The verdict is {MARKS[verdict].word}, and the analysis holds no finding that says why."
    )
    panel.chip(row.left + CHIP / 2, row.middle, verdict)
    panel.text(row.left + CHIP + 12, row.middle, words)


def _rest(panel: Panel, row: Box, left: float, findings: list[Finding]) -> None:
    levels = Counter(finding.level for finding in findings)
    kinds = ", ".join(f"{number} {MARKS[level].word}" for level, number in levels.items())
    names = some([finding.metric for finding in findings], 8)
    panel.text(left, row.middle, f"and {len(findings)} more ({kinds}): {names}", colour=MUTED, width=row.right - left)


def _since(finding: Finding, analysis: Analysis) -> str:
    if finding.since_step is None:
        return "since unknown"
    return (
        "new at this step" if finding.since_step == analysis.checkpoint.step else f"since step {finding.since_step:,}"
    )


def _first_remedy(finding: Finding) -> str:
    return f"→ {finding.remedies[0]}" if finding.remedies else ""
