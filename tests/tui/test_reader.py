"""From a store to snapshots: what is missing, which run, where in its history."""

import json
import os
import shutil
from pathlib import Path

import pytest

from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import LedgerLine
from fxwatch.store.layout import Store
from fxwatch.store.lines import LineWriter
from fxwatch.store.read import read_history
from fxwatch.sync.outbox import Outbox, write_outbox
from fxwatch.tui.place import Intent
from fxwatch.tui.read.glance import glance
from fxwatch.tui.read.history import History
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.read.runs import Folders, run_names
from fxwatch.tui.snapshot import Lack, Snapshot
from tests.tui.examples import SICK, START, beat, fill, iso, note


def reader(watched: Path, store: Store | None = None) -> StoreReader:
    return StoreReader(store or Store.of(watched, None), watched, lambda: START + 60)


def shown(snapshot: Snapshot) -> tuple[int | None, int, int]:
    """Step, number and count of what is shown."""
    assert snapshot.past is not None
    assert snapshot.analysis is not None
    return snapshot.analysis.checkpoint.step, snapshot.past.number, snapshot.past.count


def test_what_is_missing(tmp_path: Path) -> None:
    watched = tmp_path / "outputs"
    read = reader(watched)
    assert read().lack is Lack.FOLDER
    watched.mkdir()
    assert (read().lack, read().empty) == (Lack.STORE, True)
    (watched / "a.zip").touch()
    assert (read().lack, read().empty) == (Lack.STORE, False)
    Store.of(watched, None).create()
    assert read().lack is Lack.RESULTS
    fill(watched, range(100, 200, 100))
    assert read().lack is None


def test_a_store_elsewhere_is_shown_though_the_folder_has_gone(tmp_path: Path) -> None:
    store = fill(tmp_path / "outputs", range(100, 400, 100))
    assert shown(reader(tmp_path / "gone", store)()) == (300, 3, 3)


def test_live_follows_and_held_stays(tmp_path: Path) -> None:
    fill(tmp_path, range(100, 600, 100))
    read = reader(tmp_path)
    assert shown(read()) == (500, 5, 5)
    held = read([Intent.OLDER, Intent.OLDER])
    assert (shown(held), held.held) == ((300, 3, 5), True)
    fill(tmp_path, range(600, 800, 100))
    assert shown(read()) == (300, 3, 7)
    live = read([Intent.LIVE])
    assert (shown(live), live.held) == ((700, 7, 7), False)
    assert shown(read([Intent.OLDEST])) == (100, 1, 7)
    assert shown(read([Intent.MUCH_NEWER])) == (700, 7, 7)


def test_the_change_of_shares_is_to_the_analysis_before(tmp_path: Path) -> None:
    fill(tmp_path, range(100, 200, 100))
    fill(tmp_path, range(200, 300, 100), shares=SICK)
    read = reader(tmp_path)
    past = read().past
    assert past is not None
    assert past.before["hf"] == pytest.approx(0.2)
    assert past.trends["consensus"] == pytest.approx((0.84, 0.84))
    first = read([Intent.OLDEST]).past
    assert first is not None
    assert first.before == {}


def test_runs_worst_first_and_the_chosen_one_stays(tmp_path: Path) -> None:
    fill(tmp_path, range(100, 300, 100), "good")
    fill(tmp_path, range(100, 300, 100), "nested/sick", shares=SICK)
    read = reader(tmp_path)
    first = read()
    assert [(run.name, run.verdict) for run in first.runs] == [("nested/sick", "warn"), ("good", "ok")]
    assert first.run == "nested/sick"
    assert read([Intent.OLDER]).held
    turned = read([Intent.NEXT_RUN])
    assert (turned.run, turned.held) == ("good", False)
    assert read().run == "good"
    assert read([Intent.NEXT_RUN]).run == "nested/sick"
    assert read([Intent.PREVIOUS_RUN]).run == "good"


def test_a_run_that_vanishes_gives_way(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 300, 100), "good")
    fill(tmp_path, range(100, 300, 100), "sick", shares=SICK)
    moment = [START]
    read = StoreReader(store, tmp_path, lambda: moment[0])
    assert read().run == "sick"
    shutil.rmtree(store.run("sick").folder)
    moment[0] += 60
    assert read().run == "good"
    shutil.rmtree(store.root)
    moment[0] += 60
    assert read().lack is Lack.STORE


def test_folders_of_analyses_are_not_searched_for_runs(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 200, 100), "step-7/sub")
    inner = next(store.run("step-7/sub").analyses()).folder / "history.jsonl"
    inner.write_text("{}\n")
    assert list(run_names(store, Folders())) == ["step-7/sub"]


def test_a_newer_schema_is_told(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 300, 100))
    newest = store.run("default").analysis("step-000000200-0a1b2c3d").json
    newest.write_text(json.dumps({**json.loads(newest.read_text()), "schema_version": 7, "health": "all new"}))
    read = reader(tmp_path)
    seen = read()
    assert (seen.analysis, seen.verdict) == (None, "unknown")
    assert seen.trouble == ("it was written by a newer fxwatch (schema 7, this one knows 1); update fxwatch to read it")
    assert shown(read([Intent.OLDER]))[0] == 100


@pytest.mark.parametrize("name", ["../../secret", "..", "", "a\0b", "nowhere"])
def test_a_hostile_history_leads_nowhere(tmp_path: Path, name: str) -> None:
    store = fill(tmp_path, range(100, 200, 100))
    newest = read_history(store.run("default"))[-1]
    writer = LineWriter(store.run("default").history)
    writer.append(newest.model_copy(update={"seq": 1, "id": name, "step": 200, "created_at": "rubbish"}))
    writer.close()
    seen = reader(tmp_path)()
    if name == "nowhere":
        assert seen.analysis is None
        assert seen.trouble
    else:
        assert shown(seen) == (100, 1, 1)
    assert seen.png is None


