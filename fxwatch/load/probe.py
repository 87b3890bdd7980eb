"""The probe of a run as a file: states in the form of a dump."""

import json
from pathlib import Path

import numpy as np
import safetensors.numpy

from fxwatch.load.content import read_content
from fxwatch.load.errors import LoadError
from fxwatch.load.states import read_dump
from fxwatch.records.states import States


def read_probe(path: Path) -> States | None:
    """The probe; None where there is none that can be read."""
    try:
        return read_dump(read_content(path), {}).states
    except LoadError:
        return None


def probe_bytes(states: States) -> bytes:
    """The probe as the content of a safetensors file."""
    arrays = {name: np.ascontiguousarray(array) for name, array in states.branches.items()}
    if states.action is not None:
        arrays["action"] = np.ascontiguousarray(states.action)
    return safetensors.numpy.save(arrays, {"feature_names": json.dumps(dict(states.features))})
