"""safetensors files: tensors and string metadata, read from memory, never through a memory map."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import safetensors.torch
from torch import Tensor

from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.torch_file import first_sentence, strip_wrappers


def read(data: bytes) -> tuple[Mapping[str, Tensor], int | None, int | None]:
    """State dict, step and update. Raises LoadError."""
    step, update = counters(metadata(data))
    return strip_wrappers(tensors(data)), step, update


def read_shards(parts: Sequence[bytes]) -> Mapping[str, Tensor]:
    """The state dict that several files hold together. Raises LoadError."""
    return strip_wrappers({name: tensor for part in parts for name, tensor in tensors(part).items()})


def tensors(data: bytes) -> dict[str, Tensor]:
    """All tensors by name, in the order of their names, as the file keeps none of its own. Raises LoadError."""
    try:
        return dict(sorted(safetensors.torch.load(data).items()))
    except MemoryError:
        raise
    except Exception as error:
        raise LoadError(f"safetensors cannot read it: {first_sentence(error)}") from error


def metadata(data: bytes) -> dict[str, Any]:
    """The string metadata of the header, which `recognise` found readable."""
    length = int.from_bytes(data[:8], "little")
    found = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return found if isinstance(found, dict) else {}
