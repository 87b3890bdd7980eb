"""One daemon a store.

On a local file system by a lock that ends with the process that holds it. Over a network such a lock may hold on one
machine alone, or hang; there the file itself is the lock: it is made by one and renewed by its holder, and may be taken
away when nobody has renewed it for a while, by the watch of the one who waits.
"""

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fxwatch.mounts import network
from fxwatch.store.bounded import open_regular

RENEW = 5.0
MISSED = 3
_LARGEST = 4096


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
    with _leased(path) if network(path.parent) is not None else _locked(path) as lock:
        yield lock


@contextmanager
def _locked(path: Path) -> Iterator[Lock]:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HeldError(_words(os.pread(handle, _LARGEST, 0))) from None
        _write(handle, _now())
        yield Lock(path, handle)
    finally:
        os.close(handle)


@contextmanager
def _leased(path: Path) -> Iterator[Lock]:
    since = _now()
    while (handle := _create(path, since)) is None:
        _remove_stale(path, time.sleep)
    ended = threading.Event()
    renewing = threading.Thread(target=_renew, args=(handle, since, ended), name="lease", daemon=True)
    try:
        renewing.start()
        lock = Lock(path, handle)
        yield lock
    finally:
        ended.set()
        renewing.join()
        with suppress(OSError):
            if not Lock(path, handle).displaced():
                path.unlink()
        os.close(handle)


def _create(path: Path, since: str) -> int | None:
    """Make the file, which one alone can do; None where it is there."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return None
    _write(handle, since)
    return handle


def _renew(handle: int, since: str, ended: threading.Event) -> None:
    while not ended.wait(RENEW):
        with suppress(OSError):  # a full disk or a server that is away: whoever waits has patience for a few
            _write(handle, since)


def _remove_stale(path: Path, sleep: Callable[[float], None]) -> None:
    """Take away a file that its holder has left behind. Raises HeldError where it is being renewed."""
    before = _read(path)
    if before is None:
        return
    if not _died_here(before):
        for _ in range(MISSED):
            sleep(RENEW)
            now = _read(path)
            if now is None:
                return
            if now != before:
                raise HeldError(_words(now))
    aside = path.with_name(f"{path.name}.stale-{secrets.token_hex(4)}")
    with suppress(FileNotFoundError):
        path.rename(aside)
        found = _read(aside)
        if found is not None and found != before:  # somebody was quicker, and this is theirs
            with suppress(FileExistsError):
                os.link(aside, path)
            aside.unlink()
            raise HeldError(_words(found))
        aside.unlink()


def _died_here(content: bytes) -> bool:
    """Whether its holder was a process of this machine, since it was started, and has ended."""
    holder = _holder(content)
    if holder.get("host") != socket.gethostname():
        return False
    return holder.get("boot") != _boot() or not Path(f"/proc/{holder.get('pid')}").exists()


def _read(path: Path) -> bytes | None:
    try:
        with open_regular(path) as file:  # opened anew: else a network shows the past
            return file.read(_LARGEST)
    except FileNotFoundError:
        return None


def _write(handle: int, since: str) -> None:
    holder = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": since,
        "boot": _boot(),
        "renewed": secrets.token_hex(4),
    }
    data = json.dumps(holder).encode()
    os.pwrite(handle, data, 0)
    os.ftruncate(handle, len(data))
    os.fsync(handle)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _holder(content: bytes) -> dict[str, object]:
    try:
        holder = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return holder if isinstance(holder, dict) else {}


def _words(content: bytes) -> str:
    holder = _holder(content)
    if not {"pid", "host", "since"} <= holder.keys():
        return "another process"
    return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
