"""The panels of the PNG as pictures of their own, each as large as it needs, for a page that scrolls."""

import base64
from collections.abc import Callable, Sequence
from typing import NamedTuple

from markupsafe import Markup

from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import GradientLimits
from fxwatch.records.training import TrainingLine
from fxwatch.report.box import Box
from fxwatch.report.feature_blocks import wanted_height
from fxwatch.report.panel import TITLE_HEIGHT, Panel
from fxwatch.report.panels.consensus import draw_consensus
from fxwatch.report.panels.features import draw_features
from fxwatch.report.panels.gradients import draw_gradients
from fxwatch.report.panels.history import draw_history
from fxwatch.report.panels.past_features import draw_past_features, past_features_height
from fxwatch.report.panels.past_numbers import (
    draw_past_branches,
    draw_past_numbers,
    past_branches_height,
    past_numbers_height,
)
from fxwatch.report.panels.quality import draw_quality, quality_height
from fxwatch.report.panels.shares import draw_shares, shares_height
from fxwatch.report.panels.training import draw_training
from fxwatch.report.panels.training_numbers import (
    draw_training_numbers,
    training_numbers_about,
    training_numbers_height,
)
from fxwatch.report.past import Past
from fxwatch.report.png import Arrays
from fxwatch.report.sheet import Sheet

_WIDE, _NARROW, _MARGIN = 1180, 580, 6
_TALLEST = 1400.0
_COLUMNS = 2


class Figure(NamedTuple):
    """A picture, as a `data:` address; `about` is what it shows, for those who do not see it."""

    about: str
    source: Markup
    width: int
    height: int


def figures(analysis: Analysis, arrays: Arrays, history: Sequence[HistoryLine], past: Past) -> dict[str, Figure]:
    """All pictures of an analysis, and of the run behind it; `history` and `past` end with it."""
    ruler = Sheet(1, 1).ruler
    features = TITLE_HEIGHT + min(wanted_height(analysis, ruler, _WIDE - 2 * _MARGIN), _TALLEST)
    return {
        "features": _figure(
            f"Importance of features by branch, and heatmaps over time, of {analysis.run}",
            (_WIDE, features),
            lambda panel: draw_features(panel, analysis, arrays),
        ),
        "shares": _figure(
            "Shares of branches, with the bands that are expected",
            (_NARROW, max(shares_height(analysis), 120.0)),
            lambda panel: draw_shares(panel, analysis),
        ),
        "quality": _figure(
            "Quality of the attribution, each number beside its limits",
            (_NARROW, quality_height()),
            lambda panel: draw_quality(panel, analysis),
        ),
        "gradients": _figure(
            "Gradient norm of each layer, in the order in which they run",
            (_WIDE, 360.0),
            lambda panel: draw_gradients(panel, analysis),
        ),
        "consensus": _figure(
            "Agreement between methods, by pairs",
            (_NARROW, 340.0),
            lambda panel: draw_consensus(panel, analysis),
        ),
        "history": _figure(
            "Consensus, dead features and gradient problems by step",
            (_NARROW, 340.0),
            lambda panel: draw_history(panel, history, analysis.thresholds),
        ),
        "past_features": _figure(
            "Shares of the leading features over the run, with their ranks",
            (_WIDE, past_features_height(past)),
            lambda panel: draw_past_features(panel, past),
        ),
        "past_branches": _figure(
            "Verdicts, and shares of branches, over the run",
            (_WIDE, past_branches_height(past)),
            lambda panel: draw_past_branches(panel, past),
        ),
        "past_numbers": _figure(
            "The headline numbers over the run, against their limits",
            (_WIDE, past_numbers_height(_COLUMNS)),
            lambda panel: draw_past_numbers(panel, past, _COLUMNS),
        ),
    }


def training_figure(lines: Sequence[TrainingLine], limits: GradientLimits, run: str) -> Figure:
    """Training's own gradients over its steps."""
    return _figure(
        f"Gradient norm of each layer in training itself, by step, of {run}",
        (_WIDE, 420.0),
        lambda panel: draw_training(panel, lines, limits),
    )


def training_numbers_figure(lines: Sequence[TrainingLine]) -> Figure | None:
    """What else training told over its steps; None where that is nothing."""
    height = training_numbers_height(lines)
    if not height:
        return None
    about = training_numbers_about(lines)
    return _figure(about, (_WIDE, height), lambda panel: draw_training_numbers(panel, lines))


def _figure(about: str, size: tuple[int, float], draw: Callable[[Panel], None]) -> Figure:
    width, height = size[0], round(size[1]) + 2 * _MARGIN
    sheet = Sheet(width, height)
    draw(Panel(sheet, "figure", Box(_MARGIN, _MARGIN, width - _MARGIN, height - _MARGIN)))
    data = base64.b64encode(sheet.png()).decode("ascii")
    return Figure(about, Markup(f"data:image/png;base64,{data}"), width, height)  # noqa: S704 - base64 holds no markup
