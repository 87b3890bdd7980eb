"""The thread that reads: it looks every second, less often while nothing happens, and at once when the user moves."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from fxwatch.tui.place import Wish
from fxwatch.tui.snapshot import Snapshot

Read = Callable[[Sequence[Wish]], Snapshot]

_CALM_AFTER = 60
_CALM = 3.0


class Poller:
    """Reads and hands over snapshots until it is stopped; a failure is handed over, too, and ends it.

    It is a daemon thread, so that a file system that hangs does not keep the process from ending.
    """

    def __init__(
        self,
        read: Read,
        deliver: Callable[[Snapshot], object],
        fail: Callable[[Exception], object],
        interval: float = 1.0,
    ) -> None:
        self._read, self._deliver, self._fail, self._interval = read, deliver, fail, interval
        self._asked: SimpleQueue[Wish | None] = SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="fxwatch-poller", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def ask(self, wish: Wish) -> None:
        """Move, and read at once."""
        self._asked.put(wish)

    def stop(self) -> None:
        """Read no more."""
        self._stopped = True
        self._asked.put(None)

    def _run(self) -> None:
        pause, quiet, before = 0.0, 0, None
        while True:
            wishes = self._wishes(pause)
            if self._stopped:
                return
            try:
                snapshot = self._read(wishes)
            except Exception as error:  # noqa: BLE001 - the screen shows it, instead of standing still for ever
                self._fail(error)
                return
            if self._stopped:
                return
            self._deliver(snapshot)
            mark = (snapshot.daemon, snapshot.past, snapshot.files.at)
            quiet = quiet + 1 if mark == before else 0
            before = mark
            reading = (snapshot.past and snapshot.past.reading) or snapshot.closer.reading
            pause = 0.0 if reading else self._interval if quiet < _CALM_AFTER else max(_CALM, self._interval)

    def _wishes(self, seconds: float) -> list[Wish]:
        """All that was asked for; waits for the first at most so long."""
        found = []
        with suppress(Empty):
            found.append(self._asked.get(timeout=seconds))
            while True:
                found.append(self._asked.get_nowait())
        return [wish for wish in found if wish is not None]
