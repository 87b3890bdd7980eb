"""The engine: how a model is asked. Several scalars on one graph, in batches that fit the memory.

A batch is as large as its graph may be in bytes, and not as fast as one was found to be: by timings, results would
differ in their last digits from one run to the next. `benchmarks.floor` shows that nothing is lost by that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fxwatch.attribution.policy import BATCH, Branches, Meter, component

GRAPH_BYTES = 192 * 2**20
"""What a batch may keep for its backward pass; the peak is some times that, for a model of any size."""

MOST = 512
_FEW = 2


@dataclass(frozen=True, slots=True)
class Scalar:
    """One component of one output for each of M samples: `choice` (M,) are the indices of the components."""

    output: str
    choice: Tensor


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A scalar at M samples: its values (M,), its gradients in the inputs' shapes, and which branches these reach."""

    values: Tensor
    gradients: Branches
    reached: tuple[bool, ...]


def evaluate(policy: nn.Module, points: Branches, scalars: Sequence[Scalar], meter: Meter) -> list[Evaluated]:
    """Several scalars of the same M samples, from one forward pass: M at most a batch."""
    here = tuple(x.detach().requires_grad_() for x in points)
    with torch.enable_grad():
        outputs = policy(*here)
        asked = [component(outputs[scalar.output], scalar.choice) for scalar in scalars]
    meter.forwards += len(here[0])
    last = len(asked) - 1
    return [_differentiated(one, here, meter, keep=place < last) for place, one in enumerate(asked)]


def _differentiated(asked: Tensor, here: Branches, meter: Meter, *, keep: bool) -> Evaluated:
    values = asked.detach()
    if not asked.requires_grad:
        return Evaluated(values, tuple(torch.zeros_like(x) for x in here), (False,) * len(here))
    meter.backwards += len(values)
    found: tuple[Tensor | None, ...] = torch.autograd.grad(asked.sum(), here, retain_graph=keep, allow_unused=True)
    gradients = tuple(torch.zeros_like(x) if g is None else g for x, g in zip(here, found, strict=True))
    return Evaluated(values, gradients, tuple(g is not None for g in found))


def batches(total: int, size: int = BATCH) -> Iterator[slice]:
    """Consecutive slices of at most `size` rows, all of one length where that is possible."""
    count = -(-total // size)
    return (slice(turn * total // count, (turn + 1) * total // count) for turn in range(count))


def batch_that_fits(policy: nn.Module, inputs: Branches, meter: Meter) -> int:
    """How many samples may go at once, by what the model keeps of a few of them for its backward pass.

    A model that cannot be measured so gets the usual batch; what is wrong with it is said where it is asked.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in (*policy.parameters(), *policy.buffers())}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    rows = torch.zeros(_FEW, dtype=torch.long)
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            held = policy(*(x[rows].requires_grad_() for x in inputs))
    except Exception:  # noqa: BLE001 - a stranger's model: the methods ask it again, and publish why it fails
        return BATCH
    meter.forwards += _FEW
    del held
    each = max(1, sum(kept.values()) // _FEW)
    return max(1, min(MOST, GRAPH_BYTES // each))
