"""A tail gives every whole line once, and starts again whenever the file is no longer the one it knew."""

import os
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from fxwatch.store.tail import Tail


def drained(tail: Tail, known: list[bytes]) -> list[bytes]:
    """What a reader knows after it has read all there is."""
    more = True
    while more:
        piece = tail.read()
        if piece.restarted is not None:
            known = []
        known = [*known, *piece.lines]
        more = piece.more
    return known


def whole_lines(content: bytes) -> list[bytes]:
    return [line + b"\n" for line in content.split(b"\n")[:-1]]


def test_an_unterminated_line_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntw")
    tail = Tail(path)
    assert tail.read().lines == (b"one\n",)
    assert tail.read().lines == ()
    with path.open("ab") as file:
        file.write(b"o\nthree\n")
    assert tail.read().lines == (b"two\n", b"three\n")


def test_a_file_that_comes_later(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "none" / "a.jsonl")
    assert tail.read() == tail.read()
    (tmp_path / "none").mkdir()
    tail.path.write_bytes(b"one\n")
    piece = tail.read()
    assert piece.lines == (b"one\n",)
    assert piece.restarted is None


def test_what_happened_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\ntwo\n")
    tail = Tail(path)
    tail.read()
    os.truncate(path, 0)
    assert tail.read().restarted == "truncated"
    path.write_bytes(b"1\n2\n3\n")
    tail.read()
    path.write_bytes(b"4\n5\n6\n7\n")
    piece = tail.read()
    assert (piece.restarted, piece.lines) == ("rewritten", (b"4\n", b"5\n", b"6\n", b"7\n"))
    other = tmp_path / "b"
    other.write_bytes(b"4\n5\n6\n7\n8\n")
    other.replace(path)
    piece = tail.read()
    assert (piece.restarted, len(piece.lines)) == ("replaced", 5)
    path.unlink()
    assert tail.read().restarted == "deleted"
    assert tail.read().restarted is None
    path.write_bytes(b"9\n")
    piece = tail.read()
    assert (piece.restarted, piece.lines) == (None, (b"9\n",))


def test_a_line_that_is_too_long_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n" + b"x" * 5000 + b"\ntwo\n" + b"y" * 90 + b"\nthree\n")
    assert drained(Tail(path, chunk=16, longest=100), []) == [b"one\n", b"two\n", b"y" * 90 + b"\n", b"three\n"]


def test_a_backlog_begins_at_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(b"line %d\n" % number for number in range(1000)))
    lines = drained(Tail(path, backlog=40), [])
    assert lines == [b"line %d\n" % number for number in range(996, 1000)]
    assert drained(Tail(path, backlog=36), []) == lines  # exactly at a line's beginning
    assert drained(Tail(path, backlog=1 << 20), [])[0] == b"line 0\n"


def test_a_folder_or_a_pipe_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert Tail(tmp_path / "folder").read().lines == ()
    assert Tail(tmp_path / "pipe").read().lines == ()


def test_nothing_is_opened_while_nothing_changes(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"one\n")
    tail = Tail(path)
    tail.read()
    monkeypatch.setattr(os, "open", lambda *_: (_ for _ in ()).throw(AssertionError("opened")))
    assert tail.read().lines == ()


@given(st.lists(st.binary(max_size=40), max_size=30), st.integers(1, 64))
@settings(deadline=None)
def test_random_splits(tmp_path_factory: Any, parts: list[bytes], chunk: int) -> None:
    path = tmp_path_factory.mktemp("tail") / "a.jsonl"
    path.touch()
    tail, known = Tail(path, chunk=chunk), list[bytes]()
    for stamp, part in enumerate(parts):
        with path.open("ab") as file:
            file.write(part)
        os.utime(path, ns=(stamp, stamp))
        known = drained(tail, known)
        assert known == whole_lines(path.read_bytes())


class Following(RuleBasedStateMachine):
    """A file to which everything is done that writers, rotators and users do."""

    @initialize(chunk=st.integers(1, 200))
    def begin(self, chunk: int) -> None:
        self.folder = Path(os.environ["TMPDIR_OF_TAIL"])
        self.path = self.folder / f"{id(self)}.jsonl"
        self.path.unlink(missing_ok=True)
        self.tail = Tail(self.path, chunk=chunk, longest=4096)
        self.known: list[bytes] = []
        self.number = 0

    def _line(self) -> bytes:
        self.number += 1
        return b'{"seq":%d}\n' % self.number

    def _write(self, mode: str, data: bytes) -> None:
        with self.path.open(mode) as file:
            file.write(data)
        self._stamp()

    def _stamp(self) -> None:
        self.number += 1
        os.utime(self.path, ns=(self.number, self.number))

    @rule(count=st.integers(1, 20), torn=st.integers(0, 8))
    def append(self, count: int, torn: int) -> None:
        lines = b"".join(self._line() for _ in range(count))
        self._write("ab", lines[: len(lines) - torn])

    @rule()
    def finish_line(self) -> None:
        self._write("ab", b"\n")

    @rule(keep=st.integers(0, 50))
    def truncate(self, keep: int) -> None:
        if self.path.exists():
            os.truncate(self.path, min(keep, self.path.stat().st_size))
            self._stamp()

    @rule(count=st.integers(0, 20))
    def rewrite(self, count: int) -> None:
        self._write("wb", b"".join(self._line() for _ in range(count)))

    @rule(count=st.integers(0, 20))
    def replace(self, count: int) -> None:
        other = self.path.with_suffix(".new")
        other.write_bytes(b"".join(self._line() for _ in range(count)))
        other.replace(self.path)
        self._stamp()

    @rule(count=st.integers(0, 20))
    def rotate(self, count: int) -> None:
        """The old file goes on to be written for a while under another name."""
        if self.path.exists():
            old = self.path.with_suffix(".1")
            self.path.replace(old)
            with old.open("ab") as file:
                file.write(self._line())
        if count:
            self._write("wb", b"".join(self._line() for _ in range(count)))

    @rule()
    def delete(self) -> None:
        self.path.unlink(missing_ok=True)

    @rule()
    def read_once(self) -> None:
        piece = self.tail.read()
        self.known = [*([] if piece.restarted else self.known), *piece.lines]
        assert all(line.endswith(b"\n") for line in piece.lines)

    @rule()
    def read_all(self) -> None:
        self.known = drained(self.tail, self.known)
        assert self.known == whole_lines(self.path.read_bytes() if self.path.exists() else b"")


def test_following_whatever_happens(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("TMPDIR_OF_TAIL", str(tmp_path))
    run_state_machine_as_test(Following, settings=settings(max_examples=150, stateful_step_count=40, deadline=None))
