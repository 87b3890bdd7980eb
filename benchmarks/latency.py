"""From the close of a checkpoint to its analysis.json, less the analysis itself; and when a daemon is ready.

    python -m benchmarks.latency

The daemon watches a folder of the demo's checkpoints on the local disk. What is left when the analysis's own seconds
are taken away is settling, queueing, a new process, hashing, reading, loading, judging and writing. Ready: from the
start of the process to its first heartbeat; the workers are warmed meanwhile.
"""

import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

from fxwatch.records.analysis import Analysis

CHECKPOINTS = 30
STARTS = 5
COMMAND = [sys.executable, "-m", "fxwatch", "daemon"]
CONFIG = Path(__file__).parent.parent / "fxwatch" / "demo" / "config.toml"


def main() -> None:
    """Print both distributions."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        starts = sorted(_ready(home / f"empty-{turn}") for turn in range(STARTS))
        _show("start of the daemon to its first heartbeat", starts)
        watched = home / "run"
        _train(watched)
        source = min(watched.glob("*.zip")).read_bytes()
        with _daemon(watched) as daemon:
            _until(lambda: len(_analyses(watched)) >= 1)
            time.sleep(5)
            overheads = sorted(_overhead(watched, source, number) for number in range(CHECKPOINTS))
            daemon.terminate()
        _show("close to analysis.json, less the analysis", overheads)


def _show(what: str, seconds: list[float]) -> None:
    last = seconds[min(len(seconds) - 1, round(0.99 * len(seconds)))]
    sys.stdout.write(f"{what:<46} median {statistics.median(seconds):.3f} s, 99 % {last:.3f} s of {len(seconds)}\n")
    sys.stdout.flush()


def _daemon(watched: Path) -> subprocess.Popen[bytes]:
    command = [*COMMAND, str(watched), "--config", str(CONFIG)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _ready(watched: Path) -> float:
    watched.mkdir()
    began = time.perf_counter()
    with _daemon(watched) as daemon:
        _until((watched / "fxwatch" / "status.json").exists)
        seconds = time.perf_counter() - began
        daemon.terminate()
    return seconds


def _train(watched: Path) -> None:
    """A checkpoint and a dump of the demo's own training."""
    trainer = subprocess.Popen([sys.executable, "-m", "fxwatch.demo.train", str(watched)], stderr=subprocess.DEVNULL)
    _until(lambda: list(watched.glob("*.zip")) and list(watched.glob("states*")))
    trainer.kill()
    trainer.wait()


def _overhead(watched: Path, source: bytes, number: int) -> float:
    """Seconds between close and analysis of a copy with bytes of its own, less the analysis's own."""
    before = set(_analyses(watched))
    path = watched / f"copy-{number}.zip"
    path.write_bytes(source)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"note-{number}-{time.time_ns()}", b"")
    closed = time.perf_counter()
    _until(lambda: set(_analyses(watched)) - before)
    waited = time.perf_counter() - closed
    made = Analysis.model_validate_json((set(_analyses(watched)) - before).pop().read_text())
    _until(lambda: len(list(watched.glob("fxwatch/runs/*/step-*/*.png"))) == len(_analyses(watched)))
    return waited - made.cost.seconds - (made.audit.seconds if made.audit else 0.0)


def _analyses(watched: Path) -> list[Path]:
    return list(watched.glob("fxwatch/runs/*/step-*/analysis.json"))


def _until(true: object, seconds: float = 120) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise SystemExit("nothing happened for two minutes")
        time.sleep(0.005)


if __name__ == "__main__":
    main()
