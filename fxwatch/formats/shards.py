"""Weights in several safetensors files, and the index that names them, as Hugging Face and accelerate write them."""

import json
import os
from pathlib import Path

INDEX_SUFFIX = ".safetensors.index.json"
LARGEST_INDEX = 10_000_000


def shards_of(path: str | os.PathLike[str], raw: bytes) -> list[Path]:
    """The files that an index names, in order, all of them beside it. Raises ValueError, in words."""
    try:
        names = set(json.loads(raw)["weight_map"].values()) if len(raw) <= LARGEST_INDEX else set()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        names = set()
    if not names:
        raise ValueError("its index names no file of weights")
    for name in names:
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise ValueError(f"its index names {str(name)[:80]!r}, which is no safetensors file beside it")
    return [Path(path).parent / name for name in sorted(names)]
