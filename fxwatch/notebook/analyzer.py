"""The guide's analyzer: explains a live model, on the core that the daemon explains checkpoints with."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fxwatch import __version__
from fxwatch.attribution import AttributionError, explain
from fxwatch.attribution.baselines import evenly
from fxwatch.attribution.comparison import compare_decisions
from fxwatch.attribution.dead_features import low_importance
from fxwatch.attribution.explain import dtype_of
from fxwatch.attribution.gradients_alone import gradients_alone
from fxwatch.load import LoadError
from fxwatch.load.states import Dump, finite_only
from fxwatch.notebook.config import AttributionConfig
from fxwatch.notebook.live_model import LivePolicy, axes_of, live_policy, sha256_of_states, undisturbed, unwrapped
from fxwatch.notebook.past import Past
from fxwatch.notebook.sample_states import all_rows, together
from fxwatch.records.analysis import Analysis, Checkpoint, StatesUsed
from fxwatch.records.decisions import Ranking
from fxwatch.records.recipe import analysis_digest, recipe_digest
from fxwatch.records.settings import AnalysisSettings, Call, ModelSettings
from fxwatch.records.thresholds import EXPECTED_SHARES, Thresholds
from fxwatch.records.verdict import judge, states_blurred, states_left_out
from fxwatch.report.png import draw
from fxwatch.store.atomic import write_atomic
from fxwatch.store.layout import analysis_id

if TYPE_CHECKING:
    from fxwatch.records.states import States

LIVE = "live model"
_NOTHING_YET = "nothing was analysed yet: call generate_attribution_report(sample_states) first"


class AttributionAnalyzer:
    """Explains a model as it is at each call, on a private copy: the model itself is left as it was.

    `features`: names of the features by branch, in the order of their columns; `config`: how to explain; `call` and
    `outputs`: how the model takes its branches and where its outputs are, as [model] in config.toml says it. A state
    is a dictionary of branches, each (time, features) or (features,), or a batch of such states; an `action` in it is
    the one that is explained. All methods raise AttributionError, with one sentence.
    """

    def __init__(
        self,
        model: nn.Module,
        features: Mapping[str, Sequence[str]] | None = None,
        config: AnalysisSettings | None = None,
        *,
        call: Call = "dict",
        outputs: Mapping[str, str] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise AttributionError(
                f"a {type(model).__name__} is no nn.Module; give the network itself, as in agent.policy"
            )
        self.model = unwrapped(model)
        self.features = dict(features or {})
        self.config = config or AttributionConfig()
        self._settings = ModelSettings(call=call, outputs=dict(outputs or {}))
        self._past = Past()
        self._states: States | None = None

    @property
    def last_analysis(self) -> Analysis | None:
        """The record of the newest analysis."""
        return self._past.last

    @property
    def analysis_count(self) -> int:
        """How many analyses were made."""
        return self._past.count

    def generate_attribution_report(
        self, sample_states: Any, save_path: str | Path | None = None, *, step: int | None = None
    ) -> dict[str, Any]:
        """Explain the model over some states: what analysis.json holds, as a dictionary.

        Of more than `max_states` states so many are analysed, evenly over them. The same weights over the same states
        are not analysed twice. `save_path`: draw the page there, as a PNG; `step`: the trainer's own counter.
        """
        with undisturbed():
            dump = self._finite(sample_states)
            chosen = dump.states.take(np.array(evenly(dump.states.count, self.config.max_states)))
            live = live_policy(self.model, chosen, self._settings)
            origin = self._origin(live, dump, step)
            if self.last_analysis is None or self.last_analysis.id != origin["id"]:
                self._analyse(live, dump, origin, step)
        analysis = self._last()
        if save_path is not None:
            write_atomic(Path(save_path), draw(analysis, self._past.arrays, list(self._past.lines)))
        return analysis.model_dump()

    def compare_model_decisions(self, state_a: Any, state_b: Any) -> dict[str, Any]:
        """What moves the model from its decision at state B to that at state A.

        `contributions` by branch and feature add up to `change`, which is `value_a` - `value_b`;
        `key_discriminative_features` are the same as (branch, feature, contribution), the largest first.
        """
        with undisturbed():
            a, b = (self._finite(state).states for state in (state_a, state_b))
            live = live_policy(self.model, a, self._settings)
            other = b.in_order(list(live.states.branches)) if b.branches.keys() == a.branches.keys() else b
            found = compare_decisions(live.policy, live.states, other, self.config, continuous=live.continuous)
        return found.model_dump()

    def get_dead_features(self, threshold: float | None = None, min_history: int | None = None) -> dict[str, list[str]]:
        """Names of dead features by branch.

        Those that do nothing at the last analysis; and those whose share of all importance was below `threshold` (a
        tenth of an even share) in nine tenths of the last `min_history` analyses (the config's), once there are so
        many. Constant inputs and the like are dead by any threshold.
        """
        last = self._last()
        dead = last.dead_features
        if threshold is None and min_history is None:
            return {branch: list(dead.branches.get(branch, ())) for branch in last.units}
        names = [(branch, name) for branch, units in last.units.items() for name in units]
        found = {
            (branch, name)
            for branch, causes in dead.causes.items()
            for name, cause in causes.items()
            if cause != "low_importance"
        }
        wanted = self.config.dead_min_history if min_history is None else max(min_history, 1)
        history = self._past.shares[-wanted:]
        if len(history) >= wanted:
            shares = torch.as_tensor(np.stack(history), dtype=torch.float64)
            found |= {names[unit] for unit in low_importance(shares, set(), threshold)}
        return {branch: [name for name in units if (branch, name) in found] for branch, units in last.units.items()}

    def analyze_gradient_flow(self) -> dict[str, Any]:
        """Gradients by layer of the model as it is now, over the states of the last analysis."""
        last, states = self._last(), self._states
        if states is None:
            raise AttributionError(_NOTHING_YET)
        with undisturbed():
            live = live_policy(self.model, states, self._settings)
            flow = gradients_alone(
                live.policy, live.states, self.config, Thresholds().gradient, continuous=live.continuous
            )
        judged, _ = judge(last.model_copy(update={"gradient_flow": flow}), Thresholds(), EXPECTED_SHARES)
        return judged.gradient_flow.model_dump()

    def get_feature_importance_ranking(self, n_top: int = 10) -> dict[str, Ranking]:
        """The leading features of each branch at the last analysis, with their scores, best first."""
        return {branch: ranking[:n_top] for branch, ranking in self._last().feature_importance.items()}

    def _analyse(self, live: LivePolicy, dump: Dump, origin: Mapping[str, Any], step: int | None) -> None:
        explanation, arrays = explain(
            live.policy,
            live.states,
            self.config,
            Thresholds().gradient,
            self._past.context(live.states, self.config),
            continuous=live.continuous,
        )
        before = self.last_analysis
        judged, findings = judge(explanation, Thresholds(), EXPECTED_SHARES, before.health if before else None)
        if dump.left_out_reason is not None:
            total = dump.left_out + dump.states.count
            states_left_out(findings, dump.left_out, total, dump.left_out_reason)
        if live.states.blurred and dtype_of(live.policy) != torch.float64:
            states_blurred(findings, live.states.blurred)
        self._past.add(Analysis.of(judged, **origin, health=findings.health(step)), arrays)
        self._states = live.states

    def _last(self) -> Analysis:
        if self.last_analysis is None:
            raise AttributionError(_NOTHING_YET)
        return self.last_analysis

    def _finite(self, samples: Any) -> Dump:
        try:
            rows = all_rows(samples, axes_of(self.model))
            return finite_only(together(rows, self.features, double=dtype_of(self.model) == torch.float64))
        except LoadError as error:
            raise AttributionError(str(error)) from error

    def _origin(self, live: LivePolicy, dump: Dump, step: int | None) -> dict[str, Any]:
        states = sha256_of_states(live.states)
        recipe = recipe_digest(self._settings, {}, self.config)
        return {
            "id": analysis_id(step, analysis_digest(live.sha256, states, recipe)),
            "run": type(self.model).__name__,
            "created_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "fxwatch_version": __version__,
            "checkpoint": Checkpoint(path=LIVE, sha256=live.sha256, format="live", step=step),
            "states": StatesUsed(
                path="sample_states",
                sha256=states,
                count=live.states.count,
                branches=live.states.shapes(),
                left_out=dump.left_out,
                left_out_reason=dump.left_out_reason,
            ),
        }
