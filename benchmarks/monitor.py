"""Measure the monitor's manners on 100,000 analyses of 100 features in 20 runs, and print them beside the promise.

    python -m benchmarks.monitor [FOLDER]

The tree is built in FOLDER, or in a temporary one. The monitor runs as a process in a terminal of its own, of 120 × 40.
Each run's analyses share one file of content by hard links: what is opened is of full size, and the disk holds it 20
times instead of 100,000 times. An hour of ten analyses a second is added in bulk, since nobody waits for it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from fxwatch.records.analysis import Analysis, Unit
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run, Store, analysis_id
from fxwatch.store.shares import ShareIndex
from fxwatch.store.write import as_json
from tests.tui.examples import analysis, beat
from tests.tui.terminal import Terminal

RUNS, ANALYSES, FEATURES = 20, 5_000, 25
BRANCHES = ("hf", "mf", "lf", "portfolio")
HOUR = 36_000
MEBIBYTE = 1024 * 1024
PROGRAM = "import sys; from fxwatch.cli import main; sys.argv[0] = 'fxwatch'; main()"


def main() -> None:
    """Print a line for each promise."""
    with tempfile.TemporaryDirectory() as temporary:
        watched = Path(sys.argv[1] if len(sys.argv) > 1 else temporary) / "outputs"
        store = Store.of(watched, None)
        if not store.exists():
            build(watched, store)
        os.environ["XDG_STATE_HOME"] = temporary
        beat(store, time.time())
        _first_paint(watched)
        _imports()
        with _monitor(watched) as terminal:
            _keys(terminal, store)
            _idle(terminal, store)
            live = _live(terminal, store)
        _show("bytes a second, an analysis every 2 s", live, 2048, "B/s")
        with _monitor(watched, "--low-bandwidth") as terminal:
            _show("bytes a second, --low-bandwidth", _live(terminal, store), live / 2, "B/s")
        with _monitor(watched) as terminal:
            _hour(terminal, store)


def build(watched: Path, store: Store) -> None:
    """100,000 analyses: their histories, their index, and a folder for each."""
    began = time.perf_counter()
    watched.mkdir(parents=True, exist_ok=True)
    store.create()
    for number in range(RUNS):
        run = store.run(f"run-{number:02d}")
        run.folder.mkdir(parents=True)
        found = example(run.name, sick=number % 5 == 0)
        append(run, found, 0, ANALYSES)
        content = run.folder / "content"
        content.write_bytes(as_json(found))
        for place in range(ANALYSES):
            folder = run.analysis(_id(place)).folder
            folder.mkdir()
            (folder / "analysis.json").hardlink_to(content)
    sys.stdout.write(f"built {RUNS * ANALYSES:,} analyses in {time.perf_counter() - began:.0f} s\n")


def example(run: str, *, sick: bool, seed: int = 0) -> Analysis:
    """An analysis of 100 features and 60 layers, of which every number moves from one to the next."""
    moving = np.random.default_rng(seed)
    weights = moving.lognormal(0, 1, (len(BRANCHES), FEATURES))
    shares = weights / weights.sum()
    units, rankings = {}, {}
    for branch, row in zip(BRANCHES, shares.tolist(), strict=True):
        named = {f"{branch}_feature_{number:02d}": share for number, share in enumerate(row)}
        length = float(np.linalg.norm(row))
        units[branch] = {
            name: Unit(share=share, signed=share, low=share / 2, high=share * 2) for name, share in named.items()
        }
        rankings[branch] = sorted(((name, share / length) for name, share in named.items()), key=lambda one: -one[1])
    return analysis(
        1000,
        run,
        consensus=(0.3 if sick else 0.8) + float(moving.normal(0, 0.02)),
        infidelity=0.03 + abs(float(moving.normal(0, 0.01))),
        shares=dict(zip(BRANCHES, shares.sum(1).tolist(), strict=True)),
        units=units,
        feature_importance=rankings,
        norms={
            f"policy.{branch}.layer_{place}": float(moving.lognormal(0, 1))
            for branch in BRANCHES
            for place in range(15)
        },
    )


def append(run: Run, found: Analysis, begin: int, end: int) -> None:
    """Lines of history and rows of the index, with numbers that move."""
    line = json.loads(HistoryLine.of(found, 0).model_dump_json())
    noise = np.random.default_rng(begin).normal(0, 0.02, end)
    with run.history.open("a") as file:
        for place in range(begin, end):
            value = {"consensus": 0.8 + float(noise[place]), "infidelity": 0.02 + abs(float(noise[place]))}
            file.write(json.dumps({**line, **value, "seq": place, "id": _id(place), "step": place * 1000}) + "\n")
    index = ShareIndex(run.shares)
    index.append(begin, found)
    path = next(run.shares.glob("*.rows"))
    row = np.zeros(end - begin - 1, np.dtype([("seq", "<i8"), ("share", "<f4", (FEATURES * len(BRANCHES),))]))
    row["seq"] = np.arange(begin + 1, end)
    row["share"] = 0.01 + noise[begin + 1 : end, None] / 100
    with path.open("ab") as rows:
        rows.write(row.tobytes())


def publish(run: Run, found: Analysis, seq: int) -> None:
    """One analysis, as the daemon does."""
    folder = run.analysis(_id(seq)).folder
    folder.mkdir()
    (folder / "analysis.json").write_bytes(as_json(found))
    append(run, found, seq, seq + 1)


def _id(place: int) -> str:
    return analysis_id(place * 1000, "0a1b2c3d")


def _show(what: str, value: float, limit: float, unit: str) -> None:
    mark = "ok" if value <= limit else "OVER"
    sys.stdout.write(f"{what:<64} {value:8.2f} {unit:<3} of {limit:g} {unit:<3} {mark}\n")
    sys.stdout.flush()


@contextmanager
def _monitor(watched: Path, *options: str) -> Iterator[Terminal]:
    """A monitor that has settled."""
    terminal = Terminal(PROGRAM, "tui", str(watched), *options)
    try:
        terminal.read(20, lambda sent: b"PPO metrics" in sent)
        terminal.read(4)
        yield terminal
    finally:
        terminal.close()


def _first_paint(watched: Path) -> None:
    """From the start of the process to the first panel, the median of five; the first start warms the file cache."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        terminal = Terminal(PROGRAM, "tui", str(watched))
        terminal.read(20, lambda sent: b"PPO metrics" in sent)
        times.append(time.perf_counter() - began)
        terminal.close()
    _show("first paint, from the start of the process", statistics.median(times[1:]), 1, "s")


