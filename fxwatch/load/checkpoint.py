"""Weights and the training step out of a checkpoint, by its format."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from fxwatch.formats import step_in_name
from fxwatch.load import adapted_file, export_file, safetensors_file, sb3_file, torch_file
from fxwatch.load.content import Content
from fxwatch.load.counters import counters
from fxwatch.load.errors import LoadError
from fxwatch.records.settings import ModelSettings

_DEFAULTS = ModelSettings()


@dataclass(frozen=True, slots=True)
class Weights:
    """What a checkpoint holds.

    Parameters by name, when it was written (by the trainer's counter, else by the file's name), of an SB3 zip its
    plain-text fields, and the optimizer's state where it is there.
    """

    state: Mapping[str, Tensor]
    step: int | None = None
    update: int | None = None
    sb3: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Mapping[Any, Any] = field(default_factory=dict)
    step_by_name: bool = False


def read_weights(content: Content, settings: ModelSettings = _DEFAULTS) -> Weights:
    """Read a checkpoint. Raises LoadError where it is refused or not understood."""
    if content.format == "npz":
        raise LoadError("an .npz file holds states, not weights", "unsupported")
    if content.format == "safetensors":
        weights = Weights(*safetensors_file.read(content.data))
    elif content.format == "safetensors-shards":
        weights = Weights(safetensors_file.read_shards(content.parts))
    elif content.format == "export":
        weights = Weights(*export_file.read(io.BytesIO(content.data)))
    elif content.format == "adapted":
        weights = Weights(*adapted_file.read(content.path, content.data))
    elif content.format == "sb3":
        state, plain, found = sb3_file.read(io.BytesIO(content.data), settings.safe_globals)
        weights = Weights(state, *counters(plain), plain, found)
    else:
        state, step, update, found = torch_file.read(
            io.BytesIO(content.data), settings.state_dict_key, settings.safe_globals
        )
        weights = Weights(state, step, update, optimizer=found)
    if weights.step is not None:
        return weights
    return replace(weights, step=step_in_name(content.path), step_by_name=True)
