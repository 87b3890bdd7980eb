"""Under which names W&B gets which numbers: the guide's, and ours beside them."""

import re

from fxwatch.records.analysis import Analysis
from fxwatch.records.base import SEVERITY
from fxwatch.records.history import HEADLINES, HistoryLine
from fxwatch.records.training import TrainingLine
from fxwatch.terminal import clean

STEP = "fxwatch/step"
SEQ = "fxwatch/seq"
OURS = "fxwatch/"
_TRAINING = f"{OURS}training/"
GUIDES = "model.internals."
_TOP = "top_feature_importance_"
COLUMNS = ["branch", "feature", "importance", "share", "low", "high", "signed", "dead"]
Row = list[str | float | None]


def numbers(analysis: Analysis, line: HistoryLine) -> dict[str, float]:
    """All numbers of an analysis; those that are not known are left out."""
    branches = _keys(list(analysis.branches))
    top = {
        f"{GUIDES}{_TOP}{branches.get(branch, _key(branch))}": ranking[0][1]
        for branch, ranking in analysis.feature_importance.items()
        if ranking
    }
    found: dict[str, float | None] = {
        STEP: line.seq if line.step is None else line.step,
        SEQ: line.seq,
        f"{OURS}attempt": line.attempt,
        f"{OURS}verdict": SEVERITY[line.verdict],
        f"{OURS}findings": len(line.findings),
        **{f"{OURS}{name}": getattr(line, name) for name in HEADLINES},
        **{f"{OURS}share/{branches[branch]}": share.share for branch, share in analysis.branches.items()},
        **top,
        f"{GUIDES}dead_features_count": line.dead_features,
        f"{GUIDES}attention_stability": line.attention_stability,
        f"{GUIDES}attribution_analysis_count": line.seq + 1,
    }
    return {name: value for name, value in found.items() if value is not None}


def training_numbers(line: TrainingLine) -> dict[str, float]:
    """What the recorder measured of training itself, under `fxwatch/training/`: by layer the mean and greatest norm of
    its gradient, the norm over that of its weights, and steps at which it was not finite; by head its attention; and
    the trainer's own numbers.
    """
    layers, attention = _keys(list(line.layers)), _keys(list(line.attention))
    scalars = _keys(list(line.scalars))
    found: dict[str, float | None] = {f"{_TRAINING}optimizer_step": line.optimizer_step, f"{_TRAINING}step": line.step}
    for name, layer in line.layers.items():
        key = layers[name]
        found |= {
            f"{_TRAINING}gradient_norm/{key}": layer.mean,
            f"{_TRAINING}gradient_norm_max/{key}": layer.greatest,
            f"{_TRAINING}weight_ratio/{key}": layer.weight_ratio,
            f"{_TRAINING}nonfinite_steps/{key}": layer.nonfinite or None,
        }
    for name, heads in line.attention.items():
        for measure in ("entropy", "stability"):
            values = enumerate(getattr(heads, measure))
            found |= {f"{_TRAINING}attention_{measure}/{attention[name]}_{head}": value for head, value in values}
    found |= {f"{_TRAINING}trainer/{scalars[name]}": value for name, value in line.scalars.items()}
    return {name: value for name, value in found.items() if value is not None}


def table(analysis: Analysis) -> list[Row]:
    """All features of an analysis under `COLUMNS`, the leading ones of each branch first."""
    causes = analysis.dead_features.causes
    rows: list[Row] = []
    for branch, units in analysis.units.items():
        scores = dict(analysis.feature_importance.get(branch, []))
        for name in sorted(units, key=lambda feature: -units[feature].share):
            unit = units[name]
            cause = causes.get(branch, {}).get(name)
            rows.append(
                [clean(branch), clean(name), scores.get(name), unit.share, unit.low, unit.high, unit.signed, cause]
            )
    return rows


def over_steps(names: list[str]) -> list[str]:
    """Names as `define_metric` takes them: a dot there goes down into a value, so that dots of names are escaped."""
    return [name.replace(".", r"\.") for name in names if name.startswith(GUIDES)]


def _keys(branches: list[str]) -> dict[str, str]:
    """Branches as parts of names, which W&B wants plain; two of the same letters are told apart by number."""
    found: dict[str, str] = {}
    for branch in branches:
        key = _key(branch)
        found[branch] = key if key not in found.values() else f"{key}_{len(found)}"
    return found


def _key(branch: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", branch)[:60] or "_"
