"""A configuration to begin with."""

import json
import re
from typing import Any

from pydantic import BaseModel

from fxwatch.config.sections import Config
from fxwatch.records.expected_features import EXPECTED_FEATURES
from fxwatch.records.thresholds import EXPECTED_SHARES


def template() -> str:
    """A config.toml with every key at its default, commented."""
    lines: list[str] = ["# fxwatch: every key is optional and stands at its default."]
    for section, field in Config.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            lines += ["", f"[{section}]  # {_first_line(inner)}", *_keys(inner)]
    lines += ["", "# [inputs.hf]  # a branch; in the order in which the model takes them"]
    lines += ['# features = ["price_velocity", "volume_ratio"]', "# columns = [0, 60]  # cut from a flat observation"]
    for branch, band in EXPECTED_SHARES.items():
        lines += ["", f"[expected.{branch}]", f"low = {band.low}", f"high = {band.high}"]
    for action, features in EXPECTED_FEATURES.items():
        lines += ["", f"[decisions.{action}]  # features that should lead it, by branch; | parts alternatives"]
        lines += [f"{branch} = {toml_value(expected)}" for branch, expected in features.items()]
    lines += ["", '# [runs."momentum/1".model]  # what differs for one run; any key of the sections above']
    lines += ['# factory = "my_project.other:build"']
    return "\n".join(lines) + "\n"


def _first_line(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").splitlines()[0].rstrip(".:").lower()


def _keys(model: type[BaseModel]) -> list[str]:
    lines = []
    for name, field in model.model_fields.items():
        note = f"  # {field.description}" if field.description else ""
        if field.default is None:
            lines.append(f"# {name} = …{note}")
        else:
            lines.append(f"{name} = {toml_value(field.default)}{note}")
    return lines


def toml_value(value: Any) -> str:
    """A value as it stands in a TOML file."""
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml_key(key)} = {toml_value(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)


def toml_key(name: str) -> str:
    """A key as it stands in a TOML file."""
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name)