def test_a_history_that_is_rotated_is_read_anew(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 600, 100))
    read = reader(tmp_path)
    read([Intent.OLDER])
    history = store.run("default").history
    history.write_bytes(b"".join(history.read_bytes().splitlines(keepends=True)[:2]))
    seen = read()
    assert shown(seen) == (200, 2, 2)
    assert seen.past is not None
    assert seen.past.restarted == "truncated"
    assert not seen.held


def test_what_the_ledger_says(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 200, 100))
    note(
        store,
        LedgerLine(seq=0, at=iso(START), path="a.zip", state="done", run="default", step=100),
        LedgerLine(seq=1, at=iso(START), path="b.zip", state="failed", reason="no", run="default"),
        LedgerLine(
            seq=2, at=iso(START + 9), path="c.safetensors", state="ready", kind="states", run="default", step=900
        ),
    )
    read = reader(tmp_path)
    files = read().files
    assert (files.at, dict(files.steps)) == (START + 9, {"default": 900})
    assert [trouble.path for trouble in files.troubles] == ["b.zip"]
    note(store, LedgerLine(seq=3, at=iso(START + 10), path="b.zip", state="done", run="default"))
    assert read().files.troubles == ()


def test_the_png_of_the_analysis_or_of_the_run(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 300, 100))
    read = reader(tmp_path)
    assert read().png is None
    store.run("default").png.touch()
    assert read().png == str(store.run("default").png)
    own = store.run("default").analysis("step-000000200-0a1b2c3d").png
    own.touch()
    assert read().png == str(own)


def test_nothing_is_read_twice_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = fill(tmp_path, range(100, 300, 100))
    beat(store)
    note(store, LedgerLine(seq=0, at=iso(START), path="a.zip", state="done"))
    read = reader(tmp_path)
    before = read()
    monkeypatch.setattr(os, "open", lambda *_: pytest.fail("opened"))
    monkeypatch.setattr(Path, "read_bytes", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("opened"))
    assert read() == before


def lines(run_history: Path, count: int) -> None:
    with run_history.open("w") as file:
        for number in range(count):
            line = HistoryLine(
                seq=number,
                id=f"step-{number:09d}-0a1b2c3d",
                step=number,
                created_at=iso(START + number),
                checkpoint="x.zip",
                verdict="ok",
                consensus=None if number % 2 else 0.5,
                branches={"hf": 0.25, "late": 0.1} if number > 10 else {"hf": 0.25},
            )
            file.write(line.model_dump_json() + "\n")


def test_a_long_history_is_bounded_and_still_counted(tmp_path: Path) -> None:
    run = Store.of(tmp_path, None).run("default")
    run.folder.mkdir(parents=True)
    lines(run.history, 1000)
    history = History(run, most=100)
    assert not history.follow(lambda: False)
    assert history.count == 1000
    assert 900 <= history.first < 1000
    assert history.id_of(999) == "step-000000999-0a1b2c3d"
    assert history.id_of(5) is None
    past = history.past(999)
    assert (past.number, past.count) == (1000, 1000)
    assert past.before["late"] == pytest.approx(0.1)
    assert past.trends["consensus"][-2:] == (0.5, None)
    assert past.gap == 1.0


def test_a_long_history_is_read_in_pieces(tmp_path: Path) -> None:
    run = Store.of(tmp_path, None).run("default")
    run.folder.mkdir(parents=True)
    lines(run.history, 3000)
    history = History(run)
    rounds = 1
    while history.follow(lambda: True):
        rounds += 1
    assert rounds > 2
    assert history.count == 3000


def test_a_glance_at_all_runs(tmp_path: Path) -> None:
    fill(tmp_path, range(100, 400, 100), "good")
    store = fill(tmp_path, range(100, 300, 100), "sick", shares=SICK)
    common, runs = glance(store, tmp_path, START)
    assert [run.run for run in runs] == ["sick", "good"]
    assert [run.past.count for run in runs if run.past] == [2, 3]
    assert [run.past.gap for run in runs if run.past] == [20.0, 20.0]
    assert common.lack is None


def test_what_wandb_has(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 400, 100), "a")
    fill(tmp_path, range(100, 300, 100), "b/c")
    read = reader(tmp_path)
    assert (read().delivery.begun, read().delivery.waiting) == (False, 5)
    write_outbox(store, store.run("b/c"), Outbox(id="x", group="g", sent=2, sent_at=iso(START)))
    write_outbox(store, store.run("a"), Outbox(id="y", group="g", sent=1, sent_at=iso(START - 60), trouble="no key"))
    found = read().delivery
    assert (found.begun, found.waiting, found.at, found.trouble) == (True, 2, START, "no key")
    assert glance(store, tmp_path, START)[0].delivery == found


def test_that_a_file_is_gone_is_news_only_where_nothing_else_became_of_it(tmp_path: Path) -> None:
    store = fill(tmp_path, range(100, 200, 100))
    said = [("a.zip", "refused", 0), ("b.zip", "seen", 0), ("a.zip", "refused", 1), ("b.zip", "vanished", 1)]
    for seq, (path, state, gone) in enumerate(said):
        note(
            store, LedgerLine.model_validate({"seq": seq, "at": iso(START), "path": path, "state": state, "gone": gone})
        )
    files = reader(tmp_path)().files
    assert [(line.path, line.state) for line in files.lines] == [
        (path, state) for path, state, _ in [*said[:2], said[3]]
    ]
    assert [(line.path, line.state) for line in files.troubles] == [("a.zip", "refused")]
