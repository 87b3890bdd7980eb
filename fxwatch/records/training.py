"""One line of a run's training.jsonl: what the recorder measured of training itself, over some of its steps."""

from collections.abc import Sequence
from itertools import groupby, zip_longest
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, FiniteFloat

from fxwatch.records.base import Record
from fxwatch.records.thresholds import GradientLimits

Number = FiniteFloat | None
_MOST = 2**63 - 1
Count = Annotated[int, Field(ge=0, le=_MOST)]
Trouble = Literal["NaN or Inf", "exploding", "vanishing"]
_OF_THE_WAY = 0.5
"""A trainer that begins before so much of what was reached has begun anew; one that resumes falls back a little."""


class LayerSpan(NamedTuple):
    """A layer's gradient over the steps of a line: the least, mean and greatest of its norm over those where it is
    finite, the mean of its absolute values, the norm over that of the weights, and steps at which it is not finite.
    """

    least: Number
    mean: Number
    greatest: Number
    mean_absolute: Number
    weight_ratio: Number
    nonfinite: Count = 0


class HeadSpan(Record):
    """Attention by head: entropy over its maximum, and stability since the line before."""

    entropy: list[Number] = []
    stability: list[Number] = []


class TrainingLine(Record):
    """What was measured over `steps` steps of the optimizer, the last of which is number `optimizer_step`.

    `step` is the trainer's own, where it logs one; `at` is in seconds since the epoch. `session` and `number` tell the
    recorder's own lines apart, `attempt` counts how often training began from the beginning, from 1.
    """

    schema_version: int = 1
    attempt: int = 1
    session: str = ""
    number: Count = 0
    at: FiniteFloat = 0.0
    step: Count | None = None
    optimizer_step: Count = 0
    update: Count = 0
    steps: Count = 0
    layers: dict[str, LayerSpan] = {}
    attention: dict[str, HeadSpan] = {}
    scalars: dict[str, Number] = {}

    def position(self, *, own: bool) -> int | None:
        """Where it stands on an axis: that of the trainer's own steps, or that of the optimizer's."""
        return self.step if own else self.optimizer_step


def trouble(layer: LayerSpan, limits: GradientLimits) -> Trouble | None:
    """What is wrong with a layer's gradient by the guide's limits: at any step, or, of vanishing, on average."""
    if layer.nonfinite or layer.greatest is None or layer.mean is None:
        return "NaN or Inf"
    if layer.greatest > limits.exploding:
        return "exploding"
    return "vanishing" if layer.mean < limits.vanishing else None


def troubles(line: TrainingLine, limits: GradientLimits) -> dict[Trouble, list[str]]:
    """The layers of a line in each kind of trouble, the worst kind first; a kind that no layer has is left out."""
    found: dict[Trouble, list[str]] = {"NaN or Inf": [], "exploding": [], "vanishing": []}
    for name, layer in line.layers.items():
        if (kind := trouble(layer, limits)) is not None:
            found[kind].append(name)
    return {kind: layers for kind, layers in found.items() if layers}


def begins_anew(first: TrainingLine, last: TrainingLine) -> bool:
    """Whether the first line of a recorder is of training from its beginning, `last` being the furthest before it."""
    if first.step is None or last.step is None or not last.optimizer_step:
        return first.optimizer_step - first.steps < _OF_THE_WAY * last.optimizer_step
    done = first.steps * last.step / last.optimizer_step
    return first.step - done < _OF_THE_WAY * last.step


def newest_attempt(lines: Sequence[TrainingLine]) -> list[TrainingLine]:
    """The lines of the last attempt, in the order of the axis: what a resumed run did again stands once."""
    attempt = max((line.attempt for line in lines), default=0)
    newest = [line for line in lines if line.attempt == attempt]
    own = on_own_steps(newest)
    kept: list[TrainingLine] = []
    for line in newest:
        here = line.position(own=own)
        if here is None:
            continue
        while kept and kept[-1].session != line.session and (kept[-1].position(own=own) or 0) >= here:
            kept.pop()
        kept.append(line)
    return kept


def on_own_steps(lines: Sequence[TrainingLine]) -> bool:
    """Whether lines stand over the trainer's own steps, which it may not have logged at first, or never."""
    return any(line.step is not None for line in lines)


def thinned(lines: Sequence[TrainingLine]) -> list[TrainingLine]:
    """Half as many lines: neighbours of one recorder merged, so that no extreme is lost."""
    found = []
    for _, own in groupby(lines, lambda line: line.session):
        found += [first if second is None else merged(first, second) for first, second in zip_longest(own, own)]
    return found


def merged(first: TrainingLine, second: TrainingLine) -> TrainingLine:
    """Two lines as one: of layers the extremes and the mean over all steps, of all else what was last."""
    layers = dict(first.layers)
    for name, layer in second.layers.items():
        before = layers.get(name)
        layers[name] = layer if before is None else _both(before, layer, first.steps, second.steps)
    return second.model_copy(
        update={
            "steps": min(first.steps + second.steps, _MOST),
            "layers": layers,
            "attention": {**first.attention, **second.attention},
            "scalars": {**first.scalars, **second.scalars},
        }
    )


def _both(first: LayerSpan, second: LayerSpan, steps: int, more: int) -> LayerSpan:
    def mean(a: Number, b: Number) -> Number:
        known = [(value, weight) for value, weight in ((a, steps), (b, more)) if value is not None]
        total = sum(weight for _, weight in known)
        return sum(value * weight / total for value, weight in known) if total else None

    return LayerSpan(
        least=min((one.least for one in (first, second) if one.least is not None), default=None),
        mean=mean(first.mean, second.mean),
        greatest=max((one.greatest for one in (first, second) if one.greatest is not None), default=None),
        mean_absolute=mean(first.mean_absolute, second.mean_absolute),
        weight_ratio=mean(first.weight_ratio, second.weight_ratio),
        nonfinite=min(first.nonfinite + second.nonfinite, _MOST),
    )
