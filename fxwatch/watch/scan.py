"""What is in the watched folder now: every file that may be a checkpoint or a dump, and what could not be looked at."""

import os
import stat
from dataclasses import dataclass, field
from typing import Literal

from fxwatch.formats import kind_of
from fxwatch.records.ledger import FileKind, Generation

STORE_MARK = ".fxwatch-store"


class RootError(Exception):
    """The watched folder itself cannot be read."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file that may be a checkpoint or a dump. `trouble` is set where it is not to be opened, with the reason.

    `path` is as the system gives it, which need not be valid UTF-8; `shown` is.
    """

    path: str
    kind: FileKind
    generation: Generation
    trouble: Literal["refused", "unsupported"] | None = None
    reason: str = ""

    @property
    def shown(self) -> str:
        """The path as text."""
        return os.fsencode(self.path).decode("utf-8", "backslashreplace")


@dataclass(slots=True)
class Scan:
    """Files by path relative to the root, and folders that could not be read, with the reason."""

    files: dict[str, Found] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def scan(root: str) -> Scan:
    """Look at the whole tree. Raises RootError where the root cannot be read."""
    found = Scan()
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as listing:
                entries = list(listing)
        except OSError as error:
            if not folder:
                raise RootError(f"{root} cannot be read: {error.strerror}") from None
            found.unreadable[folder] = error.strerror or str(error)
            continue
        if any(entry.name == STORE_MARK for entry in entries):
            continue
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    folders.append(path)
            elif entry.is_symlink() and entry.is_dir() and not _within(root, path):
                found.unreadable[path] = "a symbolic link that leads out of the watched folder; watch its target itself"
            elif kind_of(entry.name) and (seen := look_at(root, path)):
                found.files[seen.path] = seen
    return found


def look_at(root: str, path: str) -> Found | None:
    """One file as it is now; None where it is gone, is an alias of another file in the tree, or is no candidate."""
    kind = kind_of(path.rsplit("/", 1)[-1])
    full = os.path.join(root, path)
    try:
        status = os.lstat(full)
    except OSError:
        return None
    if kind is None or stat.S_ISDIR(status.st_mode):
        return None
    generation = Generation(
        device=status.st_dev,
        inode=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
    )
    if not _is_utf8(path):
        return Found(path, kind, generation, "unsupported", "its name is not valid UTF-8; rename it")
    if stat.S_ISLNK(status.st_mode):
        if _within(root, path):
            return None
        return Found(path, kind, generation, "refused", "a symbolic link that leads out of the watched folder")
    if not stat.S_ISREG(status.st_mode):
        return Found(path, kind, generation, "unsupported", "not a regular file")
    return Found(path, kind, generation)


def _within(root: str, path: str) -> bool:
    """Whether a link leads to something in the tree, which is found there anyway."""
    return os.path.realpath(os.path.join(root, path)).startswith(os.path.realpath(root) + os.sep)


def _is_utf8(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
