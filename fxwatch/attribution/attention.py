"""What attention attends to, by layer and head: how focused it is, and whether it holds still.

Only nn.MultiheadAttention can be read from outside. It is made to give its weights by a hook, whatever the model asks.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.engine import batches
from fxwatch.attribution.policy import Branches, Meter, named_layers
from fxwatch.attribution.subject import rows_of
from fxwatch.records.base import finite
from fxwatch.records.internals import Attention, AttentionHead

STATES = 8
MOST_BYTES = 4 * 2**20
"""Of the maps by state that an analysis keeps for the next one, before they are packed."""

_BY_STATE = "attention_probe/"


@dataclass(frozen=True, slots=True)
class Maps:
    """Attention weights by layer; one that runs several times a forward is named `layer#2`, ….

    `mean`: (heads, query, key), over all states; `entropy`: (heads,), as `attention` tells it, NaN where there is but
    one key; `by_state`: (states, heads, query, key) in float16, of at most 8 states evenly over all, layer by layer as
    long as all stay within 4 MiB.
    """

    mean: dict[str, Tensor]
    entropy: dict[str, Tensor]
    by_state: dict[str, Tensor]

    def arrays(self) -> dict[str, NDArray[np.floating]]:
        """What is stored: attention/LAYER, the mean in float32, and attention_probe/LAYER, the maps by state."""
        return {f"attention/{name}": mean.float().numpy() for name, mean in self.mean.items()} | {
            f"{_BY_STATE}{name}": maps.numpy() for name, maps in self.by_state.items()
        }


def maps_by_state(arrays: Mapping[str, NDArray[np.floating]]) -> dict[str, NDArray[np.floating]]:
    """The maps by state among an analysis's arrays, by layer: (states, heads, query, key)."""
    return {name.removeprefix(_BY_STATE): found for name, found in arrays.items() if name.startswith(_BY_STATE)}


def attention_maps(policy: nn.Module, inputs: Branches, meter: Meter) -> Maps:
    """Attention weights of every nn.MultiheadAttention over N states; empty where the model has none."""
    layers = {name: module for name, module in named_layers(policy) if isinstance(module, nn.MultiheadAttention)}
    if not layers:
        return Maps({}, {}, {})
    count: Counter[str] = Counter()
    mean: dict[str, Tensor] = {}
    entropy: dict[str, Tensor] = {}

    def add(name: str, weights: Tensor) -> None:
        exact = weights.double()
        count[name] += len(exact)
        mean[name] = mean.get(name, 0) + exact.sum(0)
        entropy[name] = entropy.get(name, 0) + _entropy(exact).sum(0)

    _run(policy, layers, inputs, meter, add)
    by_state: dict[str, Tensor] = {}
    few = rows_of(inputs, torch.tensor(evenly(len(inputs[0]), STATES)))
    _run(policy, layers, few, meter, lambda name, weights: by_state.update({name: weights.half()}))
    return Maps(
        {name: total / count[name] for name, total in mean.items()},
        {name: total / count[name] for name, total in entropy.items()},
        _within(by_state, MOST_BYTES),
    )


def attention(maps: Maps, previous: Mapping[str, NDArray[np.floating]] | None) -> Attention:
    """Entropy of each head, and its stability against the previous analysis's maps by state, where there are such.

    Entropy is that of a query's weights over its maximum, averaged over states and queries: 0 attends to one key, 1 to
    all alike. Stability is 1 - Jensen-Shannon divergence (base 2) of the weights of the same query in the same state,
    averaged over both. A mean map would not do for either: what attends to one key in each state, another one from
    state to state, is focused, and its mean map is even.
    """
    if not maps.mean:
        return Attention(reason="the model has no nn.MultiheadAttention")
    layers: dict[str, list[AttentionHead]] = {}
    reasons: list[str] = []
    for name, entropy in maps.entropy.items():
        stable = _compared(maps.by_state.get(name), previous, name)
        if isinstance(stable, str):
            reasons.append(stable)
            stable = [None] * len(entropy)
        layers[name] = [
            AttentionHead(entropy=finite(of_head), stability=held)
            for of_head, held in zip(entropy.tolist(), stable, strict=True)
        ]
    heads_read = [head for read in layers.values() for head in read]
    return Attention(
        entropy=_mean([head.entropy for head in heads_read]),
        stability=_mean([head.stability for head in heads_read]),
        layers=layers,
        reason="; ".join(dict.fromkeys(reasons)) or None,
    )


