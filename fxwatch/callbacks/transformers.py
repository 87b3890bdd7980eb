"""The recorder as a callback of Hugging Face's Trainer: Trainer(callbacks=[FxwatchCallback()])."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from fxwatch.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from transformers import TrainerControl, TrainerState, TrainingArguments


class FxwatchCallback(TrainerCallback):
    """Records the model, and dumps with every checkpoint that Trainer saves.

    `run_dir`: where to; by default Trainer's own output_dir. `every`: steps of the optimizer between further dumps. The
    other arguments are those of Recorder.
    """

    def __init__(
        self,
        run_dir: str | None = None,
        every: int | None = None,
        features: Mapping[str, Sequence[str]] | None = None,
        *,
        weights: bool = False,
    ) -> None:
        self._run_dir, self._every, self._features, self._weights = run_dir, every, features, weights
        self._recorder: Recorder | None = None

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any
    ) -> None:
        """Begin."""
        if state.is_world_process_zero:
            folder = self._run_dir or str(args.output_dir)
            self._recorder = Recorder(
                given["model"], given["optimizer"], folder, self._every, self._features, weights=self._weights
            )

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **given: Any) -> None:
        """Note what was logged."""
        if self._recorder is not None:
            self._recorder.log({**(given.get("logs") or {}), "global_step": state.global_step})

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Dump."""
        if self._recorder is not None:
            self._recorder.log({"global_step": state.global_step})
            self._recorder.dump()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Dump and end."""
        if self._recorder is not None:
            self._recorder.close()
