"""Follow a file of lines that another process appends to: whole lines only, each once, in bounded pieces."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

_REMEMBERED = 64
_IDENTITY = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines that were not read before, each with its newline.

    `restarted` says why everything that was read before must be forgotten: the file was `deleted`, `replaced`,
    `truncated` or `rewritten`. `more` says that the next read will find more at once.
    """

    lines: tuple[bytes, ...] = ()
    restarted: str | None = None
    more: bool = False


class Tail:
    """A place in a file, by inode and offset. A link is no file.

    An unterminated last line is left for later; a line longer than `longest` bytes is passed over. With a `backlog`,
    reading begins that many bytes before the end, at the next whole line. A file that was written anew in place is
    known by its size and by the first and last bytes that were read of it, so a change in the midst of what was read
    alone goes unseen.
    """

    def __init__(self, path: Path, *, backlog: int | None = None, chunk: int = 1 << 18, longest: int = 1 << 20) -> None:
        self.path = path
        self._backlog = backlog
        self._chunk = chunk
        self._longest = max(longest, chunk)
        self._forget()

    def read(self) -> Piece:
        """The next piece. A file that is there but cannot be read just now gives nothing."""
        try:
            found = os.lstat(self.path)
            if not stat.S_ISREG(found.st_mode):
                return self._gone()
            if self._drained == _signature(found):
                return Piece()
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return self._gone()
        except OSError:
            return Piece()
        try:
            return self._continue(handle)
        except OSError:
            return Piece()
        finally:
            os.close(handle)

    def _gone(self) -> Piece:
        known = self._identity is not None
        self._forget()
        return Piece(restarted="deleted" if known else None)

    def _forget(self) -> None:
        self._identity: _IDENTITY | None = None
        self._offset = 0
        self._first = b""
        self._last = b""
        self._inside_long_line = False
        self._drained: tuple[int, ...] | None = None

    def _continue(self, handle: int) -> Piece:
        found = os.fstat(handle)
        restarted = self._change(handle, found)
        if restarted is not None:
            self._forget()
        if self._identity is None:
            self._begin(handle, found)
        begun = self._offset
        lines = self._take(handle, found.st_size)
        if len(self._first) < _REMEMBERED:
            self._first = os.pread(handle, min(_REMEMBERED, self._offset), 0)
        more = begun < self._offset < found.st_size
        self._drained = None if more else _signature(found)
        return Piece(tuple(lines), restarted, more)

    def _change(self, handle: int, found: os.stat_result) -> str | None:
        """What happened to the file that was read so far, if anything."""
        if self._identity is None:
            return None
        if self._identity != (found.st_dev, found.st_ino):
            return "replaced"
        if found.st_size < self._offset:
            return "truncated"
        last = os.pread(handle, len(self._last), self._offset - len(self._last))
        if last != self._last or os.pread(handle, len(self._first), 0) != self._first:
            return "rewritten"
        return None

    def _begin(self, handle: int, found: os.stat_result) -> None:
        self._identity = (found.st_dev, found.st_ino)
        if self._backlog is not None and found.st_size > self._backlog:
            self._offset = found.st_size - self._backlog
            self._last = os.pread(handle, 1, self._offset - 1)
            self._inside_long_line = self._last != b"\n"

    def _take(self, handle: int, size: int) -> list[bytes]:
        data = os.pread(handle, self._chunk, self._offset)
        if self._inside_long_line:
            end = data.find(b"\n") + 1
            self._consume(data[:end] if end else data)
            self._inside_long_line = not end
            data = data[end:] if end else b""
        end = data.rfind(b"\n") + 1
        if not end and self._offset + self._chunk <= size and not self._inside_long_line:
            return self._take_long(handle)
        self._consume(data[:end])
        return [line + b"\n" for line in data[:end].split(b"\n")[:-1]]

    def _take_long(self, handle: int) -> list[bytes]:
        """A line that is longer than a chunk, or nothing where it is not whole yet or too long."""
        data = os.pread(handle, self._longest, self._offset)
        end = data.find(b"\n") + 1
        if end:
            self._consume(data[:end])
            return [data[:end]]
        if len(data) == self._longest:
            self._inside_long_line = True
            self._consume(data)
        return []

    def _consume(self, data: bytes) -> None:
        self._offset += len(data)
        self._last = (self._last + data[-_REMEMBERED:])[-_REMEMBERED:]


def _signature(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
