"""How far the methods agree, every two of them, and which of them have no vote and why."""

from fxwatch.records.analysis import Analysis
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.box import Box
from fxwatch.report.gauge import wanted
from fxwatch.report.lettering import BODY, SMALL
from fxwatch.report.palette import FAINT, INK, MUTED, RULE, agreement
from fxwatch.report.panel import CHIP, Panel
from fxwatch.report.words import estimate, plain

_SHORT = {
    "integrated_gradients": "IG",
    "gradient_shap": "GS",
    "deep_lift": "DL",
    "saliency": "Sa",
    "input_x_gradient": "I×G",
    "feature_ablation": "FA",
    "noise_tunnel": "NT",
}
_HEAD = 26.0
_ROW = 29.0
_NOTE = 21.0
_NOTES = 3
_MOST = 9


def draw_consensus(panel: Panel, analysis: Analysis, thresholds: Thresholds) -> None:
    """The mean and its limit, the lower half of the matrix, and a note on methods without a vote."""
    consensus = analysis.consensus
    box = panel.title("Consensus of methods", "Spearman's rho")
    names = _methods(analysis)
    mean, box = box.split_down(_HEAD, 4)
    _mean(panel, mean, analysis, thresholds)
    if not names:
        panel.absent(box, f"no methods: {consensus.reason or 'none was run'}")
        return
    notes = panel.ruler.wrap(_notes(analysis, names), box.width, _NOTES)
    grid = box._replace(bottom=box.bottom - len(notes) * _NOTE - 4)
    foot = _matrix(panel, grid, analysis, names)
    panel.lines(box.left, foot + 4 + _NOTE / 2, notes)


def _methods(analysis: Analysis) -> list[str]:
    named = [name for pair in analysis.consensus.pairs for name in pair.methods]
    voting = [name for voter in analysis.consensus.voters for name in voter]
    return list(dict.fromkeys([*analysis.methods, *voting, *named]))[:_MOST]


def _mean(panel: Panel, box: Box, analysis: Analysis, thresholds: Thresholds) -> None:
    consensus = analysis.consensus
    panel.chip(box.right - CHIP / 2, box.middle, consensus.verdict)
    if consensus.mean_correlation is None:
        words = f"no mean: {consensus.reason or 'no reason given'}"
        panel.text(box.left, box.middle, words, colour=MUTED, width=box.width - CHIP - 12)
        return
    left = box.left + panel.text(box.left, box.middle, "mean of voters") + 8
    value, error = estimate(consensus.mean_correlation, consensus.standard_error)
    left += panel.text(left, box.middle, value, bold=True) + 8
    panel.text(left, box.middle, error, size=SMALL, colour=MUTED)
    verdict, _ = thresholds.consensus.judge(consensus.mean_correlation)
    limit = wanted(thresholds.consensus) if verdict == consensus.verdict else "other limits applied"
    panel.text(box.right - CHIP - 12, box.middle, limit, size=SMALL, colour=MUTED, align="right")


def _matrix(panel: Panel, box: Box, analysis: Analysis, names: list[str]) -> float:
    """A row a method, and a cell for each method above it; how far down it reaches."""
    found = {frozenset(pair.methods): pair.spearman for pair in analysis.consensus.pairs}
    voting = {name for voter in analysis.consensus.voters for name in voter}
    labels = [_label(name, name in voting) for name in names]
    label = min(max(panel.ruler.width(words) for words in labels), box.width * 0.5) + 12
    wide = min((box.width - label) / len(names), 64)
    size = BODY if wide >= 44 else SMALL
    rows = box.rows(len(names), _ROW)
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        panel.text(row.left, row.middle, labels[i], colour=INK if name in voting else MUTED, width=label - 12)
        for j in range(i):
            cell = Box(box.left + label + wide * j, row.top, box.left + label + wide * (j + 1), row.bottom)
            _cell(panel, cell, found.get(frozenset((name, names[j]))), size)
        own = Box(box.left + label + wide * i, row.top, box.left + label + wide * (i + 1), row.bottom)
        panel.text(own.centre, own.middle, _short(name), colour=MUTED, align="centre", bold=True, width=wide - 4)
    return rows[-1].bottom


def _cell(panel: Panel, cell: Box, correlation: float | None, size: float) -> None:
    inner = Box(cell.left + 1, cell.top + 1, cell.right - 1, cell.bottom - 1)
    if correlation is None:
        panel.bar(inner, FAINT)
        panel.text(cell.centre, cell.middle, "–", colour=MUTED, align="centre")
        return
    fill, ink = agreement(correlation)
    panel.bar(inner, fill, edge=RULE)
    panel.text(cell.centre, cell.middle, f"{correlation:.2f}".replace("-", "−"), size=size, colour=ink, align="centre")


def _label(name: str, votes: bool) -> str:  # noqa: FBT001
    return plain(name) if votes else f"{plain(name)} ⊘"


def _short(name: str) -> str:
    return _SHORT.get(name, "".join(part[:1] for part in name.split("_")).upper()[:3] or "?")


def _notes(analysis: Analysis, names: list[str]) -> str:
    """Methods without a vote and why, and those that share one."""
    consensus = analysis.consensus
    voting = {name for voter in consensus.voters for name in voter}
    notes = []
    for name in names:
        report = analysis.methods.get(name)
        if name not in voting:
            reason = (report.reason or report.status) if report is not None else "not run"
            notes.append(f"⊘ no vote for {plain(name)}: {reason}")
    for voter in consensus.voters:
        if len(voter) > 1:
            notes.append(f"{' and '.join(map(plain, voter))} agree above 0.98 and share one vote")
    return "; ".join(notes) if notes else "every method has a vote"
