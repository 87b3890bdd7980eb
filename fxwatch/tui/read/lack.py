"""What is missing before there is anything to show."""

from pathlib import Path

from fxwatch.store.layout import Store
from fxwatch.tui.snapshot import Lack


def lack_of(store: Store, watched: Path) -> Lack:
    """Of a store that shows no results: whether there is one, and whether there is a folder to watch."""
    try:
        if store.exists():
            return Lack.RESULTS
        return Lack.STORE if watched.is_dir() else Lack.FOLDER
    except OSError:
        return Lack.RIGHTS


def is_empty(folder: Path) -> bool:
    """Whether a folder is there and has nothing in it."""
    try:
        return not any(folder.iterdir())
    except OSError:
        return False
