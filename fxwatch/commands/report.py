"""`fxwatch report`: draw the pages of each run again, or write all runs as one HTML file."""

from pathlib import Path

from fxwatch import exit_codes
from fxwatch.commands.configured import analysed_runs, configured
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.read import newest_line
from fxwatch.terminal import say, tell


def report(folder: Path | None, config_file: Path | None, *, html: bool) -> int:
    """Draw the reports and print where they are. Returns the exit code."""
    found = configured(config_file, folder)
    watched, store = found.watched, found.store
    if not watched.is_dir() and not store.exists():
        say(f"fxwatch: {watched} does not exist; type `fxwatch report DIR` with the folder that training writes to")
        return exit_codes.NOTHING
    runs = analysed_runs(watched, store)
    if not runs:
        return exit_codes.NOTHING
    if html:
        return _write_html(store, runs)
    drawn = [_draw_newest(run) for run in runs]
    return exit_codes.OK if all(drawn) else exit_codes.FAILURE


def _write_html(store: Store, runs: list[Run]) -> int:
    from fxwatch.report.html.stored import write_page

    newest = [(run, newest_line(run)) for run in runs]
    try:
        found = [(run, line.id) for run, line in newest if line is not None]
        tell(str(write_page(store, found)))
    except StoreError as error:
        say(f"fxwatch: {error}")
        return exit_codes.FAILURE
    except OSError as error:
        say(f"fxwatch: {store.root} cannot be written ({error.strerror})")
        return exit_codes.FAILURE
    return exit_codes.OK


def _draw_newest(run: Run) -> bool:
    """Draw the newest analysis of a run, and the run as a whole; whether that worked."""
    from fxwatch.report.run_report import write_run_report
    from fxwatch.report.stored import draw_stored

    line = newest_line(run)
    if line is None:
        say(f"fxwatch: run {run.name} has no analysis in {run.history}")
        return False
    try:
        draw_stored(run, line.id, newest=True)
        write_run_report(run)
    except StoreError as error:
        say(f"fxwatch: run {run.name}: {error}")
        return False
    except OSError as error:
        say(f"fxwatch: run {run.name}: its report cannot be written ({error.strerror})")
        return False
    tell(str(run.png))
    return True
