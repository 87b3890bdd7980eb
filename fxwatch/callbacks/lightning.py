"""The recorder as a callback of PyTorch Lightning: Trainer(callbacks=[FxwatchCallback("outputs")])."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    from pytorch_lightning import Callback
except ImportError:  # the same library is published under both names
    from lightning.pytorch import Callback  # type: ignore[no-redef]

from fxwatch.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytorch_lightning import LightningModule, Trainer


class FxwatchCallback(Callback):
    """Records a module while it is fitted, and dumps with every checkpoint that Lightning saves.

    `module`: the name of the network within the LightningModule, where that is not called itself. `every`: steps of the
    optimizer between further dumps. The other arguments are those of Recorder.
    """

    def __init__(
        self,
        run_dir: str,
        module: str = "",
        every: int | None = None,
        features: Mapping[str, Sequence[str]] | None = None,
        *,
        weights: bool = False,
    ) -> None:
        self._run_dir, self._module, self._every = run_dir, module, every
        self._features, self._weights = features, weights
        self._recorder: Recorder | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin, after Lightning's own check of the validation."""
        if trainer.is_global_zero:
            network = pl_module.get_submodule(self._module)
            self._recorder = Recorder(
                network, trainer.optimizers[0], self._run_dir, self._every, self._features, weights=self._weights
            )

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        """Note what was logged."""
        if self._recorder is not None:
            self._recorder.log({**trainer.callback_metrics, "global_step": trainer.global_step})

    def on_save_checkpoint(self, *_: Any) -> None:
        """Dump."""
        if self._recorder is not None:
            self._recorder.dump()

    def on_train_end(self, *_: Any) -> None:
        """Dump and end."""
        if self._recorder is not None:
            self._recorder.close()

    def on_exception(self, *_: Any) -> None:
        """Dump and end."""
        self.on_train_end()
