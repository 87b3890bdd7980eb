"""How the run came here: consensus and dead features over its last analyses, and the verdict on each."""

from collections.abc import Sequence

from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import Thresholds
from fxwatch.report.box import Box
from fxwatch.report.lettering import SMALL
from fxwatch.report.panel import Panel
from fxwatch.report.panels.over_steps import LABEL, VALUE, Curve, draw_chart, draw_verdicts, positions
from fxwatch.report.words import count

_STRIP = 30.0
_AXIS = 22.0


def draw_history(panel: Panel, history: Sequence[HistoryLine], thresholds: Thresholds) -> None:
    """Two small charts above each other, the marks of the verdicts below, all over the same steps."""
    about = "" if len(history) < 2 else f"last {count(len(history), 'analysis', 'analyses')}"
    box = panel.title("History of the run", about)
    if len(history) < 2:
        panel.absent(box, "first analysis: no history yet" if history else "no history: this analysis stands alone")
        return
    area = Box(box.left + LABEL, box.top, box.right - VALUE, box.bottom - _AXIS)
    places = positions(history, area)
    charts = area._replace(bottom=area.bottom - _STRIP)
    upper, lower = charts.split_down((charts.height - 18) / 2, 18)
    agreement = [line.consensus for line in history]
    draw_chart(panel, box, upper, places.xs, Curve("consensus", agreement, thresholds.consensus.edges(), 1.0))
    draw_chart(panel, box, lower, places.xs, dead_features(history, thresholds))
    strip = area._replace(top=charts.bottom + 4)
    panel.text(box.left, strip.middle, "health", size=SMALL)
    draw_verdicts(panel, strip, places.xs, [line.verdict for line in history])
    places.draw_axis(panel, area, box.bottom - 9)


def dead_features(history: Sequence[HistoryLine], thresholds: Thresholds) -> Curve:
    """How many features are dead, with room for the first limit."""
    limit = thresholds.dead_features
    dead = [None if line.dead_features is None else float(line.dead_features) for line in history]
    highest = max([value for value in dead if value is not None], default=0.0)
    top = highest * 1.15 if highest > limit.ok else limit.ok * 1.25
    return Curve("dead features", dead, limit.edges(), max(top, 1.0))
