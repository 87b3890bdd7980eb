"""Time and memory of an export of 100,000 analyses of 100 features: under a minute, under 1 GB.

`python -m benchmarks.export` makes the index and the history of such a run, as the daemon would have, and exports it.
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fxwatch.records.analysis import Unit
from fxwatch.records.history import HistoryLine
from fxwatch.store.layout import Run, Store
from fxwatch.store.shares import details_of, row_of
from fxwatch.store.write import RunWriter
from tests.analyses import analysis

ANALYSES = 100_000
FEATURES = 100
SECONDS = 60.0
BYTES = 1_000_000_000


def fill(run: Run, analyses: int, features: int) -> None:
    """A run of so many analyses: two are committed for real, and the rows of the others are made after theirs."""
    branches = ["hf", "mf", "lf", "portfolio"]
    unit = Unit(share=1 / features, signed=0.1, low=0.5 / features, high=2 / features)
    units = {b: {f"{b}_{number}": unit for number in range(features // 4)} for b in branches}
    one = analysis(0, units=units)
    writer = RunWriter(run)
    writer.commit(one)
    writer.close()
    random = np.random.default_rng(0)
    for kind, row in ((".rows", row_of(0, one)), (".details", details_of(0, one))):
        many = np.repeat(row, analyses - 1)
        many["seq"] = np.arange(1, analyses)
        if kind == ".rows":
            shares = random.random((analyses - 1, features), np.float32)
            many["share"] = shares / shares.sum(1, keepdims=True)
        with next(run.shares.glob(f"*{kind}")).open("ab") as file:
            file.write(many.tobytes())
    assert sum(map(len, one.layout.values())) == features
    line = json.loads(HistoryLine.of(one, 0).model_dump_json())
    with run.history.open("a", encoding="utf-8") as file:
        for seq in range(1, analyses):
            file.write(json.dumps({**line, "seq": seq, "step": seq, "id": f"step-{seq:09d}-1a2b3c4d"}) + "\n")


def measure(watched: Path, form: str) -> tuple[float, int, int]:
    """Seconds, peak bytes of memory and bytes of the file of an export, in a process of its own."""
    file = watched / f"features.{form}"
    code = (
        "import resource, sys\nfrom fxwatch.cli import app\n"
        f"try: app(['export', {str(watched)!r}, '--format', {form!r}, '--output', {str(file)!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
    )
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return time.perf_counter() - began, int(done.stderr.split()[-1]) * 1024, file.stat().st_size


def main() -> None:
    """Print a line a format; ends with 1 where one is over the limits."""
    over = False
    with tempfile.TemporaryDirectory() as folder:
        store = Store.of(Path(folder), None)
        store.create()
        fill(store.run("default"), ANALYSES, FEATURES)
        for form in ("csv", "parquet", "json"):
            seconds, memory, size = measure(Path(folder), form)
            over |= seconds > SECONDS or memory > BYTES
            print(f"{form:8} {seconds:6.1f} s {memory / 1e6:7.0f} MB of memory {size / 1e6:7.0f} MB of file")  # noqa: T201
    print(f"{ANALYSES:,} analyses of {FEATURES} features; limits: {SECONDS:.0f} s, {BYTES / 1e6:.0f} MB")  # noqa: T201
    sys.exit(over)


if __name__ == "__main__":
    main()
