"""The monitor: a thread reads the store, and the screens show what it found."""

import sys
import time
from collections.abc import Callable
from inspect import isawaitable
from pathlib import Path
from typing import Any

from textual.app import App
from textual.message import Message

from fxwatch.records.thresholds import Thresholds
from fxwatch.store.layout import Store
from fxwatch.tui.hangup import Hangup, end_by_signals
from fxwatch.tui.place import Intent
from fxwatch.tui.poller import Poller, Read
from fxwatch.tui.read.reader import StoreReader
from fxwatch.tui.screens.in_full import InFull
from fxwatch.tui.screens.overview import Overview
from fxwatch.tui.screens.page import Page
from fxwatch.tui.snapshot import Snapshot
from fxwatch.tui.view.commands import report_command
from fxwatch.tui.view.text import name
from fxwatch.tui.view.words import age

_SILENCE = 15.0


class Monitor(App[None]):
    """Watches a store until the user quits, or the terminal goes away.

    `read` and `clock` can be put in its place by tests; `interval` is in seconds.
    """

    CSS_PATH = "monitor.tcss"
    TITLE = "fxwatch"
    ENABLE_COMMAND_PALETTE = False

    class Arrived(Message):
        """The reader has read."""

        def __init__(self, snapshot: Snapshot) -> None:
            super().__init__()
            self.snapshot = snapshot

        def can_replace(self, message: Message) -> bool:
            """A newer snapshot takes the place of one that was not shown yet."""
            return isinstance(message, Monitor.Arrived)

    class Failed(Message):
        """The reader has failed by a mistake of its own."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(
        self,
        store: Store,
        *,
        watched: Path,
        thresholds: Thresholds | None = None,
        clock: Callable[[], float] = time.time,
        read: Read | None = None,
        interval: float = 1.0,
    ) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.snapshot: Snapshot | None = None
        self._poller = Poller(
            read or StoreReader(store, watched, thresholds or Thresholds(), clock),
            deliver=lambda snapshot: self.post_message(self.Arrived(snapshot)),
            fail=lambda error: self.post_message(self.Failed(error)),
            interval=interval,
        )
        self._hangup: Hangup | None = None
        self._heard = time.monotonic()

    def run(self, *arguments: Any, mouse: bool = False, **options: Any) -> None:
        """Run until the user quits. Without the mouse, the terminal's own selection goes on working."""
        super().run(*arguments, mouse=mouse, **options)

    def get_default_screen(self) -> Overview:
        """The overview."""
        return Overview()

    def on_mount(self) -> None:
        """Begin to read, and to look after the terminal."""
        self._poller.start()
        self.set_interval(_SILENCE / 3, self._tell_silence)
        if not self.is_headless and sys.__stdin__ is not None:
            self._hangup = Hangup(sys.__stdin__.fileno(), lambda: self.call_from_thread(self.exit))
            self._hangup.start()
            end_by_signals(self.exit)

    def on_page_opened(self) -> None:
        """Show in a new screen what was read before."""
        self._refresh_page()

    def on_unmount(self) -> None:
        """Stop reading."""
        self._poller.stop()
        if self._hangup is not None:
            self._hangup.stop()

    def on_monitor_arrived(self, message: Arrived) -> None:
        """Show what was read."""
        self.snapshot = message.snapshot
        self._heard = time.monotonic()
        self._refresh_page()

    def on_monitor_failed(self, message: Failed) -> None:
        """A mistake in the reader ends the monitor with its traceback, like any other mistake."""
        raise message.error

    async def action_perform(self, action: str) -> None:
        """Do what a key asks for, by its entry in the table of actions."""
        self.page.notice("")
        verb, _, argument = action.partition(":")
        done = getattr(self, f"do_{verb}")(*([argument] if argument else []))
        if isawaitable(done):
            await done

    @property
    def page(self) -> Page:
        """The screen in front."""
        if not isinstance(self.screen, Page):
            raise TypeError(f"{self.screen} is no page")
        return self.screen

    def do_quit(self) -> None:
        """Leave."""
        self.exit()

    async def do_help(self) -> None:
        """Show all keys."""
        await self._open("help")

    async def do_panel(self, subject: str) -> None:
        """Show a panel alone."""
        await self._open(subject)

    def do_back(self) -> None:
        """Show the overview again."""
        self._leave()
        self._refresh_page()

    def do_scroll(self, stride: str) -> None:
        """Scroll what is shown alone."""
        if isinstance(self.screen, InFull):
            self.screen.scroll_by(stride)

    def do_look(self, intent: str) -> None:
        """Look elsewhere, in time or at another run."""
        if intent in {Intent.NEXT_RUN, Intent.PREVIOUS_RUN} and self.snapshot and len(self.snapshot.runs) < 2:
            self.page.notice("there is no other run")
            return
        self._poller.ask(Intent(intent))

    def do_copy(self) -> None:
        """Copy the path of the report."""
        if self.snapshot is None or self.snapshot.png is None:
            command = report_command(self.snapshot) if self.snapshot else "fxwatch report"
            self.page.notice(f"no PNG has been drawn yet: {command}")
            return
        self.copy_to_clipboard(self.snapshot.png)
        self.page.notice(f"copied {name(self.snapshot.png, 1000)}")

    async def _open(self, subject: str) -> None:
        if isinstance(self.screen, InFull):
            if self.screen.subject == subject:
                self.do_back()
                return
            self._leave()
        await self.push_screen(InFull(subject))

    def _leave(self) -> None:
        _ = self.pop_screen()  # to wait for it here would be to wait for oneself

    def _tell_silence(self) -> None:
        """A file system that hangs must not look like a run that stands still."""
        silent = time.monotonic() - self._heard
        if silent > _SILENCE:
            self.page.notice(f"nothing could be read for {age(silent)}: does the file system of the results answer?")

    def _refresh_page(self) -> None:
        if self.snapshot is not None and self.page.is_open:
            self.page.show(self.snapshot)
