"""From changes to decisions: a file is ready when it has stopped changing and its structure is whole."""

import errno
import math
import os
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Literal

from fxwatch.formats import Format, dump_step, kind_of, recognise, step_in_name
from fxwatch.formats.recognise import MAY_PASS
from fxwatch.formats.shards import INDEX_SUFFIX
from fxwatch.records.ledger import FileKind, FileState, Generation
from fxwatch.watch.events import News
from fxwatch.watch.listener import Listener
from fxwatch.watch.scan import Found, RootError, is_passed_over, look_at, scan

SETTLE_AFTER_CLOSE = 0.2
SETTLE = 1.0
SETTLE_OVER_A_NETWORK = 10.0
INCOMPLETE_AFTER = 600.0
PARTS_AGAIN = 30.0
"""Of an index that was given up, as what is missing may come without a change of the index itself."""
SCAN_WITH_EVENTS = 10.0
SCAN_POLLING = 2.0
_MAY_PASS = MAY_PASS | {errno.EIO}
"""A disk may err for ever, but a look at it costs little."""
_DUTY = 0.05
_DECISIONS_A_LOOK = 1000


@dataclass(frozen=True, slots=True)
class Sighting:
    """What is to be said of a file now: seen, ready, or why it is neither."""

    path: str
    kind: FileKind
    generation: Generation
    state: FileState
    reason: str = ""
    format: Format | None = None
    step: int | None = None


@dataclass(slots=True)
class _Open:
    """A file that is not decided yet: since when it has been as it is, when to judge it, what was said of it, and
    whether nobody expects any more that it becomes whole.
    """

    found: Found
    since: float
    due: float
    said: str = ""
    given_up: bool = False


