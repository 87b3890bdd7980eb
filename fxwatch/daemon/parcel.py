"""How a job's answer comes back: a text, and the files that it made, as bytes. A worker writes nothing itself.

Over a pipe it is lines: `s` and a stage; `f`, a name and a size, and then as many bytes; at last `r` and the text,
without which all before it is nothing. It is bounded, as whoever speaks may have run a stranger's code.
"""

import os
from collections.abc import Callable, Mapping
from tempfile import SpooledTemporaryFile
from typing import IO, NamedTuple

ARRAYS, PROBE = "arrays.npz", "probe.safetensors"
PAGE, RUN_PAGE, RUN_HTML = "feature_importance_analysis.png", "run_history.png", "report.html"
LARGEST = {ARRAYS: 96 << 20, PROBE: 64 << 20, PAGE: 16 << 20, RUN_PAGE: 16 << 20, RUN_HTML: 64 << 20}
"""All files that a worker may send, and the most bytes of each."""

_LARGEST_TEXT = 16 << 20
_LONGEST_STAGE = 100
_KEPT_IN_MEMORY = 1 << 20
_PIECE = 1 << 16
_STAGE, _FILE, _RESULT, _ERROR, _END = b"s", b"f", b"r", b"e", b"\n"

Files = Mapping[str, IO[bytes]]


class JobError(Exception):
    """A job that gave no result; the message says why."""


class Parcel(NamedTuple):
    """A text, and files that go with it."""

    text: str
    files: Files


Answered = str | Parcel
"""What a job answers."""


class Reader:
    """Puts an answer together from pieces of any length. Files that are not small are kept on disk, under no name."""

    def __init__(self, on_stage: Callable[[str], None]) -> None:
        self._on_stage = on_stage
        self._line = bytearray()
        self._said = 0
        self._files: dict[str, IO[bytes]] = {}
        self._file: IO[bytes] | None = None
        self._left = 0

    def take(self, data: bytes) -> Answered | None:
        """Take in a piece; the answer, where it is whole now.

        Raises JobError where there is none, or too much of it, OSError where a file cannot be kept.
        """
        while data:
            if self._file is not None:
                data = self._take_file(self._file, data)
                continue
            line, end, data = data.partition(_END)
            self._line += line
            self._said += len(line) + len(end)
            if self._said > _LARGEST_TEXT:
                raise JobError(f"its worker said more than {_LARGEST_TEXT >> 20} MB, and was ended")
            if end:
                kind, words = bytes(self._line[:1]), self._line[1:].decode("utf-8", "replace")
                self._line.clear()
                if kind == _RESULT:
                    return Parcel(words, self._files) if self._files else words
                if kind == _ERROR:
                    raise JobError(words)
                if kind == _FILE:
                    self._begin_file(words)
                else:
                    self._on_stage(words[:_LONGEST_STAGE])
        return None

    def _begin_file(self, words: str) -> None:
        name, _, size = words.partition(" ")
        if name not in LARGEST or name in self._files or not size.isdecimal() or len(size) > 20:
            raise JobError(f"its worker sent a file that nobody asked for: {words[:_LONGEST_STAGE]!r}")
        if int(size) > LARGEST[name]:
            raise JobError(
                f"its worker sent {name} of {int(size) >> 20} MB, and at most {LARGEST[name] >> 20} are taken"
            )
        self._files[name] = file = SpooledTemporaryFile(_KEPT_IN_MEMORY)  # noqa: SIM115 - it is read by who gets it
        self._left = int(size)
        self._file = file if self._left else None

    def _take_file(self, file: IO[bytes], data: bytes) -> bytes:
        """Take in what is the file's; what is left."""
        file.write(data[: self._left])
        data, self._left = data[self._left :], max(0, self._left - len(data))
        if not self._left:
            self._file = None
        return data


def tell_stage(handle: int, stage: str) -> None:
    """Say what comes now."""
    _write(handle, _line(_STAGE, stage))


def tell(handle: int, answer: Answered) -> None:
    """Give the answer, the text last."""
    text, files = answer if isinstance(answer, Parcel) else (answer, {})
    for name, file in files.items():
        _write(handle, _line(_FILE, f"{name} {file.seek(0, os.SEEK_END)}"))
        file.seek(0)
        while piece := file.read(_PIECE):
            _write(handle, piece)
    _write(handle, _line(_RESULT, text))


def tell_error(handle: int, words: str) -> None:
    """Say why there is no answer."""
    _write(handle, _line(_ERROR, words))


def _line(kind: bytes, text: str) -> bytes:
    return kind + text.replace("\n", " ").encode("utf-8", "replace") + _END


def _write(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]
