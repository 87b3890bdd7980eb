"""The trainer's own counters in a checkpoint: what step it was, under whatever name."""

from collections.abc import Mapping
from typing import Any

STEP_KEYS = (
    "global_step",
    "global_step_counter",
    "num_timesteps",
    "total_timesteps",
    "timesteps",
    "timestep",
    "total_steps",
    "env_steps",
    "env_step",
    "collected_frames",
    "step",
    "steps",
    "iteration",
    "iterations",
    "iter",
)
UPDATE_KEYS = ("global_update", "global_update_counter", "num_updates", "n_updates", "_n_updates", "updates", "update")
EPOCH_KEYS = ("epoch", "epochs", "global_epoch")


def counters(values: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """The step and the update; a trainer that counts only updates or epochs is dated by those."""
    update = _first(values, UPDATE_KEYS)
    step = _first(values, STEP_KEYS)
    return (step if step is not None else update if update is not None else _first(values, EPOCH_KEYS)), update


def _first(values: Mapping[str, Any], keys: tuple[str, ...]) -> int | None:
    return next((number for key in keys if (number := _whole(values.get(key))) is not None), None)


def _whole(value: Any) -> int | None:
    """A count as an int: a number, a tensor of one number, or a string of digits (safetensors metadata); else None."""
    if hasattr(value, "numel"):
        value = value.item() if value.numel() == 1 else None
    if isinstance(value, str):
        value = int(value) if value.isdecimal() and len(value) < 20 else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 2**63:
        return None
    return int(value) if value == int(value) and value >= 0 else None
