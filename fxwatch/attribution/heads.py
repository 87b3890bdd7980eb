"""Which attention head carries the decision: what the output does when a head is silenced.

Silenced is what Michel et al. 2019 (arXiv 1905.10650) call masked: the head adds nothing to what its layer gives.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.policy import Branches, named_layers
from fxwatch.attribution.subject import Subject, rows_of
from fxwatch.records.internals import Attention

STATES = 8
MOST_HEADS = 128


@dataclass(frozen=True, slots=True)
class HeadEffects:
    """Layer -> the effect of each of its heads; `reason`: why there are none, or why some are missing.

    A layer that runs several times a forward is named `layer#2`, …, and its heads are silenced in one run at a time.
    """

    by_layer: Mapping[str, list[float]]
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Call:
    """One of the runs of an attention layer in a forward, the first being number 1."""

    name: str
    module: nn.MultiheadAttention
    number: int

    @property
    def key(self) -> str:
        return self.name if self.number == 1 else f"{self.name}#{self.number}"


def head_effects(subject: Subject) -> HeadEffects:
    """Mean |Δ| of the explained scalar when one head is silenced, over the scalar's deviation over all states.

    Over at most 8 states. Of more than 128 heads only the last layers' are silenced.
    """
    layers = _silenceable(subject.explained.policy)
    if not layers:
        return HeadEffects({}, "the model has no nn.MultiheadAttention")
    spread = float(subject.values_here.double().std(correction=0))
    if not spread > 0:
        return HeadEffects({}, "the output is the same at every state")
    rows = torch.tensor(evenly(subject.count, STATES))
    inputs, choice = rows_of(subject.inputs, rows), subject.choice[rows]
    before, calls = _plain(subject, layers, inputs, choice)
    if not calls:
        return HeadEffects({}, "no nn.MultiheadAttention of the model runs")
    measured, heads = [], 0
    for call in reversed(calls):
        heads += call.module.num_heads
        if heads > MOST_HEADS:
            break
        measured.append(call)
    effects = {
        call.key: [
            float((_without(subject, call, head, inputs, choice) - before).abs().double().mean()) / spread
            for head in range(call.module.num_heads)
        ]
        for call in reversed(measured)
    }
    left = len(calls) - len(measured)
    reason = f"of {len(calls)} attention layers the first {left} are left out: there are more than {MOST_HEADS} heads"
    return HeadEffects(effects, reason if left else None)


def with_effects(attention: Attention, effects: HeadEffects) -> Attention:
    """The record of attention with the effects of its heads."""
    layers = {
        name: [
            head.model_copy(update={"effect": effect})
            for head, effect in zip(heads, effects.by_layer.get(name, [None] * len(heads)), strict=True)
        ]
        for name, heads in attention.layers.items()
    }
    return attention.model_copy(update={"layers": layers, "effect_reason": effects.reason})


def _silenceable(policy: nn.Module) -> dict[str, nn.MultiheadAttention]:
    """The layers whose heads can be silenced: not those that compute their output projection anew at every run."""
    return {
        name: module
        for name, module in named_layers(policy)
        if isinstance(module, nn.MultiheadAttention) and isinstance(module.out_proj.weight, nn.Parameter)
    }


def _plain(
    subject: Subject, layers: Mapping[str, nn.MultiheadAttention], inputs: Branches, choice: Tensor
) -> tuple[Tensor, list[_Call]]:
    """The explained scalar of M samples, and the runs of all layers in their order."""
    calls: list[_Call] = []

    def counter(name: str, module: nn.MultiheadAttention) -> Callable[[nn.Module, object], None]:
        return lambda _module, _inputs: calls.append(_Call(name, module, 1 + sum(call.name == name for call in calls)))

    handles = [module.register_forward_pre_hook(counter(name, module)) for name, module in layers.items()]
    try:
        return subject.values(inputs, choice), calls
    finally:
        for handle in handles:
            handle.remove()


def _without(subject: Subject, call: _Call, head: int, inputs: Branches, choice: Tensor) -> Tensor:
    """The explained scalar of M samples while a head is silent in one run of its layer: (M,), M at most a batch."""
    with _silenced(call, head):
        return subject.values(inputs, choice)


@contextmanager
def _silenced(call: _Call, head: int) -> Iterator[None]:
    """Let one run of a layer see an output projection without a head's columns; the weights themselves stay."""
    weight = call.module.out_proj.weight
    own = weight.data
    without = own.clone()
    without[:, head * call.module.head_dim : (head + 1) * call.module.head_dim] = 0
    run = 0

    def begin(_module: nn.Module, _inputs: object) -> None:
        nonlocal run
        run += 1
        if run == call.number:
            weight.data = without

    def end(_module: nn.Module, _inputs: object, _output: object) -> None:
        weight.data = own

    handles = [call.module.register_forward_pre_hook(begin), call.module.register_forward_hook(end)]
    try:
        yield
    finally:
        weight.data = own
        for handle in handles:
            handle.remove()
