"""The page `feature_importance_analysis.png`: an analysis at a glance."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.report.box import Box
from fxwatch.report.feature_blocks import wanted_height
from fxwatch.report.lettering import Ruler
from fxwatch.report.panel import TITLE_HEIGHT, Panel
from fxwatch.report.panels.consensus import draw_consensus
from fxwatch.report.panels.features import draw_features
from fxwatch.report.panels.findings import draw_findings, findings_height
from fxwatch.report.panels.gradients import draw_gradients
from fxwatch.report.panels.header import HEADER_HEIGHT, draw_header
from fxwatch.report.panels.history import draw_history
from fxwatch.report.panels.quality import draw_quality, quality_height
from fxwatch.report.panels.shares import draw_shares, shares_height
from fxwatch.report.sheet import Sheet

WIDTH, HEIGHT = 1800, 1170
_MARGIN = 30.0
_ACROSS = 40.0
_DOWN = 22.0
_RIGHT = 490.0
_MIDDLE = 440.0
_FOOT = 292.0
LONGEST_HISTORY = 500

Arrays = Mapping[str, NDArray[np.generic]]


def draw(
    analysis: Analysis,
    arrays: Arrays,
    history: Sequence[HistoryLine],
) -> bytes:
    """The page as a PNG. `arrays` holds `heat/BRANCH` (time, features), signed; `history` ends with this analysis."""
    return compose(analysis, arrays, history).png()


def compose(analysis: Analysis, arrays: Arrays, history: Sequence[HistoryLine]) -> Sheet:
    """The page with all its panels."""
    sheet = Sheet(WIDTH, HEIGHT)
    panels = {name: Panel(sheet, name, box) for name, box in places(analysis, sheet.ruler).items()}
    draw_header(panels["header"], analysis)
    draw_findings(panels["findings"], analysis)
    draw_features(panels["features"], analysis, arrays)
    draw_shares(panels["shares"], analysis)
    draw_quality(panels["quality"], analysis)
    draw_gradients(panels["gradients"], analysis)
    draw_consensus(panels["consensus"], analysis)
    draw_history(panels["history"], history[-LONGEST_HISTORY:], analysis.thresholds)
    return sheet


def places(analysis: Analysis, ruler: Ruler) -> dict[str, Box]:
    """Where each panel stands: the head over all, features beside shares and quality, and three panels at the foot.

    The foot takes what features, shares and quality do not need.
    """
    page = Box(_MARGIN, 24.0, WIDTH - _MARGIN, HEIGHT - 22.0)
    header, rest = page.split_down(HEADER_HEIGHT, 12)
    findings, rest = rest.split_down(findings_height(analysis), _DOWN)
    wide = rest.width - _RIGHT - _ACROSS
    wanted = max(
        TITLE_HEIGHT + wanted_height(analysis, ruler, wide), shares_height(analysis) + _DOWN + quality_height()
    )
    body, foot = rest.split_down(min(wanted, rest.height - _DOWN - _FOOT), _DOWN)
    features, right = body.split_across(wide, _ACROSS)
    shares, quality = right.split_down(min(shares_height(analysis), right.height * 0.42), _DOWN)
    gradients, rest = foot.split_across(foot.width - _RIGHT - _MIDDLE - 2 * _ACROSS, _ACROSS)
    consensus, history = rest.split_across(_MIDDLE, _ACROSS)
    return {
        "header": header,
        "findings": findings,
        "features": features,
        "shares": shares,
        "quality": quality,
        "gradients": gradients,
        "consensus": consensus,
        "history": history,
    }
