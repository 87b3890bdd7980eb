"""What training pays for being watched: the demo's trainer with and without daemon and monitor beside it.

    python -m benchmarks.training            # one thread of training on this machine
    python -m benchmarks.training --busy     # and all other processors busy with something else
    python -m benchmarks.training --pairs-file pairs.jsonl    # these pairs, and those of earlier calls

PPO on one thread, a checkpoint every 4 s, as the demo does. The daemon (with its workers) and a monitor in a terminal
run beside it all the time, but are stopped (SIGSTOP) in every other period, in which the trainer writes the same into
another folder. Iterations that a change cuts in two count for neither side.
"""

import argparse
import contextlib
import itertools
import json
import os
import pty
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.recorder import median_with_interval, say

ROOT = Path(__file__).parent.parent
CONFIG = ROOT / "fxwatch" / "demo" / "config.toml"
PYTHON = [sys.executable, "-m"]
WARM_UP = 20.0
WATCHED = "watched"
"""A file that is there while daemon and monitor run."""


def train(folder: Path) -> None:
    """Train for ever, and write of each iteration when it began and ended, its steps and processor time, as JSON."""
    os.environ["OMP_NUM_THREADS"] = "1"
    from stable_baselines3.common.callbacks import BaseCallback, CallbackList

    from fxwatch.demo.learning import Checkpoints, learner
    from fxwatch.demo.outputs import Outputs
    from fxwatch.demo.train import FOR_EVER

    class Stopwatch(BaseCallback):
        """An iteration is from one rollout's beginning to the next one's: acting, learning, saving."""

        def __init__(self) -> None:
            super().__init__()
            self._began: tuple[float, int, float] | None = None

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            now = time.monotonic(), self.num_timesteps, time.process_time()
            if self._began is not None:
                say(json.dumps([self._began[0], now[0], now[1] - self._began[1], now[2] - self._began[2]]))
            self._began = now

    class Turns(Outputs):
        """Writes to the watched folder while somebody watches it, and else to one beside it."""

        def __init__(self) -> None:
            self._watched, self._other = Outputs(folder), Outputs(folder.parent / "other")

        def _now(self) -> Outputs:
            return self._watched if (folder.parent / WATCHED).exists() else self._other

        def checkpoint(self, step: int, write: Callable[[Path], object]) -> Path:
            return self._now().checkpoint(step, write)

        def states(self, step: int, content: bytes) -> Path:
            return self._now().states(step, content)

    checkpoints = Checkpoints(Turns(), 4.0, FOR_EVER, lambda: False)
    learner(0).learn(FOR_EVER, callback=CallbackList([Stopwatch(), checkpoints]))


class Iteration(NamedTuple):
    """Of the trainer: from the beginning of a rollout to that of the next one."""

    began: float
    ended: float
    steps: int
    processor: float


class Beside:
    """The daemon, its server and workers, and the monitor: to be stopped and continued together."""

    def __init__(self, folder: Path) -> None:
        log = (folder.parent / "daemon.log").open("wb")
        command = [*PYTHON, "fxwatch", "daemon", str(folder), "--config", str(CONFIG)]
        self._daemon = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        while not (folder / "fxwatch" / "status.json").exists():
            time.sleep(0.1)
        self._monitor, self._terminal = pty.fork()
        if self._monitor == 0:
            os.environ.update(TERM="xterm-256color", COLUMNS="120", LINES="40")
            os.chdir(ROOT)
            os.execv(sys.executable, [*PYTHON, "fxwatch", "tui", str(folder)])
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        """Take what the monitor paints, as a terminal does."""
        with contextlib.suppress(OSError):
            while os.read(self._terminal, 1 << 16):
                pass

    def processes(self) -> list[psutil.Process]:
        """All of them that there are now."""
        own = [psutil.Process(self._daemon.pid), psutil.Process(self._monitor)]
        return own + [child for one in own for child in one.children(recursive=True)]

    def signal(self, number: signal.Signals) -> None:
        """Send all of them a signal; those that start others first, so that none is missed."""
        for _ in range(2):
            for process in self.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.send_signal(number)

    def end(self) -> None:
        """End them."""
        self.signal(signal.SIGCONT)
        self._daemon.terminate()
        os.kill(self._monitor, signal.SIGTERM)
        self._daemon.wait()
        os.waitpid(self._monitor, 0)


