"""Features that do nothing, and why.

At once: constant input, zero projection, no functional effect. With time: low importance.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from fxwatch.attribution.engine import batches
from fxwatch.attribution.policy import Branches, Meter
from fxwatch.attribution.subject import rows_of
from fxwatch.attribution.units import Units
from fxwatch.records.analysis import Cause, DeadFeatures

FEWEST_STATES = 4
NO_EFFECT = 0.01
LITTLE_EFFECT = 0.02
LOW = 0.1
REVIVED = 2
OFTEN = 0.9
_FAR = 3
FIRST_STATES = 8


def dead_features(causes: Mapping[int, Cause], units: Units) -> DeadFeatures:
    """The record of dead units: unit number -> cause."""
    names = units.names()
    by_branch: dict[str, dict[str, str]] = {branch: {} for branch in units.features}
    for unit, cause in sorted(causes.items()):
        branch, name = names[unit]
        by_branch[branch][name] = cause
    return DeadFeatures(
        branches={branch: list(found) for branch, found in by_branch.items()},
        total_count=len(causes),
        causes={branch: found for branch, found in by_branch.items() if found},
    )


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Units that are dead by what the states and the model show now, and the effects of those that were tested.

    An effect is the largest mean change of any output, in that output's deviations over states, when the unit's column
    is swapped between states. `reason`: why nothing could be judged.
    """

    causes: Mapping[int, Cause] = field(default_factory=dict)
    effects: Mapping[int, float] = field(default_factory=dict)
    reason: str | None = None

    def of_little_effect(self, units: Iterable[int]) -> dict[int, Cause]:
        """Units of little importance for long that do little now, too: what is weak, but works, is not dead.

        Where nothing could be judged now, their history decides alone.
        """
        unknown = math.inf if self.reason is None else 0.0
        return {unit: "low_importance" for unit in units if self.effects.get(unit, unknown) <= LITTLE_EFFECT}


def dead_at_once(
    policy: nn.Module,
    inputs: Branches,
    outputs: Mapping[str, Tensor],
    candidates: Iterable[int],
    meter: Meter,
    moving: Collection[int] = (),
) -> AtOnce:
    """Judge by these states, and the policy's outputs there.

    `candidates` are the units whose effect is worth testing: those that count for little; `moving` are those that are
    known to move, although single precision does not show it.
    """
    if len(inputs[0]) < FEWEST_STATES:
        return AtOnce(reason=f"fewer than {FEWEST_STATES} states")
    unread = _unread(policy, inputs, meter)
    causes: dict[int, Cause] = dict.fromkeys(set(_constant(inputs)) - set(moving), "constant_input")
    tested = sorted({*candidates, *unread} - causes.keys())
    effects = _effects(policy, inputs, _side_by_side(outputs), tested, meter)
    for unit, effect in effects.items():
        if effect <= NO_EFFECT:
            causes[unit] = "zero_projection" if unit in unread else "no_functional_effect"
    return AtOnce(causes, effects)


def low_importance(history: Tensor, was_dead: set[int], little: float | None = None) -> set[int]:
    """Units of little importance in at least 90 % of the last analyses: shares (analyses, units), newest last.

    Little is a share below `little`, else below a tenth of an even share. A unit once called dead is alive again when
    it reaches twice that.
    """
    limit = LOW / history.shape[1] if little is None else little
    seldom_more = (history < limit).double().mean(0) >= OFTEN
    still_low = history[-1] < REVIVED * limit
    return {
        unit
        for unit in range(history.shape[1])
        if bool(still_low[unit]) and (bool(seldom_more[unit]) or unit in was_dead)
    }


def _constant(inputs: Branches) -> list[int]:
    """Columns that are the same in every state, at every time step."""
    moving = []
    for part in inputs:
        table = part.double().reshape(len(part), -1, part.shape[-1])
        deviation = table.std(0, correction=0)
        moving.append((deviation > 1e-6 * table.abs().amax(0)).any(0))
    return [int(unit) for unit in (~torch.cat(moving)).nonzero().flatten()]


def _effects(
    policy: nn.Module, inputs: Branches, before: Tensor, candidates: list[int], meter: Meter
) -> dict[int, float]:
    """By unit: the largest mean |Δ| of any component of any output, over its deviation, when the column is swapped.

    `before`: all outputs as they are, (N, components).

    Each state is given the column of another one, twice: of one half the states further in the order of the column's
    newest values, so that what a flag says is changed in whatever order the states lie, and of one at random. A unit
    whose effect is beyond what any limit asks for is not tried at more states, and what is told of it is its least.
    """
    count = len(inputs[0])
    deviation = before.std(0, correction=0)
    further = {unit: _half_further(_newest(inputs, unit)) for unit in candidates}
    at_random = torch.randperm(count, generator=torch.Generator().manual_seed(0))
    moved = {unit: torch.zeros(2, *deviation.shape, dtype=torch.float64) for unit in candidates}
    found: dict[int, float] = dict.fromkeys(candidates, 0.0)
    open_units = list(candidates)
    for turn, rows in _looks(count, meter.batch):
        orders = {unit: further[unit] if turn == 0 else at_random for unit in open_units}
        for unit, after in _swapped(policy, inputs, rows, orders, meter):
            moved[unit][turn] += (after - before[rows]).abs().sum(0) / count
            largest = moved[unit].amax(0)
            ratios = torch.where(largest > 0, largest / deviation, 0.0)  # over no deviation: without bound
            found[unit] = float(ratios.nan_to_num(nan=math.inf).max())
        open_units = [unit for unit in open_units if found[unit] <= LITTLE_EFFECT]
    return found


