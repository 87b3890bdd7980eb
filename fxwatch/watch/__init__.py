"""Which checkpoints and dumps exist and have settled: the scan is the truth, events are hints."""

from fxwatch.watch.events import Hints
from fxwatch.watch.runs import run_of, runs_above
from fxwatch.watch.watcher import Sighting, Watcher

__all__ = ["Hints", "Sighting", "Watcher", "run_of", "runs_above"]
