"""The sections of the configuration, and what may differ from run to run."""

import ipaddress
import os
import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, field_validator, model_validator

from fxwatch.records.expected_features import EXPECTED_FEATURES, with_the_guides, words
from fxwatch.records.settings import AnalysisSettings, InputSettings, ModelSettings
from fxwatch.records.thresholds import EXPECTED_SHARES, Band, Strict, Thresholds, over


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


class TuiSettings(Strict):
    """The monitor; its choices are options of `fxwatch tui`, so that nothing stands here yet."""


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

    @field_validator("expected", mode="before")
    @classmethod
    def _keep_the_guides_other_ends(cls, bands: Any) -> Any:
        return over(EXPECTED_SHARES, bands)

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
    tui: TuiSettings = TuiSettings()
    runs: dict[str, RunSettings] = {}

    @model_validator(mode="before")
    @classmethod
    def _runs_over_all_else(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("runs"), dict):
            return data
        common = {name: _plain(value) for name, value in data.items() if name in RunSettings.model_fields}
        own = {name: _plain(settings) for name, settings in data["runs"].items()}
        runs = {name: merge(common, part) if isinstance(part, dict) else part for name, part in own.items()}
        return {**data, "runs": runs}

    def for_run(self, name: str) -> "Config":
        """The settings as they are for a run."""
        own = self.runs.get(name, self)
        return self.model_copy(update={**{part: getattr(own, part) for part in RunSettings.model_fields}, "runs": {}})


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def merge(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables of tables, of which what is `above` hides what is below."""
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = merge(merged[key], value) if both else value
    return merged
