"""Hints from the operating system that something has changed. They may be lost, late or wrong: a scan puts it right."""

import errno
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer, inotify_c

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

# reading a file must not look like a change: events of opening and of closing after reading stay out
_HEEDED: list[type[FileSystemEvent]] = [
    FileClosedEvent,
    FileMovedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
]
_LIMITS = {
    errno.ENOSPC: "the limit fs.inotify.max_user_watches is reached",
    errno.EMFILE: "the limit fs.inotify.max_user_instances is reached",
}


@dataclass(slots=True)
class News:
    """What was hinted at, relative to the root. `files`: whether each was closed by its writer, or moved into place;
    `folders`: those that came; `lost`: that events were lost, in words.
    """

    files: dict[str, bool] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    lost: str | None = None


class Source(Protocol):
    """Where hints come from."""

    def start(self) -> str | None:
        """Begin to listen, or begin anew. In words why not, where it cannot."""

    def stop(self) -> None:
        """Stop listening."""

    def broken(self) -> str | None:
        """Why none can come any more, in words; None while they can."""

    def take(self) -> News:
        """What was hinted at since last time."""


class Hints(FileSystemEventHandler):
    """Hints by watchdog. `wake` is called from its thread whenever there is news."""

    def __init__(self, root: str, ignored: str, wake: Callable[[], None]) -> None:
        self._root, self._ignored, self._wake = root, ignored, wake
        self._lock = threading.Lock()
        self._news = News()
        self._observer: BaseObserver | None = None
        self._threads: list[threading.Thread] = []
        self._ear = _Ear(self._lose)

    def start(self) -> str | None:
        """Begin to listen, or begin anew. In words why not, where it cannot."""
        self.stop()
        _forget_dead_reader()
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            observer.schedule(self, self._root, recursive=True, event_filter=_HEEDED)
            observer.start()
        except (OSError, RuntimeError) as error:
            if observer is not None:
                observer.stop()  # it holds a thread and handles from its making on
            return _LIMITS.get(getattr(error, "errno", None) or 0, str(error))
        logging.getLogger("watchdog").addHandler(self._ear)
        self._observer = observer
        self._threads = [one for one in threading.enumerate() if type(one).__module__.startswith("watchdog.")]
        return None

    def stop(self) -> None:
        """Stop listening."""
        logging.getLogger("watchdog").removeHandler(self._ear)
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2)
            self._observer = None

    def broken(self) -> str | None:
        """Why none can come any more, in words; None while they can."""
        if self._observer is None:
            return "nobody listens"
        dead = [thread.name for thread in self._threads if not thread.is_alive()]
        return f"a thread that listens for them has ended ({dead[0]})" if dead else None

    def take(self) -> News:
        """What was hinted at since last time."""
        with self._lock:
            taken, self._news = self._news, News()
        return taken

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note an event. Nothing here may raise: that would end the observer's thread."""
        whole = isinstance(event, FileClosedEvent | FileMovedEvent)
        with self._lock:
            for raw in {event.src_path, event.dest_path} - {""}:
                path = os.fsdecode(raw)
                if path == self._ignored or path.startswith(self._ignored + os.sep):
                    continue
                relative = os.path.relpath(path, self._root)
                if event.is_directory:
                    self._news.folders.add(relative)
                else:
                    self._news.files[relative] = whole or self._news.files.get(relative, False)
            news = bool(self._news.folders or self._news.files)
        if news:
            self._wake()

    def _lose(self, words: str) -> None:
        with self._lock:
            self._news.lost = words
        self._wake()


def _forget_dead_reader() -> None:
    """Watchdog 7 reads events for all observers in one thread, and does not begin another one when it has ended."""
    shared: Any = getattr(inotify_c, "InotifyFD", None)
    reader = getattr(shared, "_instance", None)
    if reader is not None and not reader.is_alive():
        shared._instance = None  # noqa: SLF001


class _Ear(logging.Handler):
    """Hears what watchdog tells nobody but its log: that the system's queue of events ran over."""

    def __init__(self, lose: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._lose = lose

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line of watchdog's log."""
        self._lose(record.getMessage())
