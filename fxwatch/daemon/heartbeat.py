"""status.json: that the daemon lives, what it is doing, and what it has found."""

import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from fxwatch import __version__
from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import FileState
from fxwatch.records.status import DaemonStatus, RunStatus
from fxwatch.store.layout import Store
from fxwatch.store.write import RunWriter, write_status

EVERY = 5.0
AT_MOST_EVERY = 0.5


class Heartbeat:
    """Writes the heartbeat when it is due, or sooner when something has changed."""

    def __init__(self, store: Store, watched: Path, wandb: Literal["off", "online", "offline"] = "off") -> None:
        self._store, self._watched, self._wandb = store, watched, wandb
        self._started_at = _now()
        self._last: DaemonStatus | None = None
        self._beaten = 0.0

    def seconds_to_next(self, now: float) -> float:
        """How long until the next one is due."""
        return max(0.0, self._beaten + EVERY - now)

    def beat(
        self,
        now: float,
        state: Literal["starting", "watching", "stopped"],
        mode: Literal["events", "polling"],
        *,
        scan_seconds: float | None,
        files: Mapping[FileState, int],
        waiting: int,
        backlog: int,
        lost_events: int,
        running: list[str],
        trouble: str | None,
        runs: Mapping[str, RunWriter],
    ) -> None:
        """Write it if it is due. Raises OSError."""
        status = DaemonStatus(
            state=state,
            at=_now(),
            started_at=self._started_at,
            pid=os.getpid(),
            host=socket.gethostname(),
            fxwatch_version=__version__,
            watching=str(self._watched),
            mode=mode,
            scan_seconds=round(scan_seconds, 4) if scan_seconds is not None else None,
            files=dict(files),
            waiting=waiting,
            backlog=backlog,
            lost_events=lost_events,
            running=running,
            last_trouble=trouble,
            wandb=self._wandb,
            runs={name: _run(writer, newest) for name, writer in runs.items() if (newest := writer.newest)},
        )
        news = self._last is None or status.model_copy(update={"at": "", "scan_seconds": 0}) != self._last.model_copy(
            update={"at": "", "scan_seconds": 0}
        )
        wait = AT_MOST_EVERY if news else EVERY
        if now - self._beaten < wait and state != "stopped":
            return
        write_status(self._store, status)
        self._last, self._beaten = status, now


def _run(writer: RunWriter, newest: HistoryLine) -> RunStatus:
    return RunStatus(
        analyses=writer.count,
        latest=newest.id,
        step=newest.step,
        verdict=newest.verdict,
        findings=list(newest.findings),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
