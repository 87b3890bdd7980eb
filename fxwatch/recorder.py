"""One line in a training loop, for what checkpoints cannot tell. This file stands alone: copy it where you train.

    recorder = Recorder(model, optimizer, "outputs/run-1")   # that is all; or: with Recorder(...) as recorder:
    recorder.log({"policy_loss": loss, "global_step": step})  # if you like: numbers of your own
    recorder.close()                                          # or the end of the program

It needs Python 3.9, torch 2.0 and numpy. By hooks on the model and the optimizer it writes into run_dir:

    training.jsonl          each layer's gradient at every step, as the optimizer gets it (after clipping), attention by
                            head, and what was logged: a line an update, but at most one in five seconds, and in
                            a long training no more than one in a thousandth of its time
    states.safetensors      real observations, drawn evenly over those since the last dump, every `every` updates
    recorded-step-N.safetensors   with weights=True, the model's weights as often

An update ends with the first forward after steps of the optimizer. A loop whose first forward is without gradients acts
before it learns, as PPO does: there only such forwards count, and only theirs are observations. Hooks change no number
and draw no random one; files are whole or not there; and nothing here raises into training or waits for a disk.
"""

from __future__ import annotations

import atexit
import functools
import inspect
import json
import logging
import math
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import Tensor, nn

SCHEMA_VERSION = 1
STEP_NAMES = ("global_step", "num_timesteps", "time/total_timesteps", "env_step", "step")
"""Names under which `log` learns the trainer's own step."""

_STEPS_AT_ONCE = 64
_GROUP = 32
_SECONDS_BETWEEN_LINES = 5.0
_TIME_BETWEEN_LINES = 1e-3
"""Of all time so far, so that days of training leave a file of some thousand lines."""
_WEIGHTS_EVERY = 16
"""Steps after which the norm of the weights, to which gradients are compared, is measured anew."""
_STATES = 64
_ATTENTION_ROWS = 4
_LARGEST_ATTENTION = 16_000_000
_SMALL = 500_000
"""Parameters; of more, gradients are not worth a copy."""
_PATIENCE_AT_THE_END = 20.0
_NOT_INPUTS = {"labels", "label", "targets", "target", "attention_mask", "mask", "action_masks"}

_Step = tuple[Any, Any, Any, Any]
"""Which parameters had a gradient, the sums of its absolute values and of its squares, and the latter of weights."""

log = logging.getLogger("fxwatch.recorder")


