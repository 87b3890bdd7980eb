"""`fxwatch status`: the monitor's verdict in plain text or JSON, for scripts and screen readers."""

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.records.base import Verdict, at_or_below, worst
from fxwatch.records.overview import Metrics, Overview, RunOverview, Unsent
from fxwatch.store.layout import Store
from fxwatch.sync.outbox import read_outbox, waiting
from fxwatch.terminal import say, tell
from fxwatch.tui.read.glance import glance
from fxwatch.tui.snapshot import Lack, Snapshot
from fxwatch.tui.view.header import reason
from fxwatch.tui.view.heartbeat import life
from fxwatch.tui.view.in_words import heartbeat_in_words, lack_in_words, run_in_words


def status(folder: Path | None, config_file: Path | None, *, as_json: bool, fail_on: Verdict | None) -> int:
    """Print how the runs of a folder are, the worst first. Returns the exit code."""
    asked = configured(config_file, folder)
    store = asked.store
    common, runs = glance(store, asked.watched, time.time())
    if common.lack in {Lack.FOLDER, Lack.STORE, Lack.RIGHTS}:
        say(f"fxwatch: {lack_in_words(common)}")
        return exit_codes.FAILURE if common.lack is Lack.RIGHTS else exit_codes.NOTHING
    verdict = worst(*(run.verdict for run in runs))
    unsent = _unsent(store, asked_for=asked.config.wandb.enabled)
    if as_json:
        found = _overview(verdict, common, runs, unsent).model_dump(mode="json")
        sys.stdout.write(json.dumps(found, indent=1, allow_nan=False) + "\n")
    else:
        for text in [*_in_words(verdict, common, runs), *_unsent_in_words(unsent)]:
            tell(text)
    return exit_codes.UNHEALTHY if at_or_below(verdict, fail_on) else exit_codes.OK


def _unsent(store: Store, *, asked_for: bool) -> dict[str, Unsent]:
    """Of each run that goes to W&B, how many analyses wait, and why where it is known."""
    found = {}
    for run in store.runs():
        outbox = read_outbox(store, run)
        if asked_for or outbox is not None:
            found[run.name] = Unsent(waiting=waiting(store, run), trouble=outbox.trouble if outbox else None)
    return found


def _unsent_in_words(unsent: dict[str, Unsent]) -> list[str]:
    return [
        f"W&B: {one.waiting} analyses of {run} wait{': ' + one.trouble if one.trouble else ''}"
        for run, one in unsent.items()
        if one.waiting
    ]


def _in_words(verdict: Verdict, common: Snapshot, runs: Sequence[Snapshot]) -> list[str]:
    why = f"run {runs[0].run}: {reason(runs[0])}" if len(runs) > 1 else reason(runs[0]) if runs else reason(common)
    found = [f"Health: {verdict.upper()} - {why}", *heartbeat_in_words(runs[0] if runs else common)]
    return found + [text for run in runs for text in run_in_words(run)]


def _overview(verdict: Verdict, common: Snapshot, runs: Sequence[Snapshot], unsent: dict[str, Unsent]) -> Overview:
    return Overview(
        watching=str(Path(common.watched).absolute()),
        verdict=verdict,
        daemon=_daemon(common),
        runs={run.run: _run(run) for run in runs},
        wandb=unsent,
    )


def _daemon(common: Snapshot) -> dict[str, Any]:
    """The heartbeat as it was written, and what to make of it; without one, `never`."""
    found = life(common.daemon, common.now)
    written = common.daemon.model_dump(mode="json", exclude={"schema_version", "runs"}) if common.daemon else {}
    return {"at": None, "pid": None, **written, "state": found.state, "alive": found.alive}


def _run(run: Snapshot) -> RunOverview:
    news, analysis = run.news, run.analysis
    return RunOverview(
        verdict=run.verdict,
        step=news.step if news else None,
        attempt=analysis.attempt if analysis is not None else None,
        analyses=news.analyses if news else 0,
        latest=news.latest if news else None,
        trouble=run.trouble,
        findings=analysis.health.findings if analysis is not None else [],
        metrics=Metrics.of(analysis) if analysis is not None else Metrics(),
    )
