"""The report on a run as a whole: legible for any run, as quick for a long one as for a short one, and made in time."""

import io
import os
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from fxwatch.config import ReportSettings
from fxwatch.daemon.run_reports import RunReports
from fxwatch.records.history import HistoryLine
from fxwatch.report.past import MOST_ANALYSES, Past, past_of, read_past
from fxwatch.report.past_page import WIDTH, compose_past, draw_past, past_places
from fxwatch.report.run_report import write_run_report
from fxwatch.store.layout import Run, Store, StoreError
from fxwatch.store.lines import spread_lines
from fxwatch.store.write import RunWriter
from tests.analyses import analysis
from tests.project import CONFIG, Project
from tests.report.samples import SAMPLES, Sample
from tests.report.test_report_page import none_overlaps, texts_of, words_of


def past(sample: Sample) -> Past:
    """A past with shares of which a third is unknown."""
    lines = list(sample.history) or [HistoryLine.of(sample.analysis, 0)]
    noise = np.random.default_rng(len(lines))
    shares = noise.exponential(0.02, (len(lines), sum(map(len, sample.analysis.units.values()))))
    shares[: len(lines) // 3] = np.nan
    return past_of(sample.analysis, lines[-MOST_ANALYSES:], shares[-MOST_ANALYSES:])


def grown(run: Run, *steps: int) -> RunWriter:
    writer = RunWriter(run)
    for step in steps:
        writer.commit(analysis(step, run.name))
    return writer


@pytest.mark.parametrize("name", SAMPLES)
def test_every_text_has_room_and_overlaps_no_other(name: str) -> None:
    found = past(SAMPLES[name]())
    sheet, boxes = compose_past(found), past_places(found)
    for text, extent in texts_of(sheet):
        box = boxes[text.get_gid() or ""]
        assert box.left - 2 <= extent.x0 <= extent.x1 <= box.right + 2, text.get_text()
        assert not text.get_parse_math()
    none_overlaps(sheet)


def test_it_shows_what_each_feature_was_worth_and_its_rank_then_and_now(store: Store) -> None:
    run = store.run("exp")
    grown(run, 100, 200).close()
    found = read_past(run, analysis(200, "exp"))
    assert found.shares.shape == (2, 11)
    assert found.shares[0].tolist() == pytest.approx(found.shares[1].tolist())
    assert read_past(run, analysis(100, "exp")).lines == found.lines[:1]  # another one came meanwhile
    assert [line.step for line in read_past(run, analysis(300, "exp")).lines] == [100, 200, 300]  # not noted yet
    found.shares[0] = found.shares[0][::-1]
    words = words_of(compose_past(found), "features").splitlines()
    assert words[words.index("portfolio · position_pnl_percent") :][:4] == [
        "portfolio · position_pnl_percent", "18%", "1", "↑ 11",
    ]  # fmt: skip
    assert imread(io.BytesIO(draw_past(found))).shape[1] == WIDTH


def test_a_long_run_is_read_evenly_to_its_ends(tmp_path: Path) -> None:
    line = HistoryLine.of(analysis(), 0)
    for length in (0, 1, 7, 299, 301, 5000):
        file = tmp_path / f"{length}.jsonl"
        file.write_text("".join(line.model_copy(update={"seq": i}).model_dump_json() + "\n" for i in range(length)))
        seqs = [found.seq for found in spread_lines(file, HistoryLine, MOST_ANALYSES)]
        assert len(seqs) == min(length, MOST_ANALYSES)
        assert seqs == sorted(set(seqs))
        if length:
            assert (seqs[0], seqs[-1]) == (0, length - 1)
            assert max(np.diff(seqs), default=1) <= max(1, 2 * length // MOST_ANALYSES)


def test_both_files_are_written_and_damage_is_one_sentence(store: Store) -> None:
    run = store.run("exp")
    with pytest.raises(StoreError, match="run exp has no analysis in"):
        write_run_report(run)
    grown(run, *range(100, 500, 100)).close()
    next(run.shares.glob("*.rows")).write_bytes(b"{garbage\n")
    assert write_run_report(run) == run.history_png
    assert imread(run.history_png).shape[1] == WIDTH
    assert "Features over the run" not in run.html.read_text()  # they are pictures
    assert run.html.read_text().count("<img") == 9


def test_it_is_due_after_so_many_analyses_also_over_a_restart(store: Store) -> None:
    run = store.run("exp")
    runs = {"exp": grown(run, *range(9))}
    reports = RunReports(store, ReportSettings(every=10))
    assert reports.take(runs, 0.0) is None
    runs["exp"].commit(analysis(9, "exp"))
    job = reports.take(runs, 0.0)
    assert job is not None
    assert job.run == "exp"
    assert reports.take(runs, 0.0) is None
    again = RunReports(store, ReportSettings(every=10))
    assert again.take(runs, 0.0) is not None  # killed before it was drawn
    write_run_report(run)
    once_more = RunReports(store, ReportSettings(every=10))
    assert once_more.take(runs, 0.0) is None
    assert RunReports(store, ReportSettings(every=0)).take(runs, 1e12) is None


def test_it_is_due_after_a_time_with_any_news(store: Store) -> None:
    run = store.run("exp")
    runs = {"exp": grown(run, 1)}
    write_run_report(run)
    reports = RunReports(store, ReportSettings(every="2h"))
    assert reports.take(runs, 0.0) is None
    assert reports.take(runs, 7300.0) is None  # nothing new
    runs["exp"].commit(analysis(2, "exp"))
    assert reports.take(runs, 7100.0) is None
    assert reports.take(runs, 7300.0) is not None
    assert reports.take(runs, 7400.0) is None


def test_what_an_earlier_daemon_made_is_known_by_its_age(store: Store) -> None:
    run = store.run("exp")
    runs = {"exp": grown(run, 1)}
    write_run_report(run)
    old = time.time() - 7100
    os.utime(run.html, (old, old))
    reports = RunReports(store, ReportSettings(every="2h"))
    assert reports.take(runs, 0.0) is None
    runs["exp"].commit(analysis(2, "exp"))
    assert reports.take(runs, 50.0) is None
    assert reports.take(runs, 101.0) is not None


def test_a_clock_that_is_set_back_withholds_no_report(store: Store) -> None:
    run = store.run("exp")
    runs = {"exp": grown(run, 1)}
    write_run_report(run)
    to_come = time.time() + 86_400 * 365
    os.utime(run.html, (to_come, to_come))
    for every in ("2h", 1):
        reports = RunReports(store, ReportSettings(every=every))
        assert reports.take(runs, 0.0) is not None
        assert reports.take(runs, 1.0) is None


@pytest.mark.parametrize(
    ("every", "analyses", "seconds"), [(5, 5, None), ("5", 5, None), ("90s", None, 90), ("1d", None, 86_400)]
)
def test_every_is_a_count_or_a_time(every: int | str, analyses: int | None, seconds: float | None) -> None:
    found = ReportSettings(every=every)
    assert (found.analyses, found.seconds) == (analyses, seconds)


def test_the_daemon_makes_it(tmp_path: Path) -> None:
    project = Project(tmp_path, f"{CONFIG}\n[report]\nevery = 2\n")
    project.states()
    for step in (1, 2):
        project.checkpoint(f"model_{step}.pt", seed=step, global_step=step)
    project.ok("daemon", "--once")
    run = project.store.run("default")
    assert run.history_png.exists()
    assert "How each number is defined" in run.html.read_text()
    wrong = project.run("daemon", "--once", FXWATCH_REPORT__EVERY="often")
    assert wrong.returncode == 2
    assert "report.every: often is neither a number of analyses nor a time such as '6h'" in wrong.stderr
    assert wrong.stderr.count("\n") == 1
