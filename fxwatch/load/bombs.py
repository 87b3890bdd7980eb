"""What is small in a file and endless in memory: refused by what it declares, before anybody computes with it."""

from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from fxwatch.formats.archive import BombError

_ALWAYS_FINE = 64 << 20
_LARGEST_RATIO = 4
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_tensors(loaded: Any) -> None:
    """Refuse tensors that claim many times the numbers that are there for them. Raises BombError.

    Containers that are shared are looked at once, however often they are referred to.
    """
    claimed, seen, waiting = 0, set(), [loaded]
    stored: dict[int, int] = {}
    while waiting:
        one = waiting.pop()
        if isinstance(one, Tensor):
            if one.layout != torch.strided or one.device.type != "cpu" or one.is_quantized:
                raise BombError(f"it holds a tensor that is {one.layout} on {one.device.type}; save plain ones")
            claimed += one.numel() * one.element_size()
            storage = one.untyped_storage()
            stored[storage.data_ptr()] = storage.nbytes()
        elif id(one) not in seen and isinstance(one, Mapping | list | tuple | set | frozenset):
            seen.add(id(one))
            waiting += [*one.keys(), *one.values()] if isinstance(one, Mapping) else one
    there = sum(stored.values())
    if claimed > max(_ALWAYS_FINE, _LARGEST_RATIO * there):
        raise BombError(f"its tensors claim {claimed:,} bytes, but only {there:,} are there")


def check_array(file: IO[bytes], size: int) -> None:
    """Refuse an .npy of so many bytes whose header claims more, or Python objects. Raises BombError or ValueError."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its .npy version {version} is not known")
    shape, _, kind = _HEADERS[version](file)
    if kind.hasobject:
        raise BombError("it holds Python objects, which are only loaded by running code; save arrays of numbers")
    claimed = kind.itemsize
    for length in shape:
        claimed *= length
    if claimed > size:
        raise BombError(f"an array of it claims {claimed:,} bytes, but only {size:,} are there")
