"""How far the attribution can be trusted: each number with its standard error against its limits."""

from collections.abc import Mapping
from typing import NamedTuple

from fxwatch.records.analysis import Analysis
from fxwatch.records.base import Verdict
from fxwatch.records.quality import Estimate, QualityMetrics
from fxwatch.records.thresholds import AtLeast, Limit
from fxwatch.report.box import Box
from fxwatch.report.gauge import wanted, zones
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import DOUBTFUL, HARMFUL, HEALTHY, INK, MUTED, PAPER
from fxwatch.report.panel import CHIP, TITLE_HEIGHT, Panel
from fxwatch.report.scale import Scale
from fxwatch.report.words import estimate as in_digits
from fxwatch.report.words import number

_NOTE = 21.0
_NOTES = 4
_ROW = 34.0
_SPACE = 7.0
_FILLS: dict[Verdict, str] = {"ok": HEALTHY, "warn": DOUBTFUL, "bad": HARMFUL, "unknown": PAPER}


class _Line(NamedTuple):
    name: str
    estimate: Estimate
    limit: Limit


class _Columns(NamedTuple):
    """Where values and gauges begin, gauges end, and the words of limits end."""

    value: float
    gauge: float
    end: float
    limit: float


def quality_height() -> float:
    """Pixels that the panel fills, and no more."""
    return TITLE_HEIGHT + _ROW * (len(QualityMetrics.model_fields) + 1) + 6 + _NOTE * 3


def draw_quality(panel: Panel, analysis: Analysis) -> None:
    """A line a number, and below them what goes with it."""
    box = panel.title("Quality", "value ± standard error, against its limits")
    lines = _lines(analysis)
    if all(line.estimate.value is None for line in lines):
        reasons = list(dict.fromkeys(line.estimate.reason for line in lines if line.estimate.reason))
        panel.absent(box, f"no quality numbers: {'; '.join(reasons) or 'the analysis gives no reason'}")
        return
    elsewhere = _too_long(panel, box, lines)
    notes = panel.ruler.wrap("; ".join([*elsewhere.values(), *_notes(analysis)]), box.width, _NOTES)
    table = box._replace(bottom=box.bottom - _NOTE * len(notes) - 6)
    rows = table.rows(len(lines), _ROW)
    where = _columns(panel, box, lines)
    for row, line in zip(rows, lines, strict=True):
        _draw(panel, row, where, line, elsewhere)
    panel.lines(box.left, rows[-1].bottom + 6 + _NOTE / 2, notes)


def _columns(panel: Panel, box: Box, lines: list[_Line]) -> _Columns:
    value = box.left + max(panel.ruler.width(line.name) for line in lines) + 14
    wide = 0.0
    for line in lines:
        if line.estimate.value is not None:
            words, error = in_digits(line.estimate.value, line.estimate.standard_error)
            wide = max(wide, panel.ruler.width(words, bold=True) + _SPACE + panel.ruler.width(error, SMALL))
    limit = box.right - CHIP - 12
    return _Columns(
        value,
        value + wide + 14,
        limit - max(panel.ruler.width(wanted(line.limit), SMALL) for line in lines) - 14,
        limit,
    )


def _lines(analysis: Analysis) -> list[_Line]:
    stability = analysis.stability
    lines = [_Line(name, found, getattr(analysis.thresholds, name)) for name, found in analysis.quality]
    null = stability.null_low if stability.null_low is not None else -1.0
    moved = Estimate(value=stability.spearman, verdict=stability.verdict, reason=stability.reason)
    return [*lines, _Line("stability", moved, AtLeast(ok=null, bad=-1.0))]


def _too_long(panel: Panel, box: Box, lines: list[_Line]) -> dict[str, str]:
    """Reasons for missing numbers that have no room in their line, by name, for the notes below."""
    room = box.width * 0.55
    missing = [line for line in lines if line.estimate.value is None and line.estimate.reason]
    return {
        line.name: f"no {line.name}: {line.estimate.reason}"
        for line in missing
        if panel.ruler.width(line.estimate.reason or "", SMALL) > room
    }


def _draw(panel: Panel, row: Box, where: _Columns, line: _Line, elsewhere: Mapping[str, str]) -> None:
    estimate = line.estimate
    panel.text(row.left, row.middle, line.name)
    left, right = where.value, where.limit
    panel.chip(row.right - CHIP / 2, row.middle, estimate.verdict)
    if estimate.value is None:
        words = "unknown, see below" if line.name in elsewhere else estimate.reason or "not computed"
        panel.text(left, row.middle, words, size=SMALL, colour=MUTED, width=right - left)
        return
    value, error = in_digits(estimate.value, estimate.standard_error)
    left += panel.text(left, row.middle, value, bold=True) + _SPACE
    panel.text(left, row.middle, error, size=SMALL, colour=MUTED)
    panel.text(right, row.middle, wanted(line.limit), size=SMALL, colour=MUTED, align="right")
    _gauge(panel, Box(where.gauge, row.middle - 8, where.end, row.middle + 8), line)


def _gauge(panel: Panel, box: Box, line: _Line) -> None:
    """The zones, and where in them the value is; an arrow where it lies beyond the end."""
    scale = Scale(0.0, line.limit.axis()[1], box.left, box.right)
    for zone in zones(line.limit):
        panel.bar(Box(scale(zone.low), box.top, scale(zone.high), box.bottom), _FILLS[zone.verdict])
    cuts = [((scale(zone.low), box.top), (scale(zone.low), box.bottom)) for zone in zones(line.limit)[1:]]
    panel.segments(cuts, MUTED, 1.4)
    value, error = line.estimate.value or 0.0, line.estimate.standard_error or 0.0
    if value > scale.high:
        panel.dots([box.right - 4], [box.middle], INK, size=12, marker=">")
        return
    if error:
        panel.segments([((scale(value - error), box.middle), (scale(value + error), box.middle))], INK, 2)
    panel.dots([scale(value)], [box.middle], INK, size=11, marker="D")


def _notes(analysis: Analysis) -> list[str]:
    quality, attention = analysis.quality, analysis.attention
    notes = []
    if quality.concentration.effective_features is not None:
        notes.append(f"{number(quality.concentration.effective_features)} effective features")
    if quality.infidelity.fvu is not None:
        notes.append(f"infidelity without scaling (FVU) {number(quality.infidelity.fvu)}")
    notes.append(
        _attention_in_words(analysis)
        if attention.entropy is not None
        else f"no attention: {attention.reason or 'no reason given'}"
    )
    return notes


def _attention_in_words(analysis: Analysis) -> str:
    attention = analysis.attention
    stable = (
        f"stability {number(attention.stability)}"
        if attention.stability is not None
        else f"stability unknown ({attention.reason or 'no reason given'})"
    )
    return f"attention: entropy {number(attention.entropy or 0)} (0 focused, 1 even), {stable}"
