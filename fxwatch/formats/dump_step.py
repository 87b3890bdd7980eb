"""The step that a dump's own metadata names, read from its header alone."""

import json
import os
import struct
import zipfile
import zlib

from fxwatch.formats.archive import open_archive
from fxwatch.formats.arrays import array_header
from fxwatch.formats.names import MOST_DIGITS, step_in_name
from fxwatch.formats.recognise import open_regular

_LARGEST_HEADER = 1_000_000
_LARGEST_STEP = 10_000
_UNREADABLE = (OSError, ValueError, LookupError, AttributeError, TypeError, SyntaxError, RuntimeError, EOFError)
_NOT_A_ZIP = (zipfile.BadZipFile, zlib.error, struct.error)


def dump_step(path: str | os.PathLike[str]) -> int | None:
    """The step in a dump's metadata, else in its name; None where neither says one."""
    try:
        with open_regular(path) as file:
            head = file.read(8)
            if head.startswith(b"PK"):
                with open_archive(file) as archive:
                    small = archive.getinfo("step.npy").file_size <= _LARGEST_STEP
                    said = _npy_text(archive.read("step.npy")) if small else ""
            else:
                length = min(int.from_bytes(head, "little"), _LARGEST_HEADER)
                said = str(json.loads(file.read(length)).get("__metadata__", {}).get("step", ""))
    except (*_UNREADABLE, *_NOT_A_ZIP):
        said = ""
    return int(said) if said.isdecimal() and len(said) <= MOST_DIGITS else step_in_name(os.fspath(path))


def _npy_text(data: bytes) -> str:
    """The content of a 0-d .npy array of text or of an integer, as text."""
    told, start = array_header(data)
    kind, content = told["descr"], data[start:]
    if kind.startswith("<U"):
        return content.decode("utf-32-le").rstrip("\0")
    return str(int.from_bytes(content, "little", signed=kind[1] == "i")) if kind[:2] in {"<i", "<u"} else ""