class Watcher:
    """Looks at a folder, now and then all of it, and says what has become of its files.

    `known`: generations that need no new decision, by path. `clock` gives monotonic seconds. `settle`: for so many
    seconds a file must not have changed, by our own looks at it; what its times say is never compared with a clock.
    `earlier`: generations of all files of which anything was said in an earlier life, by their paths as text: which of
    them are gone is said after the next look at all.
    """

    def __init__(
        self,
        root: str,
        listener: Listener,
        known: Mapping[str, Generation],
        clock: Callable[[], float],
        settle: float = SETTLE,
        earlier: Mapping[str, Generation] = MappingProxyType({}),
    ) -> None:
        self._root, self._listener, self._clock, self._settle = root, listener, clock, settle
        self._earlier = dict(earlier)
        self._decided: dict[str, Generation] = dict(known)
        self._open: dict[str, _Open] = {}
        self._found: dict[str, Found] = {}
        self._next_scan = clock()
        self._hinted: set[str] = set()
        self._unreadable = self._lost = ""
        self._device = next((generation.device for generation in earlier.values()), 0)
        self.scan_seconds: float | None = None

    @property
    def mode(self) -> Literal["events", "polling"]:
        """`events`, or `polling` where they cannot be relied on."""
        return "events" if self._listener.trusted else "polling"

    @property
    def trouble(self) -> str | None:
        """What keeps it from seeing everything at once, in words."""
        return "; ".join(words for words in (self._unreadable, self._lost, self._listener.words) if words) or None

    @property
    def losses(self) -> int:
        """How often events were lost, or could not be relied on."""
        return self._listener.losses

    def look(self) -> list[Sighting]:
        """Look where something may have changed, at all of it when that is due, and decide what can be decided."""
        relied, news = self._listener.trusted, self._listener.take()
        if relied and not self._listener.trusted:
            self._next_scan = self._clock()
        self._hinted |= news.files.keys()
        said: list[Sighting] = []
        if news.lost is not None:
            self._lost = f"file events were lost ({news.lost}), and everything is looked at instead"
        if news.folders or news.lost is not None or self._clock() >= self._next_scan:
            said += self._scan(news)
        else:
            for path in news.files:
                with suppress(OSError):  # the next scan says so
                    if not is_passed_over(self._root, path):
                        said += self._note(path, look_at(self._root, path))
        for path, closed in news.files.items():
            if closed and path in self._open and not self._open[path].said:
                self._open[path].due = min(self._open[path].due, self._clock() + min(SETTLE_AFTER_CLOSE, self._settle))
        return said + self._decide()

    def seconds_to_next(self) -> float:
        """How long nothing needs to be looked at, unless there is a hint."""
        return max(0.0, min([self._next_scan, *(one.due for one in self._open.values())]) - self._clock())

    def checkpoints(self) -> int:
        """How many files there are that may be checkpoints, whatever became of them."""
        return sum(kind_of(path.rsplit("/", 1)[-1]) == "checkpoint" for path in {*self._open, *self._decided})

    def settling(self, kind: FileKind | None = None) -> list[str]:
        """Files, of a kind or of any, that are not decided yet."""
        open_still = [one for one in self._open.values() if not one.given_up]
        return [one.found.shown for one in open_still if kind in {None, one.found.kind}]

    def wait_is_over(self) -> list[Sighting]:
        """Give up waiting for what is still open: it is incomplete."""
        return [
            _sighting(one.found, "incomplete", one.said or "still being written")
            for path, one in self._open.items()
            if not one.given_up
        ]

    def again(self, path: str) -> None:
        """Decide about a file once more, when it has settled anew."""
        decided, found, now = self._decided.pop(path, None), None, self._clock()
        with suppress(OSError):
            found = look_at(self._root, path)
        if found is not None:
            self._open[path] = _Open(found, now, now + self._settle)
        elif decided is not None:  # the next scan finds it, or says that it is gone
            self._found.pop(path, None)
            self._earlier[path] = decided

    def stop(self) -> None:
        """Listen no more."""
        self._listener.stop()

    def _scan(self, news: News) -> list[Sighting]:
        began = self._clock()
        try:
            found = scan(self._root, self._found)
        except RootError as error:
            self._unreadable = str(error)
            self._next_scan = began + SCAN_POLLING
            return []
        if not found.files and (self._found or self._earlier) and found.root[0] != self._device:
            self._unreadable = f"{self._root} is empty, and another file system than before: it may not be mounted"
            self._next_scan = began + SCAN_POLLING
            return []
        self._device = found.root[0]
        self._unreadable = _in_words(found.unreadable)
        self._lost = self._lost if news.lost is not None else ""
        new = [one.path for one in found.changed if one.path not in self._found and one.path not in self._decided]
        before, self._found = self._found, found.files
        if self._earlier:
            there = {one.shown for one in found.files.values()}
            self._earlier = {path: generation for path, generation in self._earlier.items() if path not in there}
        gone = {*before, *self._open, *self._decided, *self._earlier} - found.files.keys()
        said = self._gone([path for path in gone if not any(path.startswith(f"{one}/") for one in found.unreadable)])
        for one in sorted(found.changed, key=_by_age):
            said += self._note(one.path, one)
        relied = self._listener.trusted
        self._listener.judge(new, self._hinted, found.root)
        self._hinted.clear()
        self.scan_seconds = self._clock() - began
        interval = SCAN_WITH_EVENTS if relied and self.mode == "events" else SCAN_POLLING
        self._next_scan = self._clock() + max(interval, self.scan_seconds / _DUTY)
        return said

    def _note(self, path: str, found: Found | None) -> list[Sighting]:
        """Take in how a file is now. A change opens it again."""
        before = self._open.get(path)
        if found is None:
            return self._gone([path])
        if before is not None and before.found == found:
            return []
        if before is None and self._decided.get(path) == found.generation:
            return []
        self._decided.pop(path, None)
        now = self._clock()
        self._open[path] = _Open(found, now, now + self._settle)
        return [_sighting(found, "seen")] if before is None else []

    def _gone(self, paths: Collection[str]) -> list[Sighting]:
        said = []
        for path in paths:
            earlier = self._earlier.pop(path, None)
            before, generation = self._open.pop(path, None), self._decided.pop(path, earlier)
            self._found.pop(path, None)
            kind = kind_of(path.rsplit("/", 1)[-1])
            if before is not None:
                said.append(_sighting(before.found, "vanished", "gone before it was complete"))
            elif generation is not None and kind is not None:
                said.append(_sighting(Found(path, kind, generation), "vanished", "gone"))
        return said

    def _decide(self) -> list[Sighting]:
        """Judge what is due, and so much at once that somebody who waits for us does not wait for long."""
        now = self._clock()
        said = []
        due = (one for one in self._open.values() if one.due <= now)
        for one in list(islice(due, _DECISIONS_A_LOOK)):
            path = one.found.path
            try:
                found = look_at(self._root, path)
            except OSError:  # the next scan says so
                one.due = now + self._settle
                continue
            if found != one.found:
                said += self._note(path, found)
                continue
            sighting = self._judge(one, now)
            if sighting is None:
                continue
            said.append(sighting)
            if sighting.state == "incomplete":
                one.given_up = True
                one.due = now + PARTS_AGAIN if one.found.path.endswith(INDEX_SUFFIX) else math.inf
            elif sighting.state != "settling":
                self._decided[path] = one.found.generation
                del self._open[path]
        return said

    def _judge(self, one: _Open, now: float) -> Sighting | None:
        found = one.found
        if found.trouble is not None:
            return _sighting(found, found.trouble, found.reason)
        full = os.path.join(self._root, found.path)
        try:
            known = recognise(full)
        except FileNotFoundError:
            return None
        except OSError as error:
            return self._not_opened(one, now, error)
        except Exception as error:  # noqa: BLE001 - one file of a stranger's must not end the watching of all others
            return _sighting(found, "unsupported", f"its structure makes no sense ({type(error).__name__})")
        if known.format is not None:
            step = dump_step(full) if found.kind == "states" else step_in_name(found.path)
            return _sighting(found, "ready", file_format=known.format, step=step)
        if known.trouble == "incomplete":
            if one.given_up:
                one.due = now + PARTS_AGAIN
                return None
            if now - one.since >= INCOMPLETE_AFTER:
                reason = f"{known.reason}; unchanged for {INCOMPLETE_AFTER / 60:.0f} minutes"
                return _sighting(found, "incomplete", reason)
            return self._settling(one, now, known.reason)
        return _sighting(found, known.trouble or "unsupported", known.reason)

    def _not_opened(self, one: _Open, now: float, error: OSError) -> Sighting | None:
        if isinstance(error, PermissionError):
            reason = "permission denied; make the file readable for the user that runs fxwatch"
            return _sighting(one.found, "refused", reason)
        if error.errno in _MAY_PASS:  # which is no fault of the file's
            return self._settling(one, now, f"cannot be read: {error.strerror}")
        return _sighting(one.found, "unsupported", error.strerror or str(error))

    def _settling(self, one: _Open, now: float, reason: str) -> Sighting | None:
        """Say so once. A change opens it anew; until then it is looked at ever more seldom."""
        first, one.said = one.said != reason, reason
        latest = one.since + INCOMPLETE_AFTER
        one.due = min(now + max(self._settle, now - one.since), latest if now < latest else now + PARTS_AGAIN)
        return _sighting(one.found, "settling", reason) if first else None


def _in_words(unreadable: Mapping[str, str]) -> str:
    folders = [f"{os.fsencode(one).decode('utf-8', 'backslashreplace')} ({why})" for one, why in unreadable.items()]
    more = f" and {len(folders) - 3} more" if len(folders) > 3 else ""
    return f"folders that cannot be read: {', '.join(folders[:3])}{more}" if folders else ""


def _by_age(one: Found) -> tuple[int, int, str]:
    """Oldest first; files of one moment by the step in their names."""
    return one.generation.mtime_ns, step_in_name(one.path) or 0, one.path


def _sighting(
    found: Found, state: FileState, reason: str = "", file_format: Format | None = None, step: int | None = None
) -> Sighting:
    return Sighting(found.shown, found.kind, found.generation, state, reason, file_format, step)
