"""The guide's configuration: by fxwatch, and by plain Captum as charitably as its words allow, in one run.

    python -m benchmarks.guide_config

Captum's: integrated gradients of 100 steps, GradientShap of 50 samples, DeepLift, Saliency, NoiseTunnel of 25 samples
over Saliency, infidelity of 10 perturbations, and sensitivity_max of integrated gradients under 10: 1,278 passes with
gradients a state. Each in the batches that run best, over 4 of the 32 states; its seconds are scaled to 32.

Errors are against the same quantity with many times the samples, integrated gradients in double precision, relative to
it. Below those of integrated gradients stand those of many more steps in single precision, on Captum's nodes and on
fxwatch's: what is left is rounding, and which of two errors of that size is smaller is chance. What both estimate has
one definition here, fxwatch's (docs/numbers.md), so that the numbers can be compared: consensus by ranks of units, the
least of any two methods; infidelity by removing units; sensitivity in deviations. But NoiseTunnel is held against the
limit of what each smooths: Captum's saliency, fxwatch's integrated gradients.

Infidelity and sensitivity depend on what is drawn, and one draw may be lucky: their errors are root mean squares over
many seeds. Captum's sensitivity under other seeds is told by integrated gradients that are as exact as its own.
"""

import copy
import math
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from captum.attr import DeepLift, GradientShap, IntegratedGradients, NoiseTunnel, Saliency
from captum.metrics import sensitivity_max
from torch import Tensor

from benchmarks import cases
from fxwatch.attribution import explain
from fxwatch.attribution.adaptive import AdaptiveIntegratedGradients
from fxwatch.attribution.baselines import baselines
from fxwatch.attribution.consensus import consensus
from fxwatch.attribution.engine import batch_that_fits
from fxwatch.attribution.importance import rankings
from fxwatch.attribution.methods import METHODS
from fxwatch.attribution.policy import Branches, Explained, Meter
from fxwatch.attribution.removal import values_without
from fxwatch.attribution.run_methods import run_methods
from fxwatch.attribution.spread import concentration, sparsity
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.trust import PARTS, RADIUS, infidelity, sensitivity
from fxwatch.attribution.units import Units, by_branch, spread, sum_over_time
from fxwatch.records.settings import AnalysisSettings
from fxwatch.records.thresholds import GradientLimits

GUIDE = AnalysisSettings(
    secondary_methods=["gradient_shap", "deep_lift", "saliency"],
    n_samples=50,
    use_noise_tunnel=True,
    noise_tunnel_samples=25,
    baseline_type="mean",
)
"""But for `n_steps = 100`: fxwatch takes as many as it needs."""

COMPARED = 4
SCALE = cases.STATES / COMPARED
DRAWS = 10
SEEDS = 24
RUNS = 2
Quantities = dict[str, float]


@dataclass(slots=True)
class Made:
    """Attributions by unit of each method, the numbers of the guide, and how long they took."""

    units: dict[str, Tensor]
    numbers: Quantities
    seconds: dict[str, tuple[float, float]] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Count the seconds inside under a name, of the clock and of the processor."""
        began = _now()
        yield
        self.seconds[name] = _since(began)


def main() -> None:
    """Print the tables of both policies."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # Captum's notes on its own hooks
    for case in cases.asked_for():
        few = _subject(case, COMPARED)
        truth = _converged(few)
        captums, ours = _captums(few), _ours(few)
        sys.stdout.write(f"\n{case.name}\n")
        for name, (clock, _) in captums.seconds.items():
            sys.stdout.write(f"  Captum, {name:<28}{SCALE * clock:9.2f} s of 32 states\n")
        clock, processor = (SCALE * sum(column) for column in zip(*captums.seconds.values(), strict=True))
        theirs = clock, processor
        _ratio("the guide's own quantities", theirs, partial(_own, case))
        _errors(few, truth, captums, ours)
        _ratio("everything that is reported", theirs, partial(_everything, case, GUIDE))
        _ratio("everything, at the defaults", theirs, partial(_everything, case, AnalysisSettings()))


