"""Expected gradients by SHAP's GradientExplainer and by fxwatch: same policies, states and baselines, in one run.

    python -m benchmarks.against_shap

The reference follows all paths with up to 65 nodes. Error: the distance of the attributions by unit from it, relative
to its length, mean over states. SHAP's samples are drawn at random: its error falls with the root of their number, so
the samples, and with them the seconds, that it would need are told from those that were measured.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import shap
import torch
from torch import Tensor, nn

from benchmarks import cases
from fxwatch.attribution import grid, integrated
from fxwatch.attribution.adaptive import AdaptiveIntegratedGradients
from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.engine import batch_that_fits
from fxwatch.attribution.policy import Branches, Explained, Meter
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import Units, spread, sum_over_time
from fxwatch.records.settings import AnalysisSettings

SAMPLES = 200
TOGETHER = 50
COMPARED = 8
WANTED = 0.025


class Logits(nn.Module):
    """What GradientExplainer takes: branches in, logits out."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, *branches: Tensor) -> Tensor:
        """The logits."""
        logits: Tensor = self.policy(*branches)["action_type"]
        return logits


@dataclass(frozen=True, slots=True)
class Made:
    """Attributions by unit (N, units), and the seconds that they took."""

    units: Tensor
    seconds: float


def main() -> None:
    """Print a table for each policy."""
    torch.set_num_threads(1)
    for case in cases.asked_for():
        subject = _subject(case)
        fine = AdaptiveIntegratedGradients(subject.evaluate)
        truth = sum_over_time(
            fine.attribute(subject.inputs, subject.baselines.samples, subject.choice, tolerance=1e-4).attributions
        )
        theirs = _shap(case, subject)
        error = _distance(theirs.units, truth)
        sys.stdout.write(f"\n{case.name}: {COMPARED} states, {subject.baselines.count} baselines\n")
        sys.stdout.write(
            f"{'SHAP GradientExplainer, ' + str(SAMPLES) + ' samples':<44}{error:8.4f}{theirs.seconds:9.3f} s\n"
        )
        for name, made in _ours(subject):
            ours = _distance(made.units, truth)
            needed = theirs.seconds * (error / ours) ** 2
            at_most = theirs.seconds * (error / WANTED) ** 2
            says = f"SHAP would take {needed:.1f} s, {needed / made.seconds:.0f} times as long"
            if ours <= WANTED:
                says += f"; for {WANTED:.1%} alone {at_most / made.seconds:.0f} times"
            sys.stdout.write(f"{name:<44}{ours:8.4f}{made.seconds:9.3f} s  {says}\n")


def _subject(case: cases.Case) -> Subject:
    every = tuple(torch.as_tensor(array) for array in case.states.branches.values())
    inputs = rows_of(every, torch.linspace(0, case.states.count - 1, COMPARED).round().long())
    with torch.no_grad():
        choice = case.policy(*inputs)["action_type"].argmax(1)
    meter = Meter()
    meter.batch = batch_that_fits(case.policy, inputs, meter)
    explained = Explained(case.policy, "action_type", meter)
    compared = baselines("background", every)
    return Subject(explained, inputs, choice, compared, Units(case.states.features), spread(every), AnalysisSettings())


def _shap(case: cases.Case, subject: Subject) -> Made:
    explainer = shap.GradientExplainer(Logits(case.policy), list(subject.baselines.samples), batch_size=TOGETHER)
    began = time.perf_counter()
    found, ranked = explainer.shap_values(list(subject.inputs), nsamples=SAMPLES, ranked_outputs=1, rseed=0)
    seconds = time.perf_counter() - began
    assert bool((torch.as_tensor(ranked)[:, 0] == subject.choice).all())
    branches = tuple(torch.as_tensor(part)[..., 0] for part in found)
    return Made(sum_over_time(branches), seconds)


def _ours(subject: Subject) -> Iterator[tuple[str, Made]]:
    for passes in (2, 4, 5):
        name = f"fxwatch expected_gradients, {8 * passes} nodes"
        yield name, _timed(subject, partial(grid.at_states, passes=passes))
    yield (
        "fxwatch integrated_gradients, same baselines",
        _timed(subject, lambda here: integrated.integrated_gradients(here).attributions),
    )


def _timed(subject: Subject, ask: Callable[[Subject], Branches]) -> Made:
    seconds, found = [], torch.zeros(0)
    for _ in range(3):
        anew = replace(subject)
        began = time.perf_counter()
        found = sum_over_time(ask(anew))
        seconds.append(time.perf_counter() - began)
    return Made(found, sorted(seconds)[1])


def _distance(found: Tensor, right: Tensor) -> float:
    return float(((found - right).norm(dim=1) / right.norm(dim=1)).double().mean())


if __name__ == "__main__":
    main()
