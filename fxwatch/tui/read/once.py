"""Read a file again only when stat says that it has changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")


class Once(Generic[Content]):
    """The content of a file that is replaced or grows now and then; None where there is none."""

    def __init__(self, path: Path, read: Callable[[], Content | None]) -> None:
        self._path, self._read = path, read
        self._content: Content | None = None
        self._signature: tuple[int, int, int] | None = None

    def __call__(self) -> Content | None:
        """The content as it is now. A file that cannot be read just now keeps the content that it had."""
        try:
            found = self._path.stat()
            signature = (found.st_ino, found.st_size, found.st_mtime_ns)
            if signature != self._signature:
                self._content = self._read()
                self._signature = signature
        except (FileNotFoundError, NotADirectoryError):
            self._content, self._signature = None, None
        except OSError:
            pass
        return self._content
