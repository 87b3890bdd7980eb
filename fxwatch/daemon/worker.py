"""What a worker does with a job. Only workers import this, as it needs torch."""

import traceback
from pathlib import Path

from fxwatch.daemon import stage
from fxwatch.daemon.explain_job import run_explain
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, ExplainJob, Job, ReportJob, Trouble
from fxwatch.report.run_report import write_run_report
from fxwatch.report.stored import draw_stored
from fxwatch.store.layout import Store, StoreError

_OUT_OF_MEMORY = (
    "out of memory: no more is left beside training; lower [analysis] max_states, or run it where there is more"
)


def answer(job: Job) -> Answer:
    """Do a job. What nobody foresaw is an answer, too, with its traceback on stderr."""
    try:
        return run_explain(job, stage.enter) if isinstance(job, ExplainJob) else _drawn(job)
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


def _drawn(job: DrawJob | ReportJob) -> Drawn | Trouble:
    run = Store(Path(job.store)).run(job.run)
    try:
        if isinstance(job, DrawJob):
            return Drawn(path=str(draw_stored(run, job.analysis, newest=job.newest)))
        return Drawn(path=str(write_run_report(run)))
    except FileNotFoundError as error:
        return Trouble(outcome="vanished", reason=f"{error.filename} is gone")
    except StoreError as error:
        return Trouble(outcome="failed", reason=str(error))
