"""Does the order of attributions matter to the model? Deletion and insertion, against random orders.

RISE (Petsiuk et al. 2018, arXiv 1806.07421) and Samek et al. 2017 (arXiv 1509.06321), on whole units: a unit is removed
by taking it from a baseline, averaged over several, as the attributions are: their mean state stands for none of them.
"""

import torch
from torch import Tensor

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.statistics import standard_error
from fxwatch.attribution.subject import Subject
from fxwatch.records.analysis import OrderTest

STATES = 16
STEPS = 5
REFERENCES = 4
RANDOM_ORDERS = 2
_SEED = 11


def deletion_and_insertion(subject: Subject, signed: Tensor) -> tuple[OrderTest, OrderTest]:
    """How much faster the output falls when units go by descending attribution than in random order, and rises when
    they come: mean over the way, in deviations of the output over states; signed (N, units).
    """
    rows = evenly(subject.count, STATES)
    units = signed.shape[1]
    spread = float(subject.values(subject.inputs, subject.choice).double().std()) if subject.count > 1 else 0.0
    if spread == 0:
        reason = "the output is the same at every state" if subject.count > 1 else "a single state has no spread"
        return OrderTest(reason=reason), OrderTest(reason=reason)
    counts = sorted({max(1, round(units * step / STEPS)) for step in range(1, STEPS)})
    generator = torch.Generator().manual_seed(_SEED)
    gone, come = [], []
    for row in rows:
        orders = [signed[row].argsort(descending=True)]
        orders += [torch.randperm(units, generator=generator) for _ in range(RANDOM_ORDERS)]
        removed = torch.zeros(len(orders), len(counts), units, dtype=torch.bool)
        for place, order in enumerate(orders):
            for step, count in enumerate(counts):
                removed[place, step, order[:count]] = True
        both = torch.cat([removed.view(-1, units), ~removed.view(-1, units)])
        outputs = _without(subject, row, both).view(2, len(orders), len(counts)).mean(2)
        gone.append(outputs[0, 1:].mean() - outputs[0, 0])
        come.append(outputs[1, 0] - outputs[1, 1:].mean())
    return _order_test(torch.stack(gone) / spread), _order_test(torch.stack(come) / spread)


def _order_test(advantages: Tensor) -> OrderTest:
    if not bool(advantages.isfinite().all()):
        return OrderTest(reason="the model answers with NaN or Inf where features are put to the baselines")
    return OrderTest(value=float(advantages.mean()), standard_error=standard_error(advantages))


def _without(subject: Subject, row: int, removed: Tensor) -> Tensor:
    """The output of one state without some of its units, mean over baselines: removed (M, units) -> (M,)."""
    widths = [x.shape[-1] for x in subject.inputs]
    chosen = torch.tensor(evenly(subject.baselines.count, REFERENCES))
    many = removed.repeat_interleave(len(chosen), 0)
    reference = chosen.repeat(len(removed))
    inputs = tuple(
        torch.where(mask[:, None] if x.ndim == 3 else mask, b[reference], x[row])
        for mask, x, b in zip(many.split(widths, dim=1), subject.inputs, subject.baselines.samples, strict=True)
    )
    values = subject.values(inputs, subject.choice[row].expand(len(many)))
    return values.double().view(len(removed), len(chosen)).mean(1)