def _never_raises(method: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(method)
    def guarded(self: Recorder, *args: Any, **kwargs: Any) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - training goes on, whatever is wrong here
            self.writer.warn(error)

    return guarded


class Recorder:
    """Records a training loop.

    `every`: updates between dumps; None: only at `dump()` and `close()`. `features`: names of the columns by branch; a
    model that takes one tensor has the branch `observation`. `weights`: save the model with each dump, too.
    `normalisation`: for each branch (mean, variance) by which the trainer normalises it, kept with the dumps.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Any,
        run_dir: str | os.PathLike[str],
        every: int | None = 10,
        features: Mapping[str, Sequence[str]] | None = None,
        *,
        weights: bool = False,
    ) -> None:
        self.folder = Path(run_dir)
        self.writer = _Writer(self.folder)
        self.normalisation: dict[str, tuple[Any, Any]] = {}
        self.steps = self.updates = 0
        self._model, self._every, self._features, self._weights = model, every, features, weights
        self._step: int | None = None
        self._stepped = self._closed = False
        self._began = time.monotonic()
        self._next_line = 0.0
        self._scalars: dict[str, Any] = {}
        layers = _layers(model)
        sparse = any(getattr(module, "sparse", False) for module in model.modules())
        self._gradients = _Gradients([one for layer in layers.values() for one in layer], sparse=sparse)
        self._span = _Span(layers, self._gradients.parameters)
        self._attention = _Attention(model)
        self._seen = _Reservoir(_STATES)
        self._forwards = _Forwards(self._on_forward, self.writer.warn)
        self._saving = threading.Semaphore(1)  # one copy of the weights at most waits for the disk
        entries = [model] if type(model).forward is not nn.Module.forward else list(model.children())
        inner = getattr(optimizer, "optimizer", optimizer)
        self._hooks = [
            *(entry.register_forward_pre_hook(self._forwards, with_kwargs=True) for entry in entries),
            # after the step: before it a closure has not made gradients yet, and they are not yet in the cache
            inner.register_step_post_hook(_Hook(self._on_step, self.writer.warn)),
        ]
        start = {"kind": "start", "layers": list(layers), "every": every, **_wandb_run()}
        self.writer.put(lambda: self.writer.line(start))
        atexit.register(self.close)

    def __enter__(self) -> Recorder:  # noqa: PYI034 - Self is not in Python 3.9
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @_never_raises
    def log(self, values: Mapping[str, Any]) -> None:
        """The trainer's own numbers; the last of each name goes into the next line. One of STEP_NAMES dates it."""
        for name, value in values.items():
            self._scalars[str(name)] = value.detach() if isinstance(value, Tensor) else value
        step = next((values[name] for name in STEP_NAMES if name in values), None)
        self._step = self._step if step is None else int(step)

    @_never_raises
    def dump(self) -> None:
        """Write what has been seen, now; left out where the disk has not kept up."""
        self._dump(patience=0.0)

    @_never_raises
    def close(self) -> None:
        """Dump, take the hooks off, and wait a while for the files."""
        if self._closed:
            return
        self._closed = True
        atexit.unregister(self.close)
        for hook in self._hooks:
            hook.remove()
        self.updates += self._stepped
        self._stepped = False
        self._dump(patience=_PATIENCE_AT_THE_END)
        if self._forwards.entry is None:
            self.writer.warn(ValueError("the model was never called; give Recorder the module whose forward is called"))
        self._attention.stop()
        self.writer.close()

    def _on_forward(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        forwards = self._forwards
        if not forwards.count(module):
            return
        if self._stepped:
            self._end_update()
        if forwards.unread:
            forwards.unread -= 1
        else:
            forwards.unread = self._seen.offer(module, args, kwargs)
        forwards.watched = False

    def _on_step(self, optimizer: Any, *_: object) -> None:
        if not self._stepped:
            self._stepped = self._forwards.watched = True
            self.steps = self.steps or _steps_before(optimizer)
            self._attention.listen(_Hook(self._attention.read, self.writer.warn))
        self.steps += 1
        self._gradients.measure()
        if self._gradients.full:
            self._end_span()

    def _end_update(self) -> None:
        self._stepped = False
        self.updates += 1
        if self._forwards.acts and time.monotonic() >= self._next_line:
            self._end_span(line=True)
        if self._every is not None and self.updates % self._every == 0:
            self._dump(patience=0.0)

    def _dump(self, patience: float) -> None:
        self._end_span(line=patience > 0)
        step = self.steps if self._step is None else self._step
        texts = {"step": str(step), "update": str(self.updates), **_wandb_run()}
        rows = self._seen.take(self._forwards.unread)
        self._forwards.unread = 0
        if rows:
            statistics = dict(self.normalisation)
            self.writer.put(lambda: self.writer.states(rows, self._features, statistics, texts), patience)
        if self._weights and self._saving.acquire(blocking=patience > 0, timeout=patience or None):
            written = False
            try:
                written = self.writer.put(self._snapshot(step, texts), patience)
            finally:
                if not written:
                    self._saving.release()

    def _snapshot(self, step: int, texts: dict[str, str]) -> Callable[[], None]:
        """The weights as they are now, yet to be written."""
        state = {name: value for name, value in self._model.state_dict().items() if isinstance(value, Tensor)}
        copied = {name: value.detach().to("cpu", copy=True) for name, value in state.items()}
        dated = {**texts, "global_step": str(step)}

        def write() -> None:
            try:
                self.writer.whole(f"recorded-step-{step:09}.safetensors", copied, dated)
            finally:
                self._saving.release()

        return write

    def _end_span(self, *, line: bool = False) -> None:
        """Have what was measured reduced, and written as a line where one is due."""
        measured, now = self._gradients.take(), time.monotonic()
        if not line and now < self._next_line:
            self.writer.put(lambda: self._span.add(*measured))
            return
        self._next_line = now + max(_SECONDS_BETWEEN_LINES, _TIME_BETWEEN_LINES * (now - self._began))
        scalars, attention, self._scalars = self._scalars, self._attention.take(), {}
        head = {"kind": "span", "update": self.updates, "optimizer_step": self.steps, "step": self._step}

        def write() -> None:
            self._span.add(*measured)
            steps, layers = self._span.take()
            numbers = {name: _number(value) for name, value in scalars.items()}
            if steps or numbers:
                self.writer.line({**head, "steps": steps, "layers": layers, "scalars": numbers, **attention()})

        self.writer.put(write)


class _Hook:
    """A hook that never raises, and that stays behind, and does nothing, where the model is copied or pickled."""

    __slots__ = ("_call", "_warn")

    def __init__(
        self, call: Callable[..., None] = lambda *_: None, warn: Callable[[Any], None] = lambda _: None
    ) -> None:
        self._call, self._warn = call, warn

    def __call__(self, *args: Any) -> None:
        try:
            self._call(*args)
        except Exception as error:  # noqa: BLE001 - training goes on, whatever is wrong here
            self._warn(error)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return _Hook, ()


class _Forwards(_Hook):
    """The hook on the model's forward, which most often has only to count down.

    `entry`: the module that is called. `acts`: whether only forwards without gradients count. `unread`: how many of
    them to pass over, as no row of them is drawn. `watched`: whether the next one may end an update.
    """

    __slots__ = ("acts", "entry", "unread", "watched")

    def __init__(self, call: Callable[..., None], warn: Callable[[Any], None]) -> None:
        super().__init__(call, warn)
        self.entry: nn.Module | None = None
        self.acts = self.watched = False
        self.unread = 0

    def __call__(self, module: nn.Module, *inputs: Any) -> None:
        """What there is to do about a forward that is about to be; in the loop that acts, so as cheap as can be."""
        if self.unread and not self.watched and self.count(module):
            self.unread -= 1
        else:
            super().__call__(module, *inputs)

    def count(self, module: nn.Module) -> bool:
        """Whether a forward counts. The first one tells which do."""
        if self.entry is None:
            self.entry, self.acts = module, not torch.is_grad_enabled()
        return module is self.entry and torch.is_grad_enabled() is not self.acts


class _Gradients:
    """Of each parameter's gradient, at each step, the sums of absolute values and of squares; the latter of weights.

    Small ones on the processor are copied side by side, all of one shape but for their lengths at once, and summed by
    group, which is quicker than one tensor after another. What leaves its last group unfilled has a pad behind it,
    which looks like a parameter whose gradient is always nought. Of others there is a sum a parameter. `parameters`:
    as given, but those of one shape together.
    """

    def __init__(self, parameters: list[nn.Parameter], *, sparse: bool) -> None:
        self._shapes: dict[Any, list[nn.Parameter]] = {}
        for parameter in parameters:
            self._shapes.setdefault(parameter.shape[1:] if parameter.dim() else None, []).append(parameter)
        self.parameters = [parameter for alike in self._shapes.values() for parameter in alike]
        self._slots: list[Any] = self.parameters
        self._starts = np.arange(len(parameters))
        self._all = np.ones(len(parameters), bool)
        self._parts: list[tuple[slice, Tensor]] = []
        self._sparse = sparse
        self._steps: list[_Step] = []
        self._weights: Any = None
        self._measured = 0

    @property
    def full(self) -> bool:
        """Whether it is time to take what was measured."""
        return len(self._steps) >= _STEPS_AT_ONCE

    def take(self) -> tuple[list[_Step], Any]:
        """What was measured since the last time, and where the sums of each parameter begin."""
        taken, self._steps = self._steps, []
        return taken, self._starts

    def measure(self) -> None:
        """Of the gradients as they are now. On an accelerator it waits for nothing."""
        if not self._measured:  # only now, as until now the model may have been moved
            self._lay_side_by_side()
        gradients, there = [gradient for slot in self._slots if (gradient := slot.grad) is not None], self._all
        if len(gradients) < len(self._slots):
            there = np.array([parameter.grad is not None for parameter in self.parameters])
            if not there.any():
                return
            gradients = [self._nought(slot) if slot.grad is None else slot.grad for slot in self._slots]
        if self._measured % _WEIGHTS_EVERY == 0:
            with torch.no_grad():
                self._weights = self._sums(self._slots)[1]
        try:
            sums = self._sums(gradients)
        except RuntimeError:  # of gradients that are to be differentiated; to allow for them always has its price
            with torch.no_grad():
                sums = self._sums(gradients)
        self._steps.append((there, *sums, self._weights))
        self._measured += 1

    def _nought(self, slot: Tensor) -> Tensor:
        return slot.new_zeros(slot.shape if self._parts else ())

    def _sums(self, tensors: list[Any]) -> tuple[Tensor, Tensor]:
        """Of absolute values and of squares."""
        if not self._parts:
            dense = [tensor.detach().to_dense() if tensor.is_sparse else tensor.detach() for tensor in tensors]
            first, second = (
                torch.stack([one.float() for one in torch._foreach_norm(dense, order)]) for order in (1, 2)
            )
            return first, second.square()
        for chosen, place in self._parts:
            torch.cat(tensors[chosen], out=place)
        absolute = self._room.abs_().sum(1)
        return absolute, self._room.mul_(self._room).sum(1)

    def _lay_side_by_side(self) -> None:
        kinds = {(parameter.device.type, parameter.dtype) for parameter in self.parameters}
        if kinds != {("cpu", torch.float32)} or None in self._shapes or self._sparse:
            return
        padded = [[_padded(one) for one in alike] for alike in self._shapes.values()]
        sizes = [sum(slot.numel() for slot in slots) for alike in padded for slots in alike]
        if sum(sizes) > _SMALL:
            return
        self._room = torch.empty(sum(sizes) // _GROUP, _GROUP)
        self._starts = np.cumsum([0, *sizes[:-1]]) // _GROUP
        self._slots, place = [], self._room.flatten()
        for shape, alike in zip(self._shapes, padded):
            slots = [slot for both in alike for slot in both]
            size = sum(slot.numel() for slot in slots)
            chosen = slice(len(self._slots), len(self._slots) + len(slots))
            self._parts.append((chosen, place[:size].view(-1, *shape)))
            self._slots, place = self._slots + slots, place[size:]


def _padded(parameter: nn.Parameter) -> list[Any]:
    """A parameter, and where it does not fill its groups as many rows of noughts as it takes."""
    row = math.prod(parameter.shape[1:])
    rows = next(rows for rows in range(_GROUP) if (parameter.numel() + rows * row) % _GROUP == 0)
    if not rows:
        return [parameter]
    pad = parameter.new_zeros(rows, *parameter.shape[1:])
    pad.grad = pad.clone()
    return [parameter, pad]


class _Span:
    """What was measured since the last line, by layer; for the writer, beside training."""

    def __init__(self, layers: Mapping[str, Sequence[nn.Parameter]], parameters: Sequence[nn.Parameter]) -> None:
        self._names = list(layers)
        places = {id(parameter): place for place, parameter in enumerate(parameters)}
        self._order = [places[id(parameter)] for layer in layers.values() for parameter in layer]
        self._sizes = np.array([parameter.numel() for parameter in parameters])
        self._starts = np.cumsum([0, *map(len, layers.values())])[:-1]
        self._clear()

    def _clear(self) -> None:
        self._steps, shape = 0, len(self._names)
        self._counts, self._infinite = np.zeros(shape), np.zeros(shape, int)
        self._least, self._greatest = np.full(shape, np.inf), np.zeros(shape)
        self._sums = np.zeros((3, shape))
        self._ratios = np.zeros(shape)

    def add(self, steps: list[_Step], starts: Any) -> None:
        """Some more steps."""
        if not steps:
            return
        norms, means, ratios = self._by_layer(steps, starts)
        finite = np.isfinite(norms)
        self._steps += len(steps)
        self._counts += finite.sum(0)
        self._infinite += np.isinf(norms).sum(0)
        self._least = np.minimum(self._least, np.where(finite, norms, np.inf).min(0))
        self._greatest = np.maximum(self._greatest, np.where(finite, norms, 0.0).max(0))
        known = finite & np.isfinite(ratios)  # weights that are all nought have no ratio
        self._ratios += known.sum(0)
        for place, (values, chosen) in enumerate(((norms, finite), (means, finite), (ratios, known))):
            self._sums[place] += np.where(chosen, values, 0.0).sum(0)

    def _by_layer(self, steps: list[_Step], starts: Any) -> tuple[Any, Any, Any]:
        """At each step norm, mean |gradient|, and ratio of norm to weights, (steps, layers) each; NaN where a layer had
        no gradient, and Inf where that is not finite.
        """
        there, *measured = zip(*steps)
        by_parameter = [np.add.reduceat(torch.stack(sums).cpu().numpy(), starts, axis=1) for sums in measured]
        absolute, squares, weights = map(self._added, by_parameter)
        sizes = self._added(np.stack(there) * self._sizes)
        with np.errstate(invalid="ignore", divide="ignore"):
            norms, means, ratios = np.sqrt(squares), absolute / sizes, np.sqrt(squares / weights)
        norms[~np.isfinite(norms)] = np.inf
        norms[sizes == 0] = np.nan
        return norms, means, ratios

    def _added(self, by_parameter: Any) -> Any:
        return np.add.reduceat(by_parameter[:, self._order], self._starts, axis=1, dtype=float)

    def take(self) -> tuple[int, dict[str, Any]]:
        """How many steps, and by layer: least, mean and greatest norm over those where it is finite, mean |gradient|,
        mean ratio of norm to weights, and how many steps had NaN or Inf. A layer without a gradient is left out.
        """
        found: dict[str, Any] = {}
        for place, name in enumerate(self._names):
            count, infinite = self._counts[place], int(self._infinite[place])
            if not count + infinite:
                continue
            norm, mean, ratio = self._sums[:, place]
            ends = (self._least[place], _over(norm, count), self._greatest[place])
            found[name] = {
                "norm": [_number(value) if count else None for value in ends],
                "mean": _over(mean, count),
                "weight_ratio": _over(ratio, self._ratios[place]),
                **({"nonfinite": infinite} if infinite else {}),
            }
        steps = self._steps
        self._clear()
        return steps, found


class _Reservoir:
    """Rows drawn evenly from all that are offered: one at random of every so many, which are as many more as there were
    rows the last time. A row is a dictionary of branches, each (features,) or (time, features).
    """

    def __init__(self, size: int) -> None:
        self._size, self._random = size, random.Random(0)  # noqa: S311 - a sample, not a secret
        self._stride = 1
        self._older: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._seen = self._next = self._count = 0

    def take(self, unread: int = 0) -> list[dict[str, Any]]:
        """The sample of what was offered since the last time, with older rows where it is small; empty: of nothing.
        `unread`: how many of the forwards that the last offer said to pass over are still to come.
        """
        rows, count = self._rows, len(self._rows)
        if count > self._size:
            rows = [rows[place * count // self._size] for place in range(self._size)]
        self._stride = max(1, (self._seen - unread * self._count) // self._size)
        self._rows, self._seen = [], 0
        self._next = self._random.randrange(self._stride)
        if rows:
            self._older = rows + self._older[: self._size - len(rows)]
        return self._older if rows else []

    def offer(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """Take of the inputs of a forward what the draw says. Returns of how many to come no row is drawn, where they
        have as many rows as this one.
        """
        branches = _branches(module, args, kwargs)
        counts = {len(value) for value in branches.values()}
        if len(counts) != 1 or 0 in counts:
            return 0
        (self._count,) = counts
        while self._next < self._seen + self._count:
            row = self._next - self._seen
            self._put({name: _copied(value[row]) for name, value in branches.items()})
        unread = (self._next - self._seen) // self._count - 1
        self._seen += (1 + unread) * self._count
        return unread

    def _put(self, row: dict[str, Any]) -> None:
        self._rows.append(row)
        if len(self._rows) == 2 * self._size:
            self._rows = self._rows[::2]
            self._stride *= 2
        self._next = (self._next // self._stride + 1) * self._stride + self._random.randrange(self._stride)


def _copied(row: Tensor) -> Any:
    if row.is_cpu and row.dtype is torch.float32:  # most often, and quicker so
        return row.detach().numpy().copy()
    return row.detach().to("cpu", torch.float32, copy=True).numpy()


def _branches(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The observations of a forward by branch, (N, features) or (N, time, features); empty where there are none."""
    if args and isinstance(args[0], Mapping):
        given = {str(name): value for name, value in args[0].items()}
    else:
        names = list(inspect.signature(module.forward).parameters) if len(args) > 1 else ["observation"]
        given = {**dict(zip(names, args)), **kwargs}
    tensors = {name: value for name, value in given.items() if isinstance(value, Tensor) and value.dim() > 0}
    if tensors and all(value.dim() == 1 for value in tensors.values()):
        tensors = {name: value[None] for name, value in tensors.items()}
    fitting = {name: value for name, value in tensors.items() if value.dim() in (2, 3) and name not in _NOT_INPUTS}
    floating = {name: value for name, value in fitting.items() if value.is_floating_point()}
    found = floating or fitting
    if len(found) == 1 and len(args) > 1:
        found = {"observation": next(iter(found.values()))}
    return found


class _Attention:
    """Attention of every nn.MultiheadAttention, once a line, worked out beside its own forward on a few rows."""

    def __init__(self, model: nn.Module) -> None:
        self._modules = {name: one for name, one in _named(model) if isinstance(one, nn.MultiheadAttention)}
        self._handles: dict[str, Any] = {}
        self._maps: dict[str, Tensor] = {}
        self._before: dict[str, Any] = {}

    def listen(self, hook: Callable[..., None]) -> None:
        """To the next forward of each layer that was not heard since the last time: one that learns, where an update
        has several steps.
        """
        for name, module in self._modules.items():
            if name not in self._handles and name not in self._maps:
                self._handles[name] = module.register_forward_pre_hook(functools.partial(hook, name), with_kwargs=True)

    def stop(self) -> None:
        """Listen no more."""
        for handle in self._handles.values():
            handle.remove()
        self._handles = {}

    def read(self, name: str, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The weights of a forward that is about to be: (rows, heads, query, key). No random number is drawn."""
        self._handles.pop(name).remove()
        (q, k, v), padding, mask = _asked(*args, **kwargs)
        batch = 0 if module.batch_first else 1
        q, k, v = (one.detach() for one in (q, k, v))
        if q.dim() == 3:
            q, k, v = (one.narrow(batch, 0, min(one.shape[batch], _ATTENTION_ROWS)) for one in (q, k, v))
            if module.batch_first:
                q, k, v = (one.transpose(0, 1) for one in (q, k, v))
            padding = None if padding is None else padding[: q.shape[1]]
            mask = mask[: q.shape[1] * module.num_heads] if mask is not None and mask.dim() == 3 else mask
        if q.numel() // module.embed_dim * len(k) * module.num_heads > _LARGEST_ATTENTION:
            return
        own = not module._qkv_same_embed_dim
        with torch.no_grad():
            _, weights = nn.functional.multi_head_attention_forward(
                q, k, v, module.embed_dim, module.num_heads, module.in_proj_weight, module.in_proj_bias,
                module.bias_k, module.bias_v, module.add_zero_attn, 0.0, module.out_proj.weight, module.out_proj.bias,
                training=False, key_padding_mask=padding, attn_mask=mask, need_weights=True,
                average_attn_weights=False, use_separate_proj_weight=own,
                **({f"{one}_proj_weight": getattr(module, f"{one}_proj_weight") for one in "qkv"} if own else {}),
            )  # fmt: skip
        if weights is not None:
            self._maps[name] = weights.detach() if weights.dim() == 4 else weights.detach()[None]

    def take(self) -> Callable[[], dict[str, Any]]:
        """What was read since the last time, yet to be worked out by the writer."""
        maps, self._maps = self._maps, {}
        return lambda: {"attention": {name: self._heads(name, _array(weights)) for name, weights in maps.items()}}

    def _heads(self, name: str, weights: Any) -> dict[str, Any]:
        """By head: the entropy of a query's weights over its maximum, averaged over rows and queries, as in fxwatch's
        analyses; and as stability 1 - Jensen-Shannon divergence (base 2) of the weights averaged over the rows against
        those before, as the rows are others each time.
        """
        keys = weights.shape[-1]
        now, before = weights.mean(0), self._before.get(name)
        self._before[name] = now
        entropy = _entropy(weights).mean((0, 2)) / math.log(keys) if keys > 1 else np.full(len(now), np.nan)
        found = {"entropy": [_number(value) for value in entropy]}
        if before is not None and before.shape == now.shape:
            divergence = _entropy((now + before) / 2) - (_entropy(now) + _entropy(before)) / 2
            found["stability"] = [_number(value) for value in 1 - divergence.mean(1) / math.log(2)]
        return found


class _Writer:
    """Writes in a thread of its own, in order; where it cannot keep up or cannot write, something is left out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._jobs: queue.Queue[Callable[[], None] | None] = queue.Queue(16)
        self._warned = False
        self._session = f"{os.getpid():x}-{time.time_ns():x}"
        self._lines = 0
        self.thread = threading.Thread(target=self._work, name="fxwatch-recorder", daemon=True)
        self.thread.start()

    def put(self, job: Callable[[], None], patience: float = 0.0) -> bool:
        """Have a job done soon. False, and it is not done, where too many wait."""
        try:
            self._jobs.put(job, block=patience > 0, timeout=patience)
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Finish, but do not wait for a disk for ever."""
        until = time.monotonic() + _PATIENCE_AT_THE_END
        try:
            self._jobs.put(None, timeout=_PATIENCE_AT_THE_END)
        except queue.Full:
            return
        self.thread.join(max(0.0, until - time.monotonic()))

    def warn(self, error: BaseException) -> None:
        """Once; training is not to be drowned in the troubles of its recorder."""
        if not self._warned:
            self._warned = True
            log.warning("recording in %s is incomplete: %s: %s", self._folder, type(error).__name__, error)

    def line(self, values: dict[str, Any]) -> None:
        """A line of training.jsonl, whole or not at all."""
        told = {"session": self._session, "line": self._lines}
        dated = {"schema_version": SCHEMA_VERSION, "at": round(time.time(), 3), **told, **values}
        self._lines += 1
        text = json.dumps(dated, allow_nan=False) + "\n"
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "training.jsonl").open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(text.encode()) != len(text.encode()):
                    raise OSError("the disk is full")
            except OSError:
                file.truncate(size)
                raise

    def states(self, rows: list[dict[str, Any]], features: Any, statistics: Any, texts: dict[str, str]) -> None:
        """A dump of the rows that are like the first."""
        shapes = {name: value.shape for name, value in rows[0].items()}
        alike = [row for row in rows if {name: value.shape for name, value in row.items()} == shapes]
        branches = {name: torch.from_numpy(np.stack([row[name] for row in alike])) for name in shapes}
        names = {name: [f"{name}_{column}" for column in range(shape[-1])] for name, shape in shapes.items()}
        for branch, given in (features or {}).items():
            if branch in names and len(given) == len(names[branch]):
                names[branch] = [str(name) for name in given]
            else:
                known = ", ".join(f"{name} has {len(columns)}" for name, columns in names.items())
                self.warn(ValueError(f"{len(given)} names of features for {branch!r} do not fit: {known}"))
        for branch, (mean, variance) in statistics.items():
            branches[f"mean/{branch}"] = torch.as_tensor(mean, dtype=torch.float32)
            branches[f"var/{branch}"] = torch.as_tensor(variance, dtype=torch.float32)
        self.whole("states.safetensors", branches, {**texts, "normalised": "true", "feature_names": json.dumps(names)})

    def whole(self, name: str, tensors: Mapping[str, Tensor], texts: dict[str, str]) -> None:
        """A safetensors file that is there as a whole, or as it was before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{name}.{os.getpid()}.tmp"
        try:
            with temporary.open("wb") as file:
                for part in _safetensors(tensors, texts):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._folder / name)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            try:
                job()
            except Exception as error:  # noqa: BLE001 - what cannot be written is left out
                self.warn(error)


_KINDS = {
    torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16", torch.bool: "BOOL",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8",
}  # fmt: skip


def _safetensors(tensors: Mapping[str, Tensor], texts: dict[str, str]) -> Iterator[bytes]:
    """The content of a safetensors file, in parts. A tensor of a kind that it does not know is left out."""
    header: dict[str, Any] = {"__metadata__": texts}
    kept, end = [], 0
    for name, tensor in tensors.items():
        if tensor.dtype in _KINDS and tensor.layout == torch.strided:
            size = tensor.numel() * tensor.element_size()
            shape = list(tensor.shape)
            header[name] = {"dtype": _KINDS[tensor.dtype], "shape": shape, "data_offsets": [end, end + size]}
            kept.append(tensor.contiguous())
            end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    yield len(text).to_bytes(8, "little") + text
    for tensor in kept:
        yield tensor.flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def _layers(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Modules that own floating parameters, by name; a shared parameter is the first one's. As fxwatch has them."""
    seen: set[int] = set()
    found = {}
    for name, module in _named(model):
        owned = [one for one in module.parameters(recurse=False) if id(one) not in seen and one.numel()]
        seen.update(map(id, owned))
        owned = [one for one in owned if one.is_floating_point() and one.requires_grad]
        if owned:
            found[name or "model"] = owned
    return found


def _named(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Modules by name, less what torch.compile and copies on several devices put before it."""
    copied = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
    for name, module in model.named_modules():
        yield ".".join([part for part in name.split(".") if part != "_orig_mod"][copied:]), module


def _wandb_run() -> dict[str, str]:
    run = getattr(sys.modules.get("wandb"), "run", None)
    return {"wandb_run_id": str(run.id)} if run is not None else {}


def _asked(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Any = None,
    need_weights: Any = None,  # noqa: ARG001 - it stands between, where they are given by position
    attn_mask: Any = None,
    *_: Any,
    **__: Any,
) -> tuple[tuple[Tensor, Tensor, Tensor], Any, Any]:
    """What nn.MultiheadAttention is called with: its inputs, their padding, and its mask."""
    return (query, key, value), key_padding_mask, attn_mask


def _array(values: Any) -> Any:
    return values.float().cpu().numpy() if isinstance(values, Tensor) else values


def _over(total: float, count: float) -> float | None:
    return _number(total / count) if count else None


def _steps_before(optimizer: Any) -> int:
    """How many steps an optimizer had made before its last one, which it knows where it was resumed."""
    states = getattr(optimizer, "state", {})
    steps = next((state["step"] for state in states.values() if "step" in state), 1)
    return max(0, int(steps) - 1)


def _entropy(weights: Any) -> Any:
    return -np.sum(weights * np.log(np.clip(weights, 1e-38, None)), axis=-1)


def _number(value: Any) -> float | None:
    """As JSON can hold it: None for what is no finite number."""
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError):
        return None
    return number if math.isfinite(number) else None
