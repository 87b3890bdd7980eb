"""A long run is thinned evenly; its numbers, its history and what matters stay."""

from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as some

from fxwatch.config import Config, StoreSettings
from fxwatch.daemon.drawings import Drawings
from fxwatch.daemon.thinning import Thinning
from fxwatch.records.base import Verdict
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Store
from fxwatch.store.read import read_analysis, read_history
from fxwatch.store.shares import ShareIndex
from fxwatch.store.thin import surplus
from fxwatch.store.write import RunWriter
from tests.analyses import analysis


def line(seq: int, verdict: Verdict = "ok", consensus: float = 0.8) -> HistoryLine:
    findings: dict[str, Verdict] = {} if verdict == "ok" else {"consensus": verdict}
    return HistoryLine(
        seq=seq, id=f"step-{seq:09d}-00000000", step=seq, created_at="", checkpoint="", verdict=verdict,
        findings=findings, consensus=consensus,
    )  # fmt: skip


@given(
    keep=some.integers(0, 12),
    verdicts=some.lists(some.sampled_from(["ok", "ok", "ok", "warn"]), min_size=1, max_size=80),
    best=some.integers(0, 79),
)
def test_what_matters_stays_and_the_rest_is_even(keep: int, verdicts: list[Verdict], best: int) -> None:
    whole: dict[int, HistoryLine] = {}
    champion = line(min(best, len(verdicts) - 1))
    for seq, verdict in enumerate(verdicts):
        whole[seq] = line(seq, verdict)
        for one in surplus(whole.values(), champion if champion.seq <= seq else None, keep):
            del whole[one.seq]
    always = {0, len(verdicts) - 1, champion.seq} | {seq for seq, verdict in enumerate(verdicts) if verdict != "ok"}
    assert always <= whole.keys() | {champion.seq}
    assert len(whole.keys() - always) <= keep


def test_gaps_are_even_in_a_long_run() -> None:
    whole: dict[int, HistoryLine] = {}
    for seq in range(1000):
        whole[seq] = line(seq)
        for one in surplus(whole.values(), None, 20):
            del whole[one.seq]
    kept = sorted(whole)
    gaps = [later - earlier for earlier, later in pairwise(kept[:-1])]
    assert len(kept) == 22
    assert max(gaps) <= 3 * min(gaps)


def test_a_run_that_was_never_thinned_is_at_once() -> None:
    gone = {one.seq for one in surplus([line(seq) for seq in range(10_000)], None, 100)}
    kept = sorted(set(range(10_000)) - gone)
    assert len(kept) == 102
    assert max(later - earlier for earlier, later in pairwise(kept)) <= 256


def test_a_store_is_thinned_and_nothing_breaks(tmp_path: Path) -> None:
    store = Store.of(tmp_path, None)
    store.create()
    run = store.run("exp")
    thinning = Thinning(store, Config(store=StoreSettings(keep=3)))
    writer = RunWriter(run)
    for step in range(30):
        one = analysis(step, "exp", consensus=analysis().consensus.model_copy(update={"mean_correlation": 0.75}))
        folder = run.analysis(one.id)
        folder.folder.mkdir(parents=True)
        folder.arrays.write_bytes(b"arrays")
        writer.commit(one)
        folder.png.write_bytes(b"png")
        thinning.look([run])
    writer.close()
    whole = [found.folder.name for found in run.analyses() if found.arrays.exists() and found.png.exists()]
    bare = [found for found in run.analyses() if not found.arrays.exists() and not found.png.exists()]
    assert {"step-000000000-1a2b3c4d", "step-000000029-1a2b3c4d"} < set(whole)
    assert (len(whole), len(bare)) == (5, 25)
    assert len(read_history(run)) == 30
    assert all(read_analysis(found.json).run == "exp" for found in bare)
    again = RunWriter(run)  # a restart
    assert len(ShareIndex(run.shares).shares(analysis().layout, range(99))) == 30
    assert len(Drawings(store, [again])) == 0
