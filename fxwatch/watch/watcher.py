"""From changes to decisions: a file is ready when it has stopped changing and its structure is whole."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fxwatch.formats import Format, kind_of, recognise, step_in_name
from fxwatch.records.ledger import FileKind, FileState, Generation
from fxwatch.watch.events import Hints
from fxwatch.watch.scan import Found, RootError, look_at, scan

SETTLE_AFTER_CLOSE = 0.25
SETTLE = 1.0
INCOMPLETE_AFTER = 600.0
SCAN_WITH_EVENTS = 10.0
SCAN_POLLING = 2.0
_DUTY = 0.05


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is to be said of a file now: seen, ready, or why it is neither."""

    path: str
    kind: FileKind
    generation: Generation
    state: FileState
    reason: str = ""
    format: Format | None = None


@dataclass(slots=True)
class _Open:
    """A file that is not decided yet: since when it has been as it is, when to judge it, and what was said of it."""

    found: Found
    since: float
    due: float
    said: str = ""


class Watcher:
    """Looks at a folder, now and then all of it, and says what has become of its files.

    `known`: generations that need no new decision, by path. `clock` gives monotonic seconds.
    """

    def __init__(
        self, root: str, hints: Hints | None, known: Mapping[str, Generation], clock: Callable[[], float]
    ) -> None:
        self._root, self._hints, self._clock = root, hints, clock
        self._decided: dict[str, Generation] = dict(known)
        self._open: dict[str, _Open] = {}
        self._next_scan = clock()
        self.scan_seconds: float | None = None
        self.trouble: str | None = None

    @property
    def mode(self) -> Literal["events", "polling"]:
        """`events`, or `polling` where none can come."""
        return "events" if self._hints is not None and self._hints.alive else "polling"

    def look(self) -> list[Sighting]:
        """Look where something may have changed, at all of it when that is due, and decide what can be decided."""
        hinted, folder_changed = self._hints.take() if self._hints is not None else ({}, False)
        now = self._clock()
        said: list[Sighting] = []
        if folder_changed or now >= self._next_scan:
            said += self._scan()
        else:
            for path in {*hinted, *self._open}:
                said += self._note(path, look_at(self._root, path))
        for path, closed in hinted.items():
            if closed and path in self._open and not self._open[path].said:
                self._open[path].due = min(self._open[path].due, now + SETTLE_AFTER_CLOSE)
        return said + self._decide()

    def seconds_to_next(self) -> float:
        """How long nothing needs to be looked at, unless there is a hint."""
        return max(0.0, min([self._next_scan, *(one.due for one in self._open.values())]) - self._clock())

    def checkpoints(self) -> int:
        """How many files there are that may be checkpoints, whatever became of them."""
        return sum(kind_of(path.rsplit("/", 1)[-1]) == "checkpoint" for path in {*self._open, *self._decided})

    def settling(self, kind: FileKind | None = None) -> list[str]:
        """Files, of a kind or of any, that are not decided yet."""
        open_still = [one for one in self._open.values() if one.due < math.inf]
        return [one.found.shown for one in open_still if kind in {None, one.found.kind}]

    def wait_is_over(self) -> list[Sighting]:
        """Give up waiting for what is still open: it is incomplete."""
        return [
            _sighting(one.found, "incomplete", one.said or "still being written")
            for path, one in self._open.items()
            if one.due < math.inf
        ]

    def again(self, path: str) -> None:
        """Decide about a file once more, when it has settled anew."""
        self._decided.pop(path, None)
        found, now = look_at(self._root, path), self._clock()
        if found is not None:
            self._open[path] = _Open(found, now, now + SETTLE)

    def _scan(self) -> list[Sighting]:
        began = self._clock()
        try:
            found = scan(self._root)
        except RootError as error:
            self.trouble = str(error)
            self._next_scan = began + SCAN_POLLING
            return []
        unreadable = [f"{folder} ({why})" for folder, why in found.unreadable.items()]
        self.trouble = f"folders that cannot be read: {', '.join(unreadable[:3])}" if unreadable else None
        self.scan_seconds = self._clock() - began
        interval = SCAN_WITH_EVENTS if self.mode == "events" else SCAN_POLLING
        self._next_scan = self._clock() + max(interval, self.scan_seconds / _DUTY)
        gone = [path for path in {*self._open, *self._decided} if path not in found.files]
        said = [sighting for path in gone for sighting in self._note(path, None)]
        for path, one in sorted(found.files.items(), key=_by_age):
            said += self._note(path, one)
        return said

    def _note(self, path: str, found: Found | None) -> list[Sighting]:
        """Take in how a file is now. A change opens it again."""
        before = self._open.get(path)
        if found is None:
            return self._gone(path)
        if before is not None and before.found.generation == found.generation:
            return []
        if before is None and self._decided.get(path) == found.generation:
            return []
        self._decided.pop(path, None)
        now = self._clock()
        self._open[path] = _Open(found, now, now + SETTLE)
        return [_sighting(found, "seen")] if before is None else []

    def _gone(self, path: str) -> list[Sighting]:
        before, generation = self._open.pop(path, None), self._decided.pop(path, None)
        if before is not None:
            return [_sighting(before.found, "vanished", "gone before it was complete")]
        kind = kind_of(path.rsplit("/", 1)[-1])
        if generation is None or kind is None:
            return []
        return [_sighting(Found(path, kind, generation), "vanished", "gone")]

    def _decide(self) -> list[Sighting]:
        now = self._clock()
        said = []
        for path, one in list(self._open.items()):
            if one.due > now:
                continue
            sighting = self._judge(one, now)
            if sighting is None:
                continue
            said.append(sighting)
            if sighting.state == "incomplete":
                one.due = math.inf
            elif sighting.state != "settling":
                self._decided[path] = one.found.generation
                del self._open[path]
        return said

    def _judge(self, one: _Open, now: float) -> Sighting | None:
        found = one.found
        if found.trouble is not None:
            return _sighting(found, found.trouble, found.reason)
        if look_at(self._root, found.path) != found:
            return None
        try:
            known = recognise(os.path.join(self._root, found.path))
        except OSError as error:
            if isinstance(error, PermissionError):
                reason = "permission denied; make the file readable for the user that runs fxwatch"
                return _sighting(found, "refused", reason)
            return _sighting(found, "unsupported", error.strerror or str(error))
        if known.format is not None:
            return _sighting(found, "ready", file_format=known.format)
        if known.trouble == "incomplete":
            if now - one.since >= INCOMPLETE_AFTER:
                reason = f"{known.reason}; unchanged for {INCOMPLETE_AFTER / 60:.0f} minutes"
                return _sighting(found, "incomplete", reason)
            # only a change can complete it, and a change opens it anew; until then it is looked at ever more seldom
            first, one.said = not one.said, known.reason
            one.due = min(now + max(SETTLE, now - one.since), one.since + INCOMPLETE_AFTER)
            return _sighting(found, "settling", known.reason) if first else None
        return _sighting(found, known.trouble or "unsupported", known.reason)


def _by_age(item: tuple[str, Found]) -> tuple[int, int, str]:
    """Oldest first; files of one moment by the step in their names."""
    path, found = item
    return found.generation.mtime_ns, step_in_name(path) or 0, path


def _sighting(found: Found, state: FileState, reason: str = "", file_format: Format | None = None) -> Sighting:
    return Sighting(found.shown, found.kind, found.generation, state, reason, file_format)
