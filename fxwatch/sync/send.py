"""Send what waits: in pieces, each noted when all of it has arrived."""

import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from fxwatch.records.alerts import alerts
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.lines import read_lines
from fxwatch.store.read import read_analysis
from fxwatch.store.training import training_at
from fxwatch.sync.board import Account, Board, BoardError, board
from fxwatch.sync.outbox import Outbox, new_outbox, read_outbox, write_outbox

PIECE = 200
Say = Callable[[str], None]


class Sender:
    """Sends the runs of a store, as the only process that does."""

    def __init__(self, watched: Path, store: Store, account: Account, group: str | None, quiet_seconds: float) -> None:
        self._watched, self._store, self._account, self._group = watched, store, account, group
        self._quiet_seconds = quiet_seconds

    def send(self, run: Run, say: Say) -> int:
        """Send what waits of a run; how many analyses it was. Raises BoardError, or OSError; the rest waits then."""
        outbox = read_outbox(self._store, run) or new_outbox(self._watched, run, self._group)
        before = outbox.sent if outbox else 0
        while outbox is not None and (lines := _next(run, outbox)):
            try:
                outbox = self._piece(run, outbox, lines, say)
            except BoardError as error:
                write_outbox(self._store, run, outbox.model_copy(update={"trouble": str(error)}))
                raise
        return (outbox.sent if outbox else 0) - before

    def _piece(self, run: Run, outbox: Outbox, lines: list[HistoryLine], say: Say) -> Outbox:
        offline = self._account.mode == "offline"
        if offline:
            _discard(self._store, outbox)
        name = outbox.id if not offline or not outbox.files else f"{outbox.id}-{outbox.files}"
        about = {"run": run.name, "group": outbox.group}
        with board(self._account, self._store.root, name, outbox.group, about) as open_board:
            if offline:
                outbox = outbox.model_copy(update={"writing": open_board.folder.name})
            write_outbox(self._store, run, outbox)
            first = outbox.filed if open_board.arrived is None else open_board.arrived + 1
            first = lines[0].seq if offline else first
            for line in _from(run, min(first, outbox.alerts.seq + 1), lines[-1].seq):
                if line.seq >= first:
                    self._one(open_board, run, line, say)
                outbox = self._alert(open_board, run, outbox, line)
        sent = lines[-1].seq + 1
        done = {"sent": sent, "writing": None, "trouble": None}
        done |= {"filed": sent, "files": outbox.files + 1} if offline else {}
        outbox = outbox.model_copy(update=done)
        write_outbox(self._store, run, outbox)
        return outbox

    def _one(self, open_board: Board, run: Run, line: HistoryLine, say: Say) -> None:
        folder = run.analysis(line.id)
        try:
            analysis = read_analysis(folder.json)
        except StoreError as error:
            say(f"not sent: {error}")
            return
        open_board.send(analysis, line, folder, training_at(run, analysis.created_at))

    def _alert(self, open_board: Board, run: Run, outbox: Outbox, line: HistoryLine) -> Outbox:
        """Noted before it is sent: an alert may be lost where all is killed between the two, but never comes twice."""
        for state, alert in alerts(outbox.alerts, [line], self._quiet_seconds):
            outbox = outbox.model_copy(update={"alerts": state})
            if alert is not None:
                write_outbox(self._store, run, outbox)
                open_board.alert(alert, run.name)
        return outbox


def _next(run: Run, outbox: Outbox) -> list[HistoryLine]:
    return list(islice((line for line in read_lines(run.history, HistoryLine) if line.seq >= outbox.sent), PIECE))


def _from(run: Run, first: int, last: int) -> list[HistoryLine]:
    return [line for line in read_lines(run.history, HistoryLine) if first <= line.seq <= last]


def _discard(store: Store, outbox: Outbox) -> None:
    """Remove an offline file that was not finished: all of it is written anew."""
    if outbox.writing is not None and outbox.writing.startswith("offline-run-"):
        shutil.rmtree(store.root / "wandb" / Path(outbox.writing).name, ignore_errors=True)
