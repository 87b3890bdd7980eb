"""A disk that fails, and a daemon that dies, at any write."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock


class Killed(BaseException):
    """As by SIGKILL: nothing that follows has an effect."""


class Faults:
    """Stands between the daemon and the disk. Counts what changes files; at a chosen call it kills, before, in the
    midst of, or after it; or the disk is full from the midst of it on, or after so many bytes.
    """

    CHANGING = ("write", "pwrite", "fsync", "replace", "rename", "ftruncate", "unlink", "link", "mkdir")

    def __init__(self) -> None:
        self.calls = 0
        self.kill_at: int | None = None
        self.when = "before"
        self.room: int | None = None
        self._dead = False
        self._real = {name: getattr(os, name) for name in self.CHANGING}
        self._real["fsync"] = lambda handle: None  # a process that ends loses nothing by it, and the disk is slow

    @contextmanager
    def between(self) -> Iterator[None]:
        """While inside, calls are counted and faults happen."""
        with ExitStack() as stack:
            for name in self.CHANGING:
                stack.enter_context(mock.patch.object(os, name, self._faulty(name)))
            yield

    def _faulty(self, name: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if self._dead:
                raise Killed
            self.calls += 1
            if self.calls != self.kill_at:
                return self._do(name, arguments, options)
            if self.when == "full":
                self.room = len(arguments[1]) // 2 if name == "write" else 0
                return self._do(name, arguments, options)
            self._dead = True
            if self.when == "torn" and name in {"write", "pwrite"}:
                half = bytes(arguments[1])[: len(arguments[1]) // 2]
                self._real[name](arguments[0], half, *arguments[2:])
            elif self.when == "after":
                self._real[name](*arguments, **options)
            raise Killed

        return call

    def _do(self, name: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if self.room is None or name not in {"write", "mkdir"}:
            return self._real[name](*arguments, **options)
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        data = bytes(arguments[1])[: self.room] if name == "write" else b"x"
        self.room -= min(len(data), self.room)
        return self._real[name](arguments[0], data) if name == "write" else self._real[name](*arguments, **options)

    def again(self, kill_at: int | None = None, when: str = "before") -> None:
        """A new life, to be ended at a call."""
        self.calls, self.kill_at, self.when, self._dead, self.room = 0, kill_at, when, False, None
