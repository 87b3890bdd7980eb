"""The page `run_history.png`: a run as a whole."""

from fxwatch.report.box import Box
from fxwatch.report.panel import Panel
from fxwatch.report.panels.header import draw_headline
from fxwatch.report.panels.past_features import draw_past_features, past_features_height
from fxwatch.report.panels.past_numbers import (
    draw_past_branches,
    draw_past_numbers,
    past_branches_height,
    past_numbers_height,
)
from fxwatch.report.past import Past
from fxwatch.report.sheet import Sheet
from fxwatch.report.words import count

WIDTH = 1800
_COLUMNS = 3
_MARGIN, _HEAD, _DOWN, _ACROSS, _RIGHT = 30.0, 46.0, 24.0, 40.0, 620.0


def draw_past(past: Past) -> bytes:
    """The page as a PNG."""
    return compose_past(past).png()


def compose_past(past: Past) -> Sheet:
    """The page with all its panels."""
    boxes = past_places(past)
    sheet = Sheet(WIDTH, round(boxes["numbers"].bottom + _MARGIN))
    panels = {name: Panel(sheet, name, box) for name, box in boxes.items()}
    _draw_head(panels["header"], past)
    draw_past_features(panels["features"], past)
    draw_past_branches(panels["branches"], past)
    draw_past_numbers(panels["numbers"], past, _COLUMNS)
    return sheet


def past_places(past: Past) -> dict[str, Box]:
    """Where each panel stands: features beside branches, and the numbers below both."""
    header = Box(_MARGIN, 24.0, WIDTH - _MARGIN, 24.0 + _HEAD)
    top = header.bottom + _DOWN
    middle = top + max(past_features_height(past), past_branches_height(past))
    body = header._replace(top=top, bottom=middle)
    features, branches = body.split_across(body.width - _RIGHT - _ACROSS, _ACROSS)
    foot = header._replace(top=middle + _DOWN, bottom=middle + _DOWN + past_numbers_height(_COLUMNS))
    return {"header": header, "features": features, "branches": branches, "numbers": foot}


def _draw_head(panel: Panel, past: Past) -> None:
    step = past.analysis.checkpoint.step
    where = count(past.analyses, "analysis", "analyses") + ("" if step is None else f", to step {step:,}")
    draw_headline(panel, panel.box, past.analysis, where, "the run as a whole")
