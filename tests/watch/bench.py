"""A folder, a clock that the test turns, and a watcher told of changes by one of four sources."""

import io
import random
import threading
import time
from pathlib import Path
from typing import Literal

import torch

from fxwatch.watch import Hints, Listener, Sighting, Watcher
from fxwatch.watch.events import News
from fxwatch.watch.watcher import SCAN_POLLING, SCAN_WITH_EVENTS, SETTLE

SourceName = Literal["told", "polling", "inotify", "liar"]
SOURCES: tuple[SourceName, ...] = ("told", "polling", "inotify", "liar")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Told:
    """Hints that the test gives."""

    def __init__(self) -> None:
        self.paths: dict[str, bool] = {}
        self.folders: set[str] = set()
        self.lost: str | None = None
        self.why_broken: str | None = None
        self.why_not: str | None = None
        self.starts = 0

    def tell(self, path: str, *, closed: bool) -> None:
        self.paths[path] = closed

    def start(self) -> str | None:
        self.starts += 1
        self.why_broken = None
        return self.why_not

    def stop(self) -> None:
        pass

    def broken(self) -> str | None:
        return self.why_broken

    def take(self) -> News:
        taken = News(self.paths, self.folders, self.lost)
        self.paths, self.folders, self.lost = {}, set(), None
        return taken


class Liar(Told):
    """Drops half of what it is told, doubles some, tells of it too late or in another order, and of what never was."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        self._late: list[tuple[str, bool]] = []

    def tell(self, path: str, *, closed: bool) -> None:
        if self._random.random() < 0.5:
            self._late += [(path, closed)] * self._random.choice([1, 1, 2])

    def take(self) -> News:
        self._random.shuffle(self._late)
        for _ in range(self._random.randint(0, len(self._late))):
            path, closed = self._late.pop()
            self.paths[path] = closed
        if self._random.random() < 0.1:
            self.paths["never/was.pt"] = True
        return super().take()


class Heard(Hints):
    """The system's own events; whoever takes them waits until all that were caused have come."""

    def __init__(self, root: Path) -> None:
        super().__init__(str(root), str(root / "fxwatch"), lambda: None)
        self._root_path, self._marks = root, 0

    def tell(self, path: str, *, closed: bool) -> None:
        pass

    def news_of_loss(self) -> str | None:
        return self._news.lost

    def take(self) -> News:
        self._marks += 1
        mark = f".mark-{self._marks}"
        try:
            (self._root_path / mark).touch()
        except OSError:
            return super().take()
        until = time.monotonic() + 2
        while mark not in self._news.files and self.broken() is None and time.monotonic() < until:
            threading.Event().wait(0.001)
        (self._root_path / mark).unlink()
        news = super().take()
        news.files = {name: closed for name, closed in news.files.items() if not name.startswith(".mark-")}
        return news


def source_of(name: SourceName, root: Path, seed: int = 0) -> Told | Heard | None:
    """A source by its name."""
    if name == "polling":
        return None
    return Told() if name == "told" else Liar(seed) if name == "liar" else Heard(root)


class Bench:
    """`soon`: after so long every change is known."""

    def __init__(self, root: Path, name: SourceName = "polling", seed: int = 0) -> None:
        self.root, self.clock = root, Clock()
        self.source = source_of(name, root, seed)
        self.listener = Listener(self.source, None, self.clock)
        self.watcher = Watcher(str(root), self.listener, {}, self.clock)
        self.soon = (SCAN_WITH_EVENTS if name == "liar" else SCAN_POLLING) + 2 * SETTLE

    @property
    def told(self) -> Told:
        assert isinstance(self.source, Told)
        return self.source

    def write(self, name: str, content: bytes, *, closed: bool = True) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)
        if self.source is not None:
            self.source.tell(name, closed=closed)

    def after(self, seconds: float) -> list[tuple[str, str]]:
        """What is said after so many seconds, looking as often as the watcher asks for."""
        return [(sighting.path, sighting.state) for sighting in self.sightings(seconds)]

    def sightings(self, seconds: float) -> list[Sighting]:
        end, said = self.clock.now + seconds, list[Sighting]()
        while True:
            said += self.watcher.look()
            step = self.watcher.seconds_to_next()
            if self.clock.now + step > end:
                break
            self.clock.now += max(step, 0.01)
        self.clock.now = end
        return said

    def stop(self) -> None:
        self.watcher.stop()


def checkpoint(value: float = 0.0) -> bytes:
    buffer = io.BytesIO()
    torch.save({"w": torch.full((8,), value)}, buffer)
    return buffer.getvalue()
