"""One look at all runs, without their histories: for those who do not stay."""

from dataclasses import replace
from pathlib import Path

from fxwatch.records.analysis import Analysis
from fxwatch.store.layout import Store
from fxwatch.tui.read.all_runs import AllRuns
from fxwatch.tui.read.analyses import open_analysis
from fxwatch.tui.read.history import History
from fxwatch.tui.read.training import TrainingReader
from fxwatch.tui.snapshot import Past, Snapshot

_RECENT = 1 << 16


def glance(store: Store, watched: Path, now: float) -> tuple[Snapshot, list[Snapshot]]:
    """What is true of all runs, and a snapshot of each, the worst first."""
    common, found = AllRuns(store, watched)(now), []
    for run in common.runs:
        opened = open_analysis(store.run(run.name), run.latest)
        recent = History(store.run(run.name), backlog=_RECENT)
        recent.follow(lambda: False)
        gap = recent.past(recent.count - 1).gap if recent.count else None
        analysis, trouble = (opened, None) if isinstance(opened, Analysis) else (None, opened)
        past = Past(run.analyses, run.analyses, gap=gap)
        training = TrainingReader()(store.run(run.name))
        found.append(replace(common, run=run.name, past=past, analysis=analysis, trouble=trouble, training=training))
    return common, found