def _imports() -> None:
    """Whether the monitor's process loads what only the daemon's workers need."""
    code = "import sys, fxwatch.cli, fxwatch.tui.app; print(sum(name in sys.modules for name in ('torch', 'captum')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _show("of torch and captum imported", float(done.stdout), 0, "")


def _keys(terminal: Terminal, store: Store) -> None:
    """From a key to the first byte that answers it, over time, over rows, through screens and while typing.

    Esc is among them, and stands apart, too: it may be the beginning of another key for 25 ms.
    """
    arrows = [b"\x1b[D", b"\x1b[D", b"\x1b[C", b"[", b"\x1b[D"] * 12
    tables = [b"f", *[b"j", b"j", b"k", b"s"] * 12, b"/", b"h", b"f", b"_", b"2", b"\x1b", b"\x1b"]
    screens = [b"d", b"m", b"a", b"3", b"c", b"e", b"1", b"2", b"\x1b", b"L", b"w", b"j", b"\x1b"] * 3
    waits = []
    for key in (*arrows, *tables, *screens):
        beat(store, time.time())
        terminal.read(0.05)
        began = time.perf_counter()
        terminal.write(key)
        if terminal.read(1.0, bool):
            waits.append((time.perf_counter() - began, key))
        terminal.read(0.1)
    times = [wait * 1000 for wait, _ in waits]
    escapes = [wait * 1000 for wait, key in waits if key == b"\x1b"]
    sys.stdout.write(
        f"{len(times)} keys that paint, median {statistics.median(times):.0f} ms, most {max(times):.0f} ms\n"
    )
    _show("key to paint, 95th percentile", statistics.quantiles(times, n=20)[-1], 50, "ms")
    _show("Esc to paint, median", statistics.median(escapes), 50, "ms")


def _idle(terminal: Terminal, store: Store) -> None:
    """Twenty seconds in which the daemon lives and says nothing new."""
    process = psutil.Process(terminal.pid)
    beat(store, time.time())
    terminal.read(5)
    before, began, sent = sum(process.cpu_times()[:2]), time.perf_counter(), 0
    for _ in range(10):
        beat(store, time.time())
        sent += len(terminal.read(2))
    busy = (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began)
    _show("bytes while idle, in 20 s", sent, 0, "B")
    _show("CPU while idle", busy * 100, 1, "%")


def _live(terminal: Terminal, store: Store) -> float:
    """Bytes a second while the shown run gets an analysis every 2 s, and the daemon beats."""
    run = store.run("run-00")
    sent, began = 0, time.perf_counter()
    known = sum(1 for _ in run.history.open())
    for place in range(10):
        seq = known + place
        found = example(run.name, sick=True, seed=seq)
        step = found.checkpoint.model_copy(update={"step": seq * 1000})
        changed = found.model_copy(update={"id": _id(seq), "checkpoint": step})
        publish(run, changed, seq)
        beat(store, time.time())
        sent += len(terminal.read(2))
    return sent / (time.perf_counter() - began)


def _hour(terminal: Terminal, store: Store) -> None:
    """Memory after 36,000 more analyses of the shown run, and after a look at all runs."""
    run = store.run("run-00")
    process = psutil.Process(terminal.pid)
    _show("memory before", process.memory_info().rss / MEBIBYTE, 150, "MB")
    known = sum(1 for _ in run.history.open())
    found = example(run.name, sick=True)
    for begin in range(known, known + HOUR, HOUR // 10):
        append(run, found, begin, begin + HOUR // 10 - 1)
        publish(run, found, begin + HOUR // 10 - 1)
        terminal.read(2)
    terminal.read(5)
    _show("memory after an hour of ten analyses a second", process.memory_info().rss / MEBIBYTE, 150, "MB")
    terminal.write(b"f")
    terminal.read(2)
    terminal.write(b"\r")
    terminal.read(2)
    terminal.write(b"u")
    terminal.read(30)
    _show("memory after features, a feature and all runs, too", process.memory_info().rss / MEBIBYTE, 150, "MB")


if __name__ == "__main__":
    main()
