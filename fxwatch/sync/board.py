"""One run at W&B, written to. The only place that knows wandb; it runs in a process of its own."""

import logging
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from fxwatch.records.alerts import Alert
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.training import TrainingLine
from fxwatch.store.layout import AnalysisFolder
from fxwatch.sync.names import COLUMNS, OURS, SEQ, STEP, numbers, over_steps, table, training_numbers
from fxwatch.terminal import clean

if TYPE_CHECKING:
    import wandb

Mode = Literal["online", "offline", "shared"]
_PATIENCE = "30"
_LONGEST_SILENCE = "900"
"""Seconds without an answer. Without an end wandb would try for days, while nobody is told."""


class BoardError(Exception):
    """W&B could not be written to; the message says why in one sentence."""


class Account(NamedTuple):
    """Where runs go: None is what wandb's own settings say."""

    project: str
    entity: str | None
    mode: Mode


class Board:
    """An open run, to which so many `rows` were sent now. `arrived` is the number of the newest analysis that W&B has,
    where it has any.
    """

    def __init__(self, run: "wandb.Run", *, shared: bool) -> None:
        self._run, self._shared = run, shared
        found = run.summary.get(SEQ) if run.resumed else None  # type: ignore[no-untyped-call]
        self.arrived = int(found) if isinstance(found, int | float) else None
        self.rows = 0
        self._defined: set[str] = set()

    @property
    def folder(self) -> Path:
        """Where all that is written of it lies."""
        return Path(self._run.settings.sync_file).parent

    def send(
        self, analysis: Analysis, line: HistoryLine, folder: AnalysisFolder, training: TrainingLine | None = None
    ) -> None:
        """Send all that is to be seen of an analysis, and what the recorder measured last when it was made."""
        import wandb

        _wait_from_now()
        row: dict[str, object] = {**numbers(analysis, line), **(training_numbers(training) if training else {})}
        self._define(list(row))
        row[f"{OURS}features"] = wandb.Table(columns=[*COLUMNS], data=table(analysis))
        if folder.png.exists():
            row[f"{OURS}report"] = wandb.Image(str(folder.png))
        self._run.log(row, step=None if self._shared else line.seq, commit=True)
        self.rows += 1
        artifact = wandb.Artifact(f"{self._run.id}-analysis", type="attribution", metadata={"analysis": analysis.id})
        for file in (folder.json, folder.arrays, folder.png):
            if file.exists():
                artifact.add_file(str(file))
        self._run.log_artifact(artifact, aliases=["latest", analysis.id])

    def alert(self, alert: Alert, run: str) -> None:
        """Tell that a verdict has changed."""
        level = {"bad": "ERROR", "warn": "WARN"}.get(alert.verdict, "INFO")
        self._run.alert(clean(alert.title(run)), clean(alert.text()), level=level)

    def _define(self, names: list[str]) -> None:
        for name in over_steps(names):
            if name not in self._defined:
                self._run.define_metric(name, step_metric=STEP)
                self._defined.add(name)


@contextmanager
def board(account: Account, home: Path, run_id: str, group: str, about: dict[str, str]) -> Iterator[Board]:
    """Open a run of ours, in the trainer's group, and finish it: after that, all has been sent, or is in its file.
    In shared mode `run_id` is the trainer's own run, and its end is not ours to tell.

    `home`: the folder for W&B's files. Raises BoardError.
    """
    os.environ.pop("WANDB_SERVICE", None)  # a trainer's, where it has started us: two writers would get into its run
    os.environ.setdefault("WANDB_INIT_TIMEOUT", _PATIENCE)
    os.environ.setdefault("WANDB_FINISH_TIMEOUT", _LONGEST_SILENCE)
    os.environ["WANDB_SILENT"] = "true"
    logging.raiseExceptions = False  # a full disk is our trouble, and not that of wandb's log
    try:
        import wandb
    except ImportError:
        raise BoardError("wandb is not installed; type `pip install 'fxwatch[wandb]'`") from None
    signal.signal(signal.SIGALRM, _too_long)
    try:
        _wait_from_now()
        run = _open(account, home, run_id, group, about)
        found = Board(run, shared=account.mode == "shared")
        os.environ["WANDB_DATA_DIR"] = str(found.folder)  # copies of what artifacts hold, beside all else of the run
        yield found
        _wait_from_now()
        run.finish()
        wandb.teardown()  # the file may be empty until wandb-core has ended
        from fxwatch.sync.wandb_file import is_whole

        if account.mode == "offline" and not is_whole(Path(run.settings.sync_file), found.rows):
            raise BoardError(f"{run.settings.sync_file} was not written to its end; is the disk full?")
    except BoardError:
        raise
    except _Silence as silence:
        _end_children()  # wandb-core tries on for days, and wandb waits for it
        with suppress(Exception, SystemExit):
            wandb.teardown()
        raise BoardError(str(silence)) from None
    except Exception as error:  # what breaks inside wandb comes out as anything at all, and analyses must wait then
        with suppress(Exception, SystemExit):
            wandb.teardown()
        raise BoardError(_in_words(error)) from error
    finally:
        signal.alarm(0)


class _Silence(BaseException):
    """W&B does not answer. No Exception, as wandb takes those for reasons to try again."""


def _wait_from_now() -> None:
    """Let the longest silence begin anew."""
    signal.alarm(int(os.environ["WANDB_FINISH_TIMEOUT"]))


def _too_long(*_: object) -> None:
    raise _Silence(f"W&B has not answered for {os.environ['WANDB_FINISH_TIMEOUT']} seconds")


def _end_children() -> None:
    """End what this process has started: wandb-core, and nothing else."""
    for told in Path("/proc/self/task").glob("*/children"):
        for child in told.read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)


def _open(account: Account, home: Path, run_id: str, group: str, about: dict[str, str]) -> "wandb.Run":
    import wandb

    shared = account.mode == "shared"
    ours: dict[str, Any] = {
        "name": clean(f"fxwatch {about['run']}", 120),
        "group": clean(group, 120),
        "job_type": "attribution",
        "resume": "allow",
        "config": about,
    }
    run = wandb.init(
        project=account.project,
        entity=account.entity,
        id=run_id,
        mode=account.mode,
        dir=str(home),
        settings=wandb.Settings(
            console="off",
            silent=True,
            finish_timeout_raises=True,  # else what has not been sent would count as sent
            disable_git=True,
            disable_code=True,
            save_code=False,
            x_disable_stats=True,
            x_disable_meta=True,
            x_save_requirements=False,
            x_file_stream_transmit_interval=1.0,
            x_primary=not shared,
            x_label="fxwatch" if shared else None,
            x_update_finish_state=not shared,
        ),
        **({} if shared else ours),
    )
    run.define_metric(STEP, hidden=True)
    run.define_metric(f"{OURS}*", step_metric=STEP)
    return run


def _in_words(error: Exception) -> str:
    first = next(iter(str(error).strip().splitlines()), "") or f"wandb has failed ({type(error).__name__})"
    return clean(first, 300)
