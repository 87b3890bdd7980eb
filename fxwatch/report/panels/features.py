"""The top features of every branch: how important they are, in which direction, and when in time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis
from fxwatch.report.box import Box
from fxwatch.report.feature_blocks import ACROSS, AXIS, DEAD, HEAD, MOST_BRANCHES, Block, arranged, blocks_of, shrunk
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import INK, LOWERS, MUTED, PAPER, RAISES, RULE, diverging
from fxwatch.report.panel import Panel
from fxwatch.report.panels.heat import draw_heat
from fxwatch.report.ranking import Branch, Ranked, branches_of
from fxwatch.report.scale import Scale, round_steps
from fxwatch.report.words import count, named, percent, some, tick


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the parts of a row stand, the same in every block of a column of the page."""

    label: float
    arrow: float
    bars: Scale
    value: float
    heat: tuple[float, float]


def draw_features(panel: Panel, analysis: Analysis, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """A block a branch, in two columns."""
    box = panel.title("Top features by branch", "share, 95 % interval · attribution in time")
    branches = branches_of(analysis)
    if not any(branch.living or branch.dead for branch in branches):
        panel.absent(box, _why_empty(analysis, branches))
        return
    _legend(panel, panel.box.top + 13)
    if left_out := [branch.name for branch in branches[MOST_BRANCHES:]]:
        line, box = box.split_down(26)
        words = f"{count(len(left_out), 'more branch', 'more branches')} without room here: {some(left_out, 6)}"
        panel.text(line.left, line.middle - 4, words, size=SMALL, colour=MUTED, width=line.width)
    branches = branches[:MOST_BRANCHES]
    sides = box.columns(1 if len(branches) == 1 else 2, ACROSS)
    columns = arranged(blocks_of(branches, panel.ruler, sides[0].width), len(sides))
    row, columns = shrunk(columns, box.height)
    shown = [block.branch.living[: block.rows] for column in columns for block in column]
    largest = max((ranked.unit.high for living in shown for ranked in living), default=0.0) or 1.0
    labels = max((panel.ruler.width(named(ranked.name), SMALL) for living in shown for ranked in living), default=0.0)
    for side, column in zip(sides, columns, strict=True):
        where = _columns(side, labels, largest)
        top = side.top
        for block in column:
            bottom = top + block.height(row)
            _draw_block(panel, side._replace(top=top, bottom=bottom), where, block, row, arrays)
            top = bottom


def _columns(side: Box, labels: float, largest: float) -> _Columns:
    label = min(labels, side.width * 0.42)
    arrow = side.left + label + 17
    start = arrow + 15
    value, gap = 54.0, 14.0
    room = side.right - start - value - gap
    stop = start + room * 0.38
    return _Columns(
        side.left + label, arrow, Scale(0.0, largest, start, stop), stop + value, (stop + value + gap, side.right)
    )


def _draw_block(
    panel: Panel,
    box: Box,
    where: _Columns,
    block: Block,
    row: float,
    arrays: Mapping[str, NDArray[np.generic]],
) -> None:
    head, rest = box.split_down(HEAD)
    branch = block.branch
    width = panel.text(head.left, head.top + 11, named(branch.name), bold=True, width=box.width * 0.4)
    about = head.left + width + 12
    panel.text(about, head.top + 11, _about(block), size=SMALL, colour=MUTED, width=where.heat[1] - 90 - about)
    shown = branch.living[: block.rows]
    body, rest = rest.split_down(row * len(shown) if shown else row * 3)
    if shown:
        for line, ranked in zip(body.rows(len(shown), row), shown, strict=True):
            _draw_row(panel, line, where, ranked)
        _axis(panel, body, where)
        draw_heat(
            panel,
            body._replace(left=where.heat[0], right=where.heat[1]),
            branch,
            shown,
            arrays.get(f"heat/{branch.name}"),
        )
        _, rest = rest.split_down(AXIS)
    else:
        panel.absent(body, "no living feature" if branch.dead else "no importance was stored for this branch")
    panel.lines(box.left, rest.top + DEAD / 2, block.dead)


def _about(block: Block) -> str:
    branch, rows = block.branch, block.rows
    size = count(branch.features, "feature")
    window = "" if branch.steps is None else f"{count(branch.steps, 'step')} × "
    top = f" · top {rows}" if 0 < rows < len(branch.living) else ""
    return f"{window}{size}{top}"


def _draw_row(panel: Panel, box: Box, where: _Columns, ranked: Ranked) -> None:
    unit = ranked.unit
    panel.text(where.label, box.middle, named(ranked.name), size=SMALL, align="right", width=where.label - box.left)
    half = box.height * 0.3
    bar = Box(where.bars.start, box.middle - half, where.bars(unit.share), box.middle + half)
    if unit.signed:
        arrow, colour = ("↓", LOWERS) if unit.signed < 0 else ("↑", RAISES)
        panel.text(where.arrow, box.middle, arrow, colour=colour, bold=True, align="centre")
    _fill(panel, bar, lowers=unit.signed < 0)
    if unit.low < unit.high:
        panel.whisker(where.bars(unit.low), where.bars(unit.high), box.middle, 4, INK)
    panel.text(where.value, box.middle, percent(unit.share), size=SMALL, align="right")


def _axis(panel: Panel, body: Box, where: _Columns) -> None:
    """The foot of the bars: nought, and the round value nearest the end."""
    panel.line([where.bars.start] * 2, [body.top, body.bottom], RULE)
    last = round_steps(where.bars.high, 2)[-1]
    panel.text(where.bars.start, body.bottom + 11, "0", size=SMALL, colour=MUTED, align="centre")
    panel.text(where.bars(last), body.bottom + 11, tick(last), size=SMALL, colour=MUTED, align="centre")


def _legend(panel: Panel, y: float) -> None:
    """What bars and colours mean, at the right of the title."""
    right = panel.box.right
    right -= panel.text(right, y, "+ raises", size=SMALL, align="right") + 8
    panel.picture(Box(right - 110, y - 7, right, y + 7), diverging(np.linspace(-1, 1, 65)[np.newaxis], 1.0))
    right -= 118 + panel.text(right - 118, y, "lowers −", size=SMALL, align="right") + 34
    right -= panel.text(right, y, "↓ lowers", size=SMALL, align="right") + 8
    _fill(panel, Box(right - 30, y - 7, right, y + 7), lowers=True)
    right -= 50
    right -= panel.text(right, y, "↑ raises", size=SMALL, align="right") + 8
    _fill(panel, Box(right - 30, y - 7, right, y + 7), lowers=False)


def _fill(panel: Panel, box: Box, *, lowers: bool) -> None:
    """A bar of a feature that raises what is explained on average, or lowers it: told apart in print, too."""
    if lowers:
        panel.bar(box, PAPER, edge=LOWERS, width=1.4)
        panel.stripes(box, LOWERS)
    else:
        panel.bar(box, RAISES)


def _why_empty(analysis: Analysis, branches: list[Branch]) -> str:
    if analysis.nonfinite_outputs:
        return "no feature has an importance: the model answers with NaN or Inf"
    return "no feature has an importance: " + ("none was stored" if branches else "the analysis names no branch")
