"""What a worker does with a job. Only workers import this, as it needs torch."""

import traceback
from pathlib import Path

from fxwatch.daemon import stage
from fxwatch.daemon.explain_job import run_explain
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, Job, Trouble
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Store, StoreError

_OUT_OF_MEMORY = (
    "out of memory: no more is left beside training; lower [analysis] max_states, or run it where there is more"
)


def answer(job: Job) -> Answer:
    """Do a job. What nobody foresaw is an answer, too, with its traceback on stderr."""
    try:
        return _draw(job) if isinstance(job, DrawJob) else run_explain(job, stage.enter)
    except MemoryError:
        return Trouble(outcome="failed", reason=_OUT_OF_MEMORY)
    except Exception as error:  # noqa: BLE001 - the worker's last resort: the job fails, and the daemon goes on
        if "can't allocate memory" in str(error):  # torch's way to say so
            return Trouble(outcome="failed", reason=_OUT_OF_MEMORY)
        traceback.print_exc()
        first = next(iter(str(error).splitlines()), "")
        return Trouble(
            outcome="failed", reason=f"unexpected {type(error).__name__}: {first} (its traceback is on stderr)"
        )


def _draw(job: DrawJob) -> Drawn | Trouble:
    run = Store(Path(job.store)).run(job.run)
    try:
        return Drawn(path=str(draw_stored(run, job.analysis, newest=job.newest, thresholds=job.thresholds)))
    except FileNotFoundError as error:
        return Trouble(outcome="vanished", reason=f"{error.filename} is gone")
    except StoreError as error:
        return Trouble(outcome="failed", reason=str(error))
