"""torch.save files: a state dict, or a dictionary that holds one. Always read with weights_only=True."""

import json
import pickle
import pkgutil
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor
from torch.torch_version import TorchVersion
from typing_extensions import TypeIs

from fxwatch.formats.archive import BombError, open_archive
from fxwatch.load.bombs import check_tensors
from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.optimizer import find_optimizer

FLOOR = "2.11"
"""Before it, weights_only could be got round."""
_AT_ONCE = 1 << 20
_HARMLESS = re.compile(
    r"numpy\.(_?core\.multiarray\.(scalar|_reconstruct)|ndarray|dtype|dtypes\.\w+)|argparse\.Namespace|"
    r"pathlib\.(_local\.)?(Pure)?(Posix)?Path|collections\.(defaultdict|OrderedDict)|datetime\.\w+"
)
"""What trainers save beside weights, and what only holds values: names that a refusal shows a way for."""

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
    file: IO[bytes], state_dict_key: str, safe_globals: Sequence[str] = ()
) -> tuple[Mapping[str, Tensor], int | None, int | None, Mapping[Any, Any]]:
    """State dict, step, update, and the optimizer's state. Raises LoadError."""
    loaded = load_tensors(file, safe_globals)
    if not isinstance(loaded, Mapping):
        raise LoadError(f"it holds a {type(loaded).__name__} and not a dictionary of weights")
    step, update = counters(loaded)
    state = strip_wrappers(find_state_dict(loaded, state_dict_key))
    return state, step, update, find_optimizer(loaded)


def load_tensors(file: IO[bytes], safe_globals: Sequence[str] = ()) -> Any:
    """Tensors and plain values of a torch file, and what the user allows by exact name; all else is refused by name.

    Raises LoadError.
    """
    allowed = _allowed(safe_globals)
    if damaged := _damaged_member(file):
        raise LoadError(f"it is damaged: the checksum of {damaged} does not match; save it anew, or copy it again")
    try:
        with torch.serialization.safe_globals(allowed):
            loaded = torch.load(file, map_location="cpu", weights_only=True, mmap=False)
        check_tensors(loaded)
    except BombError as error:
        raise LoadError(str(error), "refused") from None
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        file.seek(0)
        found = _unsafe_globals(file)
        if unknown := [name for name in found if name.startswith("torch.") and not _known(name)]:
            raise LoadError(
                f"it was saved by a newer torch: torch {torch.__version__} does not know {unknown[0]}; "
                "update torch where fxwatch runs, or save plain tensors",
                "unsupported",
            ) from None
        raise LoadError(_why_never(found, error), "refused") from None
    except (EOFError, IndexError):
        raise LoadError("it ends too early: truncated; it is tried again when it changes") from None
    except Exception as error:
        if "can't allocate memory" in str(error):
            raise MemoryError from error
        raise LoadError(f"torch cannot read it: {first_sentence(error)}") from error
    return loaded


def _allowed(names: Sequence[str]) -> list[Any]:
    """What the user allows, for a torch that can be trusted with it. Raises LoadError."""
    if TorchVersion(torch.__version__) < FLOOR:
        raise LoadError(
            f"torch {torch.__version__} has known holes through which a checkpoint can run code (CVE-2025-32434, "
            f"CVE-2026-24747); install torch {FLOOR} or newer where fxwatch runs",
            "refused",
            config=True,
        )
    allowed: list[Any] = [(_resolve(name), name) for name in names]
    if "numpy.dtype" in names:  # it is made as one of these, which the file does not name
        allowed += [getattr(np.dtypes, name) for name in np.dtypes.__all__]
    return allowed


def _why_never(found: list[str], error: Exception) -> str:
    """A refusal in words, with the way out where there is one."""
    if found and all(_HARMLESS.fullmatch(name) for name in found):
        kind = "numpy values" if all(name.startswith("numpy.") for name in found) else "objects"
        return (
            f"it holds {kind} ({', '.join(found)}), which are only loaded by running code; save plain numbers, as in "
            "float(x), and tensors, as in torch.as_tensor(x), or allow them where fxwatch runs by "
            f"[model] safe_globals = {json.dumps(found)}"
        )
    return (
        f"it would run code to load ({', '.join(found) or _named_in(str(error))}), so it is never loaded; save only "
        "tensors and plain numbers, as in torch.save(model.state_dict(), path)"
    )


