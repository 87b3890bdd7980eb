"""Zip archives of strangers: what they say of their own size is looked at before anything of them is read."""

import zipfile
from typing import IO

_LARGEST_DIRECTORY = 16 << 20
_ALWAYS_FINE = 256 << 20
_LARGEST_RATIO = 20


class BombError(ValueError):
    """What is small in the file and huge in memory; the message says how huge."""


def open_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip file. Raises BombError, and what zipfile raises."""
    end = zipfile._EndRecData(file)  # type: ignore[attr-defined]  # noqa: SLF001 - just what zipfile itself goes by
    if end is not None and end[zipfile._ECD_SIZE] > _LARGEST_DIRECTORY:  # type: ignore[attr-defined]  # noqa: SLF001
        raise BombError("its archive has more members than any checkpoint")
    archive = zipfile.ZipFile(file)
    size = file.seek(0, 2)
    file.seek(0)
    declared = sum(member.file_size for member in archive.infolist())
    if declared > max(_ALWAYS_FINE, _LARGEST_RATIO * size):
        raise BombError(f"its {size:,} bytes declare {declared:,} bytes when they are unpacked; save it uncompressed")
    return archive
