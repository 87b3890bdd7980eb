"""One validated configuration: flag > environment > file > defaults."""

import difflib
import ipaddress
import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar
from urllib.parse import urlsplit

import tomli
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator, model_validator

from fxwatch.records.expected_features import EXPECTED_FEATURES, with_the_guides, words
from fxwatch.records.settings import AnalysisSettings, InputSettings, ModelSettings
from fxwatch.records.thresholds import EXPECTED_SHARES, Band, Strict, Thresholds

ENV_PREFIX = "FXWATCH_"
DEFAULT_FILE = "config.toml"


class ConfigError(Exception):
    """A configuration that cannot be used; the message says what, where, and what to do."""


class DaemonSettings(Strict):
    """How much of the machine the daemon may use."""

    workers: int = Field(1, ge=1, description="analyses at the same time")
    threads: int = Field(1, ge=1, description="threads of each")
    executor: Literal["local", "dask"] = Field(
        "local", description="where they run: here, or on the cluster of [cluster]"
    )
    cpu_pressure: float = Field(
        90.0,
        ge=0,
        le=100,
        description="percent of time in which programs wait for a processor (PSI), above which analyses wait a minute",
    )


class WatchSettings(Strict):
    """What is watched."""

    dir: str = Field("outputs", description="the folder that training writes to")


class StoreSettings(Strict):
    """Where results go."""

    dir: str | None = Field(None, description="folder of the results; DIR/fxwatch where not set")
    keep: int | None = Field(
        None,
        ge=0,
        description="how many analyses of a run keep heatmaps and pictures, beside the first, the newest, the best, "
        "and those with a finding; all where not set",
    )


class ClusterSettings(Strict):
    """A dask cluster, for [daemon] executor = "dask"; its machines see the same folders under the same paths."""

    scheduler: str | None = Field(None, description="tls://HOST:8786, or tcp:// on this machine alone")
    ca: str | None = Field(None, description="file of the certificate authority, as dask's --tls-ca-file")
    certificate: str | None = Field(None, description="file with the daemon's own certificate")
    key: str | None = Field(None, description="file with its key")

    @model_validator(mode="after")
    def _encrypted_off_this_machine(self) -> Self:
        if self.scheduler is None:
            return self
        url = urlsplit(self.scheduler)
        if url.scheme not in {"tls", "tcp"} or not url.hostname:
            raise ValueError(f"{self.scheduler!r} is no address of a scheduler, as tls://10.0.0.5:8786 is one")
        if url.scheme == "tcp" and not _is_loopback(url.hostname):
            raise ValueError(f"{self.scheduler} is on another machine, where anybody could run code: use tls://")
        if url.scheme == "tls" and len(self.named_files()) < 3:
            raise ValueError("tls:// needs all of ca, certificate and key")
        return self

    def named_files(self) -> dict[str, str]:
        """The files of TLS that are set, by key."""
        named = {"ca": self.ca, "certificate": self.certificate, "key": self.key}
        return {name: file for name, file in named.items() if file is not None}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d+)\s*([smhd]?)")


class ReportSettings(Strict):
    """Reports on each run as a whole, beside the picture of every analysis."""

    every: int | str = Field(
        10, description="after so many analyses of a run, or after a time with any, as in '6h' or '30m'; 0: never"
    )

    @field_validator("every")
    @classmethod
    def _is_a_count_or_a_time(cls, every: int | str) -> int | str:
        if not _SPAN.fullmatch(str(every)):
            raise ValueError(f"{every} is neither a number of analyses nor a time such as '6h', '30m' or '1d'")
        return int(every) if str(every).isdecimal() else every

    @property
    def analyses(self) -> int | None:
        """After how many analyses; None where it is a time."""
        return self.every if isinstance(self.every, int) else None

    @property
    def seconds(self) -> float | None:
        """After how long; None where it is a count."""
        found = _SPAN.fullmatch(str(self.every))
        return None if found is None or not found[2] else float(found[1]) * _SECONDS[found[2]]


class WandbSettings(Strict):
    """Runs of our own at wandb.ai, in the trainer's group; the key stays where `wandb login` has put it."""

    enabled: bool = Field(default=False, description="let the daemon send every analysis; `fxwatch sync` does it once")
    project: str | None = Field(None, description="WANDB_PROJECT, or fxwatch, where not set")
    entity: str | None = Field(None, description="a team; your own where not set")
    group: str | None = Field(None, description="the trainer's W&B run, found beside its outputs, where not set")
    mode: Literal["online", "offline", "shared"] | None = Field(
        None,
        description="WANDB_MODE, or online, where not set; shared: into the trainer's own run, which must be in W&B's "
        "shared mode, too; a sync that is killed then sends up to 20 rows twice",
    )

    def chosen_mode(self) -> str:
        """The mode, or what WANDB_MODE says, in the words of today's wandb."""
        said = self.mode or os.environ.get("WANDB_MODE", "online")
        return {"dryrun": "offline", "run": "online"}.get(said, said)

    def sending(self) -> Literal["off", "online", "offline"]:
        """What the daemon does with the analyses."""
        return "off" if not self.enabled else "offline" if self.chosen_mode() == "offline" else "online"


class AlertSettings(Strict):
    """Told when a run's verdict changes, once two analyses in a row say so."""

    command: list[str] = Field([], description="program and arguments; {title} and {text} are put in")
    quiet_minutes: float = Field(30.0, ge=0, description="nothing more in this time, unless a run becomes bad")


