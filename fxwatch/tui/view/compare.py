"""Compare: what moved from one analysis to the shown one, and what of that is more than noise."""

from typing import TYPE_CHECKING

from fxwatch.records.analysis import Analysis
from fxwatch.records.comparison import Compared, ImportanceComparison, UnitChange, compare_importance
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.table import Column, Row, Table
from fxwatch.tui.view.text import Line, Span, joined, line, mark, name, quiet, wrapped
from fxwatch.tui.view.words import at_step, number, percent, points

if TYPE_CHECKING:
    from fxwatch.records.base import Verdict

NAME = "Compare"
_COLUMNS = (
    Column("feature", 20, most=44, text=True),
    Column("branch", 9, 2, most=12, text=True),
    Column("A", 7),
    Column("B", 7),
    Column("points", 7),
    Column("noise", 7, 1),
    Column("", 14, most=24, text=True),
)
_MOST_NOTES = 4


def table(snapshot: Snapshot) -> Table:
    """A row a feature, those that moved beyond the noise first."""
    against, analysis = snapshot.closer.against, snapshot.analysis
    if against is None or analysis is None:
        words = snapshot.closer.trouble or "p keeps what is shown as A; then look elsewhere, and compare"
        return Table(_COLUMNS, (), name(words))
    found = compare_importance(against, analysis)
    return Table(_COLUMNS, [_row(unit) for unit in found.units], "they have no feature in common", noun="feature")


def above(snapshot: Snapshot, width: int, height: int) -> list[Line]:
    """What A and B are, how far their ranks agree, which branches moved, and which findings came and went."""
    against, analysis = snapshot.closer.against, snapshot.analysis
    if against is None or analysis is None:
        return []
    found = compare_importance(against, analysis)
    why = "kept by p" if snapshot.closer.pinned else "the analysis before; p keeps another"
    rows = [_which("A", found.a, why, width), _which("B", found.b, "shown", width), _ranks(found)]
    rows += _branches(found, width)
    rows += _findings(found)
    for note in found.notes:
        first, *rest = wrapped(name(note), max(10, width - 4)) or [""]
        rows += [line(mark("warn"), f" {first}"), *(line(f"  {part}") for part in rest)]
    return rows[: max(2, height // 2)]


def comparison(a: Analysis, b: Analysis) -> str:
    """How many features moved, in a sentence."""
    found = compare_importance(a, b)
    beyond = sum(unit.beyond is True for unit in found.units)
    return f"{beyond} of {len(found.units)} features moved beyond the noise since {_where(found.a)}"


def _where(one: Compared) -> str:
    return f"{name(one.run, 40)} {at_step(one.step)}"


def _which(letter: str, one: Compared, why: str, width: int) -> Line:
    parts: list[str | Span] = [f"run {_where(one)}", one.verdict.upper(), quiet(name(one.checkpoint, 60)), quiet(why)]
    return (Span(f"  {letter}  ", "key"), *joined(parts, width - 5))


def _ranks(found: ImportanceComparison) -> Line:
    beyond = sum(unit.beyond is True for unit in found.units)
    verdict: Verdict = "unknown" if found.beyond is None else "warn" if found.beyond else "ok"
    noise = "" if found.null_low is None else f", noise alone leaves {number(found.null_low)} or more"
    words = f" ranks agree by {number(found.spearman)}{noise}; {beyond} of {len(found.units)} moved beyond the noise"
    return line(mark(verdict), words)


def _branches(found: ImportanceComparison, width: int) -> list[Line]:
    parts: list[str | Span] = [
        Span(
            f"{name(one.branch, 20)} {points(one.change)}{_sign(one.change, beyond=one.beyond)}",
            "warn" if one.beyond else "",
        )
        for one in found.branches
    ]
    return [(Span("  "), quiet("branches "), *joined(parts, width - 11))] if parts else []


def _findings(found: ImportanceComparison) -> list[Line]:
    rows = []
    for change in found.findings[:_MOST_NOTES]:
        state = "new" if change.a is None else "gone" if change.b is None else f"{change.a} → {change.b}"
        rows.append(line(mark(change.b or "ok"), f" {state}: {name(change.message)}"))
    return rows


def _sign(change: float | None, *, beyond: bool | None) -> str:
    return (" ▲" if (change or 0.0) > 0 else " ▼") if beyond else ""


def _row(unit: UnitChange) -> Row:
    moved = f"{_sign(unit.change, beyond=True).strip()} beyond noise" if unit.beyond else ""
    words = "noise unknown" if unit.beyond is None else moved
    cells = (
        Span(name(unit.feature)),
        quiet(name(unit.branch)),
        Span(percent(unit.a.share)),
        Span(percent(unit.b.share)),
        Span(points(unit.change), "strong"),
        quiet("–" if unit.band is None else f"±{unit.band * 100:.1f}"),
        Span(words, "warn" if unit.beyond else "quiet"),
    )
    order = (unit.feature, unit.branch, unit.a.share, unit.b.share, unit.change, unit.band, words or None)
    return Row((unit.branch, unit.feature), cells, order)
