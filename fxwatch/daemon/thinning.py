"""Keeps the folder of results from growing without end, where [store] keep says so."""

from collections.abc import Iterable

from fxwatch.config import Config
from fxwatch.daemon.following import Following
from fxwatch.store.layout import Run, Store
from fxwatch.store.thin import Thinner
from fxwatch.sync.outbox import read_outbox


class Thinning:
    """Of all runs of a store. What W&B is still to get stays whole."""

    def __init__(self, store: Store, config: Config) -> None:
        self._store, self._config = store, config
        self._runs: dict[str, tuple[Following, Thinner]] = {}

    def look(self, runs: Iterable[Run]) -> None:
        """Thin those of these runs that have grown. Raises OSError."""
        keep = self._config.store.keep
        if keep is None:
            return
        for run in runs:
            if run.name not in self._runs:
                self._runs[run.name] = Following(run), Thinner(run, keep)
            following, thinner = self._runs[run.name]
            newest = -1
            for line in following.news():
                thinner.add(line)
                newest = line.seq
            if newest >= 0:
                thinner.thin(self._sent(run, newest))

    def _sent(self, run: Run, newest: int) -> int:
        if not self._config.wandb.enabled:
            return newest
        outbox = read_outbox(self._store, run)
        return outbox.sent if outbox is not None else 0
