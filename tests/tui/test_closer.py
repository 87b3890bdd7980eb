"""What one subject alone shows: read from the store while it is in front."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fxwatch.store.layout import Store
from fxwatch.tui.place import Intent, Look, Visit
from fxwatch.tui.read.history import History
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.read.runs import Folders, run_names
from fxwatch.tui.snapshot import Closer, FeatureNews, HeadNews
from tests.tui.examples import SICK, START, fill

PALE = {"hf": 0.2, "mf": 0.3, "lf": 0.2, "portfolio": 0.3}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Ten analyses, of which the second half is sick."""
    fill(tmp_path, range(100, 600, 100))
    return fill(tmp_path, range(600, 1100, 100), shares=SICK)


def save(path: Path, name: str, array: NDArray[Any]) -> None:
    """An arrays.npz."""
    arrays: dict[str, Any] = {name: array}
    np.savez(path, **arrays)


def reader(store: Store, run: str | None = None) -> StoreReader:
    return StoreReader(store, store.root.parent, lambda: START, run=run)


def closer(read: StoreReader, *look: str, wishes: tuple[Intent | Visit, ...] = ()) -> Closer:
    return read([Look(look[0], look[1:]), *wishes]).closer


def feature(read: StoreReader, name: str = "spread", wishes: tuple[Intent, ...] = ()) -> FeatureNews:
    found = closer(read, "feature", "hf", name, wishes=wishes).feature
    assert found is not None
    return found


def head(read: StoreReader, layer: str, place: str) -> HeadNews:
    found = closer(read, "head", layer, place).head
    assert found is not None
    return found


def test_nothing_is_read_for_the_overview(store: Store) -> None:
    assert closer(reader(store), "overview") == Closer()


def test_trends_end_at_the_cursor(store: Store) -> None:
    read = reader(store)
    assert len(closer(read, "features").trends["hf", "spread"]) == 10
    held = closer(read, "features", wishes=(Intent.OLDEST, Intent.NEWER)).trends["hf", "spread"]
    assert len(held) == 2
    assert held[0] == pytest.approx(0.2 * 0.33 / 1.63, rel=1e-3)


def test_a_feature_with_its_history_and_its_heatmap(store: Store) -> None:
    run = store.run("default")
    heat = np.arange(12, dtype=np.float32).reshape(4, 3)
    heat[0, 0] = np.nan
    save(run.analysis("step-000001000-0a1b2c3d").arrays, "heat/hf", heat)
    read = reader(store)
    found = feature(read)
    assert found.steps == tuple(range(100, 1100, 100))
    assert found.heat == ((None, 3.0, 6.0, 9.0), (1.0, 4.0, 7.0, 10.0), (2.0, 5.0, 8.0, 11.0))
    assert found.names == ("price_velocity", "volume_ratio", "spread")
    held = feature(read, wishes=(Intent.OLDER,))
    assert (held.steps[-1], held.heat, held.trouble) == (900, (), "there is no arrays.npz beside this analysis")
    assert feature(read, "\x1b").trouble == "this analysis does not know the feature"


def test_a_head(store: Store) -> None:
    path = store.run("default").analysis("step-000001000-0a1b2c3d").arrays
    read = reader(store)
    save(path, "attention/layer", np.full((2, 3, 3), 0.25, np.float32))
    assert head(read, "layer", "1").weights == ((0.25,) * 3,) * 3
    assert "another shape" in str(head(read, "layer", "7").trouble)
    assert "does not hold it" in str(head(read, "other", "0").trouble)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 not a zip", b"\x93NUMPY\x01\x00"])
def test_arrays_that_cannot_be_read(store: Store, content: bytes) -> None:
    store.run("default").analysis("step-000001000-0a1b2c3d").arrays.write_bytes(content)
    assert "arrays.npz" in str(feature(reader(store)).trouble)


def test_arrays_with_objects_or_of_another_shape_are_not_shown(store: Store) -> None:
    path = store.run("default").analysis("step-000001000-0a1b2c3d").arrays
    for number, odd in enumerate((np.array([{}], dtype=object), np.zeros((2, 9)), np.array([["a"] * 3]))):
        save(path, "heat/hf", odd)
        found = feature(reader(store))
        assert found.trouble is not None, number
        assert found.heat == ()


