"""The trainer's own W&B run, found by its folder `wandb` beside the checkpoints or above the outputs."""

import re
from pathlib import Path
from typing import NamedTuple

from fxwatch.store.layout import Run

OURS = "fxwatch-"
"""How the ids of runs of ours begin."""
_FOLDER = re.compile(r"(?:offline-)?run-\d{8}_\d{6}-(.+)")


class TrainersRun(NamedTuple):
    """Its id at W&B, and the file that it writes."""

    id: str
    file: Path


def trainers_run(watched: Path, run: Run) -> TrainersRun | None:
    """The newest one; None where there is none."""
    inside = [watched.joinpath(*Path(run.name).parts[:depth]) for depth in range(len(Path(run.name).parts), 0, -1)]
    for folder in [*inside, watched, watched.absolute().parent]:
        latest = folder / "wandb" / "latest-run"
        found = _FOLDER.fullmatch(latest.readlink().name) if latest.is_symlink() else None
        if found is not None and not found[1].startswith(OURS):
            return TrainersRun(found[1], latest / f"run-{found[1]}.wandb")
    return None