class ServeSettings(Strict):
    """The page in the browser, on this machine alone."""

    port: int = Field(8051, ge=0, le=65535, description="0: any that is free")
    sessions: int = Field(4, ge=1, description="tabs with a monitor at a time")
    token_file: str | None = Field(None, description="file with the token; a new one at every start where not set")


def _with_a_word(expectation: str) -> str:
    if not words(expectation):
        raise ValueError(f"{expectation!r} names no feature")
    return expectation


Expectation = Annotated[str, AfterValidator(_with_a_word)]


class RunSettings(Strict):
    """What may differ from run to run."""

    model: ModelSettings = ModelSettings()
    inputs: dict[str, InputSettings] = {}
    analysis: AnalysisSettings = AnalysisSettings()
    thresholds: Thresholds = Thresholds()
    expected: dict[str, Band] = EXPECTED_SHARES
    decisions: dict[str, dict[str, list[Expectation]]] = EXPECTED_FEATURES

    @field_validator("expected")
    @classmethod
    def _keep_the_guides_other_bands(cls, bands: dict[str, Band]) -> dict[str, Band]:
        return EXPECTED_SHARES | bands

    @field_validator("decisions")
    @classmethod
    def _keep_the_guides_other_features(
        cls, features: dict[str, dict[str, list[str]]]
    ) -> dict[str, dict[str, list[str]]]:
        return with_the_guides(features)


class Config(RunSettings):
    """All settings; every key has a default. `runs`: by the name of a run, what differs there from all else."""

    daemon: DaemonSettings = DaemonSettings()
    cluster: ClusterSettings = ClusterSettings()
    watch: WatchSettings = WatchSettings()
    store: StoreSettings = StoreSettings()
    report: ReportSettings = ReportSettings()
    wandb: WandbSettings = WandbSettings()
    alerts: AlertSettings = AlertSettings()
    serve: ServeSettings = ServeSettings()
    runs: dict[str, RunSettings] = {}

    @model_validator(mode="before")
    @classmethod
    def _runs_over_all_else(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("runs"), dict):
            return data
        common = {name: _plain(value) for name, value in data.items() if name in RunSettings.model_fields}
        own = {name: _plain(settings) for name, settings in data["runs"].items()}
        runs = {name: _merge(common, part) if isinstance(part, dict) else part for name, part in own.items()}
        return {**data, "runs": runs}

    def for_run(self, name: str) -> "Config":
        """The settings as they are for a run."""
        own = self.runs.get(name, self)
        return self.model_copy(update={**{part: getattr(own, part) for part in RunSettings.model_fields}, "runs": {}})


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


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
    config = _validate(_merge(data, _environment()), file, text)
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
        return "", {}, f"./{path} is passed over: it has no section of fxwatch's"
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
            near = difflib.get_close_matches(section, Config.model_fields, n=1)
            raise ConfigError(
                f"environment variable {name}: there is no section {section}; "
                + (f"did you mean {near[0]}?" if near else f"known are {', '.join(Config.model_fields)}")
            )
    try:
        return source()
    except SettingsError as error:
        raise ConfigError(
            f"an environment variable {ENV_PREFIX}… cannot be read ({error}); lists and tables in them are JSON, as in "
            f"""{ENV_PREFIX}ANALYSIS__ACTIONS='["HOLD", "BUY", "SELL"]'"""
        ) from None


def _merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _validate(data: dict[str, Any], file: Path | None, text: str) -> Config:
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        common = [problem for problem in error.errors() if problem["loc"][:1] != ("runs",)]
        problems = common or error.errors()  # what is wrong for all runs is said once
        raise ConfigError("; ".join(_explain(problem, file, text) for problem in problems)) from None


def _explain(problem: Any, file: Path | None, text: str) -> str:
    place = [str(part) for part in problem["loc"]]
    variable = f"{ENV_PREFIX}{'__'.join(place)}".upper()
    line = None if variable in map(str.upper, os.environ) else _line_of(place, text)
    where = f"{file}:{line}: " if file and line else f"environment variable {variable}: "
    name = ".".join(place)
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], _known_keys(place[:-1]), n=1)
        hint = f"; did you mean {near[0]}?" if near else "; `fxwatch config show` lists all keys"
        return f"{where}unknown key {name}{hint}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{where}{name}: {message[0].lower()}{message[1:]}"


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
    """The line on which a key stands, or that of the nearest table or key around it."""
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
        if here == place[: len(here)] and len(here) > best[0]:
            best = (len(here), number)
    return best[1]


def _parts(key: str) -> list[str]:
    """The parts of a dotted key, of which those in quotes may hold dots."""
    return ["".join(found) for found in re.findall(r"""\"([^\"]*)\"|'([^']*)'|([^.\s"']+)""", key)]


def _code_folders(paths: list[str], base: Path, watched: Path) -> tuple[list[str], list[str]]:
    folders, refused = [], []
    for path in paths:
        folder = (base / path).resolve()
        if folder.is_relative_to(watched.resolve()):
            refused.append(f"[model] path {path} is passed over: code is never loaded from inside the watched folder")
        else:
            folders.append(str(folder))
    return folders, refused


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
        lines += [f"{branch} = {_toml(expected)}" for branch, expected in features.items()]
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
            lines.append(f"{name} = {_toml(field.default)}{note}")
    return lines


def _toml(value: Any) -> str:
    if isinstance(value, BaseModel):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    return json.dumps(value)
