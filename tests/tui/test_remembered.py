"""What is remembered from one time to the next, and what of it cannot be."""

from pathlib import Path

import pytest

from fxwatch.tui.remembered import Remembered, Sorting, keep_copy, recall, remember, state_folder


def test_it_comes_back_whole(tmp_path: Path) -> None:
    left = Remembered(subject="features", tables={"features": Sorting(sort=2, falling=True)}, metric="sparsity")
    left = left.at(tmp_path, "run \x1b")
    remember(tmp_path / "new", left)
    assert recall(tmp_path / "new") == left
    assert recall(tmp_path / "new").run_of(tmp_path) == "run \x1b"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["monitor.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"tables": {"log": 3}}', b"\xff"])
def test_what_cannot_be_read_is_forgotten(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "monitor.json").write_bytes(content)
    assert recall(tmp_path) == Remembered()


def test_of_many_folders_the_first_are_forgotten(tmp_path: Path) -> None:
    left = Remembered()
    for number in range(150):
        left = left.at(tmp_path / str(number), "run")
    assert len(left.runs) == 100
    assert left.run_of(tmp_path / "149") == "run"
    assert left.run_of(tmp_path / "3") is None


def test_a_copy_is_kept_as_it_is(tmp_path: Path) -> None:
    assert keep_copy(tmp_path / "new", "a\tb \udcff").read_bytes() == b"a\tb \xff\n"


def test_where_it_is_kept() -> None:
    assert state_folder({"XDG_STATE_HOME": "/x"}) == Path("/x/fxwatch")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local" / "state" / "fxwatch"
    assert state_folder({}) == Path.home() / ".local" / "state" / "fxwatch"


def test_names_that_are_no_text_are_not_remembered(tmp_path: Path) -> None:
    left = Remembered().at(tmp_path, "run \udcff")
    remember(tmp_path, left)
    assert recall(tmp_path).run_of(tmp_path) is None
