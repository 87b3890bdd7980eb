"""Files of JSON lines: appended to by one process, read by many. A line that is not whole is not there."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from fxwatch.records.base import Record
from fxwatch.store.bounded import open_regular

Line = TypeVar("Line", bound=Record)
_LONGEST = 16 << 20


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
    if not path.is_file() or path.is_symlink():
        return
    with open_regular(path) as file:
        while (raw := file.readline(_LONGEST)) and len(raw) < _LONGEST:  # what is longer is no line, and has no end
            if (record := parse_line(raw, kind)) is not None:
                yield record


def last_line(path: Path, kind: type[Line]) -> Line | None:
    """The newest record of a file, without reading all of it."""
    if not path.is_file() or path.is_symlink():
        return None
    with open_regular(path) as file:
        size = file.seek(0, os.SEEK_END)
        for length in (1 << 16, 1 << 22, min(size, _LONGEST)):
            file.seek(max(0, size - length))
            lines = file.read().splitlines(keepends=True)[0 if length >= size else 1 :]
            for raw in reversed(lines):
                if (record := parse_line(raw, kind)) is not None:
                    return record
    return None


def parse_line(raw: bytes, kind: type[Line]) -> Line | None:
    """A record of one line; None where it is torn or not understood."""
    if not raw.endswith(b"\n") or raw == b"\n":
        return None
    try:
        return kind.model_validate_json(raw)
    except ValidationError:
        return None
