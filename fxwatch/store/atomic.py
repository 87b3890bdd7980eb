"""Files that are there whole or not at all: written beside their place, flushed to disk, and moved there."""

import os
import secrets
from pathlib import Path
from typing import IO

TEMPORARY_PREFIX = ".fxw-"
_PIECE = 1 << 20


def write_atomic(path: Path, content: bytes | IO[bytes]) -> None:
    """Replace a file by new content, or by that of an open file. Raises OSError, and leaves the old file as it was."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            if isinstance(content, bytes):
                write_all(handle, content)
            else:
                content.seek(0)
                while piece := content.read(_PIECE):
                    write_all(handle, piece)
            os.fsync(handle)
        finally:
            os.close(handle)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_unfinished(folder: Path, pattern: str) -> None:
    """Remove what a crash left of files that were being written. For a folder's only writer. Raises OSError."""
    for stale in folder.glob(f"{pattern}{TEMPORARY_PREFIX}*.tmp"):
        stale.unlink(missing_ok=True)


def write_all(handle: int, data: bytes) -> None:
    """Write all of some bytes: a disk that becomes full takes a part of them without a word. Raises OSError."""
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries, where its file system can."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    except OSError:  # some network file systems cannot, and then a rename is as durable as it gets
        pass
    finally:
        os.close(handle)
