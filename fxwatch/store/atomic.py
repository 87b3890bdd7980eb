"""Files that are there whole or not at all: written beside their place, flushed to disk, and moved there."""

import os
import secrets
from pathlib import Path

TEMPORARY_PREFIX = ".fxw-"


def write_atomic(path: Path, data: bytes) -> None:
    """Replace a file by new content. Raises OSError, and leaves the old file as it was."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, where its file system can."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot, and then a rename is as durable as it gets
        pass
    finally:
        os.close(handle)
