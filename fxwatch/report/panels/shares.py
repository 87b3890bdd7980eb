"""How much of all importance each branch has, against what is expected of it."""

from fxwatch.records.analysis import Analysis, BranchShare
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import EXPECTED, INK, MUTED, NEUTRAL, RULE
from fxwatch.report.panel import CHIP, TITLE_HEIGHT, Panel
from fxwatch.report.scale import Scale, round_steps
from fxwatch.report.words import named, percent, some, tick

_AXIS = 22.0
_MOST = 8
_ROW = 38.0
_LOWEST_ROW = 21.0


def shares_height(analysis: Analysis) -> float:
    """Pixels that the panel fills, and no more."""
    count = len(analysis.branches)
    return TITLE_HEIGHT + _ROW * max(2, min(count, _MOST)) + _AXIS * (2 if count > _MOST else 1)


def draw_shares(panel: Panel, analysis: Analysis) -> None:
    """A bar a branch with its 95 % interval, over the band that is expected."""
    box = panel.title("Branch shares", "of all importance, 95 % interval")
    if not analysis.branches:
        panel.absent(box, "no branch shares: the analysis names no branch")
        return
    if all(branch.share is None for branch in analysis.branches.values()):
        panel.absent(box, f"no branch shares: {_why(analysis)}")
        return
    room = min(_MOST, int((box.height - 2 * _AXIS) // _LOWEST_ROW))
    branches = dict(list(analysis.branches.items())[:room])
    left_out = list(analysis.branches)[room:]
    label = min(max(panel.ruler.width(name) for name in branches), box.width * 0.32) + 14
    plot = Box(box.left + label, box.top, box.right - 92, box.bottom - _AXIS * (2 if left_out else 1))
    scale = _scale(panel, plot, branches)
    for row, (name, branch) in zip(plot.rows(len(branches), _ROW), branches.items(), strict=True):
        panel.text(row.left - 14, row.middle, named(name), align="right", width=label - 14)
        _bar(panel, row, scale, branch)
        value = "" if branch.share is None else percent(branch.share)
        panel.text(box.right - CHIP - 10, row.middle, value, bold=True, align="right", width=92 - CHIP - 10)
        if branch.expected is not None or branch.share is None:
            panel.chip(box.right - CHIP / 2, row.middle, branch.verdict)
    if left_out:
        words = f"and {len(left_out)} more: {some(left_out, 4)}"
        panel.text(box.left, box.bottom - 10, words, size=SMALL, colour=MUTED, width=box.width)


def _scale(panel: Panel, plot: Box, branches: dict[str, BranchShare]) -> Scale:
    """The axis from 0 to a little more than the largest number, with its grid."""
    ends = [0.1]
    for branch in branches.values():
        known = (branch.share, branch.high, branch.expected.high if branch.expected else None)
        ends += [end for end in known if end is not None]
    steps = round_steps(min(max(ends), 1.0), 4)
    high = min(max(*ends, steps[-1]), 1.0)
    scale = Scale(0.0, high, plot.left, plot.right)
    foot = plot.rows(len(branches), _ROW)[-1].bottom
    for step in steps:
        panel.line([scale(step)] * 2, [plot.top, foot], RULE)
        panel.text(scale(step), foot + 11, tick(step), size=SMALL, colour=MUTED, align="centre")
    return scale


def _bar(panel: Panel, row: Box, scale: Scale, branch: BranchShare) -> None:
    half = min(row.height * 0.24, 9)
    if branch.expected is not None:
        low, high = scale(branch.expected.low), scale(branch.expected.high)
        tall = min(row.height * 0.42, 16)
        panel.bar(Box(low, row.middle - tall, high, row.middle + tall), EXPECTED)
        ticks = [((x, row.middle - tall), (x, row.middle + tall)) for x in (low, high)]
        panel.segments(ticks, NEUTRAL, 2)
    if branch.share is None:
        panel.text(scale.start + 8, row.middle, "unknown", size=SMALL, colour=MUTED)
        return
    panel.bar(Box(scale.start, row.middle - half, scale(branch.share), row.middle + half), NEUTRAL)
    if branch.low is not None and branch.high is not None and branch.low < branch.high:
        panel.whisker(scale(branch.low), scale(branch.high), row.middle, 5, INK)


def _why(analysis: Analysis) -> str:
    if analysis.nonfinite_outputs:
        return "the model answers with NaN or Inf"
    return "the analysis gives no reason"
