"""The dump that serves a checkpoint, where nobody names one: the newest in its folder, or in the nearest one above."""

from pathlib import Path

from fxwatch.formats import kind_of
from fxwatch.formats.dump_step import dump_step

_FOLDERS_ABOVE = 2
_FOLDERS_OF_DUMPS = ("", "states", "dumps")


def nearest_dump(checkpoint: Path) -> Path | None:
    """Highest step first, else last written; None where neither the folder nor the two above it hold a dump."""
    for folder in list(checkpoint.absolute().parents)[: _FOLDERS_ABOVE + 1]:
        found = [
            file
            for name in _FOLDERS_OF_DUMPS
            if (place := folder / name).is_dir()
            for file in place.iterdir()
            if kind_of(file.name) == "states" and file.is_file() and not file.is_symlink()
        ]
        if found:
            newest = max(found, key=lambda file: (_step(file), file.stat().st_mtime_ns, file.name))
            return newest.relative_to(Path.cwd()) if newest.is_relative_to(Path.cwd()) else newest
    return None


def _step(file: Path) -> int:
    step = dump_step(file)
    return -1 if step is None else step