@contextlib.contextmanager
def burners(count: int) -> Iterator[None]:
    """So many processes that do nothing but use a processor."""
    command = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


class Pair(NamedTuple):
    """Steps a second without and with daemon and monitor, by the wall's clock and by the trainer's processor time."""

    off: dict[str, float]
    on: dict[str, float]


def measure(pairs: int, seconds: float, busy: int) -> list[Pair]:
    """Steps a second, in alternating pairs of periods."""
    with tempfile.TemporaryDirectory() as home, burners(busy):
        folder = Path(home) / "outputs"
        folder.mkdir()
        (folder.parent / WATCHED).touch()
        command = [*PYTHON, "benchmarks.training", "--train", str(folder)]
        trainer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        iterations: list[Iteration] = []
        threading.Thread(target=_collect, args=(trainer, iterations), daemon=True).start()
        beside = Beside(folder)
        try:
            time.sleep(WARM_UP)
            periods = list(_periods(beside, folder.parent / WATCHED, pairs, seconds))
        finally:
            beside.end()
            trainer.kill()
            trainer.wait()
        analyses = len(list((folder / "fxwatch" / "runs").rglob("analysis.json")))
    say(f"{pairs} pairs of {seconds:g} s, {busy} other processors busy, {analyses} analyses")
    rates = [_rate(iterations, *period) for period in periods]
    turns = zip(zip(rates[::2], rates[1::2], strict=True), itertools.cycle([1, -1]), strict=False)
    return [Pair(*pair[::order]) for pair, order in turns]


def report(found: list[Pair]) -> None:
    """Print what it costs, as the median over pairs, with its interval."""
    say(f"{len(found)} pairs")
    for clock in ("wall", "processor"):
        lost = median_with_interval([100 * (1 - pair.on[clock] / pair.off[clock]) for pair in found])
        say(f"  {statistics.median(pair.off[clock] for pair in found):.0f} steps a second of the {clock}, alone")
        say("  lost beside daemon and monitor: {:.2f} % (95 % interval {:.2f} to {:.2f})".format(*lost))


def _collect(trainer: "subprocess.Popen[str]", iterations: list[Iteration]) -> None:
    iterations.extend(Iteration(*json.loads(line)) for line in trainer.stdout or ())


def _periods(beside: Beside, watched: Path, pairs: int, seconds: float) -> Iterator[tuple[float, float]]:
    """Off and on, on and off, and so on: each side comes first as often as the other."""
    for number in range(2 * pairs):
        if number % 4 in {1, 2}:
            watched.touch()
            beside.signal(signal.SIGCONT)
        else:
            beside.signal(signal.SIGSTOP)
            watched.unlink(missing_ok=True)
        began = time.monotonic()
        time.sleep(seconds)
        yield began, time.monotonic()


def _rate(iterations: list[Iteration], began: float, ended: float) -> dict[str, float]:
    """Steps a second, by clock, of the iterations that lie in a period as a whole."""
    inside = [one for one in iterations if began <= one.began and one.ended <= ended]
    if not inside:
        raise SystemExit("no iteration fits into a period: this machine needs a longer --seconds")
    steps = sum(one.steps for one in inside)
    return {
        "wall": steps / sum(one.ended - one.began for one in inside),
        "processor": steps / sum(one.processor for one in inside),
    }


def main() -> None:
    """Measure, or be the trainer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each half of a pair")
    parser.add_argument("--busy", action="store_true", help="all other processors have something to do")
    parser.add_argument("--pairs-file", type=Path, help="where pairs are kept, for more of them in another call")
    options = parser.parse_args()
    if options.train is not None:
        train(options.train)
        return
    found = measure(options.pairs, options.seconds, len(os.sched_getaffinity(0)) - 1 if options.busy else 0)
    if options.pairs_file is not None:
        with options.pairs_file.open("a+", encoding="utf-8") as file:
            file.writelines(json.dumps(pair) + "\n" for pair in found)
            file.seek(0)
            found = [Pair(*json.loads(line)) for line in file]
    report(found)


if __name__ == "__main__":
    main()