def _compared(
    now: Tensor | None, previous: Mapping[str, NDArray[np.floating]] | None, name: str
) -> list[float | None] | str:
    """The stability of each head of a layer, or why there is none."""
    if previous is None:
        return "no previous analysis to compare with"
    if now is None:
        return f"attention maps above {MOST_BYTES >> 20} MiB are not kept by state, so there is nothing to compare"
    if name not in previous:
        return "the previous analysis has no attention maps by state"
    before = torch.as_tensor(previous[name])
    return _stability(now, before) if before.shape == now.shape else "the previous attention maps have another shape"


def _run(
    policy: nn.Module,
    layers: Mapping[str, nn.MultiheadAttention],
    inputs: Branches,
    meter: Meter,
    take: Callable[[str, Tensor], None],
) -> None:
    """Give `take` the weights of each run of each layer, (states, heads, query, key), batch by batch."""
    calls: Counter[str] = Counter()
    handles = []
    for name, module in layers.items():
        handles.append(module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True))
        handles.append(module.register_forward_hook(_Reader(name, calls, take)))
    try:
        for rows in batches(len(inputs[0]), meter.batch):
            calls.clear()
            # with autograd on, as torch's fused path for inference would pass the hooks by
            with torch.enable_grad():
                policy(*rows_of(inputs, rows))
    finally:
        for handle in handles:
            handle.remove()
    meter.forwards += len(inputs[0])


def _ask_for_weights(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
    # positional: query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
    given = list(args)
    kwargs = {**kwargs, "need_weights": True, "average_attn_weights": False}
    if len(given) > 4:
        given[4] = kwargs.pop("need_weights")
    if len(given) > 6:
        given[6] = kwargs.pop("average_attn_weights")
    return tuple(given), kwargs


class _Reader:
    """A forward hook that passes a layer's weights on under the name of its run."""

    def __init__(self, name: str, calls: Counter[str], take: Callable[[str, Tensor], None]) -> None:
        self.name, self.calls, self.take = name, calls, take

    def __call__(self, _module: nn.Module, _inputs: object, output: object) -> None:
        self.calls[self.name] += 1
        key = self.name if self.calls[self.name] == 1 else f"{self.name}#{self.calls[self.name]}"
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if isinstance(weights, Tensor) and weights.ndim == 4:
            self.take(key, weights.detach())


def _within(by_layer: Mapping[str, Tensor], most: int) -> dict[str, Tensor]:
    """The first layers, as many as are within so many bytes together."""
    kept, size = {}, 0
    for name, maps in by_layer.items():
        size += maps.nbytes
        if size > most:
            break
        kept[name] = maps
    return kept


def _entropy(maps: Tensor) -> Tensor:
    """Of (states, heads, query, key): (states, heads), averaged over queries; NaN where there is one key."""
    keys = maps.shape[-1]
    most = math.log(keys) if keys > 1 else math.nan
    entropy: Tensor = torch.special.entr(maps).sum(-1).mean(-1)
    return entropy / most


def _stability(now: Tensor, before: Tensor) -> list[float | None]:
    """Of (states, heads, query, key): that of each head."""
    a, b = now.double(), before.double()
    middle = (a + b) / 2
    divergence = torch.special.entr(middle) - (torch.special.entr(a) + torch.special.entr(b)) / 2
    rows = divergence.sum(-1) / math.log(2)
    return [finite(value) for value in (1 - rows).clamp(0, 1).mean((0, 2)).tolist()]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
