"""The leading features over a run: a row each, its colour the share of all importance, and the rank then and now."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.palette import INK, MUTED, RULE, sequential
from fxwatch.report.panel import TITLE_HEIGHT, Panel
from fxwatch.report.panels.over_steps import positions
from fxwatch.report.past import Past
from fxwatch.report.words import named, percent

_MOST = 20
_ROW, _TALLEST = 27.0, 40.0
_HEAD, _AXIS = 26.0, 24.0
_SHARE, _RANK, _BEFORE = 74.0, 66.0, 86.0


class _Row(NamedTuple):
    """A feature: its name, its shares over the run, and its rank among all units, now and at the first analysis that
    knew it.
    """

    name: str
    shares: NDArray[np.float64]
    rank: int
    before: int | None


def past_features_height(past: Past) -> float:
    """Pixels that the panel wants."""
    return TITLE_HEIGHT + _HEAD + _ROW * max(4, min(len(past.units), _MOST)) + _AXIS


def draw_past_features(panel: Panel, past: Past) -> None:
    """The features that lead now or have led, those that lead now first."""
    shown = f"the {_MOST} that lead, of {len(past.units)}" if len(past.units) > _MOST else ""
    box = panel.title("Features over the run", ", ".join(filter(None, ["share of all importance", shown])))
    if not past.units or not np.nan_to_num(past.shares).any():
        panel.absent(box, "no feature has an importance")
        return
    rows = _rows(past)
    label = min(max(panel.ruler.width(row.name, SMALL) for row in rows), box.width * 0.34)
    area = Box(box.left + label + 14, box.top + _HEAD, box.right - _SHARE - _RANK - _BEFORE, box.bottom - _AXIS)
    places = positions(past.lines, area)
    limit = float(np.nanmax([row.shares for row in rows]))
    columns = _nearest(places.xs, area)
    cells = sequential(np.array([row.shares for row in rows])[:, columns], limit)
    lines = area.rows(len(rows), _TALLEST)
    area = area._replace(bottom=lines[-1].bottom)
    panel.picture(area, cells)
    panel.segments([((area.left, line.top), (area.right, line.top)) for line in lines[1:]], "#ffffff")
    panel.outline(area, RULE)
    _heads(panel, box, area, limit)
    for row, line in zip(rows, lines, strict=True):
        panel.text(area.left - 14, line.middle, row.name, size=SMALL, align="right", width=label)
        share, rank = area.right + _SHARE, area.right + _SHARE + _RANK
        panel.text(share, line.middle, percent(float(row.shares[-1])), size=SMALL, align="right")
        panel.text(rank, line.middle, str(row.rank), size=SMALL, bold=True, align="right")
        before = "–" if row.before is None else f"{_arrow(row)}{row.before}"
        panel.text(box.right, line.middle, before, size=SMALL, colour=MUTED, align="right")
    places.draw_axis(panel, area, area.bottom + 13)


def _rows(past: Past) -> list[_Row]:
    shares = past.shares
    known = np.isfinite(shares)
    mean = np.where(known, shares, 0).sum(0) / np.maximum(known.sum(0), 1)
    leading = np.argsort(-np.maximum(mean, shares[-1]), kind="stable")[:_MOST]
    now = _ranks(shares[-1])
    complete = np.flatnonzero(known.all(1))
    first = _ranks(shares[complete[0]]) if complete[0] < len(shares) - 1 else None
    return [
        _Row(
            f"{named(past.units[unit][0])} · {named(past.units[unit][1])}",
            shares[:, unit],
            int(now[unit]),
            None if first is None else int(first[unit]),
        )
        for unit in sorted(leading.tolist(), key=lambda unit: int(now[unit]))
    ]


def _ranks(shares: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 is the largest."""
    ranks = np.empty(len(shares), np.int64)
    ranks[np.argsort(-shares, kind="stable")] = np.arange(1, len(shares) + 1)
    return ranks


def _arrow(row: _Row) -> str:
    return "" if row.before is None or row.before == row.rank else "↑ " if row.rank < row.before else "↓ "


def _nearest(xs: list[float], area: Box) -> NDArray[np.int64]:
    """Which analysis each column of pixels shows: the nearest one."""
    middles = (np.array(xs[1:]) + np.array(xs[:-1])) / 2
    return np.searchsorted(middles, np.arange(area.left + 0.5, area.right))


def _heads(panel: Panel, box: Box, area: Box, limit: float) -> None:
    """What colours and columns mean."""
    y = box.top + 10
    left = area.left + panel.text(area.left, y, "0%", size=SMALL, colour=MUTED) + 8
    panel.picture(Box(left, y - 7, left + 110, y + 7), sequential(np.linspace(0, 1, 65)[np.newaxis], 1.0))
    panel.text(left + 118, y, percent(limit), size=SMALL, colour=MUTED)
    for right, words in ((_SHARE, "share"), (_SHARE + _RANK, "rank")):
        panel.text(area.right + right, y, words, size=SMALL, colour=INK, align="right")
    panel.text(box.right, y, "at first", size=SMALL, colour=MUTED, align="right")
