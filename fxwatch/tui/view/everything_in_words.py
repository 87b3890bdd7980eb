"""What the screens show of a run, in sentences, one a line: nothing is drawn, and nothing depends on a width."""

from collections.abc import Iterator

from fxwatch.records.analysis import Analysis
from fxwatch.records.decisions import Decision
from fxwatch.records.ranks import outlying
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.compare import comparison
from fxwatch.tui.view.decisions import agreement
from fxwatch.tui.view.gradient_flow import troubles
from fxwatch.tui.view.methods import voting
from fxwatch.tui.view.ranks import units_of
from fxwatch.tui.view.subjects import TABLES
from fxwatch.tui.view.table import in_words
from fxwatch.tui.view.text import name, plain
from fxwatch.tui.view.training import layers_in_words
from fxwatch.tui.view.words import count, number, percent


def everything_in_words(snapshot: Snapshot) -> Iterator[str]:
    """Features, layers, decisions, methods, attention heads, what moved, runs and log."""
    analysis = snapshot.analysis
    if analysis is not None:
        yield from _table("features", snapshot)
        yield from _layers(analysis)
        yield from layers_in_words(snapshot)
        yield from _decisions(analysis)
        yield from _methods(analysis)
        yield from _table("attention", snapshot)
        if snapshot.closer.against is not None:
            yield f"Compare: {comparison(snapshot.closer.against, analysis)}"
    yield from _table("runs", snapshot)
    yield from _table("log", snapshot)


def _table(subject: str, snapshot: Snapshot) -> Iterator[str]:
    view = TABLES[subject]
    table = view.table(snapshot)
    yield f"{view.NAME}: {count(len(table.rows), table.noun) if table.rows else table.empty}"
    for sentence in in_words(table):
        yield f"  {sentence}"


def _layers(analysis: Analysis) -> Iterator[str]:
    flow = analysis.gradient_flow
    yield f"Layers: {count(len(flow.layer_gradients), 'layer')} with gradients"
    ill = troubles(flow)
    for layer, gradient in flow.layer_gradients.items():
        words = "".join(f", {trouble.kind}" for trouble in ill if layer in trouble.layers)
        moments = flow.optimizer.get(layer)
        seen = "" if moments is None else f", training's own gradient {number(moments.gradient_rms)}"
        yield f"  {name(layer)}, norm {number(gradient.norm)}, mean {number(gradient.mean)}{seen}{words}"


def _decisions(analysis: Analysis) -> Iterator[str]:
    yield f"Decisions: {count(len(analysis.decisions), 'action')} taken"
    for action, decision in sorted(analysis.decisions.items(), key=lambda item: -item[1].count):
        part = percent(decision.count / analysis.states.count if analysis.states.count else None)
        judged = f", {plain([agreement(decision)])}" if decision.agreement is not None else ""
        reason = f", {name(decision.reason)}" if decision.reason else ""
        yield f"  {name(action)} in {count(decision.count, 'state')}, {part}{judged}{reason}"
        yield from _led_by(decision)


def _led_by(decision: Decision) -> Iterator[str]:
    for branch, ranking in decision.features.items():
        yield f"    {name(branch)}: " + ", ".join(f"{name(feature)} {number(score)}" for feature, score in ranking)


def _methods(analysis: Analysis) -> Iterator[str]:
    yield f"Methods: {count(len(analysis.methods), 'method')}, {count(len(analysis.consensus.voters), 'vote')}"
    for method, report in analysis.methods.items():
        yield f"  {name(method)} {report.status}" + (f", {name(report.reason)}" if report.reason else "")
    for pair in analysis.consensus.pairs:
        yield f"  {name(' and '.join(pair.methods))} agree by {number(pair.spearman)}"
    voters = voting(analysis)
    for one in analysis.consensus.ranks:
        places = ", ".join(f"{one.ranks.get(method, 'nowhere')} by {name(method)}" for method in voters)
        against = outlying(one, voters, units_of(analysis))
        judged = f"; disagrees: {name(', '.join(against))}" if against else ""
        yield f"  {name(one.branch)} {name(one.feature)} ranks {places}{judged}"
