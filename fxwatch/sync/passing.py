"""A folder for what W&B writes only to send it: everything in it is gone when a sync has ended, or begins."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fxwatch.store.layout import Store


def passing(store: Store) -> Path:
    """Where it is."""
    return store.root / "wandb" / "passing"


@contextmanager
def passing_folder(store: Store) -> Iterator[None]:
    """Have it, empty, and let all temporary files of this process and of wandb's lie there.

    Enter it before wandb is imported, which makes folders of its own then, and under the lock of the store's sync.
    A sync that is killed leaves them to the next one. Raises OSError.
    """
    folder = passing(store)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # it is asked for anew
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)
