"""PPO on the market, and the checkpoints that it leaves."""

import logging
import time
from collections.abc import Callable

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import DictRolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor

from fxwatch.demo.bars import eurusd
from fxwatch.demo.dumps import States, sample
from fxwatch.demo.market import History, Market
from fxwatch.demo.outputs import Outputs
from fxwatch.demo.policy import LEARNING_RATE, TradingPolicy

ENVIRONMENTS = 4
ROLLOUT_STEPS = 128
"""Of each environment; short, so that the first checkpoint comes at once and a stop is soon heard."""

log = logging.getLogger(__name__)


def learner(seed: int) -> PPO:
    """Set up PPO on one thread over the whole history."""
    torch.set_num_threads(1)
    history = History.of(eurusd())
    return PPO(
        TradingPolicy,
        VecMonitor(DummyVecEnv([lambda: Market(history)] * ENVIRONMENTS)),
        learning_rate=LEARNING_RATE,
        n_steps=ROLLOUT_STEPS,
        batch_size=128,
        n_epochs=4,
        gamma=0.95,
        gae_lambda=0.9,
        ent_coef=0.005,
        seed=seed,
        device="cpu",
    )


class Checkpoints(BaseCallback):
    """Saves the policy with the states that it has just met, every `seconds_between` and at the end.

    A checkpoint is taken when a rollout ends, before PPO learns from it: its dump then holds the values and
    probabilities of that very policy.
    """

    def __init__(self, outputs: Outputs, seconds_between: float, until: int, stopped: Callable[[], bool]) -> None:
        super().__init__()
        self._outputs = outputs
        self._seconds_between = seconds_between
        self._until = until
        self._stopped = stopped
        self._began = time.monotonic()
        self._due = self._began
        self._saved = -1
        self._states: States | None = None

    def _on_step(self) -> bool:
        return not self._stopped()

    def _on_rollout_end(self) -> None:
        buffer = self.locals["rollout_buffer"]
        if not isinstance(buffer, DictRolloutBuffer):
            raise TypeError(f"a rollout of {type(buffer).__name__} has no branches")
        self._states = sample(buffer, self.num_timesteps)
        # The last rollout is saved when PPO has learnt from it, under the same step.
        if time.monotonic() >= self._due and self.num_timesteps < self._until:
            self._save()

    def _on_training_end(self) -> None:
        self._save()

    def _save(self) -> None:
        step = self.num_timesteps
        if step == self._saved:
            return
        if self._states is not None and self._states.step > self._saved:
            self._outputs.states(self._states.step, self._states.to_bytes())
        path = self._outputs.checkpoint(step, self.model.save)
        self._saved = step
        now = time.monotonic()
        self._due = now + self._seconds_between
        log.info("%s", "  ".join([path.name, f"{now - self._began:.0f} s", *self._progress()]))

    def _progress(self) -> list[str]:
        """Say how learning goes, by the trainer's own numbers."""
        reward = [episode["r"] for episode in self.model.ep_info_buffer or []]
        known = self.logger.name_to_value
        numbers = {
            "episode reward": sum(reward) / len(reward) if reward else None,
            "explained variance": known.get("train/explained_variance"),
            "entropy": -known["train/entropy_loss"] if "train/entropy_loss" in known else None,
        }
        return [f"{name} {value:.2f}" for name, value in numbers.items() if value is not None]
