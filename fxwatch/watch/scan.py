"""What is in the watched folder now: every file that may be a checkpoint or a dump, and what could not be looked at."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fxwatch.formats import kind_of
from fxwatch.records.ledger import FileKind, Generation

STORE_MARK = ".fxwatch-store"
_PASSED_OVER = (".", "tmp-checkpoint-")
"""Folders that are nobody's business, or not yet: transformers renames the latter when they are whole."""


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
    """Files by path relative to the root; those of them that are new or were changed; folders and files that could not
    be looked at, with the reason, and then what was found there before stands; and which folder the root is: its device
    and inode.
    """

    files: dict[str, Found] = field(default_factory=dict)
    changed: list[Found] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    root: tuple[int, int] = (0, 0)


def scan(root: str, before: Mapping[str, Found]) -> Scan:
    """Look at the whole tree, given what was found `before`. Raises RootError where the root cannot be read."""
    found = Scan()
    folders = [""]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(os.path.join(root, folder)) as listing:
                entries = list(listing)
            if not folder:
                found.root = identity(root)
        except OSError as error:
            if not folder:
                raise RootError(f"{root} cannot be read: {error.strerror}") from None
            if not isinstance(error, FileNotFoundError):  # a folder that has just gone is no trouble
                found.unreadable[folder] = error.strerror or str(error)
                found.files |= {path: one for path, one in before.items() if path.startswith(f"{folder}/")}
            continue
        if not any(entry.name == STORE_MARK for entry in entries):
            folders += _look_through(found, root, f"{folder}/" if folder else "", entries, before)
    return found


def _look_through(
    found: Scan, root: str, start: str, entries: list[os.DirEntry[str]], before: Mapping[str, Found]
) -> list[str]:
    """Take in what is in a folder, of which all paths have the same `start`. Returns the folders in it."""
    folders = []
    for entry in entries:
        path = start + entry.name
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(_PASSED_OVER):
                folders.append(path)
        elif entry.is_symlink() and _is_folder(entry) and not _within(root, path):
            found.unreadable[path] = "a symbolic link that leads out of the watched folder; watch its target itself"
        elif (old := before.get(path)) is not None or kind_of(entry.name):
            _take(found, root, path, entry, old)
    return folders


def is_passed_over(root: str, path: str) -> bool:
    """Whether a file lies in a folder that a scan does not enter."""
    folders = path.split("/")[:-1]
    above = ("/".join(folders[: depth + 1]) for depth in range(len(folders)))
    return any(
        folder.startswith(_PASSED_OVER) or os.path.lexists(os.path.join(root, path_so_far, STORE_MARK))
        for folder, path_so_far in zip(folders, above, strict=True)
    )


def look_at(root: str, path: str) -> Found | None:
    """One file as it is now; None where it is gone, is an alias of another file in the tree, or is no candidate.

    Raises OSError where that cannot be known.
    """
    kind = kind_of(path.rsplit("/", 1)[-1])
    try:
        status = os.lstat(os.path.join(root, path))
    except (FileNotFoundError, NotADirectoryError):
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


def identity(folder: str) -> tuple[int, int]:
    """Device and inode of a folder. Raises OSError."""
    status = Path(folder).stat()
    return status.st_dev, status.st_ino


def _take(found: Scan, root: str, path: str, entry: os.DirEntry[str], old: Found | None) -> None:
    """Take in a file. One that is as it was is not looked at closer: a scan of 100,000 has less than a second."""
    if old is not None and old.trouble is None and _is_as_before(entry, old.generation):
        found.files[path] = old
        return
    try:
        seen = look_at(root, path)
    except OSError as error:
        found.unreadable[path] = error.strerror or str(error)
        if old is not None:
            found.files[path] = old
        return
    if seen is not None:
        found.files[path] = seen
        if seen != old:
            found.changed.append(seen)


def _is_as_before(entry: os.DirEntry[str], old: Generation) -> bool:
    try:
        now = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    return (
        now.st_ctime_ns == old.ctime_ns
        and now.st_mtime_ns == old.mtime_ns
        and now.st_size == old.size
        and now.st_ino == old.inode
        and now.st_dev == old.device
    )


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether a link leads to a folder; one that leads in a circle leads nowhere."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def _within(root: str, path: str) -> bool:
    """Whether a link leads to the tree or to something in it, which is found there anyway."""
    return f"{os.path.realpath(os.path.join(root, path))}/".startswith(f"{os.path.realpath(root)}/")


def _is_utf8(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
