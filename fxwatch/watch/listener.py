"""Whether hints can be relied on: while they can, the whole tree is looked at less often.

The scan judges them. A file that it finds, and that no hint has told of by the next scan, was missed: then hints are
not relied on, for longer and longer. That finds out full queues, limits of the system, folders that are not watched,
and file systems that tell nothing, without knowing of any of them.
"""

import os
from collections.abc import Callable, Iterable

from fxwatch.watch.events import News, Source

FIRST_RETRY = 10.0
LAST_RETRY = 3600.0
IN_FLIGHT = 1.5
"""Seconds for which a hint may be on its way."""


class Listener:
    """Hints, and the trust in them. `words` say why they are not relied on now; `losses` counts how often they failed.

    `clock` gives monotonic seconds.
    """

    def __init__(self, source: Source | None, why_not: str | None, clock: Callable[[], float]) -> None:
        self._source, self._clock = source, clock
        self._pause = FIRST_RETRY
        self._retry_at = self._trusted_since = clock()
        self._fresh = True
        self._root: tuple[int, int] | None = None
        self._untold: dict[str, float] = {}
        self._folders: set[str] = set()
        self.losses = 0
        self.trusted = False
        self.words = why_not
        if source is not None:
            self._start()

    def take(self) -> News:
        """What was hinted at since last time."""
        if self._source is None or not self.trusted:
            return News()
        news = self._source.take()
        self._folders |= news.folders
        for path in [path for path in self._untold if path in news.files or _below(path, news.folders)]:
            del self._untold[path]
        if (why := self._source.broken()) is not None:  # first, as what ends may say on its way that events were lost
            self._distrust(why)
        elif news.lost is not None:
            self.losses += 1
            self._fresh = True
        return news

    def judge(self, new: Iterable[str], hinted: Iterable[str], root: tuple[int, int]) -> None:
        """Judge by a scan of a `root` that found new files, of which some were hinted at."""
        if self._source is None:
            return
        now = self._clock()
        missed = [path for path, since in self._untold.items() if now - since >= IN_FLIGHT]
        if not self.trusted:
            if now >= self._retry_at:
                self._start()
            return
        if self._root is not None and root != self._root:
            self._distrust("the watched folder was replaced by another one")
            self._retry_at = now  # there is nothing to wait for
        elif missed and not self._fresh:
            example = os.fsencode(min(missed)).decode("utf-8", "backslashreplace")
            self._distrust(f"{len(missed)} files came without one, as {example}")
        elif now - self._trusted_since > LAST_RETRY:
            self._pause = FIRST_RETRY
        told = set(hinted)
        if self._fresh:
            self._untold.clear()
        else:
            unheard = (path for path in new if path not in told and not _below(path, self._folders))
            self._untold |= dict.fromkeys(unheard, now)
        self._root, self._fresh, self._folders = root, False, set()

    def stop(self) -> None:
        """Stop listening."""
        if self._source is not None:
            self._source.stop()

    def _start(self) -> None:
        why_not = self._source.start() if self._source is not None else None
        if why_not is not None:
            self._distrust(why_not)
            return
        self.trusted, self.words, self._trusted_since = True, None, self._clock()
        self._fresh, self._root = True, None
        self._untold.clear()

    def _distrust(self, why: str) -> None:
        """Rely on hints no more, for a time that doubles."""
        self.stop()
        self.losses += 1
        self.trusted = False
        self.words = f"file events cannot be relied on: {why}; looking more often instead"
        self._retry_at = self._clock() + self._pause
        self._pause = min(2 * self._pause, LAST_RETRY)


def _below(path: str, folders: Iterable[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)
