"""Files of JSON lines: appended to by one process, read by many. A line that is not whole is not there.

A line ends with the CRC-32 of all that stands before it: `,"crc":"1a2b3c4d"}`. A line without one was written by an
older fxwatch, and is taken as it is.
"""

import json
import os
import shutil
import weakref
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

from pydantic import ValidationError

from fxwatch.records.base import Record
from fxwatch.store.atomic import write_all, write_atomic
from fxwatch.store.bounded import open_regular
from fxwatch.store.layout import StoreError

Line = TypeVar("Line", bound=Record)
SCHEMA_VERSION = 1
_LONGEST = 1 << 20
_AT_ONCE = 1 << 20
_LONGEST_TORN = 1 << 16
_CRC = b',"crc":"'


class LineWriter:
    """Appends records to a file. A line that could not be written whole is taken back; `sync` makes them outlive the
    machine.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        self._closed = weakref.finalize(self, os.close, self._handle)  # also where what it is a part of never began
        self._size = os.fstat(self._handle).st_size
        self._unsynced = False

    def append(self, *records: Record) -> None:
        """Write records. Raises OSError, and then none of them is there."""
        os.ftruncate(self._handle, self._size)  # what an earlier failure left, where it could not be taken back
        data = b"".join(map(as_line, records))
        try:
            write_all(self._handle, data)
        except OSError:
            os.ftruncate(self._handle, self._size)
            raise
        self._size += len(data)
        self._unsynced = True

    def sync(self) -> None:
        """Flush what was written to disk. Raises OSError."""
        if self._unsynced:
            os.fsync(self._handle)
            self._unsynced = False

    def close(self) -> None:
        """Close the file."""
        self._closed()


def mend(path: Path, kind: type[Line], take: Callable[[Line], object]) -> str | None:
    """Read a file as its only writer, and make it whole first. `take` is given its records, oldest first.

    A torn last line, as a crash leaves it, is dropped. Any other damage is kept in a copy beside the file, which then
    holds the lines that can be read. Returns what was wrong with it, in words, where something was. Raises OSError, and
    StoreError where a newer fxwatch has written to it.
    """
    if not path.exists() and not path.is_symlink():
        return None
    if path.is_symlink() or not path.is_file():
        kept = _beside(path)
        path.rename(kept)
        return f"{path} was no file, and is now {kept.name}"
    bad = 0
    torn = b""
    for raw in _pieces(path):
        record = parse_line(raw, kind)
        if record is not None:
            take(record)
        elif not raw.endswith(b"\n") and len(raw) < _LONGEST_TORN and raw.startswith(b"{"):
            torn = raw
        else:
            _refuse_newer(path, raw)
            bad += 1
    if bad:
        kept = _beside(path)
        _copy(path, kept)
        write_atomic(path, b"".join(raw for raw in _pieces(path) if parse_line(raw, kind) is not None))
        return f"{bad} lines of {path} were damaged; the file as it was is kept as {kept.name}"
    if torn:
        _end_whole(path, len(torn), kind, torn, take)
    return None


def as_line(record: Record) -> bytes:
    """A record as a line, with its newline."""
    head = json.dumps(record.model_dump(mode="json"), separators=(",", ":"), allow_nan=False).encode("ascii")[:-1]
    return b'%b%b%08x"}\n' % (head, _CRC, zlib.crc32(head))


def parse_line(raw: bytes, kind: type[Line]) -> Line | None:
    """A record of one line; None where it is torn, damaged or not understood."""
    if not raw.endswith(b"\n"):
        return None
    head, crc, rest = raw.rpartition(_CRC)
    if crc and rest != b'%08x"}\n' % zlib.crc32(head):
        return None
    try:
        record = kind.model_validate_json(raw)
    except ValidationError:
        return None
    return None if getattr(record, "schema_version", SCHEMA_VERSION) > SCHEMA_VERSION else record


def read_lines(path: Path, kind: type[Line]) -> Iterator[Line]:
    """The records of a file, oldest first; lines that are torn or not understood are passed over."""
    if not path.is_file() or path.is_symlink():
        return
    for raw in _pieces(path):
        if len(raw) == _LONGEST:
            return  # that is no line, and may have no end
        if (record := parse_line(raw, kind)) is not None:
            yield record


def last_line(path: Path, kind: type[Line]) -> Line | None:
    """The newest record of a file, without reading all of it."""
    return next(lines_backwards(path, kind), None)


def lines_since(path: Path, kind: type[Line], is_before: Callable[[Line], bool]) -> list[Line]:
    """The records behind the newest one that `is_before`, oldest first: read from the end, so that a long file costs no
    more than a short one.
    """
    found: list[Line] = []
    for record in lines_backwards(path, kind):
        if is_before(record):
            break
        found.append(record)
    return found[::-1]


def spread_lines(path: Path, kind: type[Line], most: int) -> list[Line]:
    """At most `most` records evenly over a file, the first and the last among them, oldest first.

    A file of any length costs as much as one of a million bytes.
    """
    if not path.is_file():
        return []
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        if size <= _AT_ONCE:
            lines = file.read().splitlines(keepends=True)
            raws = [lines[round(i * (len(lines) - 1) / (most - 1))] for i in range(most)] if lines else []
        else:
            raws = [_line_at(file, round(size * i / (most - 1))) for i in range(most - 1)]
    found = [record for raw in dict.fromkeys(raws) if (record := parse_line(raw, kind)) is not None]
    newest = last_line(path, kind)
    return found if newest is None or (found and found[-1] == newest) else [*found, newest]


def _line_at(file: IO[bytes], offset: int) -> bytes:
    """The first whole line behind an offset."""
    file.seek(offset)
    if offset:
        file.readline()
    return file.readline()


def lines_backwards(path: Path, kind: type[Line]) -> Iterator[Line]:
    """The records of a file, newest first, without reading more of it than is asked for."""
    try:
        file = open_regular(path)
    except OSError:
        return
    with file:
        left, rest = file.seek(0, os.SEEK_END), b""
        while left > 0:
            size = min(_LONGEST_TORN, left)
            left -= size
            file.seek(left)
            pieces = (file.read(size) + rest).splitlines(keepends=True)
            rest = pieces[0] if left else b""
            if len(rest) > _LONGEST:
                return  # that is no line, and may have no beginning
            for raw in reversed(pieces[1:] if left else pieces):
                if (record := parse_line(raw, kind)) is not None:
                    yield record


def _pieces(path: Path) -> Iterator[bytes]:
    """Lines with their ends; what has no end for a long way comes in pieces."""
    with open_regular(path) as file:
        while raw := file.readline(_LONGEST):
            if raw != b"\n":  # what an older fxwatch closed a torn line with
                yield raw


def _refuse_newer(path: Path, raw: bytes) -> None:
    try:
        version = json.loads(raw)["schema_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise StoreError(
            f"{path} is of a newer fxwatch (schema {version}, this one knows {SCHEMA_VERSION}); "
            "install that one, or set [store] dir to another folder"
        )


def _end_whole(path: Path, length: int, kind: type[Line], torn: bytes, take: Callable[[Line], object]) -> None:
    """Drop a torn last line; where nothing but its newline is missing, put that there."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_APPEND)
    try:
        record = parse_line(torn + b"\n", kind)
        if record is not None:
            write_all(handle, b"\n")
            take(record)
        else:
            os.ftruncate(handle, os.fstat(handle).st_size - length)
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    """A name that is free, for what is damaged."""
    name = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    names = [name, *(f"{name}-{number}" for number in range(2, 1000))]
    return next(free for name in names if not (free := path.with_name(name)).exists())


def _copy(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)  # costs nothing, as the file itself is then replaced
    except OSError:
        shutil.copyfile(path, kept)
