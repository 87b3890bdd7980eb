"""The settings of the run that a checkpoint belongs to, where nobody names the watched folder."""

from pathlib import Path

from fxwatch.config import Config
from fxwatch.store.layout import Store
from fxwatch.watch.runs import run_of


def own_settings(checkpoint: Path, config: Config, watched: Path | None = None) -> tuple[Config, str | None]:
    """The configuration as it is for a checkpoint's run, and the name of that run where it has settings of its own.

    The watched folder is the nearest above the checkpoint with results of ours, else what [watch] dir says.
    """
    file = checkpoint.absolute()
    marked = (folder for folder in file.parents if Store.of(folder, None).exists())
    root = (watched or next(marked, Path(config.watch.dir))).absolute()
    run = run_of(file.relative_to(root).as_posix()) if file.is_relative_to(root) else None
    return (config.for_run(run), run) if run is not None and run in config.runs else (config, None)
