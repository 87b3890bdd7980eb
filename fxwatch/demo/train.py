"""`python -m fxwatch.demo.train DIR`: trains until told to stop, and leaves checkpoints and states in DIR."""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

FOR_EVER = 10**12


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; SIGTERM or SIGINT ends it with a last checkpoint and exit code 0."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.INFO)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())

    # torch reads this when it is imported, which is why the imports stand here.
    os.environ["OMP_NUM_THREADS"] = "1"
    from fxwatch.demo.learning import Checkpoints, learner
    from fxwatch.demo.outputs import Outputs

    outputs = Outputs(options.dir)
    checkpoints = Checkpoints(outputs, options.seconds_between, options.timesteps, stop.is_set)
    learner(options.seed).learn(options.timesteps, callback=checkpoints)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m fxwatch.demo.train", description="PPO on EUR/USD, hourly, 2017.")
    parser.add_argument("dir", type=Path, metavar="DIR", help="where checkpoints and states go")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds-between", type=float, default=4.0, metavar="S", help="between checkpoints")
    parser.add_argument("--timesteps", type=int, default=FOR_EVER, metavar="N", help="stop by itself after N")
    return parser


if __name__ == "__main__":
    sys.exit(main())
