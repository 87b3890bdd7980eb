"""Which checkpoints and dumps exist and have settled: the scan is the truth, events are hints."""

from fxwatch.watch.events import Hints
from fxwatch.watch.listener import Listener
from fxwatch.watch.runs import run_of, runs_above
from fxwatch.watch.watcher import SETTLE, SETTLE_OVER_A_NETWORK, Sighting, Watcher

__all__ = ["SETTLE", "SETTLE_OVER_A_NETWORK", "Hints", "Listener", "Sighting", "Watcher", "run_of", "runs_above"]