def find_state_dict(loaded: Mapping[str, Any], key: str) -> Mapping[str, Tensor]:
    """The state dict under a key (dots descend), or by `auto` the dictionary itself or what is under a usual name."""
    if key != "auto":
        found: Any = loaded
        for part in key.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        if (weights := weights_in(found)) is None:
            raise LoadError(
                f"[model] state_dict_key {key!r} leads to no state dict; at the top are {_keys(loaded)}", config=True
            )
        return weights
    if (weights := weights_in(loaded)) is not None:
        return weights
    for name in STATE_DICT_KEYS:
        if (weights := weights_in(loaded.get(name))) is not None:
            return _with_parts(loaded, name, weights)
    if found := [path[:200] for path in nested(loaded)]:
        raise LoadError(
            f"no state dict was found under a usual name; set [model] state_dict_key = {found[0]!r}"
            + (f", or one of {', '.join(found[1:6])}" if found[1:] else ""),
            config=True,
        )
    raise LoadError(f"it holds no state dict; at the top are {_keys(loaded) or 'no keys at all'}")


def _with_parts(loaded: Mapping[str, Any], name: str, found: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """An actor's weights and those of the critic that is saved beside it, each under its own name, as a module that
    holds both has them; a model that is the actor alone takes its part.
    """
    critics = {other: part for other in _CRITICS if (part := weights_in(loaded.get(other))) is not None}
    parts = {name: found, **critics}
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


def weights_in(value: Any) -> Mapping[str, Tensor] | None:
    """The weights in a state dict; None where it is none.

    What a module keeps beside them stands under a name that begins with `_`, as `_extra_state` does, and Tianshou's
    `_optimizers`.
    """
    if not isinstance(value, Mapping):
        return None
    kept = {name: one for name, one in value.items() if isinstance(one, Tensor) or not _is_beside(name)}
    return kept if is_state_dict(kept) else None


def _is_beside(name: Any) -> bool:
    return isinstance(name, str) and name.rsplit(".", 1)[-1].startswith("_")


def _unsafe_globals(file: IO[bytes]) -> list[str]:
    try:
        return [name[:100] for name in torch.serialization.get_unsafe_globals_in_checkpoint(file)[:5]]
    except Exception:  # noqa: BLE001 - it only adds names to a refusal
        return []


def _resolve(name: str) -> Any:
    """What the user allows. Raises LoadError where there is nothing of this name."""
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise LoadError(f"[model] safe_globals: {name!r} is not there: {error}", config=True) from None


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
    damaged, whole = [], 0
    try:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            return None
        archive = open_archive(file)
    except BombError as error:
        raise LoadError(str(error), "refused") from None
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise LoadError(f"its archive cannot be read: {error}") from None
    for member in archive.infolist():
        try:
            with archive.open(member) as content:
                while content.read(_AT_ONCE):
                    pass
            whole += member.file_size > 0
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, RuntimeError, struct.error, zlib.error):
            damaged.append(member.filename)
    file.seek(0)
    return damaged[0] if damaged and whole else None


def nested(loaded: Any, depth: int = 3) -> list[str]:
    """Where state dicts are below, with dots between the keys; each dictionary is looked into once."""
    found, seen = [], set()
    weights: dict[int, bool] = {}
    level = [("", loaded)]
    for _ in range(depth):
        below = []
        for before, one in level:
            if not isinstance(one, Mapping) or id(one) in seen:
                continue
            seen.add(id(one))
            inner = [(f"{before}{key}", value) for key, value in one.items() if isinstance(key, str)]
            for path, value in inner:
                if id(value) not in weights:
                    weights[id(value)] = weights_in(value) is not None
                if weights[id(value)]:
                    found.append(path)
                else:
                    below.append((f"{path}.", value))
        level = below
    return found


def _named_in(message: str) -> str:
    found = re.search(r"GLOBAL ([\w.]+)", message) or re.search(r"global ([\w.]+)", message)
    return found[1][:100] if found else "a pickled object"


def _keys(loaded: Mapping[Any, Any], shown: int = 12) -> str:
    names = [name[:40] if isinstance(name, str) else type(name).__name__ for name in list(loaded)[:shown]]
    return ", ".join(names) + (", …" if len(loaded) > shown else "")
