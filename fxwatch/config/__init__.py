"""One validated configuration: flag > environment > file > defaults."""

from fxwatch.config.load import DEFAULT_FILE, Loaded, load_config
from fxwatch.config.problems import ENV_PREFIX, ConfigError
from fxwatch.config.sections import (
    ClusterSettings,
    Config,
    DaemonSettings,
    ReportSettings,
    RunSettings,
    StoreSettings,
)
from fxwatch.config.template import template

__all__ = [
    "DEFAULT_FILE",
    "ENV_PREFIX",
    "ClusterSettings",
    "Config",
    "ConfigError",
    "DaemonSettings",
    "Loaded",
    "ReportSettings",
    "RunSettings",
    "StoreSettings",
    "load_config",
    "template",
]
