"""torch.save files: a state dict, or a dictionary that holds one. Always read with weights_only=True."""

import pickle
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import torch
from torch import Tensor
from typing_extensions import TypeIs

from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.optimizer import find_optimizer

_AT_ONCE = 1 << 20

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
    "actor_state_dict",
    "weights",
)
_ACTORS = frozenset({"policy", "policy_state_dict", "actor", "actor_state_dict"})
_CRITICS = ("value", "value_state_dict", "critic", "critic_state_dict")


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
    if damaged := _damaged_member(file):
        raise LoadError(f"it is damaged: the checksum of {damaged} does not match; save it anew, or copy it again")
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=False)
    except pickle.UnpicklingError as error:
        file.seek(0)
        found = _unsafe_globals(file)
        if unknown := [name for name in found if name.startswith("torch.") and not _known(name)]:
            raise LoadError(
                f"it was saved by a newer torch: torch {torch.__version__} does not know {unknown[0]}; "
                "update torch where fxwatch runs, or save plain tensors",
                "unsupported",
            ) from None
        if found and all(name.startswith("numpy.") for name in found):
            raise LoadError(
                f"it holds numpy values ({', '.join(found)}), which are only loaded by running code; save plain "
                "numbers, as in float(x), and tensors, as in torch.as_tensor(x)",
                "refused",
            ) from None
        named = ", ".join(found) or _named_in(str(error))
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
            return _with_parts(loaded, name, inner)
    if nested := _paths(loaded):
        raise LoadError(
            f"no state dict was found under a usual name; set [model] state_dict_key = {nested[0]!r}"
            + (f", or one of {', '.join(nested[1:6])}" if nested[1:] else ""),
            config=True,
        )
    raise LoadError(f"it holds no state dict; at the top are {_keys(loaded) or 'no keys at all'}")


def _with_parts(loaded: Mapping[str, Any], name: str, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """An actor's weights and those of the critic that is saved beside it, each under its own name, as a module that
    holds both has them; a model that is the actor alone takes its part.
    """
    parts = {name: found, **{other: part for other in _CRITICS if is_state_dict(part := loaded.get(other))}}
    if name not in _ACTORS or len(parts) == 1:
        return found
    return {
        f"{part.removesuffix('_state_dict')}.{key}": tensor
        for part, state in parts.items()
        for key, tensor in state.items()
    }


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


def _unsafe_globals(file: IO[bytes]) -> list[str]:
    try:
        return torch.serialization.get_unsafe_globals_in_checkpoint(file)[:5]
    except (RuntimeError, ValueError, KeyError, pickle.UnpicklingError, EOFError, IndexError):
        return []


def _known(name: str) -> bool:
    """Whether this torch has what a file names. Nothing is imported."""
    found: Any = torch
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    return found is not None


def _damaged_member(file: IO[bytes]) -> str | None:
    """The first member of a zip file whose checksum does not match, which torch does not look at.

    Where none matches, they were left out (torch.serialization.set_crc32_options), and say nothing.
    """
    if not zipfile.is_zipfile(file):
        file.seek(0)
        return None
    damaged, whole = [], 0
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            try:
                with archive.open(member) as content:
                    while content.read(_AT_ONCE):
                        pass
                whole += member.file_size > 0
            except (zipfile.BadZipFile, EOFError, zlib.error):
                damaged.append(member.filename)
    file.seek(0)
    return damaged[0] if damaged and whole else None


def _paths(loaded: Mapping[str, Any], before: str = "", depth: int = 3) -> list[str]:
    """Where state dicts are below, with dots between the keys."""
    found = []
    for key, value in loaded.items():
        path = f"{before}{key}"
        if is_state_dict(value):
            found.append(path)
        elif isinstance(value, Mapping) and depth > 1:
            found += _paths(value, f"{path}.", depth - 1)
    return found


def _named_in(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message) or re.search(r"global ([\w.]+)", message)
    return found[1] if found else "a pickled object"


def _keys(loaded: Mapping[str, Any], shown: int = 12) -> str:
    names = [str(name)[:40] for name in list(loaded)[:shown]]
    return ", ".join(names) + (", …" if len(loaded) > shown else "")
