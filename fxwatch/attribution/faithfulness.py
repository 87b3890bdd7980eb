"""Does the order of attributions matter to the model? Deletion and insertion, against random orders.

RISE (Petsiuk et al. 2018, arXiv 1806.07421) and Samek et al. 2017 (arXiv 1509.06321), on whole units: a unit is removed
by taking it from a baseline, averaged over several, as the attributions are: their mean state stands for none of them.
"""

import torch
from torch import Tensor

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.removal import values_without
from fxwatch.attribution.statistics import standard_error
from fxwatch.attribution.subject import Subject
from fxwatch.records.quality import OrderTest

STATES = 16
STEPS = 5
REFERENCES = 4
_SEED = 11


def deletion_and_insertion(subject: Subject, signed: Tensor) -> tuple[OrderTest, OrderTest]:
    """How much faster the output falls when units go by descending attribution than in random order, and rises when
    they come: mean over the way, in deviations of the output over states; signed (N, units).
    """
    rows = torch.tensor(evenly(subject.count, STATES))
    units = signed.shape[1]
    if units == 1:
        alone = OrderTest(reason="there is a single feature, which has no order")
        return alone, alone
    spread = float(subject.values_here.double().std()) if subject.count > 1 else 0.0
    if spread == 0:
        reason = "the output is the same at every state" if subject.count > 1 else "a single state has no spread"
        return OrderTest(reason=reason), OrderTest(reason=reason)
    counts = torch.tensor(sorted({min(max(1, round(units * step / STEPS)), units - 1) for step in range(1, STEPS)}))
    generator = torch.Generator().manual_seed(_SEED)
    sets = torch.stack([_sets(signed[row], counts, generator) for row in rows])
    references = torch.tensor(evenly(subject.baselines.count, REFERENCES))
    state = rows.repeat_interleave(sets.shape[1])
    outputs = values_without(subject, state, sets.flatten(0, 1), references).double().mean(1)
    gone, come, *random = outputs.view(len(rows), 4, -1).mean(2).unbind(1)
    by_chance = torch.stack(random).mean(0)
    return _order_test((by_chance - gone) / spread), _order_test((come - by_chance) / spread)


def _sets(signed: Tensor, counts: Tensor, generator: torch.Generator) -> Tensor:
    """What is removed of a state, (sets, units), in four parts: ever more of the leading units; all but these; as many
    of each in random order.

    A random order read from its end is another one: what the first leaves is what the second removes. So both ways are
    held against the same two random orders.
    """
    place = torch.empty_like(signed, dtype=torch.long)
    place[signed.argsort(descending=True)] = torch.arange(len(signed))
    leading = place < counts[:, None]
    draws = torch.rand(len(signed), generator=generator).argsort() < counts[:, None]
    return torch.cat([leading, ~leading, draws, ~draws])


def _order_test(advantages: Tensor) -> OrderTest:
    if not bool(advantages.isfinite().all()):
        return OrderTest(reason="the model answers with NaN or Inf where features are put to the baselines")
    return OrderTest(value=float(advantages.mean()), standard_error=standard_error(advantages))