def test_an_index_that_is_damaged_does_no_harm(store: Store) -> None:
    for rows in store.run("default").shares.glob("*.rows"):
        rows.write_bytes(b"nonsense\n\0\0")
    read = reader(store)
    assert closer(read, "features").trends == {}
    assert "cannot be read" in str(feature(read).trouble)


def test_curves_of_all_runs(store: Store) -> None:
    fill(store.root.parent, range(100, 400, 100), "other", consensus=0.5)
    read = reader(store)
    found = closer(read, "runs", "consensus")
    while found.reading:
        found = closer(read, "runs", "consensus")
    assert set(found.curves) == {"default", "other"}
    assert found.curves["other"] == [(100.0, 0.5), (200.0, 0.5), (300.0, 0.5)]
    assert closer(read, "runs", "no such metric").metric == "consensus"


def test_comparing_with_the_analysis_before_or_with_one_that_was_kept(store: Store) -> None:
    read = reader(store)
    before = closer(read, "compare")
    assert (before.against and before.against.checkpoint.step, before.pinned) == (900, False)
    kept = closer(read, "compare", wishes=(Intent.OLDEST, Intent.PIN, Intent.LIVE))
    assert kept.against is not None
    snapshot = read([Intent.OLDEST, Intent.LIVE])
    assert snapshot.closer.pinned
    again = closer(read, "compare", wishes=(Intent.OLDEST, Intent.PIN))
    assert (again.pinned, again.trouble) == (False, "there is no analysis before this one")


def test_what_is_kept_is_what_was_shown_when_the_key_came(store: Store) -> None:
    found = closer(reader(store), "compare", wishes=(Intent.OLDER, Intent.PIN, Intent.OLDEST))
    assert found.against is not None
    assert found.against.checkpoint.step == 900


def test_a_kept_analysis_stays_in_another_run(store: Store) -> None:
    fill(store.root.parent, range(100, 300, 100), "other")
    read = reader(store, "default")
    closer(read, "compare", wishes=(Intent.PIN,))
    snapshot = read([Visit("other")])
    assert (snapshot.run, snapshot.closer.against and snapshot.closer.against.run) == ("other", "default")


def test_it_begins_with_the_run_that_was_looked_at_last(store: Store) -> None:
    fill(store.root.parent, range(100, 300, 100), "other")
    assert reader(store, "other")().run == "other"
    assert reader(store, "gone")().run == "default"
    assert reader(store)([Visit("gone")]).run == "default"


def test_back_to_where_findings_began(store: Store) -> None:
    fill(store.root.parent, range(1100, 1300, 100), shares=PALE, infidelity=0.3)
    history = History(store.run("default"))
    history.follow(lambda: False)
    assert history.beginning(11) == 10
    assert history.beginning(10) == 5
    assert history.beginning(9) == 5
    assert history.beginning(5) is None
    assert history.beginning(2) is None
    assert history.beginning(99) is None
    read = reader(store)
    shown = read([Intent.BEGINNING])
    assert (shown.held, shown.past and shown.past.number) == (True, 11)


def test_the_strip_of_verdicts_keeps_what_is_old(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 6500, 100))
    history = History(store.run("default"))
    history.follow(lambda: False)
    before = history.past(0)
    assert (len(before.verdicts), before.stride) == (64, 1)
    fill(tmp_path, range(6500, 6600, 100), shares=SICK)
    history.follow(lambda: False)
    after = history.past(0)
    assert (len(after.verdicts), after.stride) == (33, 2)
    assert after.verdicts[-1] == "warn"
    assert set(after.verdicts[:-1]) == {"ok"}


def test_folders_are_listed_again_when_something_came(store: Store) -> None:
    now = [START + 1e9]
    folders = Folders(lambda: now[0])
    assert list(run_names(store, folders)) == ["default"]
    fill(store.root.parent, range(100, 200, 100), "deep/er")
    assert set(run_names(store, folders)) == {"default", "deep/er"}


def test_a_folder_that_changed_just_now_is_not_trusted_yet(store: Store) -> None:
    folders = Folders(lambda: (store.root / "runs").stat().st_mtime + 1)
    folders.within(store.root / "runs")
    assert folders._known == {}
