"""The head of the page: the verdict, of which run and step, and what was explained over what."""

from fxwatch.records.analysis import Analysis
from fxwatch.report.box import Box
from fxwatch.report.lettering import BODY, HEADLINE, SMALL
from fxwatch.report.palette import MARKS, MUTED
from fxwatch.report.panel import Panel
from fxwatch.report.words import count, moment

HEADER_HEIGHT = 104.0
_BADGE = 46.0
_GAP = 36.0


def draw_header(panel: Panel, analysis: Analysis) -> None:
    """The badge, the run and its step in large letters, and the facts below them."""
    headline, facts = panel.box.split_down(_BADGE, 12)
    step, update = analysis.checkpoint.step, analysis.checkpoint.update
    where = "step unknown" if step is None else f"step {step:,}"
    where += "" if update is None else f" · update {update:,}"
    draw_headline(panel, headline, analysis, where, "feature importance analysis")
    _facts(panel, facts, _what_was_done(analysis))


def draw_headline(panel: Panel, box: Box, analysis: Analysis, where: str, about: str) -> None:
    """The badge, the run and where in it in large letters, and what the page is about."""
    mark = MARKS[analysis.health.verdict]
    words = f"{mark.symbol} {mark.word}"
    wide = panel.ruler.width(words, 26, bold=True) + 36
    panel.bar(Box(box.left, box.top, box.left + wide, box.bottom), mark.fill, rounding=8)
    panel.text(box.left + wide / 2, box.middle, words, size=26, colour=mark.ink, bold=True, align="centre")
    right = box.right - panel.text(box.right, box.middle, f"fxwatch · {about}", colour=MUTED, align="right") - _GAP
    left = box.left + wide + 24
    room = right - left - panel.ruler.width(where, HEADLINE) - 20
    left += panel.text(left, box.middle, analysis.run, size=HEADLINE, bold=True, width=room) + 20
    panel.text(left, box.middle, where, size=HEADLINE, colour=MUTED)


def _what_was_done(analysis: Analysis) -> list[tuple[str, str]]:
    states, target = analysis.states, analysis.target
    left_out = f" ({states.left_out} left out)" if states.left_out else ""
    named = f" ({target.config})" if target.config and target.config not in target.words else ""
    return [
        ("checkpoint", analysis.checkpoint.path or "unknown"),
        ("explained", (target.words or "unknown") + named),
        ("over", f"{count(states.count, 'state')}{left_out} of {states.path}"),
        ("compared with", target.baseline or "no baseline"),
        ("made", moment(analysis.created_at)),
    ]


def _facts(panel: Panel, box: Box, facts: list[tuple[str, str]]) -> None:
    needs = [max(panel.ruler.width(value), panel.ruler.width(label, SMALL)) for label, value in facts]
    left = box.left
    for (label, value), wide in zip(facts, shared_out(needs, box.width - _GAP * (len(facts) - 1)), strict=True):
        panel.text(left, box.top + 12, label, size=SMALL, colour=MUTED)
        panel.text(left, box.top + 36, value, size=BODY, width=wide)
        left += wide + _GAP


def shared_out(needs: list[float], room: float) -> list[float]:
    """Widths for columns that need so much: all of it where there is room, else the widest give way first."""
    if sum(needs) <= room:
        spare = (room - sum(needs)) / max(len(needs), 1)
        return [need + spare for need in needs]
    given = [0.0] * len(needs)
    left, open_ = room, sorted(range(len(needs)), key=lambda i: needs[i])
    for place, i in enumerate(open_):
        given[i] = min(needs[i], left / (len(open_) - place))
        left -= given[i]
    return given
