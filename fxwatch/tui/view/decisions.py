"""Decisions: for each action, what leads it, and whether that is what a person would expect to lead it."""

from typing import TYPE_CHECKING

from fxwatch.records.decisions import Decision, ExpectedFeature
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.features import signed
from fxwatch.tui.view.text import BLANK, Line, Span, crop, left, line, mark, name, paragraph, quiet, title, wrapped
from fxwatch.tui.view.words import count, number, percent

if TYPE_CHECKING:
    from fxwatch.records.base import Verdict

NAME = "Decisions"
_BRANCH = 11


def lines(snapshot: Snapshot, width: int, height: int | None = None) -> list[Line]:  # noqa: ARG001 - it is scrolled
    """Every action taken, the most frequent first."""
    head = [title(NAME, width, "7")]
    analysis = snapshot.analysis
    if analysis is None:
        return head
    if not analysis.decisions:
        return [*head, line(quiet("  no decision was explained"))]
    ranked = sorted(analysis.decisions.items(), key=lambda item: -item[1].count)
    for action, decision in ranked:
        head += [*_decision(action, decision, analysis.states.count, width), BLANK]
    words = "An expected feature leads where it is in the upper half of its branch, among the first five at most."
    return [crop(row, width) for row in [*head, *paragraph(words, width, 0)]]


def _decision(action: str, decision: Decision, states: int, width: int) -> list[Line]:
    taken = f"{count(decision.count, 'state')}, {percent(decision.count / states if states else None)}"
    found = [line(Span(left(name(action, 24), 16), "strong"), taken, "   ", *agreement(decision))]
    if decision.reason:
        found += paragraph(name(decision.reason), width)
    for branch, ranking in decision.features.items():
        features = ", ".join(
            f"{name(feature)} {number(score)} ({_speaks(decision, branch, feature)})" for feature, score in ranking
        )
        found += _labelled(name(branch), features, width)
        found += map(_expected, decision.expected.get(branch, []))
    return found


def agreement(decision: Decision) -> Line:
    """How many expected features lead, against chance."""
    if decision.agreement is None:
        return (quiet("nothing to compare with"),)
    chance = decision.by_chance
    beats = chance is not None and decision.agreement > chance
    verdict: Verdict = "unknown" if chance is None else "ok" if beats else "warn"
    words = "" if chance is None else f", {percent(chance)} by chance"
    judged = "" if chance is None else ": better than chance" if beats else ": no better than chance"
    return (mark(verdict), Span(f" {percent(decision.agreement)} of the expected lead{words}{judged}", verdict))


def _speaks(decision: Decision, branch: str, feature: str) -> str:
    value = decision.signed.get(branch, {}).get(feature)
    return "?" if value is None else signed(value)


def _labelled(label: str, text: str, width: int) -> list[Line]:
    parts = wrapped(text, max(10, width - 2 - _BRANCH))
    heads = [Span(left(label, _BRANCH), "accent"), *[Span(" " * _BRANCH)] * len(parts)]
    return [line("  ", head, part) for head, part in zip(heads, parts, strict=False)]


def _expected(one: ExpectedFeature) -> Line:
    margin = " " * (2 + _BRANCH)
    if not one.features:
        return line(margin, mark("unknown"), quiet(f" {name(one.words)}: the model has no such feature"))
    place = "" if one.rank is None else f" at rank {one.rank}"
    meant = ", ".join(map(name, one.features[:2]))
    words = f" {'leads' if one.leading else 'does not lead'}{place}: {meant}, expected as {name(one.words)}"
    return line(margin, mark("ok" if one.leading else "warn"), Span(words, "" if one.leading else "warn"))
