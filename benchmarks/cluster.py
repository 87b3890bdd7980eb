"""Analyses an hour here and on a dask cluster on this machine, over TLS, with one worker and with two.

    python -m benchmarks.cluster

Checkpoints of the demo's policy, all there at the start. Each row is a daemon of its own; its first two analyses, which
start the workers, are not counted.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from benchmarks.budgets import ROOT, train
from fxwatch.store.layout import Store
from fxwatch.store.read import read_history
from tests.dask_cluster import Dask

CHECKPOINTS = 12
WARMING = 2


def main() -> None:
    """Print a line for each."""
    with tempfile.TemporaryDirectory() as home:
        demo = Path(home, "demo")
        train(demo, CHECKPOINTS)
        base = None
        for executor in ("local", "dask"):
            for workers in (1, 2):
                an_hour = measure(demo, Path(home, f"{executor}-{workers}"), executor, workers)
                base = base or an_hour
                sys.stdout.write(
                    f"{executor:>6}, {workers} at a time: {an_hour:7.0f} an hour, {an_hour / base:5.2f} ×\n"
                )
                sys.stdout.flush()


def measure(demo: Path, folder: Path, executor: str, workers: int) -> float:
    """Analyses an hour, once all is warm."""
    settings = {"FXWATCH_DAEMON__EXECUTOR": executor, "FXWATCH_DAEMON__WORKERS": str(workers)}
    settings["FXWATCH_STORE__DIR"] = str(folder / "results")
    folder.mkdir()
    cluster = Dask(folder, workers) if executor == "dask" else None
    if cluster is not None:
        named = cluster.settings().model_dump()
        settings |= {f"FXWATCH_CLUSTER__{name.upper()}": value for name, value in named.items()}
        time.sleep(5)
    command = [sys.executable, "-m", "fxwatch", "daemon", str(demo), "--once"]
    command += ["--config", str(ROOT / "fxwatch" / "demo" / "config.toml")]
    try:
        done = subprocess.run(command, cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=False)
    finally:
        if cluster is not None:
            cluster.end()
    if done.returncode:
        raise SystemExit(done.stderr)
    times = [
        datetime.fromisoformat(json.loads(run.analysis(line.id).json.read_text())["created_at"]).timestamp()
        for run in Store(folder / "results").runs()
        for line in read_history(run)
    ]
    times.sort()
    return 3600 * (len(times) - 1 - WARMING) / (times[-1] - times[WARMING])


if __name__ == "__main__":
    main()
