"""Where the samples and the seconds of an analysis go, and how near it comes to the floor.

    python -m benchmarks.floor

The floor is the samples that went through the model, each at the best time that bare PyTorch takes for one in the same
run, at its best batch: forward alone, or forward and backward. Timed once with weights that were shuffled already, as
all analyses but the first of a run are, and once as the first. Beside the seconds of the clock are those of the
processor, which others on the machine do not add to: the ratio is of each. As the machine itself is faster at one time
than at another, the floor is measured anew beside each analysis, in several turns; that of the median ratio is shown.
"""

import sys
import time
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks import cases
from fxwatch.attribution import Context, Previous, explain
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits

BATCHES = (32, 64, 128, 256, 512)
TURNS = 5
SETTINGS = AnalysisSettings()


class Counted(nn.Module):
    """A policy that counts what goes through it, from outside: fxwatch's own counts are not believed."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.wrapped = policy
        self.forwards = self.backwards = 0

    def forward(self, *branches: Tensor) -> dict[str, Tensor]:
        """Count, and pass on."""
        outputs: dict[str, Tensor] = self.wrapped(*branches)
        if any(output.requires_grad for output in outputs.values()):
            self.backwards += len(branches[0])
        else:
            self.forwards += len(branches[0])
        return outputs


@dataclass(slots=True)
class Watched:
    """The stages of one analysis: name, when it began by clock and processor, and the counts until then."""

    policy: Counted
    marks: list[tuple[str, float, float, int, int]] = field(default_factory=list)

    def __call__(self, stage: str) -> None:
        """Mark the beginning of a stage."""
        self.marks.append(
            (stage, time.perf_counter(), time.process_time(), self.policy.forwards, self.policy.backwards)
        )


def main() -> None:
    """Print a table for each policy."""
    torch.set_num_threads(1)
    for case in cases.asked_for():
        few = case.states.take(np.arange(4))
        explain(case.policy, few, SETTINGS, GradientLimits())  # what is loaded late, is loaded
        explanation, arrays = explain(Counted(case.policy), case.states, SETTINGS, GradientLimits())
        previous = Previous(
            "before", arrays["probe"], randomisation=explanation.trust.parameter_randomisation, attention={}
        )
        sys.stdout.write(f"\n{case.name}\n")
        for words, context in (("first analysis of a run", Context()), ("any later one", Context(previous=previous))):
            turns = [(*best_times(case), _watched(case, context)) for _ in range(TURNS)]
            forward, both, watched = sorted(turns, key=lambda turn: _ratio(*turn))[TURNS // 2]
            ratios = sorted(_ratio(*turn) for turn in turns)
            sys.stdout.write(
                f"a forward {1e3 * forward:.3f} ms, with backward {1e3 * both:.3f} ms a sample; "
                f"ratios by the processor in {TURNS} turns {ratios[0]:.2f} to {ratios[-1]:.2f}\n"
            )
            _table(words, watched, forward, both)


def best_times(case: cases.Case) -> tuple[float, float]:
    """Seconds of the processor a sample of bare PyTorch takes at the best of some batches: forward alone, and forward
    with backward.
    """
    inputs = tuple(torch.as_tensor(array) for array in case.states.branches.values())
    target = "action_type"
    forward, both = float("inf"), float("inf")
    for batch in BATCHES:
        points = tuple(x.repeat(-(-batch // len(x)), *[1] * (x.ndim - 1))[:batch] for x in inputs)
        for _ in range(max(2, 256 // batch)):
            began = time.process_time()
            with torch.no_grad():
                case.policy(*points)
            forward = min(forward, (time.process_time() - began) / batch)
            here = tuple(x.detach().requires_grad_() for x in points)
            began = time.process_time()
            torch.autograd.grad(case.policy(*here)[target][:, 0].sum(), here)
            both = min(both, (time.process_time() - began) / batch)
    return forward, both


def _watched(case: cases.Case, context: Context) -> Watched:
    watched = Watched(Counted(case.policy))
    watched("answers")
    explain(watched.policy, case.states, SETTINGS, GradientLimits(), context, progress=watched)
    watched("end")
    return watched


def _ratio(forward: float, both: float, watched: Watched) -> float:
    """Seconds of the processor over the floor."""
    (_, _, began, *none), (_, _, ended, forwards, backwards) = watched.marks[0], watched.marks[-1]
    return (ended - began) / ((forwards - none[0]) * forward + (backwards - none[1]) * both)


def _table(words: str, watched: Watched, forward: float, both: float) -> None:
    sys.stdout.write(
        f"{words:<28}{'forward':>9}{'both':>9}{'floor':>9}{'seconds':>9}{'ratio':>7}{'processor':>11}{'ratio':>7}\n"
    )
    whole = [("all", watched.marks[0], watched.marks[-1])]
    parts = [(here[0], here, after) for here, after in zip(watched.marks, watched.marks[1:], strict=False)]
    for name, (_, *here), (_, *after) in parts + whole:
        clock, processor, forwards, backwards = (now - then for now, then in zip(after, here, strict=True))
        floor = forwards * forward + backwards * both
        over = [f"{seconds / floor:7.2f}" if floor else "" for seconds in (clock, processor)]
        sys.stdout.write(
            f"{name:<28}{forwards:9}{backwards:9}{floor:9.3f}{clock:9.3f}{over[0]:>7}{processor:11.3f}{over[1]:>7}\n"
        )


if __name__ == "__main__":
    main()