def _newest(inputs: Branches, unit: int) -> Tensor:
    """A unit's values at the last time step: (N,)."""
    branch, column = _place(inputs, unit)
    part = inputs[branch]
    return part[:, -1, column] if part.ndim == 3 else part[:, column]


def _half_further(values: Tensor) -> Tensor:
    """For each state the one whose value is half the states further in order: (N,)."""
    order = values.argsort(stable=True)
    further = torch.empty_like(order)
    further[order] = order.roll(-(len(order) // 2))
    return further


def _looks(count: int, most: int) -> Iterator[tuple[int, Tensor]]:
    """Turn and states of each look in two turns over all: few at first, then as many again as were looked at."""
    seen = 0
    while seen < 2 * count:
        turn, first = divmod(seen, count)
        last = min(count, first + min(most, max(FIRST_STATES, seen)))
        yield turn, torch.arange(first, last)
        seen += last - first


def _side_by_side(outputs: Mapping[str, Tensor]) -> Tensor:
    """All outputs of N states in a table: (N, components)."""
    return torch.cat([output.reshape(len(output), -1) for output in outputs.values()], dim=1).double()


def _outputs(policy: nn.Module, inputs: Branches, meter: Meter) -> Tensor:
    """All outputs of all states, side by side: (N, components)."""
    parts = []
    with torch.no_grad():
        for rows in batches(len(inputs[0]), meter.batch):
            found = policy(*rows_of(inputs, rows))
            parts.append(_side_by_side(found))
    meter.forwards += len(inputs[0])
    return torch.cat(parts)


def _swapped(
    policy: nn.Module, inputs: Branches, rows: Tensor, orders: Mapping[int, Tensor], meter: Meter
) -> Iterator[tuple[int, Tensor]]:
    """For each unit all outputs of some states, each of which has the unit's column of the state that `orders` say."""
    units = list(orders)
    for chunk in batches(len(units), max(1, meter.batch // len(rows))):
        points = tuple(x[rows].repeat(len(units[chunk]), *[1] * (x.ndim - 1)) for x in inputs)
        for place, unit in enumerate(units[chunk]):
            branch, column = _place(inputs, unit)
            its_own = slice(place * len(rows), (place + 1) * len(rows))
            points[branch][its_own, ..., column] = inputs[branch][orders[unit][rows]][..., column]
        yield from zip(units[chunk], _outputs(policy, points, meter).split(len(rows)), strict=True)


def _place(inputs: Branches, unit: int) -> tuple[int, int]:
    """The branch and the column of a unit."""
    for branch, part in enumerate(inputs):
        if unit < part.shape[-1]:
            return branch, unit
        unit -= part.shape[-1]
    raise IndexError(unit)


def _unread(policy: nn.Module, inputs: Branches, meter: Meter) -> set[int]:
    """Columns that no first layer reads, by its weights; none where that cannot be told.

    A random projection of what the first layers give has a gradient of exactly nought there, at some states and at
    random points around them. What a layer with a weight matrix gives is projected and then replaced by noise, so that
    only first layers lead to the inputs, and a gate that is shut in these states is open; outputs that are still joined
    to the inputs go by a way without layers, and are projected, too.
    """
    cut = _Cut()
    here = tuple(_scattered(part, cut.generator).requires_grad_() for part in inputs)
    handles = [
        module.register_forward_hook(cut)
        for module in policy.modules()
        if any(parameter.ndim > 1 for parameter in module.parameters(recurse=False))
    ]
    try:
        with torch.enable_grad():
            for output in policy(*here).values():
                cut.project(output)
        meter.forwards += len(here[0])
        if not cut.projected:
            return set()
        meter.backwards += len(here[0])
        found: tuple[Tensor | None, ...] = torch.autograd.grad(
            torch.stack(cut.projected).sum(), here, allow_unused=True
        )
    except Exception:  # noqa: BLE001 - a stranger's model may not stand noise: a dead column is then without effect only
        return set()
    finally:
        for handle in handles:
            handle.remove()
    unread = []
    for part, gradient in zip(here, found, strict=True):
        given = torch.zeros_like(part) if gradient is None else gradient
        unread.append((given == 0).reshape(-1, part.shape[-1]).all(0))
    return {int(unit) for unit in torch.cat(unread).nonzero().flatten()}


def _scattered(part: Tensor, generator: torch.Generator) -> Tensor:
    """A few states, and as many random points around them; whole numbers, which may be an index, stay as they are."""
    few = part[:FEWEST_STATES].detach()
    if bool((part == part.round()).all()):
        return torch.cat([few, few])
    noise = torch.randn(few.shape, generator=generator, dtype=torch.float64).to(few)
    return torch.cat([few, few + _FAR * noise * (few.abs().amax() + 1)])


class _Cut:
    """A forward hook that keeps a random projection of what a layer gives, and gives the rest of the model noise."""

    def __init__(self) -> None:
        self.projected: list[Tensor] = []
        self.generator = torch.Generator().manual_seed(0)

    def __call__(self, _module: nn.Module, _inputs: object, output: object) -> object:
        if isinstance(output, Tensor):
            self.project(output)
            return self._noise(output) if output.is_floating_point() else output.detach()
        if isinstance(output, tuple):
            return tuple(self(_module, _inputs, part) for part in output)
        return output

    def project(self, output: Tensor) -> None:
        """Keep a random projection of a tensor that depends on the inputs."""
        if output.requires_grad:
            self.projected.append((output * self._noise(output)).sum())

    def _noise(self, like: Tensor) -> Tensor:
        return torch.randn(like.shape, generator=self.generator, dtype=torch.float64).to(like)
