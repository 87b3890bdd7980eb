"""A history stays right where analyses complete out of the order of training."""

from pathlib import Path

import pytest

from fxwatch.records.alerts import AlertState, alerts
from fxwatch.records.history import HistoryLine, in_order
from fxwatch.report.stored import history_until
from fxwatch.store.layout import Run, Store
from fxwatch.store.read import lines_before, newest_line, read_history
from fxwatch.store.shares import ShareIndex
from fxwatch.store.write import RunWriter
from fxwatch.tui.read.history import History
from fxwatch.tui.read.reader import StoreReader
from tests.analyses import SHARES, analysis

COMPLETED = [(10, False), (90, False), (20, True), (50, True), (100, False), (30, True)]
TRAINED = [10, 20, 30, 50, 90, 100]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store.of(tmp_path, None)
    made.create()
    writer = RunWriter(made.run("default"))
    for step, late in COMPLETED:
        writer.commit(analysis(step, late=late))
    assert writer.newest is not None
    assert writer.newest.step == 100
    writer.close()
    assert RunWriter(made.run("default")).newest == newest_line(made.run("default"))
    return made


@pytest.fixture
def run(store: Store) -> Run:
    return store.run("default")


def steps(lines: list[HistoryLine]) -> list[int | None]:
    return [line.step for line in lines]


def test_late_lines_stand_where_they_belong_and_the_newest_stays_the_newest(run: Run) -> None:
    lines = [HistoryLine.of(analysis(step, late=late), seq) for seq, (step, late) in enumerate(COMPLETED)]
    assert steps(in_order(lines)) == TRAINED
    newest = newest_line(run)
    assert newest is not None
    assert newest.step == 100
    stepless = [*lines[:2], lines[0].model_copy(update={"step": None, "late": True})]
    assert steps(in_order(stepless)) == [10, None, 90]


def test_training_that_begins_anew_keeps_the_order_of_completion() -> None:
    lines = [HistoryLine.of(analysis(step), seq) for seq, step in enumerate((10, 20, 5, 6))]
    assert steps(in_order(lines)) == [10, 20, 5, 6]


@pytest.mark.parametrize(
    ("step", "late", "count", "before"),
    [
        (110, False, 1, [100]),
        (110, False, 3, [50, 90, 100]),
        (110, False, 99, TRAINED),
        (40, True, 1, [30]),
        (40, True, 3, [10, 20, 30]),
        (95, True, 2, [50, 90]),
        (5, True, 2, []),
        (7, False, 1, [100]),
    ],
)
def test_an_analysis_is_compared_with_what_comes_before_it_in_training(
    run: Run, step: int, *, late: bool, count: int, before: list[int]
) -> None:
    found = lines_before(run, 1, step, count, late=late)
    assert steps(found) == before
    shares = ShareIndex(run.shares).shares({branch: list(units) for branch, units in SHARES.items()}, [8, 0, 5])
    assert len(shares) == 2  # those that there are


def test_attempts_are_kept_apart_whatever_is_explained_first(store: Store) -> None:
    run = store.run("anew")
    writer = RunWriter(run)
    for attempt, step, late in ((1, 10, False), (1, 90, False), (2, 20, False), (1, 50, True), (2, 5, True)):
        writer.commit(analysis(step, late=late, attempt=attempt))
    writer.close()
    assert steps(in_order(read_history(run))) == [10, 50, 90, 5, 20]
    assert steps(lines_before(run, 2, 30, 9, late=False)) == [5, 20]
    assert steps(lines_before(run, 1, 60, 9, late=True)) == [10, 50]
    assert steps(lines_before(run, 3, 1, 9, late=False)) == []


def test_a_report_of_an_old_analysis_shows_what_came_before_it(run: Run) -> None:
    assert steps(history_until(run.history, analysis(50, late=True))) == [10, 20, 30, 50]
    assert steps(history_until(run.history, analysis(100))) == TRAINED


def test_nobody_is_told_of_a_verdict_on_the_past() -> None:
    lines = [HistoryLine.of(analysis(step, verdict="bad", late=step > 1), step) for step in range(1, 6)]
    assert [alert for _, alert in alerts(AlertState(), lines, 0) if alert] == []


def test_the_monitor_lives_at_the_newest_checkpoint(store: Store, tmp_path: Path) -> None:
    snapshot = StoreReader(store, tmp_path, lambda: 0.0)()
    assert snapshot.analysis is not None
    assert snapshot.analysis.checkpoint.step == 100
    assert snapshot.runs[0].step == 100
    history = History(store.run("default"))
    history.follow(lambda: False)
    assert [at for at, _ in history.points("consensus", 99)] == TRAINED
