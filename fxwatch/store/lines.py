"""Files of JSON lines: appended to by one process, read by many. A line that is not whole is not there."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

from pydantic import ValidationError

from fxwatch.records.base import Record

Line = TypeVar("Line", bound=Record)
_BLOCK = 1 << 16
_AT_ONCE = 1 << 20


class LineWriter:
    """Appends records to a file; a torn last line, left by a crash, is closed off first and stays unread."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            os.write(self._handle, b"\n")

    def append(self, record: Record) -> None:
        """Write a record and flush it to disk. Raises OSError."""
        text = json.dumps(record.model_dump(mode="json"), separators=(",", ":"), allow_nan=False)
        data = text.encode("ascii") + b"\n"
        while data:
            data = data[os.write(self._handle, data) :]
        os.fsync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)


def read_lines(path: Path, kind: type[Line]) -> Iterator[Line]:
    """The records of a file, oldest first; lines that are torn or not understood are passed over."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        for raw in file:
            if (record := parse_line(raw, kind)) is not None:
                yield record


def last_line(path: Path, kind: type[Line]) -> Line | None:
    """The newest record of a file, without reading all of it."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        for length in (1 << 16, 1 << 22, size):
            file.seek(max(0, size - length))
            lines = file.read().splitlines(keepends=True)[0 if length >= size else 1 :]
            for raw in reversed(lines):
                if (record := parse_line(raw, kind)) is not None:
                    return record
    return None


def lines_since(path: Path, kind: type[Line], is_before: Callable[[Line], bool]) -> list[Line]:
    """The records behind the newest one that `is_before`, oldest first: read from the end, so that a long file costs no
    more than a short one.
    """
    found: list[Line] = []
    for raw in backwards(path):
        if (record := parse_line(raw, kind)) is not None:
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
    with path.open("rb") as file:
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


def _line_at(file: BinaryIO, offset: int) -> bytes:
    """The first whole line behind an offset."""
    file.seek(offset)
    if offset:
        file.readline()
    return file.readline()


def backwards(path: Path) -> Iterator[bytes]:
    """The lines of a file, the last one first, each with its end; none where it cannot be read."""
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        left = file.seek(0, os.SEEK_END)
        rest = b""
        while left > 0:
            size = min(_BLOCK, left)
            left -= size
            file.seek(left)
            lines = (file.read(size) + rest).splitlines(keepends=True)
            rest = lines[0]
            yield from reversed(lines[1:])
        if rest:
            yield rest


def parse_line(raw: bytes, kind: type[Line]) -> Line | None:
    """A record of one line; None where it is torn or not understood."""
    if not raw.endswith(b"\n") or raw == b"\n":
        return None
    try:
        return kind.model_validate_json(raw)
    except ValidationError:
        return None
