"""torch.export programs (.pt2): their weights, which are plain bytes, and never the program.

torch.export.load evaluates text of the file, and unpickles without weights_only where the file asks for it
(CVE-2026-4538, and still so in torch 2.13). The weights lie beside the program as torch 2.13 writes them: raw
bytes of each storage, and JSON that says which part of it is which parameter, by the model's own names.
"""

import json
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import IO, Any

import torch
from torch import Tensor

from fxwatch.formats.archive import BombError, open_archive
from fxwatch.load.bombs import check_tensors
from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.load.torch_file import first_sentence, strip_wrappers

_LARGEST_TEXT = 50_000_000
_CONFIG = re.compile(r"[^/]+/data/weights/\w+_weights_config\.json")
_TYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
"""ScalarType of torch's export schema, as far as weights are of it."""


def read(file: IO[bytes]) -> tuple[Mapping[str, Tensor], int | None, int | None]:
    """State dict, and step and update where the program was saved with such extra_files. Raises LoadError."""
    try:
        with open_archive(file) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
            configs = [name for name in sizes if _CONFIG.fullmatch(name)]
            if len(configs) != 1:
                raise LoadError(f"it holds {len(configs)} programs; save one in a file", "unsupported")
            if sizes[configs[0]] > _LARGEST_TEXT:
                raise BombError(f"its list of weights is larger than {_LARGEST_TEXT // 1_000_000} MB")
            folder = configs[0].rsplit("/", 1)[0]
            root = folder.removesuffix("/data/weights")
            if f"{root}/byteorder" in sizes and archive.read(f"{root}/byteorder") != b"little":
                raise LoadError("its bytes are in big-endian order; save it on a usual machine", "unsupported")
            listed = json.loads(archive.read(configs[0]))["config"]
            stored = {path: archive.read(f"{folder}/{path}") for path in {one["path_name"] for one in listed.values()}}
            extra = {
                name.rsplit("/", 1)[1]: archive.read(name).decode(errors="replace")
                for name, size in sizes.items()
                if name.startswith(f"{root}/extra/") and size < 100
            }
        state = {name: _tensor(name, one, stored[one["path_name"]]) for name, one in listed.items()}
        check_tensors(state)
    except BombError as error:
        raise LoadError(str(error), "refused") from None
    except (zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError) as error:
        raise LoadError(f"its archive cannot be read: {first_sentence(error)}") from None
    except (LookupError, TypeError, ValueError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise LoadError(f"its list of weights is not as torch.export writes it: {first_sentence(error)}") from None
    return strip_wrappers(state), *counters(extra)


def _tensor(name: str, listed: Mapping[str, Any], stored: bytes) -> Tensor:
    """A parameter out of the bytes of its storage. Raises LoadError, and what torch raises where it does not fit."""
    if listed["use_pickle"]:
        raise LoadError(
            f"its parameter {name[:80]} is a pickle, as those of tensor subclasses are; save plain tensors, as in "
            "torch.save(model.state_dict(), path)",
            "refused",
        )
    meta = listed["tensor_meta"]
    if meta["dtype"] not in _TYPES:
        raise LoadError(f"its parameter {name[:80]} is of a type that is not known ({meta['dtype']})", "unsupported")
    sizes, strides = ([int(one["as_int"]) for one in meta[key]] for key in ("sizes", "strides"))
    kind = _TYPES[meta["dtype"]]
    flat = torch.frombuffer(bytearray(stored), dtype=kind) if stored else torch.empty(0, dtype=kind)
    return flat.as_strided(sizes, strides, int(meta["storage_offset"]["as_int"]))
