"""What else the recorder has over the steps of training: the trainer's own numbers, and attention by layer."""

from collections.abc import Sequence
from statistics import fmean

from fxwatch.records.training import HeadSpan, TrainingLine, on_own_steps
from fxwatch.report.box import Box
from fxwatch.report.panel import TITLE_HEIGHT, Panel
from fxwatch.report.panels.over_steps import LABEL, VALUE, Curve, draw_chart, draw_ends
from fxwatch.report.scale import Scale
from fxwatch.report.words import count, named

_CHART, _GAP, _AXIS, _ACROSS, _WIDER = 64.0, 20.0, 24.0, 34.0, 70.0
_COLUMNS = 2
_MOST = 16
Points = list[tuple[int, float]]


def training_numbers_height(lines: Sequence[TrainingLine]) -> float:
    """Pixels that the panel wants; nought where there is nothing to draw."""
    rows = -(-min(len(_curves(lines)), _MOST) // _COLUMNS)
    return TITLE_HEIGHT + rows * (_CHART + _GAP) + _AXIS if rows else 0.0


def draw_training_numbers(panel: Panel, lines: Sequence[TrainingLine]) -> None:
    """A small chart for each, all over the same steps."""
    curves = list(_curves(lines).items())
    shown = f", {_MOST} of {len(curves)}" if len(curves) > _MOST else ""
    box = panel.title("Training's own numbers", f"what the trainer logged, and attention averaged over heads{shown}")
    curves = curves[:_MOST]
    rows = -(-len(curves) // _COLUMNS)
    steps = [step for _, points in curves for step, _ in points]
    unit = "step" if on_own_steps(lines) else "optimizer step"
    for column, part in enumerate(box.columns(_COLUMNS, _ACROSS)):
        area = Box(part.left + LABEL + _WIDER, part.top, part.right - VALUE - _WIDER / 2, part.bottom - _AXIS)
        across = Scale(min(steps), max(steps), area.left + 8, area.right - 8)
        own = curves[column * rows : (column + 1) * rows]
        for row, (name, points) in zip(area.rows(rows, _CHART + _GAP), own, strict=False):
            place = row._replace(top=row.top + _GAP / 2, bottom=row.bottom - _GAP / 2)
            curve = Curve(named(name), [value for _, value in points], [], 1e-9)
            draw_chart(panel, part, place, [across(step) for step, _ in points], curve)
        if own:
            draw_ends(panel, area, part.bottom - _AXIS / 2, f"{unit} {min(steps):,}", f"{max(steps):,}")


def training_numbers_about(lines: Sequence[TrainingLine]) -> str:
    """What the panel shows, in words."""
    return f"{count(len(_curves(lines)), 'number')} of training by step: {', '.join(list(_curves(lines))[:_MOST])}"


def _curves(lines: Sequence[TrainingLine]) -> dict[str, Points]:
    """By name the steps at which a number is known, and its values."""
    own = on_own_steps(lines)
    found: dict[str, Points] = {}
    for line in lines:
        step = line.position(own=own)
        values = dict(line.scalars) | _of_heads(line.attention)
        for name, value in values.items():
            if step is not None and value is not None:
                found.setdefault(name, []).append((step, value))
    return found


def _of_heads(attention: dict[str, HeadSpan]) -> dict[str, float | None]:
    found: dict[str, float | None] = {}
    for layer, heads in attention.items():
        for measure, values in (("entropy", heads.entropy), ("stability", heads.stability)):
            known = [value for value in values if value is not None]
            found[f"{measure} of {layer}"] = fmean(known) if known else None
    return found
