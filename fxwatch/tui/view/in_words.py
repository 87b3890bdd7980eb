"""A snapshot in plain sentences, one a line, for scripts' logs and screen readers."""

from collections.abc import Iterator

from fxwatch.records.analysis import Analysis
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.status import DaemonStatus
from fxwatch.tui.snapshot import Lack, Snapshot
from fxwatch.tui.view.commands import daemon_command, read_command
from fxwatch.tui.view.header import reason, since
from fxwatch.tui.view.heartbeat import daemon_words, life, put_aside, training_words, wandb_words
from fxwatch.tui.view.ppo_metrics import metrics
from fxwatch.tui.view.text import name
from fxwatch.tui.view.training import training_in_words
from fxwatch.tui.view.words import at_step, count, number, percent

_MOST_TROUBLES = 3


def heartbeat_in_words(snapshot: Snapshot) -> list[str]:
    """Whether the daemon lives, training and W&B; what to type where it does not; what may not be read or explained."""
    shut = [f"Cannot be read: {name(path, 400)}: {name(why)}" for path, why in snapshot.barred]
    return [_heartbeat_in_words(snapshot), *shut, *_not_explained(snapshot)]


def _not_explained(snapshot: Snapshot) -> Iterator[str]:
    troubles = snapshot.files.troubles
    for trouble in troubles[:_MOST_TROUBLES]:
        yield f"Not explained: {trouble_in_words(trouble)}"
    if len(troubles) > _MOST_TROUBLES:
        yield f"Not explained: {len(troubles) - _MOST_TROUBLES} more of late; the monitor's log tells of each"


def trouble_in_words(line: LedgerLine) -> str:
    """What became of a file instead of an analysis, and why."""
    return f"{name(line.path, 400)}, {line.state}" + (f": {name(line.reason)}" if line.reason else "")


def _heartbeat_in_words(snapshot: Snapshot) -> str:
    daemon = snapshot.daemon
    if not life(daemon, snapshot.now).alive:
        typed = f"`{daemon_command(snapshot)}` watches it"
        parts = [daemon_words(snapshot).sentence, typed, wandb_words(snapshot).sentence, *_trouble(daemon)]
        return f"Heartbeat: {'; '.join(parts)}"
    parts = [daemon_words(snapshot).sentence, training_words(snapshot).sentence]
    if daemon is not None:
        parts += [
            f"{daemon.waiting:,} waiting{put_aside(daemon)}",
            wandb_words(snapshot).sentence,
            f"by {'file events' if daemon.mode == 'events' else 'polling'}",
        ]
        parts += [f"explaining {name(path)}" for path in daemon.running]
    return f"Heartbeat: {', '.join([*parts, *_trouble(daemon)])}"


def _trouble(daemon: DaemonStatus | None) -> list[str]:
    return [f"last trouble: {name(daemon.last_trouble)}"] if daemon is not None and daemon.last_trouble else []


def lack_in_words(snapshot: Snapshot) -> str:
    """What is missing, and what to type."""
    folder = name(snapshot.watched, 400)
    if snapshot.lack is Lack.FOLDER:
        return f"there is no folder {folder}; name the one that training writes to, or try `fxwatch demo`"
    if snapshot.lack is Lack.STORE:
        return f"nobody has watched {folder} yet; `{daemon_command(snapshot)}` does"
    if snapshot.lack is Lack.RIGHTS:
        path, why = snapshot.barred[0] if snapshot.barred else (snapshot.store, "no reason given")
        return f"{name(path, 400)} cannot be read: {name(why)}; whoever owns it can type `{read_command(snapshot)}`"
    return "no analysis yet"


def run_in_words(snapshot: Snapshot) -> Iterator[str]:
    """Verdict, findings, metrics and shares of a run."""
    news, analysis = snapshot.news, snapshot.analysis
    step = news.step if news else None
    done = count(news.analyses if news else 0, "analysis", "analyses")
    done += f", attempt {analysis.attempt}" if analysis is not None and analysis.attempt > 1 else ""
    yield f"Run {name(snapshot.run or '')}: {snapshot.verdict.upper()} {at_step(step)}, {done}, {reason(snapshot)}"
    if analysis is None:
        return
    for finding in analysis.health.findings:
        yield f"  {finding.level.upper()}: {name(finding.message)}, {since(finding)}"
        if finding.remedies:
            yield f"    to do: {'; '.join(map(name, finding.remedies))}"
    yield from _metrics(snapshot, analysis)
    yield from _parts(analysis)
    yield from training_in_words(snapshot)


def _metrics(snapshot: Snapshot, analysis: Analysis) -> Iterator[str]:
    for metric in metrics(snapshot, analysis):
        found = metric.found
        error = f" ± {number(found.standard_error)}" if found.standard_error is not None else ""
        missing = f"unknown, {name(found.reason or 'not computed')}"
        value = f"{number(found.value)}{error}, {found.verdict}" if found.value is not None else missing
        note = f", {metric.note}" if metric.note and found.value is not None else ""
        yield f"  {metric.label.capitalize()}: {value}{note}"


def _parts(analysis: Analysis) -> Iterator[str]:
    flow, dead = analysis.gradient_flow, analysis.dead_features
    measured = f"{len(flow.vanishing_gradients)} vanishing, {len(flow.exploding_gradients)} exploding layers"
    yield f"  Gradient flow: {measured if flow.reason is None else f'unknown, {name(flow.reason)}'}"
    yield f"  Dead features: {dead.total_count if dead.total_count is not None else 'unknown'}"
    for branch, share in analysis.branches.items():
        band = share.expected
        judged = f", expected {band.low * 100:g} to {band.high * 100:g} %, {share.verdict}" if band else ""
        yield f"  Branch {name(branch)}: {percent(share.share)}{judged}"
