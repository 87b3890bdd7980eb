"""How far the methods agree, every two of them, and which of them have no vote and why."""

from fxwatch.records.analysis import Analysis
from fxwatch.report.box import Box
from fxwatch.report.gauge import wanted
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import FAINT, INK, MUTED, RULE, agreement
from fxwatch.report.panel import Panel
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
_ROW = 34.0
_ROOMY = 42.0
_NOTE = 21.0
_NOTES = 3
_MOST = 7


def draw_consensus(panel: Panel, analysis: Analysis) -> None:
    """The mean and its limit, the lower half of the matrix, and a note on methods without a vote."""
    consensus = analysis.consensus
    box = panel.title("Consensus of methods", "Spearman's rho", consensus.verdict)
    names = _methods(analysis)
    if not names:
        panel.absent(box, f"no consensus: {consensus.reason or 'no method was run'}")
        return
    mean, box = box.split_down(_HEAD, 4)
    _mean(panel, mean, analysis)
    notes = panel.ruler.wrap(_notes(analysis, names), box.width, _NOTES)
    grid = box._replace(bottom=box.bottom - len(notes) * _NOTE - 4)
    foot = _matrix(panel, grid, analysis, names[:_MOST])
    panel.lines(box.left, foot + 4 + _NOTE / 2, notes)


def _methods(analysis: Analysis) -> list[str]:
    paired = [name for pair in analysis.consensus.pairs for name in pair.methods]
    voting = [name for voter in analysis.consensus.voters for name in voter]
    return list(dict.fromkeys([*analysis.methods, *voting, *paired]))


def _mean(panel: Panel, box: Box, analysis: Analysis) -> None:
    consensus = analysis.consensus
    if consensus.mean_correlation is None:
        words = f"no mean: {consensus.reason or 'no reason given'}"
        panel.text(box.left, box.middle, words, colour=MUTED, width=box.width)
        return
    left = box.left + panel.text(box.left, box.middle, "mean of voters") + 8
    value, error = estimate(consensus.mean_correlation, consensus.standard_error)
    left += panel.text(left, box.middle, value, bold=True) + 8
    panel.text(left, box.middle, error, size=SMALL, colour=MUTED)
    limit = wanted(analysis.thresholds.consensus)
    panel.text(box.right, box.middle, limit, size=SMALL, colour=MUTED, align="right")


def _matrix(panel: Panel, box: Box, analysis: Analysis, names: list[str]) -> float:
    """A row a method, and a cell for each method above it; how far down it reaches."""
    found = {frozenset(pair.methods): pair.spearman for pair in analysis.consensus.pairs}
    voting = {name for voter in analysis.consensus.voters for name in voter}
    labels = [plain(name) if name in voting else f"{plain(name)} ⊘" for name in names]
    label = min(max(panel.ruler.width(words, SMALL) for words in labels), box.width * 0.5) + 10
    wide = min((box.width - label) / len(names), 64)
    roomy = wide >= _ROOMY
    rows = box.rows(len(names), _ROW)
    for i, (row, name) in enumerate(zip(rows, names, strict=True)):
        panel.text(
            row.left, row.middle, labels[i], size=SMALL, colour=INK if name in voting else MUTED, width=label - 10
        )
        for j in range(i):
            cell = Box(box.left + label + wide * j, row.top, box.left + label + wide * (j + 1), row.bottom)
            _cell(panel, cell, found.get(frozenset((name, names[j]))), roomy=roomy)
        own = Box(box.left + label + wide * i, row.top, box.left + label + wide * (i + 1), row.bottom)
        panel.text(
            own.centre, own.middle, _short(name), size=SMALL, colour=MUTED, align="centre", bold=True, width=wide
        )
    return rows[-1].bottom


def _cell(panel: Panel, cell: Box, correlation: float | None, *, roomy: bool) -> None:
    inner = Box(cell.left + 1, cell.top + 1, cell.right - 1, cell.bottom - 1)
    if correlation is None:
        panel.bar(inner, FAINT)
        panel.text(cell.centre, cell.middle, "–", colour=MUTED, align="centre")
        return
    fill, ink = agreement(correlation)
    panel.bar(inner, fill, edge=RULE)
    words = f"{correlation:.2f}".replace("-", "−")
    if correlation < 0 or not roomy:
        words = words.replace("0.", ".")
    panel.text(cell.centre, cell.middle, words, size=SMALL, colour=ink, align="centre")


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
    shared = [", ".join(map(_short, voter)) for voter in consensus.voters if len(voter) > 1]
    notes += [f"{voters} agree above 0.98 and share one vote" for voters in shared]
    if len(names) > _MOST:
        notes.append(f"{len(names) - _MOST} more methods without room here")
    return "; ".join(notes) if notes else "every method has a vote"
