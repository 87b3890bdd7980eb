"""`fxwatch config`: write, show and check the configuration, and print schemas."""

import json
from pathlib import Path
from typing import Literal

from fxwatch import exit_codes
from fxwatch.commands.configured import configured
from fxwatch.config import DEFAULT_FILE, Config, template
from fxwatch.terminal import say, tell


def init(path: Path | None) -> int:
    """Write a config.toml with every key at its default; never over an existing one."""
    target = path if path is not None else Path(DEFAULT_FILE)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError:
        say(f"fxwatch: {target} exists already and is left as it is; name another file")
        return exit_codes.USAGE
    except OSError as error:
        say(f"fxwatch: {target} cannot be written: {error.strerror}")
        return exit_codes.FAILURE
    tell(str(target))
    return exit_codes.OK


def show(config_file: Path | None) -> int:
    """Print the configuration as it is used, in JSON."""
    tell_json(configured(config_file).config.model_dump(mode="json"))
    return exit_codes.OK


def validate(config_file: Path | None) -> int:
    """Check the configuration. A problem is raised as ConfigError."""
    tell(f"{configured(config_file).file or 'the defaults'}: ok")
    return exit_codes.OK


def schema(of: Literal["config", "analysis"]) -> int:
    """Print the JSON Schema of config.toml or of analysis.json."""
    if of == "config":
        tell_json(Config.model_json_schema())
    else:
        from fxwatch.records.analysis import Analysis

        tell_json(Analysis.model_json_schema(mode="serialization"))
    return exit_codes.OK


def tell_json(value: object) -> None:
    """JSON on stdout."""
    for line in json.dumps(value, indent=1).splitlines():
        tell(line)
