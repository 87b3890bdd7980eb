"""Write reference.md from the program itself: all that scripts, configurations and notebooks may rely on; and
config.toml, with every key at its default.

    python docs/write_reference.py

What is in it is a promise. Where it would change, CHANGELOG.md has to say so first: until that has changed since the
reference was written, this refuses.
"""

import hashlib
import inspect
import re
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

import fxwatch
from fxwatch import exit_codes
from fxwatch.cli import app
from fxwatch.config import Config, template
from fxwatch.records.analysis import Analysis
from fxwatch.records.history import HistoryLine
from fxwatch.records.ledger import LedgerLine
from fxwatch.records.overview import Overview
from fxwatch.records.status import DaemonStatus

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference.md"
CHANGELOG = ROOT / "CHANGELOG.md"
_MARK = "<!-- CHANGELOG.md when this was written: "
_ELSEWHERE = {
    "fxwatch.export.read": ["Frames"],
    "fxwatch.recorder": ["Recorder"],
    "fxwatch.callbacks.sb3": ["FxwatchCallback"],
    "fxwatch.callbacks.lightning": ["FxwatchCallback"],
    "fxwatch.callbacks.transformers": ["FxwatchCallback"],
}


def reference() -> str:
    """The page, less its mark."""
    parts = ["# Reference", "Written by `python docs/write_reference.py` from the program itself.", *commands()]
    parts += ["## Exit codes", table(("code", "meaning"), [(str(k), v) for k, v in exit_codes.MEANINGS.items()])]
    parts += [*configuration(), *files()]
    return "\n\n".join([*parts, *python()]) + "\n"


def commands() -> Iterator[str]:
    """Every command's help, as it prints it."""
    yield "## Commands"
    for words in _every_command(app, []):
        asked = CliRunner(env={"COLUMNS": "100", "TERM": "dumb", "NO_COLOR": "1"}).invoke(app, [*words, "--help"])
        lines = [line.rstrip() for line in asked.stdout.strip().splitlines()]
        yield f"### `{' '.join(['fxwatch', *words])}`"
        yield "```text\n" + "\n".join(lines) + "\n```"


def _every_command(of: typer.Typer, before: list[str]) -> Iterator[list[str]]:
    yield before
    for one in of.registered_commands:
        if one.callback is not None:
            yield [*before, one.name or one.callback.__name__]
    for group in of.registered_groups:
        if group.typer_instance is not None and group.name is not None:
            yield from _every_command(group.typer_instance, [*before, group.name])


def configuration() -> Iterator[str]:
    """Every key of config.toml."""
    yield "## config.toml"
    yield "Every key is optional. `fxwatch config init` writes a file with all of them."
    for section, field in Config.model_fields.items():
        for inner, name in _sections(field.annotation, section):
            yield f"### `[{name}]`"
            yield (inner.__doc__ or "").split("\n\n")[0]
            yield table(("key", "values", "default", ""), [_key(key, one) for key, one in inner.model_fields.items()])


