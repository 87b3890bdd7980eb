"""A user's project in a folder: model code, configuration, and what training writes; and `fxwatch` run on it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fxwatch.records.ledger import LedgerLine
from fxwatch.store.layout import Store
from fxwatch.store.lines import read_lines
from tests.policies import HF_AND_PORTFOLIO, GuideLike, random_states

ROOT = Path(__file__).parent.parent

CONFIG = """
[model]
factory = "my_model:build"

[analysis]
actions = ["HOLD", "BUY", "SELL"]
max_states = 8
n_samples = 4
"""

MODEL = """
from tests.policies import GuideLike

def build(**arguments):
    return GuideLike(**arguments)
"""


class Evil:
    """What makes a file where it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.canary}",)


class Project:
    """A project below a folder; its outputs are watched."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.outputs = folder / "outputs"
        self.outputs.mkdir(parents=True)
        (folder / "config.toml").write_text(config)
        (folder / "my_model.py").write_text(MODEL)
        self.store = Store.of(self.outputs, None)

    def checkpoint(self, name: str = "model_100.pt", seed: int = 0, **extra: Any) -> Path:
        """A checkpoint of the guide's kind."""
        torch.manual_seed(seed)
        path = self.outputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save({"model_state_dict": GuideLike().state_dict(), **extra}, path)
        return path

    def states(self, name: str = "states.npz", seed: int = 0, **arrays: Any) -> Path:
        """A dump of states."""
        path = self.outputs / name
        path.parent.mkdir(parents=True, exist_ok=True)
        made = {**random_states(HF_AND_PORTFOLIO, seed=seed).branches, **arrays}
        np.savez(path, **{branch: array for branch, array in made.items() if array is not None})
        return path

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run `fxwatch` in the project, to its end."""
        return subprocess.run(  # noqa: PLW1510
            command(*arguments),
            cwd=self.folder,
            env=environ(**environment),
            capture_output=True,
            text=True,
            timeout=120,
        )

    def ok(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The same, where all has to go well."""
        done = self.run(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `fxwatch` in the project."""
        return subprocess.Popen(
            command(*arguments),
            cwd=self.folder,
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ledger(self) -> dict[str, LedgerLine]:
        """The newest line of every path."""
        return {line.path: line for line in read_lines(self.store.ledger, LedgerLine)}

    def analyses(self, run: str = "default") -> list[dict[str, Any]]:
        """All analyses of a run, as they completed."""
        history = self.store.run(run).history
        lines = history.read_text().splitlines() if history.exists() else []
        found = [self.store.run(run).analysis(json.loads(line)["id"]).json for line in lines]
        return [json.loads(path.read_text()) for path in found]


def command(*arguments: str) -> list[str]:
    """`fxwatch` with arguments."""
    return [sys.executable, "-m", "fxwatch", *arguments]


def environ(**changes: str) -> dict[str, str]:
    """The environment of a user who can import this repository, without settings of fxwatch.

    But one: tests keep both processors busy, and a daemon would wait for them.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("FXWATCH_")}
    told = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "FXWATCH_DAEMON__CPU_PRESSURE": "100"}
    return {**own, **told, **changes}


def eventually(true: Callable[[], Any], seconds: float = 60) -> Any:
    """What a condition gives once it holds. Fails when it does not in time."""
    until = time.monotonic() + seconds
    while not (found := true()):
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)
    return found
