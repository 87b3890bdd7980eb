"""Can the attribution be trusted? Completeness, infidelity and sensitivity, free of the scale of model and features."""

import torch
from torch import Tensor

from fxwatch.attribution.grid import at_states, by_three_nodes, expected_gradients, on_three_nodes, passes_of
from fxwatch.attribution.integrated import integrated_gradients
from fxwatch.attribution.policy import Branches
from fxwatch.attribution.removal import values_without
from fxwatch.attribution.statistics import jackknife, standard_error
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.attribution.units import by_branch
from fxwatch.records.quality import Estimate, Infidelity, Sensitivity

PARTS = 10
MASKS = 8
"""Sets of units that are removed from a state, each to all baselines; more where these are few."""

SAMPLES = 20
RADIUS = 0.02
DRAWS = 10
SENSITIVITY_STATES = 8
"""Of those with several baselines; with a single one all states are asked."""

_SEED = 7


def completeness(delta: Tensor, signed: Tensor) -> Estimate:
    """Error of completeness, Σ|Σφ - Δf| / Σ|Δf| over states: delta (N,), signed (N, units)."""
    change = signed.sum(1) - delta
    terms = torch.stack([delta.abs(), change.abs()], dim=1).double()
    if float(terms[:, 1].sum()) == 0:
        return Estimate(reason="the output is the same at every state and baseline")
    return Estimate(value=float(_quotient(terms.sum(0))), standard_error=jackknife(terms, _quotient))


def infidelity(subject: Subject, signed: Tensor, seed: int = _SEED) -> Infidelity:
    """Unexplained fraction of output changes when whole units are removed (after Yeh et al. 2019, arXiv 1901.09392).

    With Z a random tenth of the units, a = Σ Φ_j Z_j and b = f(x) - E f(x with Z from a baseline), over all baselines:
    1 - E[ab]²/(E[a²]E[b²]), which fits the scale of the attribution, and FVU = E[(a-b)²]/E[b²], which does not; pooled
    over states. Neither depends on the scale of f. The tenths are those of random partitions, so that no unit counts
    much more often than another; a state's are always the same. signed: (N, units).
    """
    states, units = signed.shape
    count = max(MASKS, SAMPLES // subject.baselines.count)
    masks = torch.cat([_masks(units, row, count, seed) for row in range(states)])
    state = torch.arange(states).repeat_interleave(count)
    left = values_without(subject, state, masks, torch.arange(subject.baselines.count)).view(states, count, -1)
    # in double: equal values have no mean but themselves
    b = subject.values_here.double()[:, None] - left.double().mean(2)
    a = (signed[state] * masks).sum(1).double().view(states, count)
    pooled = torch.stack([(a * b).sum(1), (a * a).sum(1), (b * b).sum(1)], dim=1)
    if not bool(pooled.isfinite().all()):
        return Infidelity(reason="the model answers with NaN or Inf where features are replaced from the baselines")
    if float(pooled[:, 2].sum()) == 0:
        return Infidelity(reason="removing features never changes the output")
    return Infidelity(
        value=float(_unexplained(pooled.sum(0))),
        standard_error=jackknife(pooled, _unexplained),
        fvu=float(_unfitted(pooled.sum(0))),
    )


def sensitivity(subject: Subject, seed: int = _SEED) -> Sensitivity:
    """Largest relative change of the attribution under uniform noise of ±0.02 feature spreads (Yeh et al. 2019).

    The attribution is expected gradients on a frozen grid, the same for a state and its copies, so that only the model
    can make a difference. Mean over at most 8 states; over all of them where there is a single baseline: two nodes and
    the baseline itself then tell how far noise moves the attribution, and integrated gradients how large it is.
    """
    alone = subject.baselines.count == 1
    rows = torch.linspace(0, subject.count - 1, subject.count if alone else min(subject.count, SENSITIVITY_STATES))
    rows = rows.round().long()
    copies = _copies(subject, rows, seed)
    choice, passes = subject.choice[rows].repeat(DRAWS), passes_of(subject)
    if alone:
        whole = integrated_gradients(subject).attributions
        centre, found = on_three_nodes(subject), by_three_nodes(subject, copies, choice)
    else:
        whole = centre = at_states(subject, passes)
        found = expected_gradients(subject, copies, choice, passes)
    length = _flat(rows_of(whole, rows)).norm(dim=1).double()
    moved = _flat(found).view(DRAWS, len(rows), -1) - _flat(rows_of(centre, rows))
    changes = moved.norm(dim=2).double()
    told = length > 0
    largest, typical = (part[told] / length[told] for part in (changes.amax(0), changes.mean(0)))
    if not bool(length.isfinite().all() and largest.isfinite().all() and typical.isfinite().all()):
        return Sensitivity(reason="the attribution by the gradients is NaN or Inf near some states", radius=RADIUS)
    if not len(largest):
        return Sensitivity(reason="the attribution is nought at every state", radius=RADIUS)
    return Sensitivity(
        value=float(largest.mean()), standard_error=standard_error(largest), mean=float(typical.mean()), radius=RADIUS
    )


def _copies(subject: Subject, rows: Tensor, seed: int) -> Branches:
    """Copies of some states with noise, draw after draw: each branch (DRAWS × S, ...)."""
    generator = torch.Generator().manual_seed(seed)
    scales = by_branch(subject.deviation, subject.inputs)
    drawn = [
        tuple(
            x[rows] + RADIUS * scale * (2 * torch.rand(x[rows].shape, generator=generator, dtype=x.dtype) - 1)
            for x, scale in zip(subject.inputs, scales, strict=True)
        )
        for _ in range(DRAWS)
    ]
    return tuple(torch.cat(branch) for branch in zip(*drawn, strict=True))


def _masks(units: int, row: int, count: int, seed: int = _SEED) -> Tensor:
    """Sets of units for a state, (count, units): the tenths of random partitions, or pairs where units are few."""
    generator = torch.Generator().manual_seed(seed + row)
    parts = min(PARTS, units, max(2, units // 2))
    masks = torch.zeros(-(-count // parts), parts, units, dtype=torch.bool)
    for partition in masks:
        for part, members in zip(
            partition, torch.randperm(units, generator=generator).tensor_split(parts), strict=True
        ):
            part[members] = True
    return masks.flatten(0, 1)[:count]


def _flat(branches: Branches) -> Tensor:
    return torch.cat([part.flatten(1) for part in branches], dim=1)


def _quotient(sums: Tensor) -> Tensor:
    return sums[..., 0] / sums[..., 1]


def _unexplained(sums: Tensor) -> Tensor:
    ab, aa, bb = sums.unbind(-1)
    fitted = torch.where(aa * bb > 0, ab * ab / (aa * bb), 0.0)
    return (1 - fitted).clamp(0, 1)


def _unfitted(sums: Tensor) -> Tensor:
    ab, aa, bb = sums.unbind(-1)
    return (aa - 2 * ab + bb) / bb
