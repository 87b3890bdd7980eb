"""What makes two analyses the same: checkpoint, states, and the settings that change a number."""

import hashlib
import json
from collections.abc import Mapping

from fxwatch.records.settings import AnalysisSettings, InputSettings, ModelSettings

_VERSION = 5
"""Raised when the meaning of a number changes, so that old results are not taken for new ones."""


def recipe_digest(model: ModelSettings, inputs: Mapping[str, InputSettings], analysis: AnalysisSettings) -> str:
    """SHA-256 of the settings that change a number."""
    recipe = {
        "version": _VERSION,
        "model": model.model_dump(mode="json", exclude={"path", "safe_globals"}),
        "inputs": [[name, settings.model_dump(mode="json")] for name, settings in inputs.items()],
        "analysis": analysis.model_dump(mode="json", exclude={"every", "audit_every"}),
    }
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()


def analysis_digest(checkpoint: str, states: str, recipe: str) -> str:
    """SHA-256 over the content hashes of checkpoint and states and the recipe."""
    return hashlib.sha256(f"{checkpoint}{states}{recipe}".encode()).hexdigest()
