"""The configuration that makes a checkpoint work: what is set already, what was found out, and what only its user
knows.
"""

from pathlib import Path
from typing import Any

from fxwatch.config.template import toml_key, toml_value
from fxwatch.records.settings import ModelSettings

TO_FILL_IN = "my_project.models:build"
"""Stands for the factory, of which no file tells."""


def prescription(settings: ModelSettings, table: str) -> list[str]:
    """Lines of TOML: a table of all that is not at its default."""
    lines = ["# config.toml", f"[{table}]"]
    defaults = ModelSettings(path=[str(Path.cwd())])
    outputs: dict[str, Any] = {}
    for name in ModelSettings.model_fields:
        value = getattr(settings, name)
        if value == getattr(defaults, name):
            continue
        if name == "outputs":
            outputs = value
            continue
        note = "  # fill in: your function that returns the nn.Module" if value == TO_FILL_IN else ""
        lines.append(f"{name} = {toml_value(value)}{note}")
    if outputs:
        lines += [
            "",
            f"[{table}.outputs]",
            *(f"{toml_key(name)} = {toml_value(path)}" for name, path in outputs.items()),
        ]
    return lines
