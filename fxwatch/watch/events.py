"""Hints from the operating system that something has changed. They may be lost, late or wrong: a scan puts it right."""

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

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
from watchdog.observers import Observer

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


class Hints(FileSystemEventHandler):
    """Paths that may have changed since they were last taken, and whether a writer has closed them.

    `wake` is called from the observer's thread whenever there is news.
    """

    def __init__(self, root: str, ignored: str, wake: Callable[[], None]) -> None:
        self._root, self._ignored, self._wake = root, ignored, wake
        self._lock = threading.Lock()
        self._paths: dict[str, bool] = {}
        self._folder_changed = False
        self._observer: BaseObserver | None = None

    def start(self) -> bool:
        """Begin to listen; False where the system gives no events, and then there are none."""
        observer = Observer()
        try:
            observer.schedule(self, self._root, recursive=True, event_filter=_HEEDED)
            observer.start()
        except (OSError, RuntimeError):
            return False
        self._observer = observer
        return True

    @property
    def alive(self) -> bool:
        """Whether events can still come."""
        observer = self._observer
        return observer is not None and observer.is_alive() and all(e.is_alive() for e in observer.emitters)

    def stop(self) -> None:
        """Stop listening."""
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(timeout=2)
            self._observer = None

    def take(self) -> tuple[dict[str, bool], bool]:
        """The paths hinted at since last time, relative to the root, and whether a folder came or went.

        True: closed by its writer, or moved into place.
        """
        with self._lock:
            taken = self._paths, self._folder_changed
            self._paths, self._folder_changed = {}, False
        return taken

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note an event. Nothing here may raise: that would end the observer's thread."""
        whole = isinstance(event, FileClosedEvent | FileMovedEvent)
        with self._lock:
            for raw in {event.src_path, event.dest_path} - {""}:
                path = os.fsdecode(raw)
                if path == self._ignored or path.startswith(self._ignored + os.sep):
                    continue
                if event.is_directory:
                    self._folder_changed = True
                else:
                    relative = os.path.relpath(path, self._root)
                    self._paths[relative] = whole or self._paths.get(relative, False)
            news = self._folder_changed or bool(self._paths)
        if news:
            self._wake()
