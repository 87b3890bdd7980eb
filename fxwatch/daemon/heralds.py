"""What goes on beside the daemon, in a thread of its own: alarms, the courier to W&B, and thinning."""

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from fxwatch.config import Config
from fxwatch.daemon.alarm import Alarm, Say
from fxwatch.daemon.courier import OFFLINE, ONLINE, Courier, sync_arguments
from fxwatch.daemon.thinning import Thinning
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run, Store
from fxwatch.store.lines import last_line

_TICK = 1.0
_PATIENCE_AT_THE_END = 3.0
"""For each of two: with the daemon's own, the end comes in less than 20 s."""
_PATIENCE_ONCE = 600.0


class Heralds:
    """At work from entry to exit; with `once`, on exit they take the time that they need."""

    def __init__(
        self, watched: Path, config: Config, config_file: Path | None, store: Store, say: Say, *, once: bool
    ) -> None:
        self._config, self._store, self._say = config, store, say
        self._patience = _PATIENCE_ONCE if once else _PATIENCE_AT_THE_END
        self._before = {run.name: _count(run) for run in store.runs()} if config.alerts.command else {}
        self._alarms: dict[str, Alarm] = {}
        pace = OFFLINE if config.wandb.chosen_mode() == "offline" else ONLINE
        enabled = config.wandb.enabled
        self._courier = Courier(store, sync_arguments(watched, config_file), pace, say) if enabled else None
        self._thinning = Thinning(store, config)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="heralds", daemon=True)
        self._trouble = ""

    def __enter__(self) -> Self:
        if self._courier is not None or self._config.alerts.command or self._config.store.keep is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._thread.ident is None:
            return
        self._thread.join(_PATIENCE_AT_THE_END)
        if self._thread.is_alive():  # a command that hangs: what it was told is noted, the rest waits
            return
        self._look()
        if self._courier is not None:
            self._courier.end(time.monotonic(), self._patience)

    def _work(self) -> None:
        while not self._ending.wait(_TICK):
            self._look()

    def _look(self) -> None:
        try:
            runs = list(self._store.runs())
            self._sound(runs)
            if self._courier is not None:
                self._courier.look(time.monotonic(), runs)
            self._thinning.look(runs)
            self._trouble = ""
        except OSError as error:
            if str(error) != self._trouble:
                self._say(f"results wait to be told: {error}")
            self._trouble = str(error)

    def _sound(self, runs: Iterable[Run]) -> None:
        settings = self._config.alerts
        if not settings.command:
            return
        for run in runs:
            if run.name not in self._alarms:
                seconds, before = settings.quiet_minutes * 60, self._before.get(run.name, 0)
                self._alarms[run.name] = Alarm(self._store, run, settings.command, seconds, before)
            self._alarms[run.name].look(self._say)


def _count(run: Run) -> int:
    """How many analyses there are."""
    newest = last_line(run.history, HistoryLine)
    return 0 if newest is None else newest.seq + 1
