"""`fxwatch analyze`: one analysis, here and now."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.commands.own_settings import own_settings
from fxwatch.config import Config
from fxwatch.daemon.jobs import ExplainJob, Trouble
from fxwatch.daemon.limits import forget_secrets, limit_process
from fxwatch.records.base import Verdict, at_or_below
from fxwatch.terminal import say, tell
from fxwatch.watch.runs import DEFAULT_RUN

if TYPE_CHECKING:
    from fxwatch.daemon.explain_job import Made


def analyze(
    checkpoint: Path,
    states: Path,
    config_file: Path | None,
    output: Path | None,
    *,
    as_json: bool,
    fail_on: Verdict | None,
) -> int:
    """Explain a checkpoint and print what was found. Returns the exit code."""
    config = configured(config_file).config
    for file in (checkpoint, states):
        if not file.exists():
            say(f"fxwatch: {file} does not exist")
            return exit_codes.NOTHING
    limit_process(config.daemon.threads)
    forget_secrets()
    from fxwatch.daemon.explain_job import npz
    from fxwatch.records.lines import console_lines
    from fxwatch.store.write import as_json as analysis_json

    job = job_of(checkpoint, states, config)
    if job.run != DEFAULT_RUN:
        say(f"fxwatch: with the settings of run {job.run}")
    made = explained(job)
    if isinstance(made, int):
        return made
    analysis = made.analysis
    if as_json:
        sys.stdout.write(analysis_json(analysis).decode())
    else:
        for line in console_lines(analysis):
            tell(line)
    if output is not None:
        from fxwatch.report.png import draw
        from fxwatch.store.atomic import write_atomic
        from fxwatch.store.layout import AnalysisFolder

        folder = AnalysisFolder(output)
        output.mkdir(parents=True, exist_ok=True)
        write_atomic(folder.arrays, npz(made.arrays))
        write_atomic(folder.json, analysis_json(analysis))
        write_atomic(folder.png, draw(analysis, made.arrays, []))
        say(f"fxwatch: wrote {folder.png}")
    return exit_codes.UNHEALTHY if at_or_below(analysis.health.verdict, fail_on) else exit_codes.OK


def job_of(checkpoint: Path, states: Path, config: Config) -> ExplainJob:
    """The job of explaining a checkpoint over a dump, outside any store, by the settings of its run."""
    config, run = own_settings(checkpoint, config)
    return ExplainJob(
        checkpoint=str(checkpoint.resolve()),
        checkpoint_name=str(checkpoint),
        states=str(states.resolve()),
        states_name=str(states),
        run=run or DEFAULT_RUN,
        store="",
        config=config,
    )


def explained(job: ExplainJob) -> "Made | int":
    """What is made of a checkpoint; or, where that cannot be, which is said, the exit code."""
    from fxwatch.attribution import AttributionError
    from fxwatch.daemon.explain_job import explain_files, open_files, trouble
    from fxwatch.load import LoadError

    try:
        return explain_files(job, open_files(job), None, lambda stage: None)  # noqa: ARG005
    except (LoadError, AttributionError) as error:
        return refuse(trouble(error), job)


def refuse(answer: Trouble, job: ExplainJob) -> int:
    """Say why there is no analysis. Returns the exit code."""
    file = job.checkpoint_name if answer.culprit == "checkpoint" else job.states_name
    verb = "failed" if answer.outcome in {"failed", "put_off"} else f"is {answer.outcome}"
    say(f"fxwatch: {file} {verb}: {answer.reason}")
    return (
        exit_codes.REFUSED if answer.outcome == "refused" else exit_codes.USAGE if answer.config else exit_codes.FAILURE
    )