def _errors(subject: Subject, truth: Made, captums: Made, ours: Made) -> None:
    sys.stdout.write(f"{'error against the converged':<34}{'Captum':>12}{'fxwatch':>12}\n")
    for name in truth.units:
        _row(name, [_distance(made.units[name], truth.units[name]) for made in (captums, ours)])
    _row("(rounding alone)", [_distance(units, truth.units["integrated_gradients"]) for units in _rounded(subject)])
    _row("noise tunnel", _of_noise_tunnels(subject, captums, ours))
    for name, right in truth.numbers.items():
        _row(name, [abs(made.numbers[name] - right) / right for made in (captums, ours)])
    _row("infidelity", _of_infidelity(subject, truth.units["integrated_gradients"]))
    _row("sensitivity", _of_sensitivity(subject))


def _row(name: str, errors: list[float]) -> None:
    sys.stdout.write(f"{name:<34}" + "".join(f"{error:12.3g}" for error in errors) + "\n")
    sys.stdout.flush()


def _ratio(words: str, theirs: tuple[float, float], ours: Callable[[], object]) -> None:
    runs = []
    for _ in range(RUNS):
        began = _now()
        ours()
        runs.append(_since(began))
    clock, processor = (statistics.median(seconds) for seconds in zip(*runs, strict=True))
    low, high = min(runs)[0], max(runs)[0]
    sys.stdout.write(
        f"{words:<34}Captum {theirs[0]:.2f} s, fxwatch {clock:.2f} s ({low:.2f} to {high:.2f}): "
        f"{theirs[0] / clock:.1f} times less; {theirs[1] / processor:.1f} by seconds of the processor\n"
    )
    sys.stdout.flush()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _since(began: tuple[float, float]) -> tuple[float, float]:
    return time.perf_counter() - began[0], time.process_time() - began[1]


def _subject(case: cases.Case, count: int) -> Subject:
    rows = torch.linspace(0, case.states.count - 1, count).round().long()
    every = tuple(torch.as_tensor(array) for array in case.states.branches.values())
    inputs = rows_of(every, rows)
    with torch.no_grad():
        choice = case.policy(*inputs)["action_type"].argmax(1)
    meter = Meter()
    meter.batch = batch_that_fits(case.policy, inputs, meter)
    return Subject(
        Explained(case.policy, "action_type", meter),
        inputs,
        choice,
        baselines("mean", every),
        Units(case.states.features),
        spread(every),
        GUIDE,
    )


def _everything(case: cases.Case, settings: AnalysisSettings) -> None:
    explain(case.policy, case.states, settings, GradientLimits())


def _own(case: cases.Case) -> Made:
    return _ours(_subject(case, cases.STATES))


def _ours(subject: Subject) -> Made:
    found, _, _ = run_methods(subject, lambda _stage: None)
    primary = found["integrated_gradients"]
    voters = {name: found[name].units for name in ("integrated_gradients", "gradient_shap", "saliency")}
    rankings(primary.units, subject.units)
    consensus({name: made.units for name, made in found.items() if made.distrust is None})
    infidelity(subject, primary.units)
    sensitivity(subject)
    return Made(voters | {"noise_tunnel": found["noise_tunnel"].units}, _numbers(primary.units, voters))


def _numbers(primary: Tensor, voters: dict[str, Tensor]) -> Quantities:
    found = {
        "consensus": consensus(voters).min_correlation,
        "sparsity": sparsity(primary).value,
        "concentration": concentration(primary).value,
    }
    return {name: value for name, value in found.items() if value is not None}


