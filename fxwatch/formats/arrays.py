"""The arrays of an .npz file, by their headers alone."""

import ast
import re
import struct
import zipfile
import zlib
from math import prod
from typing import IO, Any

from fxwatch.formats.archive import open_archive

_LONGEST_HEADER = 10_000
_MAGIC = b"\x93NUMPY"
_NUMBERS = re.compile(r"[<|]([fiub])(\d{1,2})")
_UNREADABLE = (ValueError, LookupError, TypeError, SyntaxError, RuntimeError, EOFError, MemoryError, RecursionError)
_NOT_A_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, OSError)


def array_shapes(file: IO[bytes]) -> dict[str, tuple[int, ...]]:
    """The shapes of all arrays, by name. Raises ValueError for what is no archive of plain numbers, as pickles are not,
    and for an array that is longer or shorter than it says.
    """
    try:
        with open_archive(file) as archive:
            return {one.filename.removesuffix(".npy"): _shape(archive, one) for one in archive.infolist()}
    except (*_UNREADABLE, *_NOT_A_ZIP) as error:
        raise ValueError(f"it is no archive of arrays ({error})") from None


def array_header(data: bytes) -> tuple[Any, int]:
    """What an .npy says of itself, and where its numbers begin. Raises ValueError and the like where it is damaged."""
    start = 10 if data[6] == 1 else 12
    end = start + int.from_bytes(data[8:start], "little")
    return ast.literal_eval(data[start:end].decode("latin-1")), end


def _shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    with archive.open(member) as array:
        head = array.read(_LONGEST_HEADER)
    if not member.filename.endswith(".npy") or not head.startswith(_MAGIC):
        raise ValueError(f"{member.filename[:100]!r} is no array")
    told, end = array_header(head)
    shape, kind = told["shape"], _NUMBERS.fullmatch(str(told["descr"]))
    if kind is None:
        raise ValueError(f"{member.filename[:100]!r} holds other things than numbers")
    if not isinstance(shape, tuple) or not all(isinstance(length, int) and length >= 0 for length in shape):
        raise ValueError(f"{member.filename[:100]!r} has no shape")
    if end + prod(shape) * int(kind[2]) != member.file_size:
        raise ValueError(f"{member.filename[:100]!r} is not as long as it says")
    return shape
