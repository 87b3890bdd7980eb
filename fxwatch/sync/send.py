"""Send what waits: in pieces, each noted when all of it has arrived."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.records.alerts import alerts
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import NewerError, Run, Store, StoreError
from fxwatch.store.read import read_analysis
from fxwatch.store.training import training_at
from fxwatch.sync.board import Account, Board, BoardError, board
from fxwatch.sync.outbox import Outbox, lines_from, new_outbox, read_outbox, write_outbox
from fxwatch.sync.passing import passing
from fxwatch.sync.trainer import trainers_run

PIECE = 200
PIECE_SHARED = 20
"""Of which some come twice where a sync is killed: W&B does not tell a shared run what it has."""
Say = Callable[[str], None]


class Sender:
    """Sends the runs of a store, as the only process that does."""

    def __init__(self, watched: Path, store: Store, account: Account, group: str | None, quiet_seconds: float) -> None:
        self._watched, self._store, self._account, self._group = watched, store, account, group
        self._quiet_seconds = quiet_seconds
        self._left_out = 0
        self._most = PIECE_SHARED if account.mode == "shared" else PIECE

    def send(self, run: Run, say: Say) -> int:
        """Send what waits of a run; how many analyses it was. Raises BoardError, or OSError; the rest waits then."""
        outbox = read_outbox(self._store, run) or new_outbox(self._watched, run, self._group)
        if outbox is None:
            return 0
        before, self._left_out = outbox.sent, 0
        lines = lines_from(run, before)
        try:
            for begin in range(0, len(lines), self._most):
                outbox = self._piece(run, outbox, lines[begin : begin + self._most], say)
        except BoardError as error:
            noted = self._without_torn_file(read_outbox(self._store, run) or outbox)
            write_outbox(self._store, run, noted.model_copy(update={"trouble": str(error)}))
            raise
        return outbox.sent - before - self._left_out

    def _piece(self, run: Run, outbox: Outbox, lines: list[HistoryLine], say: Say) -> Outbox:
        offline = self._account.mode == "offline"
        outbox = self._without_torn_file(outbox)
        name = self._trainers(run) if self._account.mode == "shared" else outbox.id
        name += f"-{outbox.files}" if offline and outbox.files else ""
        about = {"run": run.name, "group": outbox.group}
        home = self._store.root if offline else passing(self._store)
        with board(self._account, home, name, outbox.group, about) as open_board:
            writing = open_board.folder.name if offline else None
            write_outbox(self._store, run, outbox.model_copy(update={"writing": writing}))
            first = outbox.filed if open_board.arrived is None else open_board.arrived + 1
            first = first if self._account.mode == "online" else lines[0].seq
            for line in _beginning_at(run, min(first, outbox.alerts.seq + 1), lines):
                if line.seq >= first:
                    self._one(open_board, run, line, say)
                outbox = self._alert(open_board, run, outbox, line)
        sent = lines[-1].seq + 1
        now = datetime.now(UTC).isoformat(timespec="seconds")
        done = {"sent": sent, "sent_at": now, "writing": None, "trouble": None}
        done |= {"filed": sent} if self._account.mode != "online" else {}
        done |= {"files": outbox.files + 1} if offline else {}
        outbox = outbox.model_copy(update=done)
        write_outbox(self._store, run, outbox)
        return outbox

    def _one(self, open_board: Board, run: Run, line: HistoryLine, say: Say) -> None:
        folder = run.analysis(line.id)
        try:
            analysis = read_analysis(folder.json)
        except NewerError as error:
            raise BoardError(str(error)) from error
        except StoreError as error:
            say(f"not sent: {error}")
            self._left_out += 1
            return
        open_board.send(analysis, line, folder, training_at(run, analysis.created_at))

    def _alert(self, open_board: Board, run: Run, outbox: Outbox, line: HistoryLine) -> Outbox:
        """Online it is noted before it is sent: an alert may be lost where all is killed between the two, but never
        comes twice. Offline it is noted with its file.
        """
        for state, alert in alerts(outbox.alerts, [line], self._quiet_seconds):
            outbox = outbox.model_copy(update={"alerts": state})
            if alert is not None:
                if self._account.mode != "offline":
                    write_outbox(self._store, run, outbox)
                open_board.alert(alert, run.name)
        return outbox

    def _trainers(self, run: Run) -> str:
        """The id of the trainer's own run. Raises BoardError where it is not there, or not open to others."""
        found = trainers_run(self._watched, run)
        if found is None:
            raise BoardError("shared mode needs the trainer's folder wandb/ among its outputs, or above them")
        from fxwatch.sync.wandb_file import is_shared

        try:
            shared = is_shared(found.file)
        except OSError as error:
            raise BoardError(f"{found.file} cannot be read ({error.strerror})") from error
        if not shared:
            raise BoardError(
                f"the trainer's run {found.id} is not in shared mode, or has just begun; let it say "
                'settings=wandb.Settings(mode="shared"), or leave [wandb] mode out'
            )
        return found.id

    def _without_torn_file(self, outbox: Outbox) -> Outbox:
        """Remove an offline file that was not finished: all of it is written anew. Raises OSError where it stays."""
        if outbox.writing is not None and outbox.writing.startswith("offline-run-"):
            folder = self._store.root / "wandb" / Path(outbox.writing).name
            if folder.exists():
                shutil.rmtree(folder)
        return outbox.model_copy(update={"writing": None})


def _beginning_at(run: Run, first: int, lines: list[HistoryLine]) -> list[HistoryLine]:
    """Some lines of a history, and all before them from a number on: W&B has less than was noted."""
    if first >= lines[0].seq:
        return lines
    return [line for line in lines_from(run, first) if line.seq <= lines[-1].seq]
