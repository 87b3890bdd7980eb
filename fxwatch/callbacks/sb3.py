"""The recorder as a callback of Stable-Baselines3 and sb3-contrib: learn(…, callback=FxwatchCallback("outputs"))."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stable_baselines3.common.callbacks import BaseCallback

from fxwatch.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class FxwatchCallback(BaseCallback):
    """Records the policy: an update is a rollout and what was learnt from it. Arguments as those of Recorder.

    Observations are dumped as the policy sees them, so those of VecNormalize are normalised; its statistics go along.
    """

    def __init__(
        self, run_dir: str, every: int | None = 10, features: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        super().__init__()
        self._run_dir, self._every, self._features = run_dir, every, features
        self._recorder: Recorder | None = None

    def _on_training_start(self) -> None:
        policy: Any = self.model.policy
        optimizer = getattr(policy, "optimizer", None) or policy.actor.optimizer
        self._recorder = Recorder(policy, optimizer, self._run_dir, self._every, self._features)

    def _on_rollout_start(self) -> None:
        if self._recorder is None:
            return
        self._recorder.log({**self.logger.name_to_value, "global_step": self.num_timesteps})
        normalised = self.model.get_vec_normalize_env()
        if normalised is not None and normalised.norm_obs:
            statistics: Any = normalised.obs_rms
            by_branch = statistics if isinstance(statistics, dict) else {"observation": statistics}
            self._recorder.normalisation = {name: (one.mean, one.var) for name, one in by_branch.items()}

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        if self._recorder is not None:
            self._recorder.log({**self.logger.name_to_value, "global_step": self.num_timesteps})
            self._recorder.close()
