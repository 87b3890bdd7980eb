"""One daemon a store: a lock that ends with the process that holds it."""

import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path


class HeldError(Exception):
    """Another process holds the lock; the message names it."""


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that this process holds."""

    path: Path
    handle: int

    def displaced(self) -> bool:
        """Whether its file is no longer there, or is another one: somebody has removed the store, or replaced it."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        held = os.fstat(self.handle)
        return (now.st_dev, now.st_ino) != (held.st_dev, held.st_ino)


@contextmanager
def held(path: Path) -> Iterator[Lock]:
    """Hold the lock. Raises HeldError, and OSError where its file cannot be written."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(_holder(handle)) from None
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(holder).encode(), 0)
        yield Lock(path, handle)
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    try:
        holder = json.loads(os.pread(handle, 4096, 0))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process"
