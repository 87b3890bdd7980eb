"""State dumps: real observations of the latest rollout, for the watcher to explain checkpoints over."""

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from stable_baselines3.common.buffers import DictRolloutBuffer

from fxwatch.demo.layout import FEATURE_NAMES

STATES = 64

Array = NDArray[np.float32] | NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class States:
    """What the policy saw and did by `step`.

    Branches are (states, time, features), `action` is (states, 2), all else (states,).
    """

    step: int
    arrays: dict[str, Array]

    def to_bytes(self) -> bytes:
        """Return a whole safetensors file as fxwatch reads it."""
        names = {name: features for name, features in FEATURE_NAMES.items() if name in self.arrays}
        metadata = {"feature_names": json.dumps(names), "step": str(self.step), "normalised": "true"}
        return save(self.arrays, metadata=metadata)


def sample(buffer: DictRolloutBuffer, step: int) -> States:
    """Take STATES rows of a full buffer (steps, envs, ...), evenly over environments and steps."""
    rows = np.linspace(0, buffer.buffer_size * buffer.n_envs - 1, STATES).round().astype(np.int64)
    env, time = np.divmod(rows, buffer.buffer_size)
    arrays: dict[str, Array] = {name: seen[time, env].astype(np.float32) for name, seen in buffer.observations.items()}
    arrays["action"] = buffer.actions[time, env].astype(np.int64)
    arrays["value"] = buffer.values[time, env].astype(np.float32)
    arrays["advantage"] = buffer.advantages[time, env].astype(np.float32)
    arrays["old_log_prob"] = buffer.log_probs[time, env].astype(np.float32)
    return States(step, arrays)
