"""The bytes of a file, read once: whole, unchanged while they were read, and recognised."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fxwatch.formats import Format, recognise
from fxwatch.formats.recognise import open_regular
from fxwatch.formats.shards import shards_of
from fxwatch.load.errors import LoadError


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes and what they are; `parts` are those of the files that it names, where it is but an index."""

    path: str
    data: bytes
    format: Format
    sha256: str
    parts: tuple[bytes, ...] = ()


def read_content(path: str | os.PathLike[str]) -> Content:
    """Read a file that is a checkpoint or a dump. Raises LoadError, with what is to become of the file."""
    name = os.fspath(path)
    try:
        recognition = recognise(name)
        if recognition.format is None:
            raise LoadError(recognition.reason, recognition.trouble or "unsupported")
        data = _read_whole(name)
        shards = shards_of(name, data) if recognition.format == "safetensors-shards" else []
        parts = tuple(_read_whole(shard) for shard in shards)
    except FileNotFoundError:
        raise LoadError("the file is gone", "vanished") from None
    except PermissionError:
        raise LoadError("permission denied; make the file readable for the user that runs fxwatch", "refused") from None
    except OSError as error:
        raise LoadError(f"cannot be read: {error.strerror or error}", "unsupported") from None
    digest = hashlib.sha256(data)
    for part in parts:
        digest.update(part)
    return Content(name, data, recognition.format, digest.hexdigest(), parts)


def _read_whole(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file that nobody wrote to meanwhile. Raises OSError or LoadError."""
    with open_regular(path) as file:
        before = os.fstat(file.fileno())
        data = file.read()
        after = os.fstat(file.fileno())
    if (
        len({_generation(before), _generation(after), _generation(Path(path).lstat())}) > 1
        or len(data) != after.st_size
    ):
        raise LoadError("it was written to while it was read", "incomplete")
    return data


def _generation(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