def _captums(subject: Subject) -> Made:
    """A state at a time for what has no batches of its own; batches of 64 for the others."""
    explained, made = subject.explained, Made({}, {})
    path = IntegratedGradients(explained)
    centre = subject.baselines.centre

    def integrated(inputs: Branches, choice: Tensor) -> Branches:
        found: Branches = path.attribute(
            inputs, baselines=centre, n_steps=100, additional_forward_args=(choice,), internal_batch_size=64
        )
        return found

    def by_state(ask: Callable[[Branches, tuple[Tensor]], Branches]) -> Tensor:
        parts = [
            ask(rows_of(subject.inputs, slice(row, row + 1)), (subject.choice[row : row + 1],))
            for row in range(subject.count)
        ]
        return torch.cat([sum_over_time(tuple(part.detach() for part in found)) for found in parts])

    units = made.units
    torch.manual_seed(0)
    with made.timed("integrated gradients"):
        units["integrated_gradients"] = by_state(lambda inputs, choice: integrated(inputs, *choice))
    with made.timed("GradientShap"):
        units["gradient_shap"] = by_state(
            lambda inputs, choice: GradientShap(explained).attribute(
                inputs, baselines=centre, n_samples=50, additional_forward_args=choice
            )
        )
    with made.timed("DeepLift, Saliency"):
        plain = tuple(x.clone().requires_grad_() for x in subject.inputs)
        every = tuple(b.expand_as(x).clone() for x, b in zip(subject.inputs, centre, strict=True))
        DeepLift(explained).attribute(subject.inputs, baselines=every, additional_forward_args=(subject.choice,))
        found = Saliency(explained).attribute(plain, abs=False, additional_forward_args=(subject.choice,))
        units["saliency"] = sum_over_time(found) * subject.deviation
    made.numbers = _numbers(units["integrated_gradients"], units)
    with made.timed("NoiseTunnel"):
        units["noise_tunnel"] = _smoothed(subject, 25)
    with made.timed("infidelity"):
        _infidelity(subject, units["integrated_gradients"], DRAWS, seed=1)
    with made.timed("sensitivity"):
        _sensitivity(subject, integrated, seed=1)
    return made


def _smoothed(subject: Subject, samples: int) -> Tensor:
    """Captum's NoiseTunnel over Saliency."""
    tunnel = NoiseTunnel(Saliency(subject.explained))
    parts = [
        tunnel.attribute(
            tuple(x[row : row + 1].clone().requires_grad_() for x in subject.inputs),
            nt_samples=samples,
            nt_samples_batch_size=25,
            stdevs=0.1,
            abs=False,
            additional_forward_args=(subject.choice[row : row + 1],),
        )
        for row in range(subject.count)
    ]
    return torch.cat([sum_over_time(found) for found in parts]) * subject.deviation


