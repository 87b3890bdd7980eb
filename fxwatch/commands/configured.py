"""What most commands begin with: the configuration, the folder that is watched, and where its results are."""

from pathlib import Path
from typing import NamedTuple

from fxwatch.config import Config, load_config
from fxwatch.store.layout import Run, Store
from fxwatch.terminal import say


class Configured(NamedTuple):
    """A configuration, the file that it came from (None: no file), and the watched folder as it was named."""

    config: Config
    file: Path | None
    watched: Path

    @property
    def store(self) -> Store:
        """Where the results are, or are to be."""
        return Store.of(self.watched, self.config.store.dir)

    @property
    def option(self) -> list[str]:
        """What hands the file on to another command."""
        return ["--config", str(self.file.absolute())] if self.file is not None else []


def configured(config_file: Path | None, folder: Path | None = None) -> Configured:
    """The configuration for a folder, or for the one that it names; says what was passed over. Raises ConfigError."""
    loaded = load_config(config_file, folder)
    for warning in loaded.warnings:
        say(f"fxwatch: {warning}")
    return Configured(loaded.config, loaded.file, folder if folder is not None else Path(loaded.config.watch.dir))


def analysed_runs(watched: Path, store: Store) -> list[Run]:
    """The runs of a store; where there is none, that is said, and how to come by some."""
    runs = list(store.runs()) if store.exists() else []
    if not runs:
        say(f"fxwatch: {store.root} holds no analysis yet; type `fxwatch daemon {watched} --once` to make some")
    return runs
