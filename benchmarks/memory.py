"""Peak memory of a process that explains: the guide's size, more states, and a model of four times the width.

python -m benchmarks.memory
"""

import multiprocessing
import resource
import sys

MEBIBYTE = 1024 * 1024


def main() -> None:
    """Print a line for each, each from a process of its own."""
    context = multiprocessing.get_context("spawn")
    for words, width, states in (
        ("an interpreter with torch and fxwatch", 128, 0),
        ("the guide's size, 32 states", 128, 32),
        ("the guide's size, 128 states", 128, 128),
        ("four times as wide, 8 states", 512, 8),
    ):
        with context.Pool(1) as pool:
            peak = pool.apply(_peak, (width, states))
        sys.stdout.write(f"{words:<42}{peak / MEBIBYTE:8.0f} MB\n")
        sys.stdout.flush()


def _peak(width: int, count: int) -> int:
    import numpy as np
    import torch

    from benchmarks.cases import OUTPUTS
    from benchmarks.guide_policy import SHAPES, build
    from fxwatch.attribution import explain
    from fxwatch.load.policy import CalledPolicy
    from fxwatch.records.settings import AnalysisSettings
    from fxwatch.records.states import States
    from fxwatch.records.thresholds import GradientLimits

    torch.set_num_threads(1)
    if count:
        draw = np.random.default_rng(0)
        states = States(
            {name: draw.normal(size=(count, *shape)).astype(np.float32) for name, shape in SHAPES.items()},
            {name: [f"{name}_{place}" for place in range(shape[1])] for name, shape in SHAPES.items()},
        )
        policy = build(width).eval().requires_grad_(False)  # noqa: FBT003 - its only argument
        settings = AnalysisSettings(max_states=count)
        explain(CalledPolicy(policy, list(SHAPES), "dict", OUTPUTS).eval(), states, settings, GradientLimits())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
