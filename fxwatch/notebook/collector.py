"""The guide's `trainer.metrics.model_internals_collector`: keeps states while training, and explains them in turn."""

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from fxwatch.notebook.analyzer import AttributionAnalyzer
from fxwatch.notebook.live_model import axes_of
from fxwatch.notebook.sample_states import Row, all_rows
from fxwatch.records.settings import AnalysisSettings, Call

BUFFERED = 256
_TOP = 3


class ModelInternalsCollector:
    """Takes the arguments of AttributionAnalyzer, and has one; `buffered` is how many states it keeps, the newest."""

    def __init__(
        self,
        model: nn.Module,
        features: Mapping[str, Sequence[str]] | None = None,
        config: AnalysisSettings | None = None,
        *,
        call: Call = "dict",
        outputs: Mapping[str, str] | None = None,
        buffered: int = BUFFERED,
    ) -> None:
        self.attribution_analyzer = AttributionAnalyzer(model, features, config, call=call, outputs=outputs)
        self._buffer: deque[Row] = deque(maxlen=buffered)
        self._updates = 0

    def buffer_states(self, states: Any) -> None:
        """Keep a state, a batch or a list of them. They are copied. Raises AttributionError."""
        self._buffer.extend(all_rows(states, axes_of(self.attribution_analyzer.model)))

    def after_update(self, save_path: str | Path | None = None, *, step: int | None = None) -> dict[str, Any] | None:
        """To be called after each update of the model: its first and every `config.every`th after it explain the
        buffered states. Returns the report; None where it is not due, or no state is buffered. Raises AttributionError.
        """
        due = self._updates % self.attribution_analyzer.config.every == 0
        self._updates += 1
        if not due or not self._buffer:
            return None
        return self.attribution_analyzer.generate_attribution_report(list(self._buffer), save_path, step=step)

    def get_feature_attribution_summary(self) -> dict[str, Any]:
        """Where attribution stands: the guide's keys, and `attribution_analysis_count`."""
        analyzer = self.attribution_analyzer
        last = analyzer.last_analysis
        return {
            "attribution_enabled": True,
            "states_buffered": len(self._buffer),
            "last_attribution_analysis": None if last is None else last.created_at,
            "attribution_analysis_count": analyzer.analysis_count,
            "top_features_by_branch": {} if last is None else analyzer.get_feature_importance_ranking(_TOP),
            "dead_features": {} if last is None else analyzer.get_dead_features(),
        }
