"""torch.save files: a state dict, or a dictionary that holds one. Always read with weights_only=True."""

import pickle
import re
from collections.abc import Mapping
from typing import IO, Any

import torch
from torch import Tensor
from typing_extensions import TypeIs

from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.optimizer import find_optimizer

STATE_DICT_KEYS = (
    "model_state_dict",
    "state_dict",
    "model",
    "policy_state_dict",
    "policy",
    "model_weights",
    "actor_critic",
    "actor_critic_state_dict",
    "agent",
    "network",
    "net",
    "module",
    "actor",
    "weights",
)


def read(
    file: IO[bytes], state_dict_key: str
) -> tuple[Mapping[str, Tensor], int | None, int | None, Mapping[Any, Any]]:
    """State dict, step, update, and the optimizer's state. Raises LoadError."""
    loaded = load_tensors(file)
    if not isinstance(loaded, Mapping):
        raise LoadError(f"it holds a {type(loaded).__name__} and not a dictionary of weights")
    step, update = counters(loaded)
    state = strip_wrappers(find_state_dict(loaded, state_dict_key))
    return state, step, update, find_optimizer(loaded)


def load_tensors(file: IO[bytes]) -> Any:
    """Tensors and plain values of a torch file; anything else in it is refused by name. Raises LoadError."""
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
    except pickle.UnpicklingError as error:
        file.seek(0)
        named = _unsafe_globals(file) or _named_in(str(error))
        raise LoadError(
            f"it would run code to load ({named}), so it is never loaded; save only tensors and plain numbers, as in "
            "torch.save(model.state_dict(), path)",
            "refused",
        ) from None
    except (EOFError, IndexError):
        raise LoadError("it ends too early: truncated", "incomplete") from None
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, AssertionError, UnicodeDecodeError) as error:
        raise LoadError(f"torch cannot read it: {first_sentence(error)}") from None


def find_state_dict(loaded: Mapping[str, Any], key: str) -> Mapping[str, Tensor]:
    """The state dict under a key (dots descend), or by `auto` the dictionary itself or what is under a usual name."""
    if key != "auto":
        found: Any = loaded
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if not is_state_dict(found):
            raise LoadError(
                f"[model] state_dict_key {key!r} leads to no state dict; at the top are {_keys(loaded)}", config=True
            )
        return found
    if is_state_dict(loaded):
        return loaded
    for name in STATE_DICT_KEYS:
        if is_state_dict(inner := loaded.get(name)):
            return inner
    raise LoadError(
        f"no state dict was found; set [model] state_dict_key to one of its keys: {_keys(loaded)}", config=True
    )


def strip_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Parameter names without what torch.compile and DistributedDataParallel put before them."""
    named = {name.replace("_orig_mod.", ""): tensor for name, tensor in state.items()}
    while named and all(name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): tensor for name, tensor in named.items()}
    return named


def first_sentence(error: BaseException) -> str:
    """The first line of a message, without colours: torch's own run over many lines."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    return plain.splitlines()[0][:200] if plain else type(error).__name__


def is_state_dict(value: Any) -> TypeIs[Mapping[str, Tensor]]:
    """Whether a value is a dictionary of tensors by name, and of nothing else."""
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _unsafe_globals(file: IO[bytes]) -> str:
    try:
        return ", ".join(torch.serialization.get_unsafe_globals_in_checkpoint(file)[:5])
    except (RuntimeError, ValueError, KeyError, pickle.UnpicklingError, EOFError, IndexError):
        return ""


def _named_in(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message) or re.search(r"global ([\w.]+)", message)
    return found[1] if found else "a pickled object"


def _keys(loaded: Mapping[str, Any], shown: int = 12) -> str:
    names = [str(name)[:40] for name in list(loaded)[:shown]]
    return ", ".join(names) + (", …" if len(loaded) > shown else "")
