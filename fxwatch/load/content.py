"""The bytes of a file, read once: whole, unchanged while they were read, and recognised."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from fxwatch.formats import Format, recognise
from fxwatch.formats.recognise import MAY_PASS, open_regular
from fxwatch.formats.shards import shards_of
from fxwatch.load.errors import LoadError, Outcome

_BIG = 16 << 20
_CHANGED = "it was written to while it was read"


@dataclass(frozen=True, slots=True)
class Content:
    """A file's bytes and what they are; `parts` are those of the files that it names, where it is but an index."""

    path: str
    data: bytes
    format: Format
    sha256: str
    parts: tuple[bytes, ...] = ()


def read_content(path: str | os.PathLike[str], root: str | None = None) -> Content:
    """Read a file that is a checkpoint or a dump, and lies below `root`, where there is one.

    Raises LoadError, with what is to become of the file.
    """
    name = os.fspath(path)
    try:
        recognition = recognise(name)
        if recognition.format is None:
            raise LoadError(recognition.reason, recognition.trouble or "unsupported")
        data = _read_whole(name, root)
        shards = shards_of(name, data) if recognition.format == "safetensors-shards" else []
        before = [_generation(shard.lstat()) for shard in shards]
        parts = tuple(_read_whole(shard, root) for shard in shards)
        if before != [_generation(shard.lstat()) for shard in shards]:  # one after it was read, while others were
            raise LoadError(_CHANGED, "incomplete")
    except FileNotFoundError:
        raise LoadError("the file is gone", "vanished") from None
    except PermissionError:
        raise LoadError("permission denied; make the file readable for the user that runs fxwatch", "refused") from None
    except OSError as error:
        outcome: Outcome = "put_off" if error.errno in MAY_PASS else "unsupported"
        raise LoadError(f"cannot be read: {error.strerror or error}", outcome) from None
    digest = hashlib.sha256(data)
    for part in parts:
        digest.update(part)
    return Content(name, data, recognition.format, digest.hexdigest(), parts)


def _read_whole(path: str | os.PathLike[str], root: str | None) -> bytes:
    """The bytes of a file that nobody wrote to meanwhile. Raises OSError or LoadError.

    Of a big file nothing stays in the page cache, which is for what training reads.
    """
    with open_regular(path) as file:
        if root is not None and not _lies_below(root, file.fileno()):
            raise LoadError("a link leads to it out of the watched folder", "refused")
        before = os.fstat(file.fileno())
        try:
            data = file.read()
        except MemoryError:
            raise LoadError(f"its {before.st_size:,} bytes are more than the memory that is left for it") from None
        after = os.fstat(file.fileno())
        if after.st_size >= _BIG:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if (
        len({_generation(before), _generation(after), _generation(Path(path).lstat())}) > 1
        or len(data) != after.st_size
    ):
        raise LoadError(_CHANGED, "incomplete")
    return data


def _lies_below(root: str, handle: int) -> bool:
    """Where an open file really is, whatever has become of its path since."""
    return Path(f"/proc/self/fd/{handle}").readlink().is_relative_to(Path(root).resolve())


def _generation(stat: os.stat_result) -> tuple[int, int, int, int]:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
