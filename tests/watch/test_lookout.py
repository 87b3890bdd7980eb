"""A file system that does not answer holds up nobody but itself."""

import threading
from pathlib import Path

import pytest

from fxwatch.watch import Sighting, Watcher
from fxwatch.watch.lookout import Lookout
from tests.daemon.harness import Life, whole
from tests.watch.bench import Bench


def test_it_comes_back_in_its_own_time_and_raises_what_was_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Bench(tmp_path).watcher
    answers = threading.Event()
    monkeypatch.setattr(watcher, "look", lambda: answers.wait(10) and [])
    found = Lookout(watcher)
    assert found.look(0.01) is None
    assert found.look(0.01) is None
    assert found.away
    answers.set()
    assert found.look(5) == []
    assert not found.away

    def fail() -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(watcher, "look", fail)
    with pytest.raises(OSError, match="Input/output"):
        found.look(5)
    found.end()


def test_a_folder_that_does_not_answer_is_said_and_the_daemon_ends_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    real, back = Watcher.look, threading.Event()

    def hang(self: Watcher) -> list[Sighting]:
        answers.wait(30)
        back.set()
        return real(self)

    life = Life(tmp_path / "outputs", store=tmp_path / "store")
    (life.root / "states.safetensors").write_bytes(whole(0))
    life.go(3)
    with monkeypatch.context() as patch:
        patch.setattr(Watcher, "look", hang)
        patch.setattr("fxwatch.daemon.service.PATIENCE_TO_LOOK", 0.05)
        (life.root / "a.safetensors").write_bytes(whole(1))
        life.go(30)
        assert "has not answered since 20" in (life.status().last_trouble or "")
        assert sum("has not answered" in text for text in life.narrator.said) == 1
        answers.set()
    life.go(30)
    assert life.status().last_trouble is None
    life.check()
    answers.clear()
    back.clear()
    with monkeypatch.context() as patch:
        patch.setattr(Watcher, "look", hang)
        patch.setattr("fxwatch.daemon.service.PATIENCE_TO_LOOK", 0.05)
        life.go(6)
        life.stop()
        assert not back.is_set()
        answers.set()
    assert life.status().state == "stopped"
