"""W&B gets what it has not got, from a process of its own that nothing waits for."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from fxwatch.daemon.limits import stand_back
from fxwatch.store.layout import Run, Store
from fxwatch.sync.outbox import unsent, waiting

_LONGEST_PAUSE = 1800.0
_FOR_A_PICTURE = 120.0


class Pace(NamedTuple):
    """Seconds between two deliveries, and after how many analyses one comes sooner."""

    seconds: float
    analyses: int


ONLINE = Pace(30.0, 1_000)
OFFLINE = Pace(600.0, 100)
"""Each delivery is a file of its own."""


class Courier:
    """Starts `fxwatch sync` when something waits and it is time; after a failure it waits longer and longer."""

    def __init__(self, store: Store, sync: Sequence[str], pace: Pace, say: Callable[[str], None]) -> None:
        self._store, self._sync, self._pace, self._say = store, sync, pace, say
        # as it is now: from workers secrets are hidden by taking them out for a moment
        self._environ = dict(os.environ)
        self._process: subprocess.Popen[bytes] | None = None
        self._next = 0.0
        self._pause = pace.seconds
        self._trouble = ""
        self._waiting_since: float | None = None

    def look(self, now: float, runs: Sequence[Run]) -> None:
        """Go on: see how the last delivery of these runs ended, begin another one where it is time."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._ended(now)
        count = sum(waiting(self._store, run) for run in runs)
        if not count:
            self._waiting_since = None
            return
        self._waiting_since = now if self._waiting_since is None else self._waiting_since
        due = now >= self._next or (not self._trouble and count >= self._pace.analyses)
        if due and (self._drawn(runs) or now - self._waiting_since >= _FOR_A_PICTURE):
            self._begin()

    def end(self, now: float, patience: float) -> None:
        """Deliver what waits, for so many seconds at most. What is cut off waits for the next time."""
        if self._process is None and any(waiting(self._store, run) for run in self._store.runs()):
            self._begin()
        if self._process is not None:
            try:
                self._process.wait(patience)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._ended(now)

    def _begin(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "fxwatch", "sync", *self._sync],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=self._environ,
            start_new_session=True,
        )
        stand_back(self._process.pid)

    def _ended(self, now: float) -> None:
        if self._process is None:
            return
        _, errors = self._process.communicate()
        failed = self._process.returncode != 0
        self._process = None
        self._waiting_since = self._waiting_since if failed else None
        self._pause = min(2 * self._pause, _LONGEST_PAUSE) if failed else self._pace.seconds
        self._next = now + self._pause
        trouble = (errors.decode(errors="replace").strip().splitlines() or ["it gave no reason"])[-1] if failed else ""
        if trouble and trouble != self._trouble:
            self._say(trouble.removeprefix("fxwatch: "))
        self._trouble = trouble

    def _drawn(self, runs: Sequence[Run]) -> bool:
        """Whether the reports of all that waits are there: they go with their analyses."""
        return all(run.analysis(line.id).png.exists() for run in runs for line in unsent(self._store, run))


def sync_arguments(watched: Path, config_file: Path | None) -> list[str]:
    """What `fxwatch sync` is told."""
    return [str(watched), *(["--config", str(config_file.absolute())] if config_file is not None else [])]