def _infidelity(subject: Subject, signed: Tensor, draws: int, seed: int) -> float:
    """As fxwatch defines it, over so many independent random tenths of the units of each state."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.rand(subject.count * draws, len(subject.units), generator=generator).argsort(1)
    part = torch.randint(PARTS, (len(place), 1), generator=generator)
    masks = place * PARTS // len(subject.units) == part
    state = torch.arange(subject.count).repeat_interleave(draws)
    every = torch.arange(subject.baselines.count)
    b = subject.values_here.double()[state] - values_without(subject, state, masks, every).double().mean(1)
    a = (signed[state] * masks).sum(1).double()
    return float(1 - (a * b).sum() ** 2 / ((a * a).sum() * (b * b).sum()))


def _sensitivity(subject: Subject, attribute: Callable[[Branches, Tensor], Branches], seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    scales = by_branch(subject.deviation, subject.inputs)

    def perturb(inputs: Branches, _radius: float) -> Branches:
        return tuple(
            x + RADIUS * scale * (2 * torch.rand(x.shape, generator=generator) - 1)
            for x, scale in zip(inputs, scales, strict=True)
        )

    def explainer(inputs: Branches, additional_forward_args: tuple[Tensor]) -> Branches:
        with torch.enable_grad():
            return tuple(part.detach() for part in attribute(inputs, *additional_forward_args))

    found = sensitivity_max(
        explainer,
        subject.inputs,
        perturb_func=perturb,
        n_perturb_samples=DRAWS,
        max_examples_per_batch=64,
        additional_forward_args=(subject.choice,),
    )
    return float(found.mean())


def _converged(subject: Subject) -> Made:
    """Attributions and what follows from them, in double precision."""
    explained = subject.explained
    double = replace(
        subject,
        explained=Explained(copy.deepcopy(explained.policy).double(), explained.target, explained.meter),
        inputs=tuple(x.double() for x in subject.inputs),
    )
    path = AdaptiveIntegratedGradients(double.evaluate).attribute(
        double.inputs, tuple(b.double() for b in subject.baselines.samples), subject.choice, tolerance=1e-9
    )
    units = sum_over_time(path.attributions)
    slopes = sum_over_time(double.at_states.gradients) * subject.deviation
    voters = {"integrated_gradients": units, "gradient_shap": units, "saliency": slopes}
    return Made(voters, _numbers(units, voters))


def _rounded(subject: Subject) -> list[Tensor]:
    """Integrated gradients in single precision that more steps would not make better: 400 of Captum's, fxwatch's 65."""
    theirs = IntegratedGradients(subject.explained).attribute(
        subject.inputs,
        baselines=subject.baselines.centre,
        n_steps=400,
        additional_forward_args=(subject.choice,),
        internal_batch_size=64,
    )
    ours = AdaptiveIntegratedGradients(subject.evaluate).attribute(
        subject.inputs, subject.baselines.samples, subject.choice, fewest=65
    )
    return [sum_over_time(tuple(part.detach() for part in found)) for found in (theirs, ours.attributions)]


def _of_noise_tunnels(subject: Subject, captums: Made, ours: Made) -> list[float]:
    many = replace(subject, settings=GUIDE.model_copy(update={"noise_tunnel_samples": 1600}))
    limits = _smoothed(subject, 400), METHODS["noise_tunnel"](many).units
    return [_distance(made.units["noise_tunnel"], limit) for made, limit in zip((captums, ours), limits, strict=True)]


def _of_infidelity(subject: Subject, signed: Tensor) -> list[float]:
    right = _infidelity(subject, signed.float(), 1000, seed=0)
    theirs = [_infidelity(subject, signed.float(), DRAWS, seed=1 + turn) for turn in range(SEEDS)]
    ours = [infidelity(subject, signed.float(), seed=1000 * turn).value for turn in range(SEEDS)]
    return [_root_mean_square(theirs, right), _root_mean_square(ours, right)]


def _of_sensitivity(subject: Subject) -> list[float]:
    fine = AdaptiveIntegratedGradients(subject.evaluate)

    def integrated(inputs: Branches, choice: Tensor) -> Branches:
        return fine.attribute(inputs, subject.baselines.samples, choice, tolerance=1e-4, most=33).attributions

    theirs = [_sensitivity(subject, integrated, seed=turn) for turn in range(SEEDS)]
    ours = [sensitivity(subject, seed=1000 + turn).value for turn in range(SEEDS)]
    right = statistics.fmean(theirs)
    freedom = math.sqrt(SEEDS / (SEEDS - 1))  # theirs are around their own mean
    sys.stdout.write(
        f"  sensitivity {right:.5f} by the converged, {statistics.fmean(x or 0.0 for x in ours):.5f} by fxwatch\n"
    )
    return [freedom * _root_mean_square(theirs, right), _root_mean_square(ours, right)]


def _root_mean_square(found: Sequence[float | None], right: float) -> float:
    return math.sqrt(statistics.fmean(((one or 0.0) / right - 1) ** 2 for one in found))


def _distance(found: Tensor, right: Tensor) -> float:
    return float(((found - right).norm(dim=1) / right.norm(dim=1)).double().mean())


if __name__ == "__main__":
    main()
