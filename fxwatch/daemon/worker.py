"""What a worker does with a job. Only workers import this, as it needs torch."""

import io
import traceback
from pathlib import Path

from fxwatch.daemon import stage
from fxwatch.daemon.explain_job import run_explain
from fxwatch.daemon.jobs import Answer, DrawJob, Drawn, ExplainJob, Job, ReportJob, Trouble
from fxwatch.daemon.parcel import PAGE, RUN_HTML, RUN_PAGE, Files
from fxwatch.report.run_report import run_report
from fxwatch.report.stored import page_of
from fxwatch.store.layout import Store, StoreError

_OUT_OF_MEMORY = (
    "out of memory: no more is left beside training; lower [analysis] max_states, or run it where there is more"
)


def answer(job: Job) -> tuple[Answer, Files]:
    """Do a job: the answer, and its files. What nobody foresaw is an answer, too, with its traceback on stderr."""
    try:
        return run_explain(job, stage.enter) if isinstance(job, ExplainJob) else _drawn(job)
    except MemoryError:
        return Trouble(outcome="failed", reason=_OUT_OF_MEMORY), {}
    except Exception as error:  # noqa: BLE001 - the worker's last resort: the job fails, and the daemon goes on
        if "can't allocate memory" in str(error):  # torch's way to say so
            return Trouble(outcome="failed", reason=_OUT_OF_MEMORY), {}
        traceback.print_exc()
        first = next(iter(str(error).splitlines()), "")
        reason = f"unexpected {type(error).__name__}: {first} (its traceback is on stderr)"
        return Trouble(outcome="failed", reason=reason), {}


def _drawn(job: DrawJob | ReportJob) -> tuple[Answer, Files]:
    run = Store(Path(job.store)).run(job.run)
    try:
        if isinstance(job, DrawJob):
            return Drawn(), {PAGE: io.BytesIO(page_of(run, job.analysis, job.thresholds))}
        picture, page = run_report(run, job.thresholds)
        return Drawn(), {RUN_PAGE: io.BytesIO(picture), RUN_HTML: io.BytesIO(page)}
    except StoreError as error:
        return Trouble(outcome="failed", reason=str(error)), {}
