"""Read the configuration: file, environment, and the folders that it names."""

import os
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import tomli
from pydantic import ValidationError

from fxwatch.config.problems import ENV_PREFIX, ConfigError, in_words, nearest
from fxwatch.config.sections import Config, RunSettings, merge

DEFAULT_FILE = "config.toml"


class Loaded(NamedTuple):
    """A configuration, the file it came from (None: no file), and what was passed over, in words."""

    config: Config
    file: Path | None
    warnings: list[str]


def load_config(explicit: Path | None, watched: Path | None = None) -> Loaded:
    """Read the configuration for a watched folder.

    `explicit` is the user's --config; without it ./config.toml is read if it is there, lies outside the watched folder
    and has a section of ours. Raises ConfigError.
    """
    warnings: list[str] = []
    file, text = explicit, ""
    data: dict[str, Any] = {}
    if explicit is not None:
        text, data = _read_toml(explicit)
    elif (found := Path(DEFAULT_FILE)).is_file():
        text, data, warning = _read_default(found, watched)
        if warning:
            warnings.append(warning)
        file = None if warning else found
    base = (file.parent if file else Path()).resolve()
    config = _validate(merge(data, _environment()), file, text)
    roots = base, watched or Path(config.watch.dir)
    for settings in (config, *config.runs.values()):
        if file is not None and settings.model.safe_globals and file.resolve().is_relative_to(roots[1].resolve()):
            raise ConfigError(
                f"{file}: model.safe_globals is not taken from a file inside the watched folder, which others may "
                "write to; keep the file elsewhere"
            )
    config, refused = _with_folders(config, *roots)
    runs = {}
    for name, settings in config.runs.items():
        runs[name], more = _with_folders(settings, *roots)
        refused += [one for one in more if one not in refused]
    near = {name: str(base / path) for name, path in config.cluster.named_files().items()}
    cluster = config.cluster.model_copy(update=near)
    return Loaded(config.model_copy(update={"runs": runs, "cluster": cluster}), file, warnings + refused)


Settings = TypeVar("Settings", bound=RunSettings)


def _with_folders(settings: Settings, base: Path, watched: Path) -> tuple[Settings, list[str]]:
    """The settings with folders of code that can be used, and what was passed over."""
    folders, refused = _code_folders(settings.model.path, base, watched)
    model = settings.model.model_copy(update={"path": folders})
    return settings.model_copy(update={"model": model}), refused


def _read_toml(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        return text, tomli.loads(text)
    except FileNotFoundError:
        raise ConfigError(f"{path} does not exist; `fxwatch config init` writes one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    except tomli.TOMLDecodeError as error:
        raise ConfigError(f"{path}:{error.lineno}:{error.colno}: {error.msg}") from None
    except ValueError:
        raise ConfigError(f"{path}: a number has too many digits") from None
    except RecursionError:
        raise ConfigError(f"{path}: arrays and tables are nested too deep") from None


def _read_default(path: Path, watched: Path | None) -> tuple[str, dict[str, Any], str | None]:
    if watched is not None and path.resolve().is_relative_to(watched.resolve()):
        return (
            "",
            {},
            f"./{path} is passed over: it lies inside the watched folder; use --config to read it all the same",
        )
    text, data = _read_toml(path)
    if not data.keys() & Config.model_fields.keys():
        hint = next(filter(None, (nearest(name, Config.model_fields) for name in data)), "")
        return "", {}, f"./{path} is passed over: it has no section of fxwatch's{hint}"
    return text, data, None


def _environment() -> dict[str, Any]:
    if not any(name.upper().startswith(ENV_PREFIX) for name in os.environ):
        return {}
    from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

    class Environment(BaseSettings, Config):  # type: ignore[misc]  # two configurations of pydantic; only names are read
        pass

    source = EnvSettingsSource(Environment, env_prefix=ENV_PREFIX, env_nested_delimiter="__")
    for name in os.environ:
        section = name.upper().removeprefix(ENV_PREFIX).partition("__")[0].lower()
        if name.upper().startswith(ENV_PREFIX) and section not in Config.model_fields:
            hint = nearest(section, Config.model_fields) or f"; known are {', '.join(Config.model_fields)}"
            raise ConfigError(f"environment variable {name}: there is no section {section}{hint}")
    try:
        return source()
    except SettingsError as error:
        raise ConfigError(
            f"an environment variable {ENV_PREFIX}… cannot be read ({error}); lists and tables in them are JSON, as in "
            f"""{ENV_PREFIX}ANALYSIS__ACTIONS='["HOLD", "BUY", "SELL"]'"""
        ) from None


def _validate(data: dict[str, Any], file: Path | None, text: str) -> Config:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        common = [problem for problem in error.errors() if problem["loc"][:1] != ("runs",)]
        problems = common or error.errors()  # what is wrong for all runs is said once
        raise ConfigError("; ".join(in_words(problem, file, text) for problem in problems)) from None


def _code_folders(paths: list[str], base: Path, watched: Path) -> tuple[list[str], list[str]]:
    folders, refused = [], []
    for path in paths:
        folder = (base / path).resolve()
        if folder.is_relative_to(watched.resolve()):
            refused.append(f"[model] path {path} is passed over: code is never loaded from inside the watched folder")
        else:
            folders.append(str(folder))
    return folders, refused
