"""What the daemon says: the guide's lines on stdout, narration on stderr, and on a terminal a progress bar."""

import contextlib
import os
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from fxwatch.records.analysis import Analysis
from fxwatch.records.lines import console_lines
from fxwatch.terminal import clean, say, tell


class Narrator:
    """Speaks for the daemon. Lines go between two states of the bar, so that neither garbles the other."""

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._heard = True

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=None, visible=False)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def say(self, text: str) -> None:
        """Narrate. Where stderr is closed, nobody is left to tell."""
        with contextlib.suppress(OSError):
            self._between(lambda: say(f"fxwatch: {text}"))

    def analysed(self, analysis: Analysis) -> None:
        """The guide's lines, for as long as somebody reads them."""

        def speak() -> None:
            for line in console_lines(analysis):
                tell(line)

        if not self._heard:
            return
        try:
            self._between(speak)
        except OSError as error:
            self._heard = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is buffered has nowhere to go
            self.say(f"standard output cannot be written ({error.strerror}); its lines are left out from now on")

    def progress(self, what: str, done: int, total: int) -> None:
        """How far it is: analyses done of those known, and what is being done now ("" for nothing)."""
        if self._bar is not None and self._task is not None:
            self._bar.update(
                self._task, description=clean(what, 60), completed=done, total=max(total, done), visible=bool(what)
            )

    def _between(self, speak: Callable[[], object]) -> None:
        if self._bar is None:
            speak()
            return
        self._bar.stop()
        speak()
        self._bar.start()
