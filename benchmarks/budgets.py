"""Measure what this project promises of time and memory, and print it beside the promise.

    python benchmarks/budgets.py

Uses the machine's two cores: let it be idle. The daemon runs as a process and is told nothing.
"""

import contextlib
import os
import pty
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import torch

from benchmarks.guide_policy import SHAPES, build

ROOT = Path(__file__).parent.parent
PYTHON = [sys.executable, "-m"]
MEBIBYTE = 1024 * 1024
GUIDE_CONFIG = '[model]\nfactory = "benchmarks.guide_policy:build"\npath = [{root!r}]\n'


def main() -> None:
    """Print a line for each promise."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        demo = home / "demo"
        train(demo, checkpoints=6)
        _show("fxwatch --help", _wall([*PYTHON, "fxwatch", "--help"]), 0.5, "s")
        with _daemon(demo, ROOT / "fxwatch" / "demo" / "config.toml") as daemon:
            checkpoints = sorted(demo.glob("*.zip"))[1:]
            targets = [demo / f"again-{number}.zip" for number in range(len(checkpoints))]
            waits = [_latency(daemon, demo, *pair) for pair in zip(checkpoints, targets, strict=True)]
            _show("close of a demo checkpoint to analysis.json, median", statistics.median(waits), 3, "s")
            _show("close of a demo checkpoint to analysis.json, worst", max(waits), 3, "s")
            _show("memory of the daemon's own process", _resident(daemon.pid), 120, "MB")
        _show("fxwatch status", _wall([*PYTHON, "fxwatch", "status", str(demo)]), 0.5, "s")
        _show("memory of fxwatch tui", _monitor(demo), 150, "MB")
        guide = home / "guide"
        guide.mkdir()
        _guide_run(guide)
        (home / "guide.toml").write_text(GUIDE_CONFIG.format(root=str(ROOT)))
        with _daemon(guide, home / "guide.toml") as daemon:
            wait = _latency(daemon, guide, guide / "model.tmp", guide / "model_1.pt")
            _show("close of a checkpoint of the guide's size to analysis.json", wait, 60, "s")


def _show(what: str, value: float, limit: float, unit: str) -> None:
    mark = "ok" if value <= limit else "OVER"
    sys.stdout.write(f"{what:<64} {value:8.2f} {unit:<3} of {limit:g} {unit:<3} {mark}\n")
    sys.stdout.flush()


def _wall(command: list[str]) -> float:
    """Median wall time of a command over five runs, after one to warm the file cache."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def train(folder: Path, checkpoints: int) -> None:
    """A real run of the demo's trainer, until there are so many checkpoints."""
    trainer = subprocess.Popen(
        [*PYTHON, "fxwatch.demo.train", str(folder), "--seconds-between", "1"], cwd=ROOT, stderr=subprocess.DEVNULL
    )
    _until(lambda: len(list(folder.glob("*.zip"))) >= checkpoints)
    trainer.terminate()
    trainer.wait()


def _guide_run(folder: Path) -> None:
    """Weights of the guide's size, under a name that is not watched yet, and 32 states."""
    torch.manual_seed(0)
    torch.save({"model_state_dict": build().state_dict(), "global_step": 1}, folder / "model.tmp")
    draw = np.random.default_rng(0)
    states = {name: draw.normal(size=(32, *shape)).astype(np.float32) for name, shape in SHAPES.items()}
    np.savez(folder / "states.npz", **states)  # type: ignore[arg-type]


@contextlib.contextmanager
def _daemon(folder: Path, config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon whose workers are warm and idle."""
    log = (folder.parent / "daemon.log").open("wb")
    process = subprocess.Popen(
        [*PYTHON, "fxwatch", "daemon", str(folder), "--config", str(config)], cwd=ROOT, stdout=log, stderr=log
    )
    try:
        _until((folder / "fxwatch" / "status.json").exists)
        expected = len(list(folder.glob("*.zip")))
        _until(lambda: len(_pages(folder)) >= expected)
        time.sleep(5)
        yield process
    finally:
        process.terminate()
        process.wait()
        log.close()


def _latency(daemon: subprocess.Popen[bytes], folder: Path, source: Path, target: Path) -> float:
    """Seconds from the close of a new checkpoint to its analysis.json; of new bytes, as the same are passed over."""
    before = set(_analyses(folder))
    if source.suffix == ".zip":
        _change(source)
    shutil.copyfile(source, target)
    closed = time.perf_counter()
    _until(lambda: set(_analyses(folder)) - before or daemon.poll() is not None)
    waited = time.perf_counter() - closed
    expected = len(before) + 1
    _until(lambda: len(_pages(folder)) >= expected)  # the report is drawn, and the machine is idle again
    time.sleep(1)
    return waited


def _change(path: Path) -> None:
    """Add a member to a zip that nobody reads."""
    import zipfile

    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"note-{time.time_ns()}", b"")


def _analyses(folder: Path) -> list[Path]:
    return list((folder / "fxwatch" / "runs").glob("**/analysis.json"))


def _pages(folder: Path) -> list[Path]:
    return list((folder / "fxwatch" / "runs").glob("**/step-*/*.png"))


def _resident(pid: int) -> float:
    used: int = psutil.Process(pid).memory_info().rss
    return used / MEBIBYTE


def _monitor(folder: Path) -> float:
    """Resident memory of the monitor after ten seconds in a terminal of 120×40."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
        os.chdir(ROOT)
        os.execv(sys.executable, [*PYTHON, "fxwatch", "tui", str(folder)])
    os.set_blocking(terminal, False)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            os.read(terminal, 1 << 16)
        time.sleep(0.05)
    used = _resident(pid)
    os.write(terminal, b"q")
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, 0)
    return used


def _until(true: Callable[[], object], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("nothing happened for three minutes")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