def _sections(annotation: Any, name: str) -> Iterator[tuple[type[BaseModel], str]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, name
    elif get_origin(annotation) is dict:
        yield from _sections(get_args(annotation)[1], f'{name}."NAME"')


def _key(name: str, field: FieldInfo) -> tuple[str, ...]:
    default = (
        "" if field.is_required() or field.default is None else _shown(field.get_default(call_default_factory=True))
    )
    return code(name), code(of_type(field.annotation)), code(default), field.description or ""


def _shown(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    return str(value).replace("'", '"')


def files() -> Iterator[str]:
    """Every field of every file and answer in JSON, by its schema."""
    for title, words, record in (
        (
            "analysis.json",
            "Its JSON Schema: `fxwatch config schema --of analysis`. What the numbers mean: [numbers](numbers.md).",
            Analysis,
        ),
        ("history.jsonl", "One line an analysis.", HistoryLine),
        ("ledger.jsonl", "One line a change of a file's state.", LedgerLine),
        ("status.json", "The daemon's heartbeat.", DaemonStatus),
        ("`fxwatch status --json`", "On stdout.", Overview),
    ):
        schema = TypeAdapter(record).json_schema(mode="serialization")
        yield f"## {title}"
        yield words
        yield table(
            ("field", "values"),
            [(code(name), code(kind)) for name, kind in _fields(schema, schema.get("$defs", {}), "")],
        )


def _fields(schema: Mapping[str, Any], known: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    if "$ref" in schema:
        schema = known[schema["$ref"].rpartition("/")[2]]
    inside = [
        *((f"{path}.{name}".lstrip("."), one) for name, one in schema.get("properties", {}).items()),
        *((f"{path}.NAME", one) for one in [schema.get("additionalProperties")] if isinstance(one, dict)),
        *((f"{path}[]", one) for one in [schema.get("items")] if isinstance(one, dict)),
    ]
    several = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(several) == 1:
        found = list(_fields(several[0], known, path))
        yield from [(path, f"{found[0][1]} | null")] if found[0][0] == path else [(path, "null, or:"), *found]
    elif inside:
        for name, one in inside:
            yield from _fields(one, known, name)
    else:
        yield path, " | ".join(map(str, schema.get("enum", []))) or str(schema.get("type", "anything"))


def python() -> Iterator[str]:
    """Every name for scripts and notebooks."""
    yield "## Python"
    names = {"fxwatch": [name for name in fxwatch.__all__ if not name.startswith("__")], **_ELSEWHERE}
    for module, inside in names.items():
        for name in inside:
            found = getattr(import_module(module), name)
            yield f"### `{module}.{name}`"
            yield inspect.cleandoc(found.__doc__ or "").split("\n\n")[0]
            if isinstance(found, type):
                yield from _methods(found)
            else:
                yield f"```text\n{name}{inspect.signature(found)}\n```"


def _methods(found: type) -> Iterator[str]:
    lines = [f"{found.__name__}{_signature(found)}"] if "__init__" in vars(found) else []
    if issubclass(found, Enum):
        lines += [f"{found.__name__}.{one.name} = {one.value!r}" for one in found]
    for name, one in vars(found).items():
        if not name.startswith("_") and inspect.isfunction(one):
            lines.append(f".{name}{_signature(one)}")
    if lines:
        yield "```text\n" + "\n".join(lines) + "\n```"


def _signature(of: Any) -> str:
    return re.sub(r"^\(self(, )?", "(", str(inspect.signature(of)))


def of_type(annotation: Any) -> str:
    """A type as people write it."""
    origin = get_origin(annotation)
    if origin is Literal:
        return " | ".join(str(one) for one in get_args(annotation))
    if origin in {Union, types.UnionType}:
        return " | ".join(of_type(one) for one in get_args(annotation) if one is not type(None))
    if origin is not None and get_args(annotation):
        if getattr(annotation, "__metadata__", None):
            return of_type(get_args(annotation)[0])
        return f"{origin.__name__}[{', '.join(of_type(one) for one in get_args(annotation))}]"
    return getattr(annotation, "__name__", str(annotation))


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table in Markdown."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in line) + " |" for line in lines
    )


def code(text: str) -> str:
    """As code, where there is any."""
    return f"`{text}`" if text else ""


def listed(names: Any) -> str:
    """Names as code, with commas."""
    return ", ".join(code(name) for name in names)


def marked(page: str, changelog: str) -> str:
    """A page with the mark that says what CHANGELOG.md was."""
    return f"{page}\n{_MARK}{hashlib.sha256(changelog.encode()).hexdigest()[:16]} -->\n"


def renewed(old: str, page: str, changelog: str) -> str:
    """The new file. Raises ValueError where the page has changed and CHANGELOG.md has not."""
    new = marked(page, changelog)
    mark = _MARK + new.partition(_MARK)[2]
    if old.partition(_MARK)[0] != f"{page}\n" and mark in old:
        raise ValueError("the reference changes: say in CHANGELOG.md what users will notice, then run this again")
    return new


def main() -> None:
    """Write the page."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    try:
        PAGE.write_text(renewed(old, reference(), CHANGELOG.read_text(encoding="utf-8")), encoding="utf-8")
    except ValueError as error:
        sys.exit(str(error))
    (ROOT / "config.toml").write_text(template(), encoding="utf-8")


if __name__ == "__main__":
    main()
