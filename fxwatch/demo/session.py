"""The demo's two programs: a trainer that writes, and a daemon that explains; both end with the session."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fxwatch.lifetime import end_with_parent

CONFIG = Path(__file__).with_name("config.toml")
_GRACE = 15.0


class SessionError(Exception):
    """One of the two programs has ended before its time; the message holds its last words."""


class Session:
    """A run of its own below `folder`: demo-1, demo-2, … with the programs' logs beside the checkpoints."""

    def __init__(self, folder: Path, *, echo: bool) -> None:
        self.folder = folder.absolute()
        self.run = next(f"demo-{number}" for number in range(1, 10**6) if not (folder / f"demo-{number}").exists())
        self._home = self.folder / self.run
        self._echo = echo
        self._programs: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> Self:
        self._home.mkdir(parents=True)
        try:
            self._start("daemon", ["fxwatch", "daemon", str(self.folder), "--config", str(CONFIG)])
            self._start("trainer", ["fxwatch.demo.train", str(self._home)])
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def lines(self) -> Iterator[str]:
        """What the daemon prints, as it prints it. Raises SessionError when it ends by itself."""
        output = self._programs["daemon"].stdout
        for line in output or ():
            self.check()
            yield line.rstrip("\n")
        raise SessionError(self._last_words("daemon"))

    def wait_for(self, file: Path) -> None:
        """Wait until a file is there, for a few seconds at most. Raises SessionError where a program has ended."""
        until = time.monotonic() + _GRACE
        while not file.exists() and time.monotonic() < until:
            self.check()
            time.sleep(0.05)

    def check(self) -> None:
        """Raise SessionError where a program has ended."""
        for name, program in self._programs.items():
            if program.poll() is not None:
                raise SessionError(self._last_words(name))

    def _start(self, name: str, module_and_arguments: list[str]) -> None:
        with (self._home / f"{name}.log").open("w", encoding="utf-8") as log:
            self._programs[name] = subprocess.Popen(  # noqa: S603
                [sys.executable, "-m", *module_and_arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if self._echo and name == "daemon" else log,
                stderr=log,
                text=True,
                encoding="utf-8",
                env={**os.environ, "PYTHONIOENCODING": "utf-8"},
                preexec_fn=end_with_parent,  # noqa: PLW1509 - nothing here runs threads yet
                start_new_session=True,  # Ctrl-C is for us, and we end them in order
            )

    def _stop(self) -> None:
        for program in self._programs.values():
            program.terminate()
        for program in self._programs.values():
            try:
                program.wait(_GRACE)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()

    def _last_words(self, name: str) -> str:
        code = self._programs[name].wait()
        log = (self._home / f"{name}.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"the demo's {name} has ended with exit code {code}: {log[-1] if log else 'it said nothing'}"
