"""The lines above everything: healthy or not, why not, since when; where one looks; who is alive."""

from fxwatch.records.analysis import Finding
from fxwatch.records.base import Verdict, worst
from fxwatch.tui.snapshot import Lack, Past, Snapshot
from fxwatch.tui.view.heartbeat import heartbeat, heartbeat_and_work, work
from fxwatch.tui.view.text import MARK, Line, Span, crop, joined, line, merged, name, quiet, spread, width_of
from fxwatch.tui.view.words import at_step


def height_of(height: int) -> int:
    """How many lines it takes of a screen."""
    return 4 if height >= 30 else 3 if height >= 9 else 1


def lines(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """The first `height` of its lines."""
    shown = [verdict_line(snapshot, width), where_line(snapshot, width)]
    if height > 3:
        return [*shown, heartbeat(snapshot, width), work(snapshot, width)]
    return [*shown, heartbeat_and_work(snapshot, width)][:height]


def verdict_line(snapshot: Snapshot, width: int) -> Line:
    """The verdict in a sign and a word, and the finding that made it."""
    verdict = snapshot.verdict
    head = line(Span(f"{MARK[verdict]} {verdict.upper()}", verdict), "  ")
    said = (*head, Span(reason(snapshot), "strong"))
    room = width - width_of(said) - 2
    end = next((span for span in _since(snapshot) if len(span.text) <= room), quiet(""))
    return spread(said, (end,), width)


def reason(snapshot: Snapshot) -> str:
    """Why the verdict is what it is."""
    if snapshot.trouble is not None:
        return name(snapshot.trouble)
    if snapshot.analysis is None:
        return _LACKS[snapshot.lack] if snapshot.lack else "no analysis yet"
    findings = snapshot.analysis.health.findings
    if findings:
        return name(findings[0].message)
    return "nothing to warn of" if snapshot.verdict == "ok" else "nothing was judged"


_LACKS = {
    Lack.FOLDER: "there is no such folder",
    Lack.STORE: "nobody has watched this folder yet",
    Lack.RESULTS: "no analysis yet",
    Lack.RIGHTS: "the results may not be read",
}


def _since(snapshot: Snapshot) -> list[Span]:
    """Since when, and how much else there is; and since when alone, for less room."""
    findings = snapshot.analysis.health.findings if snapshot.analysis else []
    if not findings:
        return []
    more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
    return [quiet(since(findings[0]) + more), quiet(since(findings[0]))]


def since(finding: Finding) -> str:
    """Since when a finding stands."""
    return "since no known step" if finding.since_step is None else f"since step {finding.since_step:,}"


def where_line(snapshot: Snapshot, width: int) -> Line:
    """Run, step, and whether one looks at the newest analysis or at an older one."""
    if snapshot.run is None:
        return crop(line(quiet("watching "), name(snapshot.watched)), width)
    parts: list[str | Span] = [f"run {name(snapshot.run, 60)}", place(snapshot)]
    if snapshot.past is not None and snapshot.past.reading:
        parts.append(quiet("reading the history"))
    begin, end = joined(parts, width), (_others(snapshot),)
    room = width - width_of(begin) - width_of(end) - 6
    return spread((*begin, Span("  "), *scrubber(snapshot.past, room)), end, width)


_STROKE: dict[Verdict, str] = {"ok": "─", "unknown": "?", "warn": "!", "bad": "✗"}


def scrubber(past: Past | None, width: int) -> Line:
    """The whole history in verdicts, with a mark where one looks; two buckets share a cell where there is less room."""
    if past is None or len(past.verdicts) < 2:
        return ()
    group = 1
    while -(-len(past.verdicts) // group) > width > 0:
        group *= 2
    if width < 8 or group > 8:
        return ()
    at = (past.number - 1) // (past.stride * group)
    cells = [worst(*past.verdicts[begin : begin + group]) for begin in range(0, len(past.verdicts), group)]
    drawn = (Span("●" if cell == at else _STROKE[verdict], verdict) for cell, verdict in enumerate(cells))
    return (quiet("├"), *merged(drawn), quiet("┤"))


def place(snapshot: Snapshot) -> Span:
    """`live` or `held`, the step, and which analysis of how many."""
    past, analysis, news = snapshot.past, snapshot.analysis, snapshot.news
    step = analysis.checkpoint.step if analysis is not None else None if snapshot.held or not news else news.step
    position = f"({past.number:,} of {past.count:,})" if past is not None else ""
    if snapshot.held:
        return Span(f" held {at_step(step)} {position} ", "held")
    return Span(f"live {at_step(step)} {position}", "ok")


def _others(snapshot: Snapshot) -> Span:
    if len(snapshot.runs) < 2:
        return quiet("")
    first, news = snapshot.runs[0], snapshot.news
    if news is not None and first.verdict != news.verdict:
        return Span(f"{name(first.name, 40)} is {first.verdict.upper()}, r", first.verdict)
    here = [run.name for run in snapshot.runs].index(snapshot.run or "") + 1
    return quiet(f"run {here} of {len(snapshot.runs)}, worst first")
