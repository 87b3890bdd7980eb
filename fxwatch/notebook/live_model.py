"""A live model, explained on a private copy, so that training finds everything as it left it."""

import copy
import hashlib
import random
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fxwatch.attribution import AttributionError
from fxwatch.load import LoadError, check_answers
from fxwatch.load.factory import frozen
from fxwatch.load.policy import policy_of
from fxwatch.records.settings import ModelSettings
from fxwatch.records.states import States


class LivePolicy(NamedTuple):
    """A copy of the model as attribution wants it, the states in its order, and the hash of its weights.

    `continuous`: names of the outputs that are continuous actions.
    """

    policy: nn.Module
    states: States
    continuous: frozenset[str]
    sha256: str


@contextmanager
def undisturbed() -> Iterator[None]:
    """Explain in here: random generators go on afterwards as if nothing had been drawn, and gradients can be taken."""
    python, numpy_state, cpu = random.getstate(), np.random.get_state(), torch.get_rng_state()  # noqa: NPY002 - Captum's
    devices = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.inference_mode(mode=False))  # which lets gradients be taken, too
            if torch.get_default_device().type != "cpu":
                stack.enter_context(torch.device("cpu"))
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)  # noqa: NPY002 - the global state that Captum draws from
        torch.set_rng_state(cpu)
        if devices:
            torch.cuda.set_rng_state_all(devices)


def live_policy(model: nn.Module, states: States, settings: ModelSettings) -> LivePolicy:
    """The model as it is now, over these states. Raises AttributionError where it cannot answer them."""
    if lazy := [name for name, tensor in model.state_dict().items() if is_lazy(tensor)]:
        raise AttributionError(
            f"the model has lazy layers, whose shapes are unknown before a forward: {', '.join(lazy[:3])}; run it once"
        )
    mine = frozen(without_hooks(model).cpu())
    try:
        loaded = policy_of(mine)
        ordered = states.in_order(loaded.order(list(states.branches)))
        policy = loaded.over(list(ordered.branches), settings)
        check_answers(policy, ordered)
    except LoadError as error:
        raise AttributionError(str(error)) from error
    weights = {name: _bytes(one) for name, one in mine.state_dict().items() if isinstance(one, Tensor)}
    return LivePolicy(policy, ordered, loaded.continuous, _sha256(weights))


def unwrapped(model: nn.Module) -> nn.Module:
    """The model itself, out of what torch.compile and the data parallel wrappers put around it."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def axes_of(model: nn.Module) -> Mapping[str, int]:
    """How many axes each branch of one state has, where the model tells (a policy of Stable-Baselines3 does).

    Raises AttributionError.
    """
    try:
        shapes = policy_of(model).shapes
    except LoadError as error:
        raise AttributionError(str(error)) from error
    return {name: len(shape) for name, shape in (shapes or {}).items()}


def without_hooks(model: nn.Module) -> nn.Module:
    """A copy without the hooks of others, which would be called while it is explained, and may hold a whole trainer.

    Hooks of torch itself are part of the model (weight normalisation is one). Activations that a module keeps are
    copied without their graph, which cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for name, value in vars(module).items():
            if name.endswith("_hooks") and isinstance(value, dict):
                memo[id(value)] = OrderedDict((key, hook) for key, hook in value.items() if _is_torchs(hook))
            else:
                memo.update((id(one), one.detach().clone()) for one in _kept(value) if not one.is_leaf)
    return copy.deepcopy(model, memo)


def _is_torchs(hook: object) -> bool:
    return str(getattr(hook, "__module__", "")).startswith("torch.")


def _kept(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _kept(one)
    elif isinstance(value, dict):
        yield from _kept(list(value.values()))


def sha256_of_states(states: States) -> str:
    """The hash of states with the names of their features, and their actions."""
    digest = hashlib.sha256(repr(dict(states.features)).encode())
    action = {} if states.action is None else {"action": states.action}
    digest.update(_sha256({**states.branches, **action}).encode())
    return digest.hexdigest()


def _sha256(arrays: Mapping[str, NDArray[Any]]) -> str:
    """One hash over named arrays, in the order of their names."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name}{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _bytes(tensor: Tensor) -> NDArray[np.uint8]:
    return tensor.contiguous().flatten().view(torch.uint8).numpy()
