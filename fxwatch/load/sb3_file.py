"""Stable-Baselines3 zips: the inner policy.pth and the plain-text fields of `data`; its pickled fields stay closed."""

import io
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, Any

from torch import Tensor

from fxwatch.formats.archive import BombError, open_archive
from fxwatch.load.errors import LoadError
from fxwatch.load.torch_file import is_state_dict, load_tensors, strip_wrappers

_LARGEST_DATA = 50_000_000
_OPTIMIZER = "policy.optimizer.pth"


def read(
    file: IO[bytes], safe_globals: Sequence[str] = ()
) -> tuple[Mapping[str, Tensor], Mapping[str, Any], Mapping[Any, Any]]:
    """The policy's state dict, the plain fields of the algorithm, and the optimizer's state. Raises LoadError."""
    try:
        with open_archive(file) as archive:
            if archive.getinfo("data").file_size > _LARGEST_DATA:
                raise BombError(f"its data field is larger than {_LARGEST_DATA // 1_000_000} MB")
            policy = archive.read("policy.pth")
            fields = json.loads(archive.read("data"))
            memory = archive.read(_OPTIMIZER) if _OPTIMIZER in archive.namelist() else None
    except BombError as error:
        raise LoadError(str(error), "refused") from None
    except (zipfile.BadZipFile, zlib.error, KeyError, OSError, ValueError, RuntimeError, EOFError) as error:
        raise LoadError(f"the Stable-Baselines3 archive cannot be read: {error}") from None
    state = load_tensors(io.BytesIO(policy), safe_globals)
    if not is_state_dict(state) or not isinstance(fields, dict):
        raise LoadError("the Stable-Baselines3 archive does not hold a policy")
    weights = strip_wrappers(state)
    optimizer = load_tensors(io.BytesIO(memory), safe_globals) if memory is not None else None
    plain = {name: _plain(value) for name, value in fields.items()}
    return weights, plain, optimizer if isinstance(optimizer, Mapping) else {}


def _plain(value: Any) -> Any:
    """A field without its pickled part: SB3 keeps an object's attributes as text beside it."""
    return {name: text for name, text in value.items() if name != ":serialized:"} if isinstance(value, dict) else value
