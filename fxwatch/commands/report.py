"""`fxwatch report`: draw the page of each run's newest analysis again."""

from pathlib import Path

from fxwatch import exit_codes
from fxwatch.config import load_config
from fxwatch.records.history import HistoryLine
from fxwatch.records.thresholds import Thresholds
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.lines import last_line
from fxwatch.terminal import say, tell


def report(folder: Path | None, config_file: Path | None) -> int:
    """Draw the reports and print where they are. Returns the exit code."""
    config, _, warnings = load_config(config_file, folder)
    for warning in warnings:
        say(f"fxwatch: {warning}")
    watched = folder if folder is not None else Path(config.watch.dir)
    store = Store.of(watched, config.store.dir)
    if not watched.is_dir() and not store.exists():
        say(f"fxwatch: {watched} does not exist; type `fxwatch report DIR` with the folder that training writes to")
        return exit_codes.NOTHING
    runs = list(store.runs()) if store.exists() else []
    if not runs:
        say(f"fxwatch: {store.root} holds no analysis yet; type `fxwatch daemon {watched} --once` to make some")
        return exit_codes.NOTHING
    drawn = [_draw_newest(run, config.thresholds) for run in runs]
    return exit_codes.OK if all(drawn) else exit_codes.FAILURE


def _draw_newest(run: Run, thresholds: Thresholds) -> bool:
    """Draw the newest analysis of a run; whether that worked."""
    from fxwatch.report.stored import draw_stored

    line = last_line(run.history, HistoryLine)
    if line is None:
        say(f"fxwatch: run {run.name} has no analysis in {run.history}")
        return False
    try:
        draw_stored(run, line.id, newest=True, thresholds=thresholds)
    except StoreError as error:
        say(f"fxwatch: run {run.name}: {error}")
        return False
    except OSError as error:
        say(f"fxwatch: run {run.name}: its report cannot be written ({error.strerror})")
        return False
    tell(str(run.png))
    return True
