"""The thread that reads."""

import threading
import time
from collections.abc import Callable, Sequence

from fxwatch.tui.place import Intent, Wish
from fxwatch.tui.poller import Poller
from fxwatch.tui.snapshot import Snapshot
from tests.tui.examples import snapshot


def until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


def test_it_reads_again_and_again_and_at_once_when_asked() -> None:
    asked: list[Sequence[Wish]] = []
    delivered: list[Snapshot] = []

    def read(intents: Sequence[Wish]) -> Snapshot:
        asked.append(tuple(intents))
        return snapshot()

    poller = Poller(read, delivered.append, lambda error: None, interval=60.0)
    poller.start()
    assert until(lambda: len(delivered) == 1)
    poller.ask(Intent.OLDER)
    assert until(lambda: len(delivered) == 2)
    assert asked == [(), (Intent.OLDER,)]
    poller.stop()


def test_wishes_that_come_while_it_reads_are_taken_together() -> None:
    asked: list[Sequence[Wish]] = []
    begun, go = threading.Event(), threading.Event()

    def read(intents: Sequence[Wish]) -> Snapshot:
        asked.append(tuple(intents))
        begun.set()
        go.wait(5)
        return snapshot()

    poller = Poller(read, lambda shown: None, lambda error: None, interval=60.0)
    poller.start()
    begun.wait(5)
    for _ in range(3):
        poller.ask(Intent.OLDER)
    go.set()
    assert until(lambda: len(asked) == 2)
    assert asked[1] == (Intent.OLDER,) * 3
    poller.stop()


def test_a_failure_is_handed_over_and_ends_it() -> None:
    errors: list[Exception] = []

    def read(intents: Sequence[Wish]) -> Snapshot:
        raise ValueError("mistake")

    poller = Poller(read, lambda shown: None, errors.append, interval=0.01)
    poller.start()
    assert until(lambda: len(errors) == 1)
    time.sleep(0.05)
    assert len(errors) == 1
