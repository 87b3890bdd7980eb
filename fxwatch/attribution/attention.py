"""What attention attends to, by layer and head: how focused it is, and whether it holds still.

Only nn.MultiheadAttention can be read from outside. It is made to give its weights by a hook, whatever the model asks.
"""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fxwatch.attribution.policy import Branches, named_layers
from fxwatch.attribution.subject import batches, rows_of
from fxwatch.records.analysis import Attention, AttentionHead

Maps = dict[str, Tensor]
"""Layer -> (heads, query, key), mean over states; a layer that runs several times a forward is named `layer#2`, …"""


def attention_maps(policy: nn.Module, inputs: Branches) -> Maps:
    """Mean attention weights of every nn.MultiheadAttention over N states; empty where the model has none."""
    totals: Maps = {}
    layers = {name: module for name, module in named_layers(policy) if isinstance(module, nn.MultiheadAttention)}
    if not layers:
        return {}
    calls: dict[str, int] = {}
    handles = []
    for name, module in layers.items():
        handles.append(module.register_forward_pre_hook(_ask_for_weights, with_kwargs=True))
        handles.append(module.register_forward_hook(_Reader(name, calls, totals)))
    count = len(inputs[0])
    try:
        for rows in batches(count):
            calls.clear()
            # with autograd on, as torch's fused path for inference would pass the hooks by
            with torch.enable_grad():
                policy(*rows_of(inputs, rows))
    finally:
        for handle in handles:
            handle.remove()
    return {name: total / count for name, total in totals.items()}


def attention(maps: Maps, previous: Mapping[str, Tensor] | None) -> Attention:
    """Entropy of each head, and its stability against the previous analysis's maps where their shapes agree.

    Entropy is that of a query's weights over its maximum, averaged over queries: 0 attends to one key, 1 to all alike.
    Stability is 1 - Jensen-Shannon divergence (base 2) of the same rows, averaged.
    """
    if not maps:
        return Attention(reason="the model has no nn.MultiheadAttention")
    layers: dict[str, list[AttentionHead]] = {}
    for name, heads in maps.items():
        before = previous.get(name) if previous else None
        comparable = before is not None and before.shape == heads.shape
        stability = _stability(heads, before) if before is not None and comparable else [None] * len(heads)
        layers[name] = [
            AttentionHead(entropy=entropy, stability=stable)
            for entropy, stable in zip(_entropy(heads), stability, strict=True)
        ]
    heads_read = [head for read in layers.values() for head in read]
    return Attention(
        entropy=_mean([head.entropy for head in heads_read]),
        stability=_mean([head.stability for head in heads_read]),
        layers=layers,
        reason=None if previous else "no previous analysis to compare with",
    )


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
    """A forward hook that adds up a layer's weights over the states."""

    def __init__(self, name: str, calls: dict[str, int], totals: Maps) -> None:
        self.name, self.calls, self.totals = name, calls, totals

    def __call__(self, _module: nn.Module, _inputs: object, output: object) -> None:
        self.calls[self.name] = self.calls.get(self.name, 0) + 1
        key = self.name if self.calls[self.name] == 1 else f"{self.name}#{self.calls[self.name]}"
        weights = output[1] if isinstance(output, tuple) and len(output) > 1 else None
        if isinstance(weights, Tensor):
            summed = weights.detach().double().sum(0)
            self.totals[key] = self.totals[key] + summed if key in self.totals else summed


def _entropy(heads: Tensor) -> list[float | None]:
    keys = heads.shape[-1]
    if keys < 2:
        return [None] * len(heads)
    rows = torch.special.entr(heads).sum(-1) / math.log(keys)
    return [float(value) for value in rows.mean(-1)]


def _stability(heads: Tensor, before: Tensor) -> list[float | None]:
    middle = (heads + before) / 2
    divergence = torch.special.entr(middle) - (torch.special.entr(heads) + torch.special.entr(before)) / 2
    rows = divergence.sum(-1) / math.log(2)
    return [float(value) for value in (1 - rows).clamp(0, 1).mean(-1)]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
