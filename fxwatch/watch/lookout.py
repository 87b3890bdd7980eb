"""Looks from a thread of its own, so that a file system that does not answer holds up nobody but itself."""

import queue
import threading
from typing import Literal

from fxwatch.watch.watcher import Sighting, Watcher


class Lookout:
    """Asks a watcher to look. While it has not come back, nobody else may use the watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._asked: queue.SimpleQueue[Literal["look", "end"]] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[list[Sighting] | Exception] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self.away = False

    def look(self, patience: float) -> list[Sighting] | None:
        """What the watcher says; None where it has not come back after so many seconds, and then it is asked again.

        Raises what it has raised.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="lookout", daemon=True)
            self._thread.start()
        if not self.away:
            self._asked.put("look")
        self.away = True
        try:
            answer = self._answers.get(timeout=patience)
        except queue.Empty:
            return None
        self.away = False
        if isinstance(answer, Exception):
            raise answer
        return answer

    def end(self) -> None:
        """Look no more."""
        self._asked.put("end")

    def _work(self) -> None:
        while self._asked.get() == "look":
            try:
                self._answers.put(self._watcher.look())
            except Exception as error:  # noqa: BLE001 - it is raised again where it was asked for
                self._answers.put(error)
