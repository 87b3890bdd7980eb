"""The page `feature_importance_analysis.png`: an analysis at a glance."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.box import Box
from fxwatch.report.panel import Panel
from fxwatch.report.panels.consensus import draw_consensus
from fxwatch.report.panels.features import draw_features
from fxwatch.report.panels.findings import draw_findings, findings_height
from fxwatch.report.panels.gradients import draw_gradients
from fxwatch.report.panels.header import HEIGHT, draw_header
from fxwatch.report.panels.history import draw_history
from fxwatch.report.panels.quality import draw_quality
from fxwatch.report.panels.shares import draw_shares
from fxwatch.report.sheet import Sheet

WIDTH, HEIGHT_ALL = 1800, 1170
_MARGIN = 30.0
_ACROSS = 40.0
_DOWN = 22.0
_RIGHT = 490.0
_MIDDLE = 440.0
_FOOT = 292.0
_LONGEST_HISTORY = 500

Arrays = Mapping[str, NDArray[np.generic]]


def draw(
    analysis: Analysis,
    arrays: Arrays,
    history: Sequence[HistoryLine],
    thresholds: Thresholds = Thresholds(),  # noqa: B008 - frozen
) -> bytes:
    """The page as a PNG. `arrays` holds `heat/BRANCH` (time, features), signed; `history` ends with this analysis.

    The verdicts are those of the analysis; `thresholds` are the limits that are drawn beside them.
    """
    return compose(analysis, arrays, history, thresholds).png()


def compose(analysis: Analysis, arrays: Arrays, history: Sequence[HistoryLine], thresholds: Thresholds) -> Sheet:
    """The page with all its panels."""
    sheet = Sheet(WIDTH, HEIGHT_ALL)
    page = Box(_MARGIN, 24.0, WIDTH - _MARGIN, HEIGHT_ALL - 22.0)
    head, rest = page.split_down(HEIGHT, 12)
    findings, body = rest.split_down(findings_height(analysis), _DOWN)
    body, foot = body.split_down(body.height - _FOOT - _DOWN, _DOWN)
    features, right = body.split_across(body.width - _RIGHT - _ACROSS, _ACROSS)
    shares, quality = right.split_down(right.height * 0.42, _DOWN)
    gradients, rest = foot.split_across(foot.width - _RIGHT - _MIDDLE - 2 * _ACROSS, _ACROSS)
    consensus, past = rest.split_across(_MIDDLE, _ACROSS)
    draw_header(Panel(sheet, "header", head), analysis)
    draw_findings(Panel(sheet, "findings", findings), analysis)
    draw_features(Panel(sheet, "features", features), analysis, arrays)
    draw_gradients(Panel(sheet, "gradients", gradients), analysis, thresholds.gradient)
    draw_shares(Panel(sheet, "shares", shares), analysis)
    draw_quality(Panel(sheet, "quality", quality), analysis, thresholds)
    draw_consensus(Panel(sheet, "consensus", consensus), analysis, thresholds)
    draw_history(Panel(sheet, "history", past), history[-_LONGEST_HISTORY:], thresholds)
    return sheet

