"""Results to send, and `fxwatch sync` with an environment of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fxwatch.records.base import Verdict
from fxwatch.store.layout import Run, Store
from fxwatch.store.write import RunWriter
from fxwatch.sync.outbox import Outbox, read_outbox
from tests.analyses import analysis
from tests.project import command, environ
from tests.sync.backend import Backend

CANARY = "c0ffee" * 6 + "beef"
"""A key that must be in no file."""

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class Results:
    """A store below a folder, and what was sent of it."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.watched = folder / "outputs"
        self.watched.mkdir()
        self.store = Store.of(self.watched, None)
        self.store.create()

    def add(self, steps: Iterable[int | None], run: str = "exp", verdict: Verdict | None = None, **parts: Any) -> None:
        """Analyses, each with a picture."""
        writer = RunWriter(self.run(run))
        for step in steps:
            one = analysis(step, run, verdict=verdict, **parts)
            writer.commit(one)
            self.run(run).analysis(one.id).png.write_bytes(PNG)
        writer.close()

    def run(self, name: str = "exp") -> Run:
        """A run."""
        return self.store.run(name)

    def environment(self, **more: str) -> dict[str, str]:
        """A home of its own, with a key."""
        own = {name: value for name, value in environ().items() if not name.startswith("WANDB_")}
        places = {f"WANDB_{kind}_DIR": str(self.home / kind.lower()) for kind in ("CACHE", "CONFIG")}
        return {
            **own,
            **places,
            "HOME": str(self.home),
            "WANDB_API_KEY": CANARY,
            "WANDB_ERROR_REPORTING": "false",
            **more,
        }

    def start(self, **more: str) -> subprocess.Popen[str]:
        """Start `fxwatch sync`, at the head of a group of processes."""
        return subprocess.Popen(
            command("sync", str(self.watched)),
            env=self.environment(**more),
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def sync(self, **more: str) -> tuple[int, str, str]:
        """`fxwatch sync`, to its end: exit code, output, errors."""
        process = self.start(**more)
        output, errors = process.communicate(timeout=90)
        return process.returncode, output, errors

    def status(self) -> str:
        """What `fxwatch status` says."""
        asked = command("status", str(self.watched))
        return subprocess.run(asked, env=environ(), cwd=self.home, capture_output=True, text=True, check=True).stdout

    def outbox(self, run: str = "exp") -> Outbox | None:
        """What is noted."""
        return read_outbox(self.store, self.run(run))

    def arrived(self, backend: Backend, number: str = "fxwatch/seq") -> list[int]:
        """The analyses that a server has, by a number of theirs."""
        outbox = self.outbox()
        return [row[number] for row in backend.history(outbox.id)] if outbox else []

    def files(self) -> list[Path]:
        """Offline files, the oldest first."""
        return sorted(
            (self.store.root / "wandb").glob("offline-run-*/run-*.wandb"), key=lambda path: path.stat().st_mtime
        )

    def leaks(self) -> list[Path]:
        """Files that hold the key."""
        return [path for path in self.home.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def records(file: Path) -> list[dict[str, Any]]:
    """An offline file as wandb itself reads it."""
    wandb = Path(sys.executable).parent / "wandb"
    done = subprocess.run(
        [wandb, "leet", "inspect", "--json", file],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "WANDB_ERROR_REPORTING": "false"},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def rows(file: Path) -> list[dict[str, Any]]:
    """The history in an offline file."""
    return [record["history"]["item"] for record in records(file) if record["type"] == "history"]
