"""People are told by a command of theirs when a run's verdict has changed: each change once, also after a restart."""

import subprocess
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from fxwatch.daemon.following import Following
from fxwatch.records.alerts import Alert, AlertState, alerts
from fxwatch.store.atomic import write_atomic
from fxwatch.store.bounded import read_regular
from fxwatch.store.layout import Run, Store
from fxwatch.terminal import clean

if TYPE_CHECKING:
    from fxwatch.records.history import HistoryLine

_PATIENCE = 30.0
_LARGEST = 1 << 20
Say = Callable[[str], None]


class Alarm:
    """Watches the history of one run. Of the first `before` analyses nothing is told where no alarm was there yet."""

    def __init__(self, store: Store, run: Run, command: list[str], quiet_seconds: float, before: int) -> None:
        self._run, self._command, self._quiet_seconds = run, command, quiet_seconds
        self._following = Following(run)
        self._waiting: deque[HistoryLine] = deque()
        self._note = store.root / "alerts" / f"{run.name}.json"
        self._before = before
        noted = _noted(self._note)
        self._fresh = noted is None
        self._state = noted or AlertState()

    def look(self, say: Say) -> None:
        """Tell what is new. Raises OSError where that cannot be noted, and then it is told the next time."""
        self._waiting.extend(self._following.news())
        while self._waiting:
            line = self._waiting[0]
            for state, alert in alerts(self._state, [line], self._quiet_seconds):
                due = alert is not None and not (self._fresh and line.seq < self._before)
                if due:  # before it is told: a command that kills us must not do so at every start
                    _write(self._note, state)
                self._state = state
                if alert is not None and due:
                    self._tell(alert, say)
            self._waiting.popleft()

    def _tell(self, alert: Alert, say: Say) -> None:
        words = {"{title}": clean(alert.title(self._run.name)), "{text}": clean(alert.text())}
        command = self._command
        for place, text in words.items():
            command = [argument.replace(place, text) for argument in command]
        try:
            done = subprocess.run(  # noqa: S603 - the user's own command, without a shell
                command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            say(f"an alert was not told: {self._command[0]}: {error}")
            return
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            say(f"an alert was not told: {self._command[0]}: {last[0]}")


def _noted(path: Path) -> AlertState | None:
    try:
        return AlertState.model_validate_json(read_regular(path, _LARGEST))
    except (OSError, ValidationError):
        return None


def _write(path: Path, state: AlertState) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, state.model_dump_json().encode() + b"\n")
