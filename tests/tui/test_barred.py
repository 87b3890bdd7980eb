"""Results that may not be read are told as such, with what to type, and never look like none."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fxwatch.commands.status import status
from fxwatch.exit_codes import FAILURE
from fxwatch.store.layout import Store
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.snapshot import Lack, Snapshot
from fxwatch.tui.view import header, nothing_to_show
from fxwatch.tui.view.panels import PANELS
from fxwatch.tui.view.text import plain
from tests.tui.examples import START, beat, fill

_NOBODY = 65534


@contextmanager
def shut(path: Path) -> Iterator[None]:
    """A path without rights, for a user that is not root."""
    before, user = path.stat().st_mode, os.geteuid()
    path.chmod(0)
    if user == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        if user == 0:
            os.seteuid(0)
        path.chmod(before)


@pytest.fixture
def watched() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # where others may look, unlike pytest's own
        Path(folder).chmod(0o755)
        beat(fill(Path(folder) / "outputs", range(100, 300, 100), "good"))
        fill(Path(folder) / "outputs", range(100, 300, 100), "other")
        yield Path(folder) / "outputs"


def read(watched: Path) -> Snapshot:
    return StoreReader(Store.of(watched, None), watched, lambda: START + 5)()


@pytest.mark.parametrize("part", [".", "fxwatch", "fxwatch/runs"])
def test_a_store_that_may_not_be_read(watched: Path, part: str) -> None:
    with shut(watched / part):
        seen = read(watched)
    assert seen.lack is Lack.RIGHTS
    told = " ".join(plain(nothing_to_show.lines(seen, 100, 30)).split())
    assert "cannot be read: Permission denied" in told
    assert f"chmod -R a+rX {watched}/fxwatch" in told
    assert "the results may not be read" in plain(header.lines(seen, 120, 4))


@pytest.mark.parametrize("part", ["runs/other", "runs/other/history.jsonl", "ledger.jsonl"])
def test_a_part_that_may_not_be_read_leaves_the_rest(watched: Path, part: str) -> None:
    Store.of(watched, None).ledger.touch()
    with shut(watched / "fxwatch" / part):
        seen = read(watched)
    assert seen.analysis is not None
    told = plain(PANELS["training_progress"].lines(seen, 200))
    assert f"! {watched}/fxwatch/{part} cannot be read: Permission denied" in told


def test_a_heartbeat_that_may_not_be_read_is_not_a_daemon_that_never_was(watched: Path) -> None:
    with shut(watched / "fxwatch" / "status.json"):
        seen = read(watched)
    told = plain(header.lines(seen, 120, 4))
    assert "the daemon's heartbeat cannot be read" in told
    assert "no daemon has run here" not in told


def test_status_says_it_too(watched: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with shut(watched / "fxwatch"):
        assert status(watched, None, as_json=False, fail_on=None) == FAILURE
    assert "cannot be read: Permission denied; whoever owns it can type `chmod -R a+rX" in capsys.readouterr().err
    with shut(watched / "fxwatch" / "runs" / "other" / "history.jsonl"):
        status(watched, None, as_json=False, fail_on=None)
    assert "Cannot be read: " in capsys.readouterr().out


def test_what_is_opened_again_is_read_again(watched: Path) -> None:
    reader = StoreReader(Store.of(watched, None), watched, lambda: START + 5)
    with shut(watched / "fxwatch"):
        assert reader().lack is Lack.RIGHTS
    assert reader().analysis is not None
