"""The way of a recorder's file into the store, whatever becomes of the file."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import fxwatch.daemon.recordings as daemon_recordings
from fxwatch.daemon.recordings import Recordings
from fxwatch.records.thresholds import GradientLimits
from fxwatch.store.layout import Store
from fxwatch.store.lines import LineWriter
from fxwatch.store.tail import Tail
from fxwatch.store.training import read_training


class Bench:
    """A watched folder with a recorder's file in it, a store, and a clock that goes on by itself."""

    def __init__(self, folder: Path) -> None:
        self.watched, self.file = folder, folder / "exp" / "training.jsonl"
        self.file.parent.mkdir(parents=True)
        self.store = Store.of(folder, None)
        self.store.create()
        self.said: list[str] = []
        self.now = 0.0
        self.begin()

    def begin(self) -> None:
        """A daemon starts."""
        self.recordings = Recordings(self.store, self.watched, lambda _: GradientLimits(), self.said.append)
        self.recordings.seen("exp/checkpoints/m.pt", "checkpoint")

    def write(self, session: str, *steps: int, norm: float = 1.0, mode: str = "a") -> None:
        with self.file.open(mode, encoding="utf-8") as file:
            for step in steps:
                layers = {"a\x1b[2J": {"norm": [norm] * 3, "mean": 1, "weight_ratio": 1}}
                line: dict[str, Any] = {"kind": "span", "session": session, "line": step, "step": step, "steps": 1}
                file.write(json.dumps({**line, "optimizer_step": step, "layers": layers}) + "\n")

    def look(self) -> list[int | None]:
        self.now += 10.0
        self.recordings.look(self.now)
        return [line.step for line in read_training(self.store.run("exp"))]


def test_a_file_is_followed_as_it_grows_and_a_torn_line_waits_until_it_is_whole(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    assert bench.look() == []
    bench.write("a", 1, 2)
    assert bench.look() == [1, 2]
    with bench.file.open("ab") as file:
        file.write(b'{"kind": "span", "session": "a", "line": 3, ')
    assert bench.look() == [1, 2]
    with bench.file.open("ab") as file:
        file.write(b'"step": 3, "optimizer_step": 3, "steps": 1}\nrubbish\n')
    bench.write("a", 4)
    assert bench.look() == [1, 2, 3, 4]


def test_a_file_that_is_written_anew_is_another_attempt_and_one_that_is_copied_is_not(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("a", 10, 20, 30)
    bench.look()
    bench.file.write_bytes(bench.file.read_bytes())
    assert bench.look() == [10, 20, 30]
    bench.write("b", 1, 2, mode="w")
    assert bench.look() == [1, 2]
    bench.begin()
    bench.file.unlink()
    assert bench.look() == [1, 2]


def test_a_finished_run_is_not_even_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.write("a", 1, 2)
    bench.look()
    opened: list[object] = []
    monkeypatch.setattr(Tail, "read", opened.append)
    bench.begin()
    assert bench.look() == bench.look() == [1, 2]
    assert opened == []


def test_what_cannot_be_written_waits_and_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.write("a", 1)
    bench.look()
    bench.write("a", 2)
    with monkeypatch.context() as patch:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patch.setattr(LineWriter, "append", full)
        with pytest.raises(OSError, match="No space"):
            bench.look()
    bench.write("a", 3)
    bench.look()
    assert bench.look() == [1, 2, 3]


def test_a_long_file_is_taken_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon_recordings, "_AT_ONCE", 1)
    bench = Bench(tmp_path)
    bench.write("a", *range(1, 4000))
    bench.recordings.look(0.0)
    bench.recordings.finish()
    found = read_training(bench.store.run("exp"))
    assert sum(line.steps for line in found) == 3999
    assert bench.store.run("exp").training.stat().st_mtime_ns == bench.file.stat().st_mtime_ns


def test_links_and_pipes_are_left_alone(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "watched")
    secret = tmp_path / "secret.jsonl"
    secret.write_text('{"kind": "span", "step": 1, "steps": 1}\n')
    bench.file.symlink_to(secret)
    assert bench.look() == []
    bench.file.unlink()
    os.mkfifo(bench.file)
    assert bench.look() == []


def test_troubles_of_training_are_said_once_with_the_limits_of_the_guide(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.write("a", 1)
    bench.look()
    assert bench.said == []
    bench.write("a", 2, norm=2000.0)
    bench.look()
    bench.write("a", 3, norm=2000.0)
    bench.look()
    bench.write("a", 4)
    bench.look()
    assert [words.split(": ")[0] for words in bench.said] == [
        "at step 2 of run exp the gradient of training itself is not well",
        "at step 4 of run exp the gradient of training itself is well again",
    ]
