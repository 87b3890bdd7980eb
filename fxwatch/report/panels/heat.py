"""When in time the features of a branch matter: their mean signed attribution by time step."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import FAINT, INK, MUTED, RULE, diverging
from fxwatch.report.panel import Panel
from fxwatch.report.ranking import Branch, Ranked
from fxwatch.report.words import number

_STRONG = 0.2
_DASH = 9.0
_WIDEST = 56.0


def draw_heat(
    panel: Panel, box: Box, branch: Branch, shown: Sequence[Ranked], stored: NDArray[np.generic] | None
) -> None:
    """A row a feature, in the order of the bars beside it; time runs to the right, where now is."""
    heat, why = _readable(branch, stored)
    if heat is None:
        panel.absent(box, f"no heatmap: {why}")
        return
    box = box._replace(right=min(box.right, box.left + _WIDEST * len(heat)))
    cells = heat[:, [ranked.column for ranked in shown]].T
    limit = _limit(cells)
    panel.picture(box, diverging(cells, limit))
    _strike_out_negative(panel, box, cells, limit)
    panel.outline(box, RULE)
    ends = f"±{number(limit, 2)}"
    reach = max(box.right, box.left + panel.ruler.width(ends, SMALL))
    panel.text(reach, box.top - 17, ends, size=SMALL, colour=MUTED, align="right")
    steps = len(heat)
    if steps > 1:
        panel.text(box.left, box.bottom + 11, f"−{steps - 1}", size=SMALL, colour=MUTED)
    panel.text(box.right, box.bottom + 11, "now", size=SMALL, colour=MUTED, align="right")


def _readable(branch: Branch, stored: NDArray[np.generic] | None) -> tuple[NDArray[np.float64] | None, str]:
    if stored is None:
        return None, "none was stored for this branch"
    if stored.ndim != 2 or not np.issubdtype(stored.dtype, np.number) or np.iscomplexobj(stored):
        return None, "what was stored is no table of numbers"
    if stored.shape[1] != branch.features or not stored.shape[0]:
        return None, f"what was stored has {stored.shape[1]} features, not {branch.features}"
    return stored.astype(np.float64), ""


def _limit(cells: NDArray[np.float64]) -> float:
    """The end of the colours: the 98th percentile, so that one loud cell does not blanch all others."""
    sizes = np.abs(cells[np.isfinite(cells)])
    if not sizes.size:
        return 0.0
    usual = float(np.percentile(sizes, 98))
    return usual if usual > 0 else float(sizes.max())


def _strike_out_negative(panel: Panel, box: Box, cells: NDArray[np.float64], limit: float) -> None:
    """A dash in every cell that is clearly negative: print has no colours."""
    if limit <= 0:
        return
    rows, columns = cells.shape
    wide, high = box.width / columns, box.height / rows
    half = min(wide * 0.5, _DASH / 2)
    light: list[list[tuple[float, float]]] = []
    dark: list[list[tuple[float, float]]] = []
    for row, column in np.argwhere(np.nan_to_num(cells) < -_STRONG * limit):
        x, y = box.left + (column + 0.5) * wide, box.top + (row + 0.5) * high
        strong = cells[row, column] < -0.6 * limit
        (light if strong else dark).append([(x - half, y), (x + half, y)])
    panel.segments(light, FAINT, 1.4)
    panel.segments(dark, INK, 1.0)
