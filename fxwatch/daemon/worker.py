"""What a worker does with a job. Only workers import this, as it needs torch."""

import traceback
from pathlib import Path

from fxwatch.daemon import stage
from fxwatch.daemon.explain_job import run_explain
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, Job, Trouble
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Store, StoreError


def answer(job: Job) -> Answer:
    """Do a job. What nobody foresaw is an answer, too, with its traceback on stderr."""
    try:
        return _draw(job) if isinstance(job, DrawJob) else run_explain(job, stage.enter)
    except MemoryError:
        return Trouble(outcome="failed", reason="out of memory; lower [analysis] max_states, or give the daemon more")
    except Exception as error:  # noqa: BLE001 - the worker's last resort: the job fails, and the daemon goes on
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
