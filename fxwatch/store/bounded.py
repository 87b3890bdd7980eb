"""Files of a store, read by those who did not write them: only regular ones, and only up to a size.

A folder of results may be forged. A pipe in it would be waited for without end, and a link would lead elsewhere.
"""

import errno
import os
import stat
from pathlib import Path
from typing import IO


def open_regular(path: Path) -> IO[bytes]:
    """Open a file for reading. Raises OSError, also where it is a link, a pipe, a folder or a device."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path, largest: int) -> bytes:
    """The bytes of a file. Raises OSError, also where there are more than `largest`."""
    with open_regular(path) as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise OSError(errno.EFBIG, f"it is larger than {largest >> 20} MB", str(path))
    return data
