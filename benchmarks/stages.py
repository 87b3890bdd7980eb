"""Where the seconds of a checkpoint's whole way go: import, hash, read, load, explain, write, draw.

    python -m benchmarks.stages

One process does what a worker of the daemon does, in its order, for a checkpoint of the demo; the median of some turns.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

TURNS = 5
IMPORTS = ("fxwatch.cli", "fxwatch.daemon.service", "fxwatch.tui.app", "torch", "fxwatch.daemon.worker")


def main() -> None:
    """Print a line for each stage."""
    for module in IMPORTS:
        _show(f"import {module}", [_import(module) for _ in range(TURNS)])
    with tempfile.TemporaryDirectory() as folder:
        watched = Path(folder) / "run"
        _train(watched)
        stages: dict[str, list[float]] = {}
        for turn in range(TURNS + 1):
            for name, seconds in _turn(watched, Path(folder) / f"store-{turn}").items():
                stages.setdefault(name, []).append(seconds)
        for name, found in stages.items():
            _show(name, found[1:])


def _turn(watched: Path, root: Path) -> dict[str, float]:
    import torch

    from fxwatch.config import load_config
    from fxwatch.daemon import explain_job
    from fxwatch.daemon.jobs import ExplainJob
    from fxwatch.report.stored import draw_stored
    from fxwatch.store.atomic import write_atomic
    from fxwatch.store.layout import Store

    torch.set_num_threads(1)
    config = load_config(Path(__file__).parent.parent / "fxwatch" / "demo" / "config.toml", None).config
    store = Store(root)
    store.create()
    checkpoint, states = (max(watched.glob(pattern)) for pattern in ("*.zip", "states*"))
    job = ExplainJob(
        checkpoint=str(checkpoint),
        checkpoint_name=checkpoint.name,
        states=str(states),
        states_name=states.name,
        run="default",
        store=str(root),
        config=config,
    )
    marks = [("hash and read", time.perf_counter())]
    opened = explain_job.open_files(job)
    marks.append(("load, plan, judge", time.perf_counter()))
    run = store.run(job.run)
    made = explain_job.explain_files(job, opened, run, lambda _stage: None)
    marks.append(("write JSON and arrays", time.perf_counter()))
    folder = run.analysis(made.analysis.id)
    folder.folder.mkdir(parents=True)
    write_atomic(folder.arrays, explain_job.npz(made.arrays))
    write_atomic(folder.json, made.analysis.model_dump_json().encode())
    marks.append(("draw the PNG", time.perf_counter()))
    draw_stored(run, made.analysis.id, newest=True)
    marks.append(("end", time.perf_counter()))
    seconds = {name: after - began for (name, began), (_, after) in pairwise(marks)}
    audited = made.analysis.audit.seconds if made.analysis.audit else 0.0
    seconds["load, plan, judge"] -= made.analysis.cost.seconds + audited
    return {**seconds, "the analysis itself": made.analysis.cost.seconds}


def _import(module: str) -> float:
    """Seconds to import a module in a new interpreter, less the interpreter's own."""
    code = f"import time; began = time.perf_counter(); import {module}; print(time.perf_counter() - began)"
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def _train(watched: Path) -> None:
    """A checkpoint and a dump of the demo's own training."""
    trainer = subprocess.Popen([sys.executable, "-m", "fxwatch.demo.train", str(watched)], stderr=subprocess.DEVNULL)
    while not (list(watched.glob("*.zip")) and list(watched.glob("states*"))):
        time.sleep(0.05)
    trainer.kill()
    trainer.wait()


def _show(what: str, seconds: list[float]) -> None:
    spread = f"({min(seconds):.3f} to {max(seconds):.3f})"
    sys.stdout.write(f"{what:<34}{statistics.median(seconds):8.3f} s {spread}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
