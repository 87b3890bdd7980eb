"""`fxwatch status`: the monitor's verdict in plain text or JSON, for scripts and screen readers."""

import json
import sys
import time
from pathlib import Path
from typing import Any

from fxwatch import exit_codes
from fxwatch.config import load_config
from fxwatch.records.base import Verdict, at_or_below, worst
from fxwatch.store.layout import Store
from fxwatch.terminal import say, tell
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.snapshot import Lack, Snapshot
from fxwatch.tui.times import seconds
from fxwatch.tui.view.commands import daemon_command
from fxwatch.tui.view.heartbeat import daemon_words, life, training_words
from fxwatch.tui.view.words import age, moment

_SCHEMA_VERSION = 1


def status(folder: Path | None, config_file: Path | None, *, as_json: bool, fail_on: Verdict | None) -> int:
    """Print how the runs of a folder are, the worst first. Returns the exit code."""
    loaded = load_config(config_file, folder)
    for warning in loaded.warnings:
        say(f"fxwatch: {warning}")
    config = loaded.config
    watched = folder if folder is not None else Path(config.watch.dir)
    reader = StoreReader(Store.of(watched, config.store.dir), watched, config.thresholds, time.time)
    first = reader()
    if first.lack in {Lack.FOLDER, Lack.STORE}:
        say(f"fxwatch: {_lacking(first)}")
        return exit_codes.NOTHING
    return 0
