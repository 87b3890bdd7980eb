"""`fxwatch sync`: send what waits to Weights & Biases."""

import os
from netrc import NetrcParseError, netrc
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from fxwatch import exit_codes
from fxwatch.commands.configured import analysed_runs, configured
from fxwatch.config import Config, ConfigError
from fxwatch.store.layout import Run, Store
from fxwatch.store.lock import HeldError, held
from fxwatch.sync.board import Account, BoardError, Mode
from fxwatch.sync.outbox import waiting
from fxwatch.sync.passing import passing_folder
from fxwatch.sync.send import Sender
from fxwatch.terminal import say, tell

_LOCK = "sync.lock"


def sync(folder: Path | None, config_file: Path | None) -> int:
    """Send all runs of a folder. Returns the exit code."""
    config, _, watched = configured(config_file, folder)
    store = Store.of(watched.absolute(), config.store.dir)
    runs = analysed_runs(watched, store)
    if not runs:
        return exit_codes.NOTHING
    account = account_of(config)
    if account.mode != "offline" and not _has_key():
        say(
            "fxwatch: W&B needs a key: type `wandb login`, set WANDB_API_KEY, "
            'or write files for later with [wandb] mode = "offline"'
        )
        return exit_codes.FAILURE
    sender = Sender(watched, store, account, config.wandb.group, config.alerts.quiet_minutes * 60)
    try:
        with held(store.root / _LOCK), passing_folder(store):
            done = [_send(sender, store, run) for run in runs]
    except HeldError as error:
        say(f"fxwatch: {store.root} is sent already by {error}")
        return exit_codes.LOCKED
    except OSError as error:
        say(f"fxwatch: {store.root} cannot be written ({error.strerror}); what is to be sent waits")
        return exit_codes.FAILURE
    if account.mode == "offline" and any(store.root.glob("wandb/offline-run-*")):
        tell(f"to upload, type: wandb sync {store.root}/wandb/offline-run-*")
    return exit_codes.OK if all(done) else exit_codes.FAILURE


def account_of(config: Config) -> Account:
    """Where runs go: the configuration before W&B's own environment. Raises ConfigError."""
    mode = config.wandb.chosen_mode()
    if mode not in {"online", "offline", "shared"}:
        raise ConfigError(f"WANDB_MODE is {mode}; fxwatch sends online, offline or shared: set one in [wandb] mode")
    if mode == "shared" and config.wandb.mode is None:
        raise ConfigError(
            'WANDB_MODE is shared; to let fxwatch write to the same run, say [wandb] mode = "shared", too'
        )
    project = config.wandb.project or os.environ.get("WANDB_PROJECT", "fxwatch")
    return Account(project, config.wandb.entity, cast("Mode", mode))


def _send(sender: Sender, store: Store, run: Run) -> bool:
    try:
        count = sender.send(run, lambda text: say(f"fxwatch: {text}"))
    except BoardError as error:
        say(f"fxwatch: run {run.name}: {waiting(store, run)} analyses wait for W&B: {error}")
        return False
    except OSError as error:
        say(f"fxwatch: run {run.name}: {store.root} cannot be written ({error.strerror or error}); its analyses wait")
        return False
    tell(f"{run.name}: {count} analyses sent")
    return True


def _has_key() -> bool:
    """As wandb finds it: in the environment, or in the netrc file that `wandb login` writes."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname or ""
    try:
        return netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, NetrcParseError):
        return False
