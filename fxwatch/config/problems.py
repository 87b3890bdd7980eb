"""What is wrong with a configuration, in words: the key, the line on which it stands, and the name that was meant."""

import difflib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fxwatch import exit_codes
from fxwatch.config.sections import Config, RunSettings
from fxwatch.mendable import MendableError
from fxwatch.records.settings import InputSettings
from fxwatch.records.thresholds import Band

ENV_PREFIX = "FXWATCH_"


class ConfigError(MendableError):
    """A configuration that cannot be used; the message says what, where, and what to do."""

    exit_code = exit_codes.USAGE


def in_words(problem: Any, file: Path | None, text: str) -> str:
    """One of pydantic's errors over the text of a file, or over the environment."""
    place = [str(part) for part in problem["loc"]]
    variable = f"{ENV_PREFIX}{'__'.join(place)}".upper()
    line = None if variable in map(str.upper, os.environ) else _line_of(place, text)
    where = f"{file}:{line}: " if file and line else f"environment variable {variable}: "
    name = ".".join(place)
    if problem["type"] == "extra_forbidden":
        hint = nearest(place[-1], _known_keys(place[:-1])) or "; `fxwatch config show` lists all keys"
        return f"{where}unknown key {name}{hint}"
    if problem["type"] == "model_type":
        return f"{where}{name}: it must be a table of {', '.join(_known_keys(place))}"
    message = problem["msg"].removeprefix("Value error, ")
    choices = re.findall("'(.*?)'", problem["ctx"]["expected"]) if problem["type"] == "literal_error" else []
    return f"{where}{name}: {message[0].lower()}{message[1:]}{nearest(str(problem['input']), choices)}"


def nearest(word: str, known: Iterable[str]) -> str:
    """The name that was meant, where one is near; as an addition to a sentence."""
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _known_keys(place: list[str]) -> list[str]:
    model: type[BaseModel] = Config
    if place[:1] == ["runs"]:
        model, place = RunSettings, place[2:]
    for part in place:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            model = inner
        elif part in {"inputs", "expected"}:
            model = InputSettings if part == "inputs" else Band
    return list(model.model_fields)


def _line_of(place: list[str], text: str) -> int | None:
    """The line on which a key or a table in it stands, or that of the nearest table or key around it."""
    best: tuple[int, int | None] = (0, None)
    table: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+([^\[\]]+)\]+", line):
            table = _parts(header[1])
            here = table
        elif key := re.match(r"""\s*((?:[\w.-]|"[^"]*"|'[^']*')+)\s*=""", line):
            here = table + _parts(key[1])
        else:
            continue
        common = min(len(here), len(place))
        if here[:common] == place[:common] and common > best[0]:
            best = (common, number)
    return best[1]


def _parts(key: str) -> list[str]:
    """The parts of a dotted key, of which those in quotes may hold dots."""
    return ["".join(found) for found in re.findall(r"""\"([^\"]*)\"|'([^']*)'|([^.\s"']+)""", key)]
